"""What other rooms see of the store without loading it: its errors and its rows."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

KNOWN_REVISIONS = ("0001", "0002")
"""Every revision of the schema this version can meet, oldest first; the last is its own (head).

Kept here, and compared with the migrations by a test, so that a start does not load Alembic.
"""

HEAD = KNOWN_REVISIONS[-1]
BUSY_TIMEOUT_MS = 5_000


class StoreError(Exception):
    """The database cannot be used; the message says what is wrong and what helps."""


class StoreBusy(StoreError):
    """Another process holds the database's write lock: try again later."""


class StoreFull(StoreError):
    """The disk is full: nothing was written; try again when there is room."""


class StoreDamaged(StoreError):
    """The file is not an SQLite database, or a broken one."""


class StoreNewer(StoreError):
    """A newer OmniRoute made the database; this one must not touch it."""


class StoredKey(NamedTuple):
    """A client key. Only its HMAC is kept."""

    id: str
    name: str
    digest: bytes
    created_ms: int
    revoked_ms: int | None = None


class UsedRow(NamedTuple):
    """What was used in one span of time by one key at one connection. Times in Unix ms."""

    key_id: str
    tier: str
    provider: str
    connection: str
    from_ms: int  # the span's begin; requests belong to that in which they ended
    requests: int
    tokens: int
    cost_microusd: int


def translated(error: Exception, path: Path, doing: str) -> StoreError:
    """What the driver raised, as an error of ours. Result codes: sqlite.org/rescode.html."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    told = f"cannot {doing} in {path}: {error}"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{told}. Another process keeps it locked")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFull(f"{told}. Make room on its disk, or check the disk")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(f"{told}. Restore a backup, or move the file away to begin anew")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"{told}. OmniRoute needs to read and write the file and its directory")
    return StoreError(told)


def check_revision(revision: str, path: Path) -> None:
    """Raises `StoreNewer` for a revision this version does not know, "" being a foreign file."""
    if not revision:
        raise StoreError(f"{path} is a database of something else; move it away to begin anew")
    if revision not in KNOWN_REVISIONS:
        raise StoreNewer(
            f"{path} was last used by a newer OmniRoute (schema {revision}; this one knows "
            f"schemas up to {HEAD}). Start that version again, or restore a backup made before it"
        )
