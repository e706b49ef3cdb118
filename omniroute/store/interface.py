"""What other rooms see of the store without loading it: its errors and its rows."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

KNOWN_REVISIONS = ("0001", "0002", "0003")
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


class EntityExists(StoreError):
    """There is one of this kind and id already."""


class EntityMissing(StoreError):
    """There is none of this kind and id."""


class EntityChanged(StoreError):
    """It has another version than the one that was to be changed: somebody was first."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version  # the present one


class Entity(NamedTuple):
    """One thing that people edit, as it is stored. Times in Unix ms.

    `body` is the JSON of its settings. A secret in it is a string that begins with `SEALED`.
    `version` grows with each change and is never used again for any entity of any kind, so it
    serves as an ETag even across deleting and creating anew.
    """

    kind: str
    id: str
    body: str
    version: int
    position: int  # in the order that people gave to those of its kind
    created_ms: int
    updated_ms: int


SEALED = "sealed:"
"""Begins each string in an entity's body or a key's settings that holds a sealed secret.

What follows is base64 of what `Installation.encrypt` made. In a copy without credentials, the name
of such a value is missing with it.
"""


class StoredKey(NamedTuple):
    """A client key. Only its HMAC is kept; a copy without credentials has none (b"")."""

    id: str
    name: str
    digest: bytes
    created_ms: int
    revoked_ms: int | None = None
    settings: str = "{}"  # JSON
    version: int = 1  # grows with each change of it
    previous_digest: bytes | None = None  # of the key before the last rotation
    previous_until_ms: int | None = None  # until when that one is accepted as well


class AdminKey(NamedTuple):
    """A key for scripts that use the management API. Only its HMAC is kept."""

    id: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    last_used_ms: int | None = None


class StoredSession(NamedTuple):
    """A browser that signed in. Only the HMAC of its id is kept."""

    digest: bytes
    signed_in_ms: int
    seen_ms: int
    ends_ms: int  # whatever happens
    address: str
    agent: str
    revoked_ms: int | None = None


class AuditEntry(NamedTuple):
    """One change that somebody made. `before` and `after` are JSON without secrets, or ""."""

    at_ms: int
    actor: str  # who: a session, an admin key, the local token
    action: str  # what in short, as `combos.update`
    route: str  # method and path as declared
    entity: str  # kind and id of what was changed
    before: str = ""
    after: str = ""
    address: str = ""
    id: int = 0  # given by the store; later entries have higher ones


class StoredBody(NamedTuple):
    """A captured body, sealed. `size` is that of the body itself before it was cut."""

    request_id: str
    attempt: int  # 0 for what the client sent and got
    side: str  # client | upstream
    direction: str  # request | response
    at_ms: int
    size: int
    sealed: bytes


class ProxyConnect(NamedTuple):
    """One connection made, or tried, through a proxy."""

    at_ms: int
    proxy: str  # without credentials
    target: str  # host:port
    level: str  # connection | combo | provider | global | environment
    provider: str
    connection: str
    outcome: str  # ok | failed
    error: str = ""
    took_us: int = 0
    id: int = 0  # given by the store; later entries have higher ones


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


@contextlib.contextmanager
def translating(path: Path, doing: str) -> Iterator[None]:
    """What the driver raises within comes out as an error of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path, doing) from error


def check_revision(revision: str, path: Path) -> None:
    """Raises `StoreNewer` for a revision this version does not know, "" being a foreign file."""
    if not revision:
        raise StoreError(f"{path} is a database of something else; move it away to begin anew")
    if revision not in KNOWN_REVISIONS:
        raise StoreNewer(
            f"{path} was last used by a newer OmniRoute (schema {revision}; this one knows "
            f"schemas up to {HEAD}). Start that version again, or restore a backup made before it"
        )
