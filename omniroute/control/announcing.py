"""The history, with others who are told of each batch that it has taken: feed, metrics, traces.

They are told after the batch is on the disk, so nobody sees a request that could still be lost. A
batch that is written again after a crash in between is told again; its ids are the same.
"""

from collections.abc import Callable, Sequence

from omniroute.control.drain import History
from omniroute.record import Record

Told = Callable[[Sequence[Record]], None]


class AnnouncingHistory:
    """What the drain writes to."""

    def __init__(self, history: History, told: Sequence[Told]) -> None:
        self._history = history
        self._told = told

    def insert_records(self, records: Sequence[Record]) -> int:
        """As the history's own. Raises StoreError, and then nobody is told."""
        new = self._history.insert_records(records)
        for tell in self._told if new else ():
            tell(records)
        return new
