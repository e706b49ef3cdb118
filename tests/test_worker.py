"""A worker waits for its word, beats while it lives, and leaves for every good reason."""

import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from omniroute import worker as worker_module
from omniroute.installation import Installation
from omniroute.link import Link, Message, pair
from omniroute.state.interface import State
from omniroute.state.lmdb_state import open_state
from omniroute.worker import Worker

MAP_BYTES = 8 << 20


class StandInGateway:
    """Serves nothing until it is drained; remembers the limits it was given."""

    made: "list[StandInGateway]"

    def __init__(self, state: State, installation: Installation, worker_id: int) -> None:
        self.worker_id = worker_id
        self.limits: list[float] = []
        self.inflight = 3
        self.noted = 0
        self._drained = trio.Event()
        self.may_end = trio.Event()
        self.may_end.set()
        type(self).made.append(self)

    async def serve(
        self,
        listener: socket.socket,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        task_status.started()
        await self._drained.wait()
        await self.may_end.wait()

    def note_running(self) -> None:
        self.noted += 1

    def drain(self, limit_s: float) -> None:
        self.limits.append(limit_s)
        self._drained.set()


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> list[StandInGateway]:
    monkeypatch.setattr(StandInGateway, "made", [], raising=False)
    monkeypatch.setattr(worker_module, "Gateway", StandInGateway)
    # It would change this very process.
    monkeypatch.setattr(worker_module, "spare_the_collector", lambda: None)
    return StandInGateway.made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "d"


def make_state(data_dir: Path) -> None:
    installation = Installation.open(data_dir, create=True)
    # One process cannot have it open twice, and the worker under test is in this one.
    open_state(installation.lmdb_dir, map_bytes=MAP_BYTES, create=True).close()


@pytest.fixture
def state(data_dir: Path) -> None:
    make_state(data_dir)


class Line:
    """The supervisor's end, and the worker running at the other."""

    def __init__(self, data_dir: Path) -> None:
        ours, theirs = pair()
        self.link = Link(ours)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.worker = Worker(
            data_dir=data_dir, worker_id=5, listener=self.listener, link_socket=theirs
        )
        self.left = trio.Event()

    async def run(self) -> None:
        await self.worker.run()
        self.left.set()

    async def go(self) -> None:
        await self.link.send("go", drain_timeout_s=7.0, map_bytes=MAP_BYTES)

    async def until(self, type_: str) -> Message:
        with trio.fail_after(20):
            while True:
                message = await self.link.receive()
                assert message is not None
                if message["type"] == type_:
                    return message

    async def until_left(self) -> None:
        with trio.fail_after(20):
            await self.left.wait()


@pytest.fixture
async def line(data_dir: Path, nursery: trio.Nursery) -> AsyncIterator[Line]:
    made = Line(data_dir)
    nursery.start_soon(made.run)
    yield made
    await made.link.aclose()


async def test_it_serves_when_told_and_says_ready_and_beats(
    state: None, gateways: list[StandInGateway], line: Line
) -> None:
    await line.go()
    await line.until("ready")
    assert (await line.until("beat"))["inflight"] == 3
    await line.until("beat")
    assert gateways[0].noted, "how far requests are is noted with each beat"
    assert gateways[0].worker_id == 5
    await line.link.send("drain", limit_s=2.5)
    await line.until_left()
    assert gateways[0].limits == [2.5]


async def test_it_beats_on_while_it_drains(
    state: None, gateways: list[StandInGateway], line: Line
) -> None:
    await line.go()
    await line.until("ready")
    gateways[0].may_end = trio.Event()
    await line.link.send("drain", limit_s=2.5)
    for _ in range(3):
        await line.until("beat")
    assert not line.left.is_set()
    gateways[0].may_end.set()
    await line.until_left()


async def test_it_leaves_when_the_supervisor_is_gone(
    state: None, gateways: list[StandInGateway], line: Line
) -> None:
    await line.go()
    await line.until("ready")
    await line.link.aclose()
    await line.until_left()
    assert gateways[0].limits == [7.0]
    assert line.listener.fileno() == -1


async def test_it_leaves_without_serving_when_drained_before_it_may_go(
    gateways: list[StandInGateway], line: Line
) -> None:
    await line.link.send("drain", limit_s=1.0)
    await line.until_left()
    assert gateways == []


async def test_it_leaves_without_serving_when_the_supervisor_dies_early(
    gateways: list[StandInGateway], line: Line
) -> None:
    await line.link.aclose()
    await line.until_left()
    assert gateways == []


async def test_it_waits_for_a_state_that_is_being_made(
    data_dir: Path, gateways: list[StandInGateway], line: Line
) -> None:
    Installation.open(data_dir, create=True)
    await line.go()
    await trio.sleep(0.2)
    assert gateways == []
    make_state(data_dir)
    await line.until("ready")
    await line.link.send("drain", limit_s=1.0)
    await line.until_left()


async def test_it_leaves_when_the_state_is_deleted_under_it(
    state: None, data_dir: Path, gateways: list[StandInGateway], line: Line
) -> None:
    await line.go()
    await line.until("ready")
    shutil.rmtree(data_dir / "state.lmdb")
    await line.until_left()
    assert gateways[0].limits == [7.0]


def test_a_missing_installation_is_an_error_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker_module.logs, "configure", lambda *_, **__: None)
    monkeypatch.setattr(worker_module.logs, "tell_where_it_hangs", lambda: None)
    monkeypatch.setattr(worker_module.signal, "signal", lambda *_: None)
    ours, theirs = pair()
    listener = socket.create_server(("127.0.0.1", 0))
    ours.sendall(b'{"type":"go","drain_timeout_s":1,"map_bytes":1}\n')
    arguments = [
        *("--data-dir", str(tmp_path / "nothing"), "--worker-id", "1"),
        *("--listen-fd", str(listener.detach()), "--link-fd", str(theirs.detach())),
    ]
    assert worker_module.main(arguments) == 1
    assert "is missing" in caplog.text
    ours.close()
