"""The control process's first steps: it tells the supervisor what it cannot start with."""

import socket
from pathlib import Path

import pytest

from omniroute.control import __main__ as control_main
from omniroute.link import Message, SyncLink, pair


@pytest.fixture(autouse=True)
def leave_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_main.signal, "signal", lambda *_: None)
    monkeypatch.setattr(control_main.logs, "configure", lambda *_, **__: None)
    monkeypatch.setattr(control_main.logs, "tell_where_it_hangs", lambda: None)


def start(data_dir: Path, *options: str) -> tuple[int, list[Message]]:
    """Exit status and what the supervisor heard."""
    ours, theirs = pair()
    dashboard = socket.create_server(("127.0.0.1", 0))
    arguments = ["--data-dir", str(data_dir), "--link-fd", str(theirs.detach())]
    arguments += ["--dashboard-fd", str(dashboard.fileno()), *options]
    with dashboard:
        status = control_main.main(arguments)
    link = SyncLink(ours)
    heard = []
    while (message := link.receive(10)) is not None:
        heard.append(message)
    link.close()
    return status, heard


def test_a_wrong_configuration_is_told_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.toml"
    file.write_text("\n[server]\nprot = 1\n")
    status, heard = start(tmp_path / "d", "--config", str(file))
    assert status == 2
    (message,) = heard
    assert message["type"] == "refused"
    assert f"{file}:3: server.prot" in message["message"]


def test_a_data_dir_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("a file")
    status, heard = start(tmp_path / "d")
    assert status == 2
    assert heard[0]["type"] == "refused"


def test_overrides_of_the_command_line_are_in_force(tmp_path: Path) -> None:
    status, heard = start(tmp_path / "d", "--overrides", '{"server.port": "none"}')
    assert status == 2
    assert "option --port" in heard[0]["message"]
