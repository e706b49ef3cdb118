"""What control reads before the first request: cheap, private, and clear about what it refuses."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute.store.database import Store
from omniroute.store.interface import (
    HEAD,
    StoreBusy,
    StoreDamaged,
    StoredKey,
    StoreError,
    StoreNewer,
)
from omniroute.store.startup import StartStore

ROOT = Path(__file__).parents[2]
KEY = StoredKey("k1", "laptop", b"d" * 32, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "omniroute.sqlite"


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_start_loads_neither_sqlalchemy_nor_alembic(path):
    script = (
        "import sys; from pathlib import Path; from omniroute.store.startup import StartStore\n"
        "StartStore.open(Path(sys.argv[1])).close()\n"
        "print(sorted({'sqlalchemy', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_a_new_database_is_at_head_and_for_its_owner_only(path):
    with StartStore.open(path) as store:
        assert not store.needs_migration
        assert store.client_keys() == []
        store.set_meta("a", "b")
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert len(list(path.parent.iterdir())) == 3  # the journal and its index, too
    assert modes == {0o600}


def test_the_stored_configuration_is_read_in_the_order_that_people_gave(path):
    store = Store.open(path)
    for id_ in ("a", "b"):
        store.entities.create("combo", id_, "{}", 7)
    store.entities.reorder("combo", ["b"], 8)
    kept = store.entities.all()
    store.close()
    with StartStore.open(path) as start:
        assert start.entities() == kept
    assert [entity.id for entity in kept] == ["b", "a"]


def test_keys_and_facts_stay(path):
    with StartStore.open(path) as store:
        store.add_client_key(KEY)
        store.set_meta("fact", "one")
        store.set_meta("fact", "two")
    with StartStore.open(path) as store:
        assert store.client_keys() == [KEY]
        assert store.get_meta("fact") == "two"
        assert store.get_meta("none") is None


def test_a_key_is_not_stored_twice(path):
    with StartStore.open(path) as store:
        store.add_client_key(KEY)
        with pytest.raises(StoreError, match="UNIQUE"):
            store.add_client_key(KEY._replace(id="k2"))


def test_a_revoked_key_is_not_in_force(path):
    with StartStore.open(path) as store:
        store.add_client_key(KEY._replace(revoked_ms=9))
        assert store.client_keys() == []


def test_an_older_database_asks_for_its_migration_and_is_not_touched(path, monkeypatch):
    StartStore.open(path).close()
    monkeypatch.setattr("omniroute.store.interface.KNOWN_REVISIONS", ("0000", HEAD))
    run(path, "UPDATE alembic_version SET version_num = '0000'")
    with StartStore.open(path) as store:
        assert store.needs_migration


def test_a_database_of_a_newer_version_is_refused(path):
    StartStore.open(path).close()
    run(path, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreNewer, match=r"newer OmniRoute.*0999"):
        StartStore.open(path)


def test_a_database_of_something_else_is_refused(path):
    run(path, "CREATE TABLE notes (text)")
    with pytest.raises(StoreError, match="something else"):
        StartStore.open(path)


def test_a_file_that_is_no_database_is_told_with_the_way_out(path):
    path.write_bytes(b"no database at all" * 500)
    with pytest.raises(StoreDamaged, match="Restore a backup"):
        StartStore.open(path)


def test_a_locked_database_is_busy_not_broken(path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy, match="locked"):
        StartStore.open(path, busy_timeout_ms=10)
    other.execute("ROLLBACK")
    other.close()
    StartStore.open(path, busy_timeout_ms=10).close()


def test_a_directory_in_the_place_of_the_file_is_told(path):
    path.mkdir()
    with pytest.raises(StoreError, match="cannot open"):
        StartStore.open(path)
