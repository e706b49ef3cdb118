"""The past as meters are primed with it: the history in the database, made as complete as can be.

What the outbox still holds is written to the history first. Where that fails, as on a full disk,
it is counted from the outbox; a record that a drain inserted and was killed before it forgot counts
twice then, and never not at all. Nobody else may drain meanwhile.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from omniroute.control.drain import BATCH, DrainStatus, History, drain_once
from omniroute.record import Record
from omniroute.state.interface import State
from omniroute.state.layout import decode_record
from omniroute.store.interface import UsedRow

_ALL = 1 << 24


class Sums(History, Protocol):
    """What is needed of the store."""

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]: ...


class StoredPast:
    """A `priming.Past`."""

    def __init__(self, state: State, store: Sums, drain: DrainStatus) -> None:
        self._state = state
        self._drain = drain
        self._store = store

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]:
        return self._store.used_since(since_ms, span_ms)

    def left_over(self) -> list[Record]:
        while drain_once(self._state, self._store, BATCH, self._drain) == BATCH:
            pass
        records = []
        for _, blob in self._state.drain(_ALL):
            try:
                records.append(decode_record(blob))
            except msgspec.MsgspecError:
                continue  # counted and thrown away by the drain that can write again
        return records


class NoPast:
    """That of a fresh installation, for which no SQL library need be loaded."""

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]:
        return iter(())

    def left_over(self) -> list[Record]:
        return []
