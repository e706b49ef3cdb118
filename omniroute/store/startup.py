"""What control reads from the database before the first request may come.

The standard library's sqlite3 only, on purpose: loading SQLAlchemy and Alembic costs 0.3 s, a fifth
of the whole start-up budget, for what are two small queries. `database.Store` is loaded in a thread
afterwards and does all else. A new database is made here from `head.sql`, the outcome of all
migrations; one of an older version says `needs_migration`, and then the caller must let
`Store.open` migrate it first (rare: the first start after an upgrade).
"""

import os
import sqlite3
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from omniroute.store.interface import (
    BUSY_TIMEOUT_MS,
    HEAD,
    Entity,
    StoredKey,
    StoreError,
    check_revision,
    translating,
)

_ADD_KEY = (
    f"INSERT INTO client_keys ({', '.join(StoredKey._fields)}) "
    f"VALUES ({', '.join('?' * len(StoredKey._fields))})"
)


def configure(connection: sqlite3.Connection, busy_timeout_ms: int) -> None:
    """The settings of every connection, whoever opens it.

    WAL: readers and the one writer do not stop each other. `synchronous=FULL`: the outbox forgets a
    record once it is committed here, so a commit must be on the disk; commits come in batches.
    """
    connection.isolation_level = None  # transactions begin where the code says so
    connection.execute(f"PRAGMA busy_timeout={int(busy_timeout_ms)}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def create_private(path: Path) -> None:
    """Makes an empty 0600 file where there is none; SQLite gives its side files the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


class StartStore:
    """The database during start-up. A context manager; use it in one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, revision: str) -> None:
        self._path = path
        self._connection = connection
        self.needs_migration = revision != HEAD

    @classmethod
    def open(cls, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> "StartStore":
        """Opens the database, makes it when missing. Raises `StoreError` and its kinds."""
        try:
            create_private(path)
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}") from error
        with translating(path, "open the database"):
            connection = sqlite3.connect(path)
        try:
            with translating(path, "open the database"):
                configure(connection, busy_timeout_ms)
                revision = read_revision(connection)
                if revision is None:
                    revision = _create(connection)
            check_revision(revision, path)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, revision)

    def client_keys(self) -> list[StoredKey]:
        """The keys in force, oldest first."""
        with translating(self._path, "read the client keys"):
            rows = self._connection.execute(
                f"SELECT {', '.join(StoredKey._fields)} FROM client_keys "
                "WHERE revoked_ms IS NULL AND digest IS NOT NULL ORDER BY created_ms, id"
            )
            return [StoredKey(*row) for row in rows]

    def entities(self) -> list[Entity]:
        """The stored configuration, in the order that people gave to those of each kind."""
        with translating(self._path, "read the stored configuration"):
            rows = self._connection.execute(
                f"SELECT {', '.join(Entity._fields)} FROM entities ORDER BY kind, position, id"
            )
            return [Entity(*row) for row in rows]

    def add_client_key(self, key: StoredKey) -> None:
        """Raises `StoreError` when its id or digest is there already."""
        with translating(self._path, "add a client key"):
            self._connection.execute(_ADD_KEY, key)

    def get_meta(self, name: str) -> str | None:
        with translating(self._path, "read"):
            row = self._connection.execute(
                "SELECT value FROM meta WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        with translating(self._path, "write"):
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "StartStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_revision(connection: sqlite3.Connection) -> str | None:
    """The schema's revision; None for an empty database, "" for one of something else."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "alembic_version" not in names:
        return "" if names else None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return "" if row is None else str(row[0])


def _create(connection: sqlite3.Connection) -> str:
    script = files("omniroute.store").joinpath("head.sql").read_text()
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been first.
        revision = read_revision(connection)
        if revision is None:
            for statement in script.split(";\n"):
                connection.execute(statement)
            revision = HEAD
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return revision
