"""The live feed: what happens, in one ring in memory that any number of readers follow.

Contract: `publish` may be called from any thread and never waits. Every entry has a number, one
more than the one before; a reader asks for what follows a number. Memory is bounded by the ring
alone, since readers keep nothing but their place: who is too slow finds that the oldest are gone,
and is told how many. A place also names this process, so that a reader who comes back after a
restart is told that entries are missing instead of waiting for numbers that were of another.

Entries hold no bodies and no secrets: records, log lines that were redacted, conditions.
"""

import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

import trio

from omniroute.control.api.answers import Event
from omniroute.logs import redact
from omniroute.record import Record

Kind = Literal["request", "log", "condition"]

ENTRIES: Final = 2_000
READERS: Final = 64
LOST: Final = "lost"
"""The event that says how many entries a reader has missed."""

_ERROR_LETTERS: Final = 500


class TooManyReaders(Exception):
    """The feed has as many readers as it bears."""


class Entry(NamedTuple):
    """One thing that happened."""

    number: int
    kind: Kind
    source: Record | dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """What readers see. Made when one is there to see it: most records pass by unread."""
        source = self.source
        return record_in_short(source) if isinstance(source, Record) else source


Wanted = Callable[[Entry], bool]


class Live:
    """The ring, and who follows it."""

    def __init__(self, entries: int = ENTRIES, readers: int = READERS) -> None:
        self._origin = secrets.token_hex(4)
        self._ring: list[Entry | None] = [None] * entries  # each at its number modulo the length
        self._last = 0
        self._lock = threading.Lock()
        self._places = readers
        self._readers: set[Reader] = set()
        self._loop: trio.lowlevel.TrioToken | None = None

    @property
    def readers(self) -> int:
        """How many follow just now."""
        return len(self._readers)

    def publish(self, kind: Kind, sources: Iterable[Record | dict[str, Any]]) -> None:
        """Add entries, in this order."""
        with self._lock:
            for each in sources:
                self._last += 1
                self._ring[self._last % len(self._ring)] = Entry(self._last, kind, each)
            loop = self._loop if self._readers else None
        if loop is not None:
            with suppress(trio.RunFinishedError):  # the readers have gone with it
                loop.run_sync_soon(self._wake, idempotent=True)

    def publish_records(self, records: Iterable[Record]) -> None:
        """Finished requests, as the history keeps them."""
        self.publish("request", records)

    def read(self, wanted: Wanted, after: str = "") -> "Reader":
        """Follow the feed from the loop that calls: what comes next, or all after a place.

        `after` is the id of the last event that was received, "" for none. Raises TooManyReaders.
        """
        if len(self._readers) >= self._places:
            raise TooManyReaders(f"{self._places} follow the feed already")
        self._loop = trio.lowlevel.current_trio_token()
        with self._lock:
            place, missed = self._last, False
            if after:
                origin, _, number = after.partition("-")
                known = origin == self._origin and number.isdecimal() and int(number) <= self._last
                place = int(number) if known else self._oldest() - 1
                missed = not known
        reader = Reader(self, wanted, place, missed=missed)
        self._readers.add(reader)
        return reader

    def take(self, place: int) -> tuple[int, Entry | None]:
        """How many entries behind this place are gone, and the first that is there."""
        with self._lock:
            first = max(place + 1, self._oldest())
            there = self._ring[first % len(self._ring)] if first <= self._last else None
        return first - 1 - place, there

    def id_of(self, number: int) -> str:
        """The place behind an entry, as readers repeat it."""
        return f"{self._origin}-{number}"

    def leave(self, reader: "Reader") -> None:
        self._readers.discard(reader)

    def _oldest(self) -> int:
        return max(1, self._last - len(self._ring) + 1)

    def _wake(self) -> None:
        for reader in tuple(self._readers):
            reader.wake()


class Reader:
    """One who follows: a source of events. Made by `Live.read`; to be closed."""

    def __init__(self, live: Live, wanted: Wanted, place: int, *, missed: bool) -> None:
        self._live = live
        self._wanted = wanted
        self._place = place
        self._seen_before_restart = missed
        self._more = trio.Event()

    async def next(self) -> Event | None:
        """The next event that is wanted; waits for it. Cancelled, it has lost nothing."""
        while True:
            if self._seen_before_restart:
                self._seen_before_restart = False
                return self._lost(None)
            self._more = trio.Event()
            gone, entry = self._live.take(self._place)
            if gone:
                self._place += gone
                return self._lost(gone)
            if entry is None:
                await self._more.wait()
                continue
            self._place = entry.number
            if self._wanted(entry):
                return Event(entry.data, entry.kind, self._live.id_of(entry.number))

    async def aclose(self) -> None:
        self._live.leave(self)

    def wake(self) -> None:
        """There may be more; called in the reader's loop."""
        self._more.set()

    def _lost(self, count: int | None) -> Event:
        """`missed` is null when nobody knows: the process was another one."""
        return Event({"missed": count}, LOST, self._live.id_of(self._place))


def record_in_short(record: Record) -> dict[str, Any]:
    """A finished request for people who watch: names as `shown` in the request log."""
    usage = record.usage
    return {
        "id": record.id,
        "started_ms": record.started_ms,
        "key_id": record.key_id,
        "client_format": record.client_format,
        "endpoint": record.endpoint,
        "provider": record.provider,
        "connection": record.connection,
        "requested_model": record.requested_model,
        "model": record.model,
        "combo": record.combo,
        "stream": record.stream,
        "status": record.status,
        "outcome": record.outcome,
        "attempts": record.attempts,
        "error": redact(record.error[:_ERROR_LETTERS]),
        "cache": record.cache,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_microusd": record.cost_microusd,
        "first_byte_us": record.first_byte_us,
        "total_us": record.total_us,
    }
