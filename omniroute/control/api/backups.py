"""Backups, exports and imports.

A backup stays in the data directory and is complete. An export may leave the machine: it holds no
credential unless a passphrase is given, which seals them. Restoring and importing take a backup
first and act while everything runs; the configuration is read anew afterwards.
"""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from omniroute.control.api.answers import File
from omniroute.control.api.declare import Call, Route, Upload
from omniroute.control.api.multipart import MEDIA_TYPE
from omniroute.control.archives import ArchiveError
from omniroute.control.backups import Backup, Restored, UnknownBackup
from omniroute.control.passphrases import WrongPassphrase
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied, invalid, missing
from omniroute.store import copies
from omniroute.store.interface import StoreBusy, StoreError, StoreFull

_MOST_BYTES: Final = 4 << 30
_PASSPHRASE: Final = "X-Passphrase"
_SQLITE: Final = "application/vnd.sqlite3"
_GZIP: Final = "application/gzip"
_BYTES: Final = "application/octet-stream"
# Files on their way in or out; one that is older was left by a process that died.
_TRANSFER: Final = "transfer-"
_TRANSFER_S: Final = 24 * 3600

T = TypeVar("T")


class BackupOut(msgspec.Struct, rename="camel"):
    """One backup. Its name is its id."""

    id: str
    created_ms: int
    reason: str
    size_bytes: int


class BackupsOut(msgspec.Struct):
    """Latest first."""

    backups: list[BackupOut]


class Restore(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which backup. Client keys that were revoked or rotated since stay so unless `keepRevoked` is
    false, which needs the scope `admin`."""

    backup_id: str
    keep_revoked: bool = True


class Importing(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Client keys that were revoked or rotated since the export stay so unless `keepRevoked` is
    false."""

    keep_revoked: bool = True


class Prune(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What is kept. The latest of all stays in any case."""

    keep_latest: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None


class Pruned(msgspec.Struct):
    """How many backups were deleted."""

    deleted: int


class Sealed(msgspec.Struct, forbid_unknown_fields=True):
    """Credentials go into the archive, sealed with the passphrase."""

    passphrase: Annotated[str, Meta(min_length=1, max_length=1024)]


class RestoredOut(msgspec.Struct, rename="camel"):
    """What is there now, and the backup of what was there before."""

    before: BackupOut
    requests: int
    keys: int
    entities: int
    problem: str
    """Why the restored configuration does not act; "" when it does."""


class ImportedOut(msgspec.Struct, rename="camel"):
    """The same of an import. With `otherSigningKey` keys of clients must be rotated before they
    open anything here."""

    before: BackupOut
    requests: int
    keys: int
    entities: int
    problem: str
    credentials: bool
    other_signing_key: bool


async def list_backups(call: Call) -> BackupsOut:
    found = await call.blocking(call.services.backups.all)
    return BackupsOut([_shown(backup) for backup in found])


async def create(call: Call) -> BackupOut:
    backup = _shown(await call.blocking(call.services.backups.create))
    call.audit(f"backup/{backup.id}", after=backup)
    return backup


async def delete(call: Call) -> None:
    name = call.path["id"]
    try:
        await call.blocking(call.services.backups.delete, name)
    except UnknownBackup as error:
        raise missing(f"backup {name}") from error
    call.audit(f"backup/{name}")


async def prune(call: Call) -> Pruned:
    wanted: Prune = call.query
    if wanted.keep_latest is None and wanted.retention_days is None:
        raise invalid("", "give keepLatest, retentionDays or both")
    max_age_ms = None if wanted.retention_days is None else wanted.retention_days * 86_400_000
    deleted = await call.blocking(call.services.backups.prune, wanted.keep_latest, max_age_ms)
    call.audit("backup", after={"deleted": deleted})
    return Pruned(deleted)


async def restore(call: Call) -> RestoredOut:
    given: Restore = call.body
    if not given.keep_revoked and Policy.ADMIN not in call.actor.scopes:
        raise Denied(403, "to let in again what was revoked takes the scope `admin`")
    try:
        restored = await _replacing(
            call,
            lambda: call.services.backups.restore(given.backup_id, keep_revoked=given.keep_revoked),
        )
    except UnknownBackup as error:
        raise missing(f"backup {given.backup_id}") from error
    problem = await call.blocking(_read_anew, call, "a backup was restored")
    shown = _told(restored, problem)
    call.audit(f"backup/{given.backup_id}", after=shown)
    return shown


async def export_database(call: Call) -> File:
    path = await call.blocking(_transfer, call)
    await call.blocking(call.services.archives.export_database, path)
    return File(path, _SQLITE, "omniroute.sqlite", is_temporary=True)


async def export_all(call: Call) -> File:
    return await _archive(call, "")


async def export_sealed(call: Call) -> File:
    given: Sealed = call.body
    return await _archive(call, given.passphrase)


async def import_file(call: Call) -> ImportedOut:
    """Of the administrator alone: what comes in decides who may come in afterwards."""
    path = await call.blocking(_transfer, call)
    wanted: Importing = call.query
    passphrase = call.headers.get(_PASSPHRASE, "")
    try:
        await _receive(call, path)
        imported = await _replacing(
            call,
            lambda: call.services.archives.import_file(
                path, passphrase, keep_revoked=wanted.keep_revoked
            ),
        )
    finally:
        await call.blocking(path.unlink, missing_ok=True)
    problem = await call.blocking(_read_anew, call, "an export was imported")
    told = _told(imported.restored, problem)
    shown = ImportedOut(
        before=told.before,
        requests=told.requests,
        keys=told.keys,
        entities=told.entities,
        problem=told.problem,
        credentials=imported.credentials,
        other_signing_key=imported.other_signing_key,
    )
    call.audit("import", after=shown)
    return shown


async def _archive(call: Call, passphrase: str) -> File:
    path = await call.blocking(_transfer, call)
    try:
        await call.blocking(call.services.archives.export, path, passphrase)
    except WrongPassphrase as error:
        raise invalid("passphrase", str(error)) from error
    return File(path, _GZIP, "omniroute.tar.gz", is_temporary=True)


async def _replacing(call: Call, work: Callable[[], T]) -> T:
    """Errors of the file that comes in are the client's, not ours."""
    try:
        return await call.blocking(work)
    except (StoreBusy, StoreFull):
        raise
    except (ArchiveError, StoreError, WrongPassphrase) as error:
        raise Denied(422, str(error)) from error


def _read_anew(call: Call, why: str) -> str:
    """The configuration and who may come in, as they are now; why that does not act, or ""."""
    call.services.access.refresh()
    done = call.services.configuration.reload(why)
    return "" if done else call.services.configuration.error


def _transfer(call: Call) -> Path:
    """A name for a file on its way, in a folder that nobody else reads."""
    folder = call.services.store.path.with_name(copies.FOLDER)
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob(f"{_TRANSFER}*"):
        with suppress(FileNotFoundError):  # its own request may end it at any time
            if left.stat().st_mtime < time.time() - _TRANSFER_S:
                left.unlink()
    return folder / f"{_TRANSFER}{secrets.token_hex(8)}"


async def _receive(call: Call, path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        async for chunk in call.chunks():
            try:
                await call.blocking(file.write, chunk)
            except OSError as error:
                raise StoreError(f"the upload cannot be kept: {error.strerror}") from error


def _shown(backup: Backup) -> BackupOut:
    return BackupOut(backup.name, backup.at_ms, backup.reason, backup.size_bytes)


def _told(restored: Restored, problem: str) -> RestoredOut:
    found = restored.found
    return RestoredOut(
        before=_shown(restored.before),
        requests=found.requests,
        keys=found.keys,
        entities=found.entities,
        problem=problem,
    )


_PATH: Final = "/api/db-backups"

ROUTES = (
    Route("GET", _PATH, Policy.BACKUP, "The backups.", list_backups, output=BackupsOut),
    Route("PUT", _PATH, Policy.BACKUP, "Take a backup now.", create, output=BackupOut, status=201),
    Route(
        "POST",
        _PATH,
        Policy.BACKUP,
        "Restore a backup, while everything runs; the present state is backed up first.",
        restore,
        input=Restore,
        output=RestoredOut,
        refuses=(404,),
    ),
    Route(
        "DELETE",
        _PATH,
        Policy.BACKUP,
        "Delete backups by number and age.",
        prune,
        query=Prune,
        output=Pruned,
    ),
    Route("DELETE", f"{_PATH}/{{id}}", Policy.BACKUP, "Delete one backup.", delete),
    Route(
        "GET",
        f"{_PATH}/export",
        Policy.BACKUP,
        "The database without credentials, as an SQLite file.",
        export_database,
        produces=_SQLITE,
    ),
    Route(
        "GET",
        f"{_PATH}/exportAll",
        Policy.BACKUP,
        "Everything but credentials, as an archive (tar.gz).",
        export_all,
        produces=_GZIP,
    ),
    Route(
        "POST",
        f"{_PATH}/exportAll",
        Policy.ADMIN,
        "Everything as an archive, with credentials sealed by a passphrase.",
        export_sealed,
        input=Sealed,
        produces=_GZIP,
    ),
    Route(
        "POST",
        f"{_PATH}/import",
        Policy.ADMIN,
        "Import an exported database or archive, after checks and a backup.",
        import_file,
        input=Upload((_BYTES, _GZIP, _SQLITE, "application/x-sqlite3", MEDIA_TYPE), _MOST_BYTES),
        query=Importing,
        headers=(_PASSPHRASE,),
        output=ImportedOut,
    ),
)
