"""Others are told of what the history has taken, and of nothing else."""

from collections.abc import Sequence

import pytest

from omniroute.control.announcing import AnnouncingHistory
from omniroute.record import Record
from omniroute.store.interface import StoreError


class Taken:
    """A history that takes what it does not have, or fails."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.fails = False

    def insert_records(self, records: Sequence[Record]) -> int:
        if self.fails:
            raise StoreError("full")
        new = {record.id for record in records} - self.ids
        self.ids |= new
        return len(new)


def test_all_are_told_of_what_was_taken_and_only_then() -> None:
    taken, told = Taken(), []
    history = AnnouncingHistory(taken, [told.extend, told.extend])
    record = Record(id="a", started_ms=1)
    taken.fails = True
    with pytest.raises(StoreError):
        history.insert_records([record])
    assert told == []
    taken.fails = False
    assert history.insert_records([record]) == 1
    assert told == [record, record]
    assert history.insert_records([record]) == 0
    assert told == [record, record]
