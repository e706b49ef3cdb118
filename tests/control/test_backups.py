"""Backups: taken, listed, restored with a way back, pruned; nothing else is ever touched."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.control.backups import (
    BEFORE_RESTORE,
    EVERY_MS,
    MANUAL,
    SCHEDULED,
    Backups,
    UnknownBackup,
)
from omniroute.record import Record
from omniroute.store.database import Store
from omniroute.store.interface import StoreDamaged, StoredKey, StoreError

NOW_MS = 1_790_000_000_000


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    store.insert_records([Record(id="r1", started_ms=1)])
    yield store
    store.close()


@pytest.fixture
def backups(store: Store, clock: Clock) -> Backups:
    return Backups(store, clock)


def test_a_backup_is_private_and_listed_by_what_it_is(backups, tmp_path):
    backup = backups.create()
    assert backups.all() == [backup]
    assert (backup.reason, backup.at_ms) == (MANUAL, NOW_MS + 1)
    path = backups.path_of(backup.name)
    assert path.stat().st_size == backup.size_bytes
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "backups").stat().st_mode) == 0o700


def test_one_that_is_deleted_while_they_are_listed_is_left_out(backups):
    backup = backups.create()
    gone = backups.path_of(backups.create().name)
    gone.unlink()
    gone.symlink_to("nowhere")  # found in the folder, and not there when it is looked at
    assert backups.all() == [backup]


def test_without_any_there_is_nothing_to_list(backups):
    assert backups.all() == []


def test_a_restore_brings_back_what_was_and_keeps_what_is(backups, store):
    store.entities.create("combo", "a", '{"n": 1}', 1)
    backup = backups.create()
    store.entities.delete("combo", "a")
    store.insert_records([Record(id="r2", started_ms=2)])
    restored = backups.restore(backup.name)
    assert [entity.id for entity in store.entities.all()] == ["a"]
    assert store.count_requests() == restored.found.requests == 1
    assert restored.before.reason == BEFORE_RESTORE
    backups.restore(restored.before.name)
    assert store.entities.all() == []
    assert store.count_requests() == 2


def test_a_restore_changes_neither_sign_in_nor_revocations(backups, store):
    store.set_meta("admin.password", "old")
    store.keys.add(StoredKey("k", "laptop", b"d", 1))
    backup = backups.create()
    store.set_meta("admin.password", "new")
    store.keys.revoke("k", 5)
    backups.restore(backup.name)
    assert store.get_meta("admin.password") == "new"
    assert store.keys.all() == []


def test_a_damaged_backup_changes_nothing(backups, store, tmp_path):
    backup = backups.create()
    store.insert_records([Record(id="r2", started_ms=2)])
    path = backups.path_of(backup.name)
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises((StoreDamaged, StoreError)):
        backups.restore(backup.name)
    assert store.count_requests() == 2
    assert [kept.name for kept in backups.all()] == [backup.name]
    assert [file.name for file in (tmp_path / "backups").iterdir()] == [backup.name]


@pytest.mark.parametrize(
    "name", ["", "omniroute.sqlite", "../omniroute.sqlite", "db_2026-01-01T00-00-00-000Z_x.sqlite"]
)
def test_only_names_of_backups_name_files(backups, name):
    for act in (backups.path_of, backups.restore, backups.delete):
        with pytest.raises(UnknownBackup):
            act(name)


def test_pruning_keeps_the_latest_and_never_deletes_the_last(backups, clock):
    for _ in range(5):
        backups.create()
        clock.now_ms += 1_000
    latest = [backup.name for backup in backups.all()][:3]
    assert backups.prune(keep_latest=3) == 2
    assert [backup.name for backup in backups.all()] == latest
    assert backups.prune(keep_latest=None, max_age_ms=1_500) == 2
    clock.now_ms += EVERY_MS
    assert backups.prune(keep_latest=0, max_age_ms=1) == 0
    assert [backup.name for backup in backups.all()] == latest[:1]
    backups.delete(latest[0])
    assert backups.all() == []


def test_pruning_touches_nothing_else(backups, tmp_path):
    backups.create()
    backups.create()
    other = tmp_path / "backups" / "db_mine.sqlite"
    other.write_text("mine")
    backups.prune(keep_latest=1)
    assert other.read_text() == "mine"
    assert len(backups.all()) == 1


def test_the_schedule_is_kept_whatever_else_is_backed_up(backups, clock):
    backups.keep_schedule()
    backups.create()
    backups.keep_schedule()
    assert [backup.reason for backup in backups.all()] == [MANUAL, SCHEDULED]
    clock.now_ms += EVERY_MS
    backups.keep_schedule()
    assert [backup.reason for backup in backups.all()].count(SCHEDULED) == 2


def test_a_clock_that_was_set_back_does_not_stop_the_schedule(backups, clock):
    backups.keep_schedule()
    clock.now_ms -= 10 * EVERY_MS
    backups.keep_schedule()
    assert len(backups.all()) == 2
