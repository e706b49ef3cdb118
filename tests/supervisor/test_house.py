"""The supervisor's rules, with children that speak the link and serve nothing.

The children are real processes, since their deaths and silences are what is tested; the whole
gateway under the same supervisor is in tests/processes.
"""

import json
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from omniroute import children, supervisor
from omniroute.supervisor import Ready, SupervisorPlan, house, slots

pytestmark = pytest.mark.processes


class Fakes:
    """The folder through which a test and its stand-in children talk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behave({})

    def behave(self, by_module: dict[str, Any]) -> None:
        (self.folder / "behaviour.json").write_text(json.dumps(by_module))

    def journal(self) -> list[str]:
        """Lines of "name pid event"."""
        return (self.folder / "journal").read_text().splitlines()

    def events(self, name: str) -> list[str]:
        lines = (line.split(" ", 2) for line in self.journal())
        return [event for who, _, event in lines if who == name]

    def pids(self, name: str) -> list[int]:
        lines = (line.split(" ", 2) for line in self.journal())
        return [int(pid) for who, pid, event in lines if who == name and "started" in event]

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(30):
            while True:
                if condition():
                    return
                await trio.sleep(0.02)

    def plan(self, after_ready: Callable[[Ready], Awaitable[None]], **changes: Any) -> Any:
        async def then_stop(ready: Ready) -> None:
            await after_ready(ready)
            signal.raise_signal(signal.SIGTERM)

        return SupervisorPlan(
            data_dir=self.folder / "d", port=0, dashboard_port=0, after_ready=then_stop, **changes
        )


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    def spawn_fake(
        module: str, arguments: list[str], descriptors: dict[str, socket.socket]
    ) -> children.Child:
        return children.spawn(
            "tests.processes.fake_child", [module, str(tmp_path), *arguments], descriptors
        )

    monkeypatch.setattr(slots, "spawn", spawn_fake)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Fakes(tmp_path)
    root.handlers[:], root.level = before


async def nothing_more(_: Ready) -> None:
    pass


def test_workers_go_when_control_has_published_and_leave_before_it(fakes: Fakes) -> None:
    plan = fakes.plan(nothing_more, workers=2, drain_timeout_s=9.0)
    assert supervisor.run(plan) == 0
    for worker in ("worker1", "worker2"):
        assert fakes.events(worker) == ["started", "go 7 9.0", "drain", "leaves"]
    assert fakes.events("control") == ["started", "stop", "leaves"]
    order = [line.split()[0] for line in fakes.journal() if line.endswith("leaves")]
    assert order[-1] == "control"


def test_ready_is_told_once_with_what_the_first_start_made(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    told = {"password": "pw", "link": "http://x/#link=t", "api_key": "sk-omni-1"}
    fakes.behave({"omniroute.control": {"first_start": told}})
    seen: list[Ready] = []

    async def look(ready: Ready) -> None:
        seen.append(ready)

    assert supervisor.run(fakes.plan(look)) == 0
    assert len(seen) == 1
    assert seen[0].first_start == told
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == f"READY {seen[0].endpoint} {seen[0].dashboard}"
    assert sum("sk-omni-1" in line for line in lines) == 1


def test_a_later_start_tells_no_secrets(fakes: Fakes, capfd: pytest.CaptureFixture[str]) -> None:
    assert supervisor.run(fakes.plan(nothing_more)) == 0
    assert "First start" not in capfd.readouterr().out


def test_a_refused_start_ends_everything(fakes: Fakes, capfd: pytest.CaptureFixture[str]) -> None:
    fakes.behave({"omniroute.control": {"refuse": "omniroute.toml:3: no such key"}})
    assert supervisor.run(fakes.plan(nothing_more, workers=2)) == 2
    captured = capfd.readouterr()
    assert "omniroute.toml:3: no such key" in captured.err
    assert "READY" not in captured.out
    assert len(fakes.pids("control")) == 1


def test_a_dead_worker_is_replaced_and_control_is_told(fakes: Fakes) -> None:
    async def kill_one(_: Ready) -> None:
        (pid,) = fakes.pids("worker1")
        os.kill(pid, signal.SIGKILL)
        await fakes.until(lambda: len(fakes.pids("worker1")) == 2)
        await fakes.until(lambda: f"child_died worker 1 {pid}" in fakes.events("control"))
        await fakes.until(lambda: fakes.events("worker1").count("go 7 30.0") == 2)

    assert supervisor.run(fakes.plan(kill_one, workers=2)) == 0
    assert len(fakes.pids("worker2")) == 1


def test_a_dead_control_is_replaced_and_knows_that_it_is_a_replacement(fakes: Fakes) -> None:
    async def kill_control(_: Ready) -> None:
        os.kill(fakes.pids("control")[0], signal.SIGKILL)
        await fakes.until(lambda: "started as replacement" in fakes.events("control"))

    assert supervisor.run(fakes.plan(kill_control)) == 0
    # The worker was let go once and not disturbed again.
    assert fakes.events("worker1") == ["started", "go 7 30.0", "drain", "leaves"]


def test_a_replacement_that_refuses_does_not_end_the_traffic(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def break_control(_: Ready) -> None:
        fakes.behave({"omniroute.control": {"refuse": "broken meanwhile"}})
        os.kill(fakes.pids("control")[0], signal.SIGKILL)
        await fakes.until(lambda: len(fakes.pids("control")) == 3)
        fakes.behave({})
        await fakes.until(lambda: len(fakes.pids("control")) == 4)

    assert supervisor.run(fakes.plan(break_control)) == 0
    assert len(fakes.pids("worker1")) == 1


def test_a_silent_worker_is_killed_and_replaced(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fall_silent(_: Ready) -> None:
        os.kill(fakes.pids("worker1")[0], signal.SIGSTOP)
        await fakes.until(lambda: len(fakes.pids("worker1")) == 2)

    assert supervisor.run(fakes.plan(fall_silent, heartbeat_timeout_s=1.0)) == 0
    assert "was silent for 1 s" in capfd.readouterr().err


def test_a_child_that_sends_nonsense_is_killed_and_replaced(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def talk_nonsense(_: Ready) -> None:
        fakes.behave({"omniroute.worker": {"nonsense": True}})
        os.kill(fakes.pids("worker1")[0], signal.SIGKILL)
        await fakes.until(lambda: len(fakes.pids("worker1")) == 3)
        fakes.behave({})
        await fakes.until(lambda: len(fakes.pids("worker1")) == 4)

    assert supervisor.run(fakes.plan(talk_nonsense)) == 0
    assert "sent a message that is none" in capfd.readouterr().err


def test_a_crash_loop_is_slowed_down_and_said(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def crash(_: Ready) -> None:
        fakes.behave({"omniroute.worker": {"crash": True}})
        os.kill(fakes.pids("worker1")[0], signal.SIGKILL)
        await fakes.until(lambda: len(fakes.pids("worker1")) >= 4)

    assert supervisor.run(fakes.plan(crash)) == 0
    errors = capfd.readouterr().err
    assert "exited with status 3" in errors
    assert "worker 1 keeps dying" in errors


def test_sighup_asks_control_to_reload(fakes: Fakes) -> None:
    async def reload(_: Ready) -> None:
        signal.raise_signal(signal.SIGHUP)
        await fakes.until(lambda: "reload" in fakes.events("control"))

    assert supervisor.run(fakes.plan(reload)) == 0


def test_a_worker_that_does_not_leave_is_killed_after_the_limit(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(house, "_DRAIN_GRACE_S", 0.2)
    fakes.behave({"omniroute.worker": {"stubborn": True}})
    assert supervisor.run(fakes.plan(nothing_more, drain_timeout_s=0.2)) == 0
    assert "worker 1 did not leave in time" in capfd.readouterr().err
    # Control had its orderly end all the same.
    assert fakes.events("control")[-1] == "leaves"


def test_a_second_signal_ends_all_at_once(fakes: Fakes) -> None:
    fakes.behave({"omniroute.worker": {"stubborn": True}})

    async def twice(_: Ready) -> None:
        signal.raise_signal(signal.SIGTERM)
        await fakes.until(lambda: "drain" in fakes.events("worker1"))
        await trio.sleep(house._ONE_WISH_S)

    assert supervisor.run(fakes.plan(twice, drain_timeout_s=600.0)) == 1
    assert "stop" not in fakes.events("control")


def test_one_signal_delivered_twice_is_one_wish(fakes: Fakes) -> None:
    async def at_once(_: Ready) -> None:
        signal.raise_signal(signal.SIGINT)

    assert supervisor.run(fakes.plan(at_once, workers=1)) == 0
    assert fakes.events("control")[-1] == "leaves"


def test_a_data_dir_that_cannot_be_made_is_refused(
    fakes: Fakes, capfd: pytest.CaptureFixture[str]
) -> None:
    (fakes.folder / "d").write_text("a file")
    assert supervisor.run(fakes.plan(nothing_more)) == 2
    assert "cannot be used" in capfd.readouterr().err
