"""Migrations, the script for new databases and the tables in code are one schema."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from omniroute.record import Record
from omniroute.store import migrate, schema
from omniroute.store.copies import FOLDER, check
from omniroute.store.database import Store
from omniroute.store.filters import RequestFilter
from omniroute.store.interface import HEAD, KNOWN_REVISIONS
from omniroute.usage import Usage

ROOM = Path(migrate.__file__).parent


def test_the_script_for_new_databases_is_what_all_migrations_make():
    hint = "run `python -m omniroute.store.migrate` and keep its output as head.sql"
    assert (ROOM / "head.sql").read_text() == migrate.head_script(), hint


def test_the_tables_in_code_are_what_all_migrations_make():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_the_known_revisions_are_those_of_the_migrations():
    config = Config()
    config.set_main_option("script_location", str(ROOM / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert [step.revision for step in script.walk_revisions()][::-1] == list(KNOWN_REVISIONS)
    assert script.get_current_head() == HEAD


def test_the_columns_have_the_order_of_the_records_fields_and_the_slice_is_last():
    names: list[str] = []
    for field in Record.__struct_fields__:
        names += Usage.__struct_fields__ if field == "usage" else [field]
    assert [column.name for column in schema.requests.columns] == [*names, "slice_id"]


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The oldest database there can be: one that stands before the first step."""
    path = tmp_path / "omniroute.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES ('older')")
    connection.commit()
    connection.close()
    monkeypatch.setattr("omniroute.store.interface.KNOWN_REVISIONS", ("older", HEAD))
    real = migrate.upgrade

    def from_the_beginning(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM alembic_version")
        real(connection)

    monkeypatch.setattr(migrate, "upgrade", from_the_beginning)
    return path


def test_opening_brings_an_older_database_to_head(older):
    for new in (1, 0):
        store = Store.open(older)
        assert store.insert_records([Record(id="r", started_ms=1)]) == new
        store.close()


def test_records_of_the_first_schema_are_read_after_the_upgrade(tmp_path):
    path = tmp_path / "omniroute.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(ROOM / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        known = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(requests)")]
        values = [f"'{name}'" if name == "id" else "0" for name in known]
        connection.exec_driver_sql(f"INSERT INTO requests VALUES ({', '.join(values)})")
    engine.dispose()
    store = Store.open(path)
    (record,) = store.requests(9)
    assert (record.id, record.tier, record.queue_us, record.tried) == ("id", "", 0, ())
    # It is found and summed like any other, and what was there before is kept aside.
    assert store.history.page(RequestFilter(model=("0",)), 9).records == [record]
    (row,) = store.analytics.sums(by=("model",))
    assert (row.by, row.requests) == ({"model": "0"}, 1)
    store.close()
    (aside,) = (tmp_path / FOLDER).iterdir()
    assert check(aside)[:2] == ("0001", 1)
    assert "before-migration" in aside.name


def test_a_migration_that_fails_leaves_the_database_as_it_was(older, monkeypatch):
    steps = migrate.upgrade

    def fail(connection: Connection) -> None:
        steps(connection)
        raise RuntimeError("half way")

    monkeypatch.setattr(migrate, "upgrade", fail)
    with pytest.raises(RuntimeError, match="half way"):
        Store.open(older)
    connection = sqlite3.connect(older)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("alembic_version",)]
    assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("older",)]
    connection.close()
