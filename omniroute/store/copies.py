"""Copies of the database while it is in use: taken, checked, and put back.

A copy is made by SQLite's online backup in one step, so it is the state between two transactions,
whoever writes meanwhile and without keeping anybody waiting; it is a single 0600 file without side
files, and appears whole or not at all. Putting one back goes the other way round, in one
transaction over the open database: readers see the old or the new, and no connection breaks.
sqlite.org/backup.html, sqlite.org/wal.html.
"""

import contextlib
import os
import re
import sqlite3
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from omniroute.store import startup
from omniroute.store.interface import (
    StoreDamaged,
    StoreError,
    check_revision,
    translating,
)

_MAGIC = b"SQLite format 3\0"  # sqlite.org/fileformat.html
_NEEDED = ("requests", "client_keys", "meta")


FOLDER = "backups"
"""Beside the database: where copies of it are kept."""

_TIME = "%Y-%m-%dT%H-%M-%S"
_NAME = re.compile(r"db_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(\d{3})Z_([a-z0-9-]{1,40})\.sqlite")


class Found(NamedTuple):
    """What a database holds, as far as people want to know before they use it."""

    revision: str
    requests: int
    keys: int
    entities: int


class Kept(NamedTuple):
    """A copy that is kept, as its name tells."""

    name: str
    at_ms: int
    reason: str


def name_of(at_ms: int, reason: str) -> str:
    """The name of a copy made at that time: in the order of time, and right on any file system."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"db_{at.strftime(_TIME)}-{at_ms % 1000:03}Z_{reason}.sqlite"


def kept(name: str) -> Kept | None:
    """What a name tells; None when it is not that of a copy."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        at = datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Kept(name, round(at.timestamp()) * 1000 + int(found[2]), found[3])


def keep_aside(database: Path, at_ms: int, reason: str) -> Path:
    """A copy of the database in its folder of copies. Raises `StoreError` and its kinds."""
    folder = database.with_name(FOLDER)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {error.strerror}") from error
    target = folder / name_of(at_ms, reason)
    copy(database, target)
    return target


def copy(source: Path, target: Path) -> None:
    """Copies the database as it is between two transactions. Raises `StoreError` and its kinds."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        startup.create_private(part)
        with (
            translating(source, f"copy the database to {target}"),
            contextlib.closing(sqlite3.connect(source)) as reading,
            contextlib.closing(sqlite3.connect(part)) as writing,
        ):
            reading.backup(writing)
            # A file that stands alone.
            writing.execute("PRAGMA journal_mode=DELETE")
        _flush(part)
        part.replace(target)
        _flush(target.parent)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def check(path: Path) -> Found:
    """Whether the file is a whole database of this gateway that this version can bring to its own
    schema; what it holds.

    It must hold nothing but tables and indexes, so that nothing in it acts by itself. Raises
    `StoreDamaged`, `StoreNewer` or `StoreError`, saying what is wrong.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise StoreDamaged(f"{path.name} is no SQLite database")
    with (
        translating(path, "check the database"),
        contextlib.closing(sqlite3.connect(path)) as connection,
    ):
        connection.execute("PRAGMA trusted_schema=OFF")
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            raise StoreDamaged(f"{path.name} is damaged: {'; '.join(problems)}")
        check_revision(startup.read_revision(connection) or "", path)
        acting = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') "
            "OR sql LIKE 'CREATE VIRTUAL%'"
        ).fetchone()
        if acting is not None:
            raise StoreError(
                f"{path.name} has a {acting[0]}, {acting[1]}, that is not of OmniRoute"
            )
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        missing = [name for name in _NEEDED if name not in tables]
        if missing:
            raise StoreError(f"{path.name} has no table {missing[0]}")
        return Found(
            revision=startup.read_revision(connection) or "",
            requests=_count(connection, "requests"),
            keys=_count(connection, "client_keys"),
            entities=_count(connection, "entities") if "entities" in tables else 0,
        )


def check_schema(path: Path) -> None:
    """Whether a database that says it has this version's schema has it, to the letter.

    Raises `StoreError`.
    """
    with (
        translating(path, "check the database"),
        contextlib.closing(sqlite3.connect(path)) as connection,
        contextlib.closing(sqlite3.connect(":memory:")) as fresh,
    ):
        fresh.executescript(files("omniroute.store").joinpath("head.sql").read_text())
        known, found = _schema(fresh), _schema(connection)
    different = sorted(name for name in known | found if known.get(name) != found.get(name))
    if different:
        raise StoreError(f"{path.name} differs from what OmniRoute makes in {', '.join(different)}")


def put_back(source: Path, target: Path, *, busy_timeout_ms: int) -> None:
    """Makes the open database `target` what `source` is, in one transaction.

    For `Store.replace`, which keeps the writers of this process away.
    """
    with (
        translating(target, f"restore {source.name}"),
        contextlib.closing(sqlite3.connect(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        startup.configure(writing, busy_timeout_ms)
        reading.backup(writing)


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows}


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
