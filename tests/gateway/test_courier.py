"""The courier brings what it is given, never keeps a request waiting, and tells what it loses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from omniroute.gateway import courier as module
from omniroute.gateway.courier import Courier
from omniroute.spool import CapturedBody, Entry, Spool


def body(name: str) -> CapturedBody:
    return CapturedBody(name, 0, "client", "request", 0, 1, b"x")


def arrived(spool: Spool) -> list[Entry]:
    return [entry for file in spool.waiting() for entry in spool.read(file)]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


class TellingSpool(Spool):
    """Tells the test when something was written, from whichever thread."""

    written = trio.Event()

    def write(self, entries: Sequence[Entry]) -> Path:
        file = super().write(entries)
        trio.from_thread.run_sync(self.written.set)
        return file


async def test_what_is_sent_arrives_some_together(tmp_path: Path, autojump_clock: object) -> None:
    spool = TellingSpool(tmp_path / "spool")
    courier = Courier(spool)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        for names in (["a", "b"], ["c"]):
            spool.written = trio.Event()
            for name in names:
                courier.send(1, lambda name=name: [body(name)])
            await spool.written.wait()
            assert arrived(spool)[-len(names) :] == [body(name) for name in names]
        assert len(spool.waiting()) == 2
        nursery.cancel_scope.cancel()


def test_what_still_waits_is_written_at_the_end(spool: Spool) -> None:
    courier = Courier(spool)
    courier.send(module.FILE_BYTES, lambda: [body("a")])
    courier.send(1, lambda: [body("b")])
    courier.flush()
    assert arrived(spool) == [body("a"), body("b")]
    assert len(spool.waiting()) == 2
    courier.flush()
    assert len(spool.waiting()) == 2


def test_a_defect_in_what_makes_entries_ends_nothing(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> list[Entry]:
        raise ZeroDivisionError

    courier = Courier(spool)
    courier.send(1, broken)
    courier.flush()
    courier.send(1, lambda: [body("a")])
    courier.flush()
    assert arrived(spool) == [body("a")]
    assert courier.lost == 1
    assert "ZeroDivisionError" in caplog.text


def test_what_comes_faster_than_it_is_written_is_lost_and_counted(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    courier = Courier(spool)
    for _ in range(3):
        courier.send(module.MOST_BYTES // 2, lambda: [body("a")])
    assert courier.lost == 1
    courier.flush()
    for _ in range(module.MOST_ENTRIES + 5):
        courier.send(0, list)
    assert courier.lost == 6
    assert caplog.text.count("are lost") == 2  # once each time that it begins


def test_a_spool_that_cannot_be_written_costs_what_was_to_be_written_and_no_more(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.directory.write_bytes(b"in the way")
    courier = Courier(spool)
    for name in ("a", "b"):
        courier.send(module.FILE_BYTES, lambda name=name: [body(name)])
    courier.flush()
    assert courier.lost == 2
    assert caplog.text.count("are lost") == 1
    spool.directory.unlink()
    courier.send(1, lambda: [body("c")])
    courier.flush()
    assert arrived(spool) == [body("c")]
