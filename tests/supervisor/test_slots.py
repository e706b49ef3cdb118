"""Each place's command line carries exactly what its process is to know."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from omniroute.children import Child
from omniroute.supervisor import SupervisorPlan, slots
from omniroute.supervisor.slots import Slots


class Spawned(list[tuple[str, list[str], dict[str, socket.socket]]]):
    """What was asked to be spawned."""

    def __call__(
        self, module: str, arguments: Sequence[str], descriptors: Mapping[str, socket.socket]
    ) -> Child:
        self.append((module, list(arguments), dict(descriptors)))
        return Child(_NoProcess(), None)  # type: ignore[arg-type]


class _NoProcess:
    pid = 7

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Spawned:
    made = Spawned()
    monkeypatch.setattr(slots, "spawn", made)
    return made


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield made
    for sock in made:
        sock.close()


def test_everything_is_spawned_at_once_with_its_socket(
    spawned: Spawned, sockets: list[socket.socket], tmp_path: Path
) -> None:
    plan = SupervisorPlan(data_dir=tmp_path, workers=2, simulator=True, simulator_socket=sockets[2])
    Slots(plan, sockets[0], sockets[1]).spawn_all()
    assert [module for module, _, _ in spawned] == [
        "omniroute.control",
        "omniroute.worker",
        "omniroute.worker",
        "omniroute.simulator",
    ]
    assert [list(given.values()) for _, _, given in spawned] == [
        [sockets[1]],
        [sockets[0]],
        [sockets[0]],
        [sockets[2]],
    ]


def test_control_gets_the_sources_of_the_configuration(
    spawned: Spawned, sockets: list[socket.socket], tmp_path: Path
) -> None:
    overrides: dict[str, Any] = {"server.port": 1, "server.host": "::1"}
    plan = SupervisorPlan(data_dir=tmp_path, config_file=tmp_path / "c.toml", overrides=overrides)
    made = Slots(plan, sockets[0], sockets[1])
    made.control.fill()
    _, arguments, _ = spawned[0]
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert json.loads(options["--overrides"]) == overrides
    assert options["--config"] == str(tmp_path / "c.toml")
    assert options["--endpoint"] == made.endpoint
    assert options["--dashboard"] == made.dashboard


def test_a_later_control_knows_that_it_replaces_one(
    spawned: Spawned, sockets: list[socket.socket], tmp_path: Path
) -> None:
    made = Slots(SupervisorPlan(data_dir=tmp_path), sockets[0], sockets[1])
    made.control.fill()
    made.map_bytes = 1
    made.control.fill()
    assert ["--is-replacement" in arguments for _, arguments, _ in spawned] == [False, True]


def test_a_place_that_cannot_be_filled_stays_empty_and_says_so(
    sockets: list[socket.socket],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> Child:
        raise OSError("no more processes")

    monkeypatch.setattr(slots, "spawn", fail)
    made = Slots(SupervisorPlan(data_dir=tmp_path), sockets[0], sockets[1])
    made.spawn_all()
    assert made.workers[0].child is None
    assert "cannot spawn worker 1: no more processes" in caplog.text
    made.kill_all()  # nothing there, nothing to kill


def test_a_place_describes_itself(
    spawned: Spawned, sockets: list[socket.socket], tmp_path: Path
) -> None:
    made = Slots(SupervisorPlan(data_dir=tmp_path), sockets[0], sockets[1])
    assert made.workers[0].describe()["pid"] is None
    made.workers[0].fill()
    assert made.workers[0].describe() == {
        "worker": 1,
        "pid": 7,
        "state": "starting",
        "inflight": 0,
        "restarts": 0,
    }
    assert (made.workers[0].name, made.control.name) == ("worker 1", "control")
