"""Upkeep goes by the settings in force, and does nothing while they are not known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.config import Settings
from omniroute.config.guarding import BackupSettings, RetentionSettings
from omniroute.control.backups import SCHEDULED, Backups
from omniroute.control.upkeep import Upkeep
from omniroute.record import Record
from omniroute.store.database import Store

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class House:
    """A store with a request a day, and what the owner has set."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.settings: Settings | None = Settings()
        self.now_ms = 1000 * DAY_MS
        self.backups = Backups(store, lambda: self.now_ms)
        self.upkeep = Upkeep(store, self.backups, lambda: self.settings, lambda: self.now_ms)
        ages = range(1, 11)
        store.insert_records(
            [Record(id=f"r{n}", started_ms=self.now_ms - n * DAY_MS) for n in ages]
        )

    def run(self) -> None:
        for job in self.upkeep.jobs():
            job.work()

    def scheduled(self) -> int:
        return sum(backup.reason == SCHEDULED for backup in self.backups.all())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield House(store)
    store.close()


def test_a_change_of_the_retention_acts_at_the_next_run(house: House) -> None:
    house.run()
    assert house.store.count_requests() == 10
    house.settings = Settings(retention=RetentionSettings(requests_days=4))
    house.run()
    assert house.store.count_requests() == 4


def test_backups_are_taken_as_often_and_kept_as_long_as_is_set(house: House) -> None:
    house.settings = Settings(backups=BackupSettings(every_h=0.5, keep=3))
    for _ in range(10):
        house.run()
        house.now_ms += HOUR_MS // 4
    assert house.scheduled() == 3
    house.settings = Settings(backups=BackupSettings(every_h=1, keep_days=1))
    house.now_ms += 3 * DAY_MS
    house.run()
    assert house.scheduled() == 1


def test_without_a_schedule_none_is_taken(house: House) -> None:
    house.settings = Settings(backups=BackupSettings(every_h=0))
    house.run()
    assert house.backups.all() == []


def test_what_the_owner_wants_is_not_guessed(house: House) -> None:
    house.settings = None
    house.now_ms += 5000 * DAY_MS
    house.run()
    assert house.store.count_requests() == 10
    assert house.backups.all() == []


def test_after_the_stop_nothing_more_than_a_step_is_done(house: House) -> None:
    house.store.insert_records([Record(id=f"old{n}", started_ms=0) for n in range(1000)])
    house.upkeep.stop()
    house.run()
    assert 10 < house.store.count_requests() < 1010
