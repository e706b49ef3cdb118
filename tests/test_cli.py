"""The command line finds the configuration, hands it over, and refuses what is wrong with 2."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from omniroute import __version__, demo, supervisor
from omniroute.cli import main
from omniroute.supervisor import SupervisorPlan


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory and a home of one's own, and the umask as it was."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    old = os.umask(0o022)
    yield tmp_path
    os.umask(old)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[SupervisorPlan]:
    """What the supervisor is asked to run."""
    asked: list[SupervisorPlan] = []

    def run(plan: SupervisorPlan) -> int:
        asked.append(plan)
        return 7

    monkeypatch.setattr(supervisor, "run", run)
    return asked


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_without_a_command_it_serves(
    arguments: list[str], plans: list[SupervisorPlan], elsewhere: Path
) -> None:
    assert main(arguments) == 7
    (plan,) = plans
    assert plan.data_dir == elsewhere / ".omniroute"
    assert (plan.host, plan.port, plan.workers) == ("127.0.0.1", 20128, 1)
    assert (plan.open_browser, plan.config_file, plan.simulator) == (True, None, False)
    assert plan.overrides == {}


@pytest.mark.parametrize("before", [True, False])
def test_options_count_before_and_after_the_command(
    plans: list[SupervisorPlan], before: bool
) -> None:
    options = ["--port", "8080", "--host", "localhost", "--workers", "2", "--no-open"]
    options += ["--drain-timeout", "2.5", "--data-dir", "d"]
    assert main([*options, "serve"] if before else ["serve", *options]) == 7
    (plan,) = plans
    assert (plan.host, plan.port, plan.workers) == ("localhost", 8080, 2)
    assert (plan.drain_timeout_s, plan.open_browser) == (2.5, False)
    assert plan.data_dir == Path.cwd() / "d"
    assert plan.overrides == {
        "server.port": "8080",
        "server.host": "localhost",
        "server.workers": "2",
        "server.drain_timeout_s": "2.5",
    }


def test_what_the_file_says_reaches_the_plan(plans: list[SupervisorPlan]) -> None:
    Path("omniroute.toml").write_text(
        "[server]\nsplit_ports = true\ndashboard_port = 9\nheartbeat_timeout_s = 3\n"
        '[log]\nlevel = "debug"\nformat = "json"\n'
    )
    main([])
    (plan,) = plans
    assert plan.config_file == Path.cwd() / "omniroute.toml"
    assert (plan.split_ports, plan.dashboard_port, plan.heartbeat_timeout_s) == (True, 9, 3.0)
    assert (plan.log_level, plan.log_format) == ("debug", "json")


def test_the_data_dir_is_closed_before_anything_is_put_into_it(
    plans: list[SupervisorPlan], elsewhere: Path
) -> None:
    main([])
    assert (elsewhere / ".omniroute").stat().st_mode & 0o777 == 0o700
    Path("made-later").touch()
    assert Path("made-later").stat().st_mode & 0o777 == 0o600


def test_a_wrong_configuration_is_refused_and_nothing_is_started(
    plans: list[SupervisorPlan], capsys: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    Path("omniroute.toml").write_text("[server]\nprot = 1\n")
    assert main([]) == 2
    assert not plans
    assert not (elsewhere / ".omniroute").exists()
    told = capsys.readouterr().err
    assert "omniroute.toml:2: server.prot" in told
    assert "did you mean port?" in told


def test_a_wrong_option_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--drain-timeout", "soon"]) == 2
    assert "option --drain-timeout: server.drain_timeout_s" in capsys.readouterr().err


def test_a_data_dir_of_others_is_refused(
    plans: list[SupervisorPlan], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("shared").mkdir(mode=0o755)
    Path("shared/holiday.jpg").touch()
    assert main(["--data-dir", "shared"]) == 2
    assert not plans
    assert "directory of its own" in capsys.readouterr().err


def test_the_demo_gets_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(overrides: Mapping[str, object], *, open_browser: bool) -> int:
        asked.append((overrides, open_browser))
        return 0

    monkeypatch.setattr(demo, "run", run)
    assert main(["demo", "--port", "1", "--no-open"]) == 0
    assert asked == [({"server.port": "1"}, False)]


@pytest.mark.parametrize("arguments", [["check", "f.toml"], ["check", "--config", "f.toml"]])
def test_check_reads_the_file_it_is_given(
    arguments: list[str], capsys: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    Path("f.toml").write_text("[server]\nport = 4711\n")
    assert main(arguments) == 0
    assert "http://127.0.0.1:4711" in capsys.readouterr().out
    assert not (elsewhere / ".omniroute").exists()


@pytest.mark.parametrize("text", ["[server]\nport = true\n", '[[providers]]\nid = "unknown"\n'])
def test_check_refuses_what_is_wrong(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.toml").write_text(text)
    assert main(["check", "f.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "f.toml:" in captured.err


def test_check_tells_when_there_is_no_such_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere.toml"]) == 2
    assert "nowhere.toml: cannot be read" in capsys.readouterr().err


def test_doctor_reports(capsys: pytest.CaptureFixture[str]) -> None:
    Path("omniroute.toml").write_text("[server]\nport = 0\ndashboard_port = 0\n")
    assert main(["doctor"]) == 0
    assert "data dir" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"omniroute {__version__}\n"


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--prot", "1"])
    assert left.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, omniroute.cli\n"
        "omniroute.cli.build_parser().format_help()\n"
        "print([name for name in ('msgspec', 'trio', 'tomllib', 'cryptography', 'httpx', "
        "'omniroute.config', 'omniroute.supervisor') if name in sys.modules])"
    )
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "[]\n"
