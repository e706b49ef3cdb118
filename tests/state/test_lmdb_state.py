"""The LMDB state by itself: files, damage, a full map, a full disk."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest

from omniroute.record import Record
from omniroute.state import files, lmdb_opening
from omniroute.state.interface import (
    StateDamaged,
    StateError,
    StateMissing,
    UsageTotals,
)
from omniroute.state.layout import DAY_MS, OutboxKeys, decode_record, encode_record
from omniroute.state.lmdb_state import LmdbState, open_state
from omniroute.usage import Usage

DAY = 20_000
MIB = 1 << 20
RECORD_MARK = b"a mark no page has by chance"
ROOT = Path(__file__).parents[2]


def a_record(number: int, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"r{number}",
        "started_ms": DAY * DAY_MS + number,
        "key_id": "k",
        "model": RECORD_MARK.decode(),
        "usage": Usage(10, 0, 0, 5, 0),
    }
    return Record(**(fields | changes))


def ready(directory: Path, map_bytes: int = 4 * MIB, **options: Any) -> LmdbState:
    state = open_state(directory, map_bytes=map_bytes, create=True, **options)
    if state.needs_rebuild:
        state.rebuild([])
    return state


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state.lmdb"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB. Without the right to mount, the tests with a limit on the size of
    files stand in: they reach the same code by another error."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "omniroute-test", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


# --- files ---


def test_every_file_is_for_its_owner_only(directory):
    state = ready(directory)
    state.settle(a_record(1))
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (directory, *directory.iterdir(), *directory.parent.glob("*.gate"))
    }
    state.close()
    assert modes == {
        "state.lmdb": 0o700,
        "data.mdb": 0o600,
        "lock.mdb": 0o600,
        "state.lmdb.gate": 0o600,
    }


def test_the_file_has_all_its_blocks_before_it_is_mapped_writable(directory):
    state = ready(directory, 8 * MIB)
    figures = (directory / "data.mdb").stat()
    assert state.stats().preallocated
    assert figures.st_blocks * 512 >= figures.st_size == 8 * MIB
    state.close()


def test_a_worker_finds_nothing_until_control_has_created_it(directory):
    with pytest.raises(StateMissing, match="no shared state"):
        open_state(directory, map_bytes=4 * MIB, create=False)
    ready(directory).close()
    open_state(directory, map_bytes=4 * MIB, create=False).close()


def test_what_was_settled_is_there_after_closing_and_opening(directory):
    state = ready(directory)
    state.publish_snapshot(b"snap")
    state.settle(a_record(1))
    state.count_drop("unreadable")
    state.close()
    again = ready(directory)
    assert not again.needs_rebuild
    assert again.read_snapshot() == b"snap"
    assert [decode_record(blob) for _, blob in again.drain(9)] == [a_record(1)]
    assert again.usage("k", DAY).requests == 1
    assert again.stats().dropped == {"unreadable": 1}
    again.close()


def test_a_bigger_map_in_the_configuration_takes_effect_at_the_next_start(directory):
    ready(directory, 4 * MIB).close()
    state = ready(directory, 8 * MIB)
    assert state.stats().map_bytes == 8 * MIB
    assert state.stats().preallocated
    state.close()


def test_a_map_smaller_than_what_is_in_use_is_not_made(directory):
    state = ready(directory, 16 * MIB)
    for number in range(9000):
        state.settle(a_record(number))
    state.close()
    state = ready(directory, 1 * MIB)
    assert state.stats().outbox_records == 9000
    state.close()


def test_an_absurdly_small_map_is_refused(directory):
    with pytest.raises(StateError, match="at least"):
        open_state(directory, map_bytes=1000, create=True)


def test_a_creator_killed_half_way_leaves_nothing_that_disturbs(directory):
    half = directory.with_name("state.lmdb.new")
    half.mkdir()
    (half / "data.mdb").write_bytes(b"half")
    ready(directory).close()
    assert not half.exists()


def test_closing_twice_is_closing_once(directory):
    state = ready(directory)
    state.close()
    state.close()


# --- damage ---


def damage_cut(directory: Path) -> None:
    os.truncate(directory / "data.mdb", 3 * 4096)


def damage_cut_in_header(directory: Path) -> None:
    os.truncate(directory / "data.mdb", 100)


def damage_empty(directory: Path) -> None:
    os.truncate(directory / "data.mdb", 0)


def damage_foreign(directory: Path) -> None:
    (directory / "data.mdb").write_bytes(b"SQLite format 3\0" + b"x" * 100_000)


def damage_inside(directory: Path) -> None:
    """Random bytes over every page but the two of the header."""
    size = 4 * MIB
    with (directory / "data.mdb").open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(size - 2 * 4096))


def damage_records(directory: Path) -> None:
    """Only pages that hold records: opening reads none of them, so only a full check can tell."""
    path = directory / "data.mdb"
    pages = bytearray(path.read_bytes())
    for start in range(2 * 4096, len(pages), 4096):
        if RECORD_MARK in pages[start : start + 4096]:
            pages[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(pages)


def damage_missing(directory: Path) -> None:
    (directory / "data.mdb").unlink()


def damage_other_lmdb(directory: Path) -> None:
    shutil.rmtree(directory)
    other = lmdb.open(str(directory), max_dbs=4)
    with other.begin(write=True) as txn:
        txn.put(b"a", b"b")
    other.close()


DAMAGES = [
    damage_cut,
    damage_cut_in_header,
    damage_empty,
    damage_foreign,
    damage_inside,
    damage_records,
    damage_missing,
    damage_other_lmdb,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_told_with_the_way_out_and_left_alone(directory, damage):
    state = ready(directory)
    for number in range(100):
        state.settle(a_record(number))
    state.close()
    damage(directory)
    for create in (False, True):
        with pytest.raises(StateDamaged, match=r"move .*state\.lmdb away and start again"):
            open_state(directory, map_bytes=4 * MIB, create=create)
    assert not list(directory.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_repair_moves_the_damaged_state_aside_and_says_so(directory, damage):
    state = ready(directory)
    state.settle(a_record(1))
    state.close()
    damage(directory)
    for _ in range(2):
        state = open_state(directory, map_bytes=4 * MIB, create=True, repair=True)
        assert state.needs_rebuild
        (kept,) = directory.parent.glob("*.damaged-*")
        if state.warnings:
            assert str(kept) in state.warnings[0]
        state.close()
    state = open_state(directory, map_bytes=4 * MIB, create=True, repair=True)
    state.rebuild([("k", DAY, (5, 50, 0, 0, 25, 0, 0))])
    state.settle(a_record(2))
    assert state.usage("k", DAY) == UsageTotals(6, 60, 0, 0, 30, 0, 0)
    state.close()


def test_two_repairs_within_a_second_keep_both_broken_states(directory):
    for _ in range(2):
        ready(directory, repair=True).close()
        damage_foreign(directory)
    ready(directory, repair=True).close()
    assert len(list(directory.parent.glob("*.damaged-*"))) == 2


def test_a_state_of_a_newer_version_is_refused_and_not_taken_for_damaged(directory):
    state = ready(directory)
    with state._environment.begin(state._meta, write=True) as txn:
        txn.put(b"schema", (99).to_bytes(2, "big"))
    state.close()
    with pytest.raises(StateError, match="version 99") as told:
        open_state(directory, map_bytes=4 * MIB, create=True, repair=True)
    assert not isinstance(told.value, StateDamaged)


def test_control_completes_a_state_of_the_first_version_and_keeps_what_is_in_it(
    directory, monkeypatch
):
    with monkeypatch.context() as then:
        then.setattr(lmdb_opening, "SCHEMA_VERSION", 1)
        then.setattr(lmdb_opening, "DATABASES", lmdb_opening._FIRST_DATABASES)
        lmdb_opening._create(directory, 4 * MIB)
    with pytest.raises(StateMissing, match="version 1"):
        open_state(directory, map_bytes=4 * MIB, create=False)
    other = lmdb.open(str(directory), max_dbs=32)
    with other.begin(write=True) as txn:
        record = a_record(1)
        outbox = other.open_db(b"outbox", txn=txn)
        txn.put(OutboxKeys(time.time_ns).next(), encode_record(record), db=outbox)
    other.close()

    state = ready(directory)
    assert [decode_record(blob) for _, blob in state.drain(9)] == [record]
    assert state.limits.incarnate()
    assert state.versions() == (0, 0)
    state.close()
    again = open_state(directory, map_bytes=4 * MIB, create=False)
    assert again.stats().outbox_records == 1
    again.close()


def test_a_state_deleted_while_in_use_is_noticed_and_can_be_made_anew(directory):
    state = ready(directory)
    shutil.rmtree(directory)
    assert not state.in_place()
    new = open_state(directory, map_bytes=4 * MIB, create=True)
    assert new.needs_rebuild
    assert not state.in_place()
    assert new.in_place()
    state.settle(a_record(1))  # into the deleted file: nothing breaks
    state.close()
    new.rebuild([])
    new.settle(a_record(2))
    new.close()


def test_a_crash_of_the_machine_makes_the_next_start_check_the_whole_file(directory, monkeypatch):
    ready(directory).close()
    monkeypatch.setattr(lmdb_opening, "_VERIFY_ALWAYS_BYTES", 0)
    checked: list[Path] = []
    monkeypatch.setattr(lmdb_opening, "_verify", checked.append)
    ready(directory).close()
    assert not checked  # it was closed in order
    with files.hold_gate(directory) as gate:
        gate.write(files.Mapping(boot="another run of the machine", map_bytes=1, writemap=True))
    ready(directory).close()
    assert checked == [directory]


def test_the_gate_held_for_too_long_is_told(directory, monkeypatch):
    monkeypatch.setattr(files, "GATE_WAIT_S", 0.0)
    directory.mkdir()
    with (
        files.hold_gate(directory),
        pytest.raises(StateError, match="another process holds"),
        files.hold_gate(directory, wait_s=0.0),
    ):
        pytest.fail("two processes inside the gate")


# --- no room ---


def fill(disk: Path) -> None:
    file = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(file, bytes(4096)):
            pass
    os.close(file)
    assert os.statvfs(disk).f_bfree == 0


def settle_until_full(state: LmdbState, first: int = 0) -> int:
    """Settles until one record is dropped; returns the number of the next."""
    number = first
    while state.settle(a_record(number)):
        number += 1
    return number + 1


def assert_counted(state: LmdbState, settled: int) -> None:
    """Counters know all, outbox and drops share them."""
    figures = state.stats()
    assert state.usage("k", DAY) == UsageTotals(settled, settled * 10, 0, 0, settled * 5, 0, 0)
    assert figures.outbox_records + sum(figures.dropped.values()) == settled


def test_a_full_map_drops_log_records_and_counts_them_while_counters_go_on(directory):
    state = ready(directory, MIB)
    settled = settle_until_full(state)
    for number in range(settled, settled + 500):
        state.settle(a_record(number, key_id="k"))
    for key in range(200):  # counters that are new have room, too
        state.settle(a_record(key, key_id=f"key{key}"))
    assert state.usage("key199", DAY).requests == 1
    assert state.stats().dropped["map_full"] == 1 + 500 + 200
    assert state.stats().owed == 0
    state.publish_snapshot(b"x" * 50_000)
    state.close()


def test_the_drain_makes_room_again_in_a_full_map(directory):
    state = ready(directory, MIB)
    settled = settle_until_full(state)
    for _ in range(5):
        while batch := state.drain(100):
            state.forget([key for key, _ in batch])
        assert state.settle(a_record(settled))
        settled = settle_until_full(state, settled + 1)
    assert state.stats().dropped == {"map_full": 5 + 1}
    assert state.usage("k", DAY).requests == settled
    state.close()


def test_a_stuck_reader_fills_the_map_and_counters_wait_in_memory(directory):
    """A reader keeps every page from its time: the map fills though little is in it."""
    state = ready(directory, MIB)
    state.settle(a_record(0))
    reader = state._environment.begin()
    for settled in range(1, 3000):
        state.settle(a_record(settled))
        if settled % 50 == 0 and not state.stats().owed:
            with contextlib.suppress(StateError):  # removing needs pages, too
                state.forget([key for key, _ in state.drain(50)])
    assert state.stats().owed == 1
    assert state.usage("k", DAY).requests == 3000  # what is owed counts, for whoever owes it
    reader.abort()
    assert state.settle(a_record(3000))
    assert state.stats().owed == 0
    assert state.all_usage()["k", DAY].requests == 3001
    assert state.stats().dropped["map_full"] > 1000
    state.close()


def test_on_a_small_full_disk_the_state_works_without_being_allocated(small_disk):
    state = ready(small_disk / "state.lmdb", 64 * MIB)
    assert not state.stats().preallocated
    assert "disk is full" in state.warnings[0]
    settled = settle_until_full(state)
    for number in range(settled, settled + 300):
        state.settle(a_record(number))
    assert_counted(state, settled + 300)
    assert state.stats().dropped["disk_full"] > 0
    while batch := state.drain(100):
        state.forget([key for key, _ in batch])
    assert state.settle(a_record(0))
    state.close()


def test_an_allocated_state_survives_the_disk_filling_up_around_it(small_disk):
    state = ready(small_disk / "state.lmdb", 2 * MIB)
    assert state.stats().preallocated
    fill(small_disk)
    settled = settle_until_full(state)
    assert_counted(state, settled)
    state.sync()
    state.close()


def test_a_disk_without_room_for_a_new_state_is_told(small_disk):
    fill(small_disk)
    with pytest.raises(StateError, match=r"state\.lmdb"):
        open_state(small_disk / "state.lmdb", map_bytes=2 * MIB, create=True)


LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from omniroute.record import Record
from omniroute.state.lmdb_state import open_state
state = open_state(Path(sys.argv[1]), map_bytes=8 << 20, create=True)
state.rebuild([])
kept = sum(state.settle(Record(id=str(n), started_ms=0, key_id="k")) for n in range(9000))
figures = state.stats()
assert not figures.preallocated and "allocated" in state.warnings[0], state.warnings
assert 0 < kept == figures.outbox_records < 9000, (kept, figures)
assert figures.dropped == {"disk_full": 9000 - kept}, figures
assert state.usage("k", 0).requests == 9000, (state.usage("k", 0), figures)
while batch := state.drain(100):
    state.forget([key for key, _ in batch])
assert state.settle(Record(id="again", started_ms=0, key_id="k"))
state.close()
print("as it should be")
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="there are no resource limits")
def test_a_file_that_may_not_grow_is_a_full_disk(directory):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(directory)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "as it should be", done.stderr
