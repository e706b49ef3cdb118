"""Copies: whole, private, alone, checked before they are trusted, put back at one moment."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.record import Record
from omniroute.store import copies
from omniroute.store.database import Store
from omniroute.store.filters import EVERYTHING
from omniroute.store.interface import (
    StoreDamaged,
    StoreError,
    StoreNewer,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    store.insert_records([Record(id=f"r{n}", started_ms=n) for n in range(500)])
    store.entities.create("combo", "c", "{}", 1)
    yield store
    store.close()


@pytest.fixture
def copied(store: Store, tmp_path: Path) -> Path:
    target = tmp_path / "copy.sqlite"
    copies.copy(store.path, target)
    return target


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_copy_is_private_complete_and_stands_alone(store, copied, tmp_path):
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    assert copies.check(copied) == copies.Found("0003", 500, 0, 1)
    copies.check_schema(copied)
    assert {path.name for path in tmp_path.iterdir()} - {
        "omniroute.sqlite",
        "omniroute.sqlite-wal",
        "omniroute.sqlite-shm",
    } == {"copy.sqlite"}


def test_a_copy_that_fails_leaves_nothing(store, tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        copies.copy(store.path, tmp_path / "no such folder" / "copy.sqlite")
    (tmp_path / "broken").write_bytes(b"no database" * 100)
    with pytest.raises(StoreDamaged):
        copies.copy(tmp_path / "broken", tmp_path / "copy.sqlite")
    assert not list(tmp_path.glob("copy*"))


def test_a_damaged_file_is_refused(copied):
    blob = bytearray(copied.read_bytes())
    blob[len(blob) // 2 : len(blob) // 2 + 4096] = b"\xff" * 4096
    copied.write_bytes(blob)
    with pytest.raises(StoreDamaged):
        copies.check(copied)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"PK\3\4" * 1000)
    with pytest.raises(StoreDamaged, match="no SQLite database"):
        copies.check(path)


def test_a_newer_or_foreign_database_is_refused(copied, tmp_path):
    change(copied, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreNewer):
        copies.check(copied)
    foreign = tmp_path / "foreign.sqlite"
    change(foreign, "CREATE TABLE notes (text)")
    with pytest.raises(StoreError, match="something else"):
        copies.check(foreign)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON requests BEGIN DELETE FROM audit; END",
        "CREATE VIEW v AS SELECT * FROM meta",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
    ],
)
def test_what_acts_by_itself_is_refused(copied, statement):
    change(copied, statement)
    with pytest.raises(StoreError, match="not of OmniRoute"):
        copies.check(copied)


def test_a_database_without_a_needed_table_is_refused(copied):
    change(copied, "DROP TABLE client_keys")
    with pytest.raises(StoreError, match="no table client_keys"):
        copies.check(copied)


def test_a_schema_that_is_not_ours_to_the_letter_is_refused(copied):
    copies.check_schema(copied)
    change(copied, "CREATE INDEX extra ON requests (model)")
    with pytest.raises(StoreError, match="extra"):
        copies.check_schema(copied)


def test_names_tell_time_and_reason():
    name = copies.name_of(1_790_000_000_123, "before-import")
    assert name == "db_2026-09-21T14-13-20-123Z_before-import.sqlite"
    assert copies.kept(name) == copies.Kept(name, 1_790_000_000_123, "before-import")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../omniroute.sqlite",
        "db_2026-09-21T14-13-20-123Z_../x.sqlite",
        "db_2026-99-21T14-13-20-123Z_manual.sqlite",
        "db_2026-09-21T14-13-20-123Z_manual.sqlite\n",
    ],
)
def test_other_names_are_none_of_copies(name):
    assert copies.kept(name) is None


def test_the_database_becomes_the_copy_for_all_its_connections(store, copied):
    store.insert_records([Record(id="later", started_ms=9_999, model="new")])
    assert store.count_requests() == 501
    store.replace(copied)
    assert store.count_requests() == 500
    assert store.history.get("later") is None
    # Slices are known anew, too.
    store.insert_records([Record(id="again", started_ms=9_999, model="new")])
    assert store.history.values()["model"] == ["new"]


def test_replacing_is_not_part_of_a_transaction(store, copied):
    with store.transaction(), pytest.raises(StoreError, match="inside of a transaction"):
        store.replace(copied)


WRITER = """
import sys
from pathlib import Path
from omniroute.record import Record
from omniroute.store.database import Store

store = Store.open(Path(sys.argv[1]))
store.entities.create("pair", "one", "0", 0)
store.entities.create("pair", "two", "0", 0)
for number in range(1, 1_000_000):
    with store.transaction():
        store.entities.replace("pair", "one", str(number), 0)
        store.entities.replace("pair", "two", str(number), 0)
    store.insert_records([Record(id=f"w{number}.{n}", started_ms=number) for n in range(10)])
    if number == 5:
        print("writing", flush=True)
"""


@pytest.mark.processes
def test_a_copy_taken_under_load_is_of_one_moment_and_is_put_back_under_load(tmp_path):
    path = tmp_path / "omniroute.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        for number in range(10):
            copied = tmp_path / f"copy{number}.sqlite"
            copies.copy(path, copied)
            one_moment(copied)
        store = Store.open(path)
        store.replace(copied)
        assert writer.poll() is None  # still writing, on what was put back
        store.close()
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()
    one_moment(path)


def one_moment(path: Path) -> None:
    copies.check(path)
    store = Store.open(path)
    one, two = (entity.body for entity in store.entities.all("pair"))
    written = len(list(store.history.records(EVERYTHING)))
    store.close()
    assert one == two
    assert written % 10 == 0
