"""Brings to control what workers leave in the spool, without a request that waits for a disk.

Contract: `send` takes a function that makes entries and never blocks nor fails; what it makes is
made and written in a thread, some together, soon afterwards. Waiting is bounded in bytes and in
number: beyond that, and when the spool is full or cannot be written, entries are lost, counted in
`lost` and told once. A worker that is killed loses what it had not yet written; none of it is
needed for limits or bills.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import trio

from omniroute.spool import Entry, Spool, SpoolFull

GATHER_S: Final = 0.2  # what comes within it makes one file
MOST_BYTES: Final = 32 << 20  # that wait to be written
MOST_ENTRIES: Final = 10_000
FILE_BYTES: Final = 8 << 20

Make = Callable[[], Sequence[Entry]]

_log = logging.getLogger("omniroute.gateway")


class Courier:
    """Of one worker. `run` must be running for anything to arrive, or `flush` be called."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: deque[tuple[int, Make]] = deque()
        self._bytes = 0
        self._something = trio.Event()
        self._failing = False
        self.lost = 0

    def send(self, size: int, make: Make) -> None:
        """`size`: about how many bytes it will be."""
        if self._bytes + size > MOST_BYTES or len(self._waiting) >= MOST_ENTRIES:
            self._lose(1, "they come faster than they are written")
            return
        self._waiting.append((size, make))
        self._bytes += size
        self._something.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._something.wait()
            await trio.sleep(GATHER_S)
            self._something = trio.Event()
            while batch := self._batch():
                with trio.CancelScope(shield=True):  # what was taken is written
                    await trio.to_thread.run_sync(self._write, batch)

    def flush(self) -> None:
        """Write what waits, here and now: this worker ends."""
        while batch := self._batch():
            self._write(batch)

    def _batch(self) -> list[Make]:
        batch: list[Make] = []
        size = 0
        while self._waiting and size < FILE_BYTES:
            weight, make = self._waiting.popleft()
            size += weight
            batch.append(make)
        self._bytes -= size
        return batch

    def _write(self, batch: Sequence[Make]) -> None:
        try:
            self._spool.write([entry for make in batch for entry in make()])
        except (SpoolFull, OSError) as error:
            self._lose(len(batch), str(error))
        except Exception:
            # A defect here must not end the worker, whose requests need nothing of this.
            _log.exception("captured bodies or connects through proxies could not be written")
            self.lost += len(batch)
        else:
            self._failing = False

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        if not self._failing:
            self._failing = True
            _log.error("captured bodies or connects through proxies are lost: %s", why)
