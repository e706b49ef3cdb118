"""Exports and imports: everything that is worth keeping, in a file that may leave the machine.

An export of the database is the SQLite file without credentials. An archive (tar.gz) holds that
file, the stored configuration and the list of keys as JSON for people, and what it is of; given a
passphrase also `credentials.sealed`, with which an import brings back everything: provider
credentials, digests of client and admin keys. Without a passphrase no credential is in it in any
form. Captured bodies and how people sign in never are.

An import takes either, checks it, takes a backup, and replaces the database while everything runs;
what the file lacks stays as it is here (see `store.scrubbing.fill`). Digests were made with the
signing key of the installation that exported: `Imported.other_signing_key` tells that keys must be
rotated, or that key be taken over, before they open anything here. Every call blocks.
"""

import base64
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from omniroute import __version__
from omniroute.control.backups import BEFORE_IMPORT, Backups, Restored
from omniroute.control.passphrases import open_sealed, seal
from omniroute.control.sealing import record_of
from omniroute.installation import Installation, InstallationError
from omniroute.store import copies, scrubbing
from omniroute.store.database import Store
from omniroute.store.interface import HEAD, SEALED, StoreError
from omniroute.store.scrubbing import Credentials

DATABASE: Final = "omniroute.sqlite"
METADATA: Final = "metadata.json"
CREDENTIALS: Final = "credentials.sealed"
CONFIGURATION: Final = "configuration.json"
KEYS: Final = "keys.json"
FORMAT: Final = 1
MOST_BYTES: Final = 8 << 30
"""Of the database in an archive, so that a small file cannot fill the disk."""

_SMALL_BYTES: Final = 64 << 20  # of all other members
_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 20


class ArchiveError(Exception):
    """The file cannot be imported; the message says why."""


class Metadata(msgspec.Struct, kw_only=True):
    """What an archive is of."""

    format: int
    version: str
    schema: str
    created_ms: int
    instance: str
    signing_key: str  # a fingerprint: which keys' digests it goes with
    requests: int
    keys: int
    entities: int
    credentials: bool


class Imported(NamedTuple):
    """What an import did."""

    restored: Restored
    credentials: bool  # whether it brought its own
    other_signing_key: bool


class Archives:
    """Those of one installation."""

    def __init__(
        self,
        store: Store,
        backups: Backups,
        installation: Installation,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._backups = backups
        self._installation = installation
        self._now_ms = now_ms

    def export_database(self, target: Path) -> None:
        """Writes the database without credentials. Raises `StoreError` and its kinds."""
        copies.copy(self._store.path, target)
        try:
            scrubbing.scrub(target)
        except BaseException:
            target.unlink(missing_ok=True)  # it has credentials yet
            raise

    def export(self, target: Path, passphrase: str = "") -> Metadata:
        """Writes an archive. Raises `StoreError` and its kinds, and `WrongPassphrase`."""
        sealed = self._sealed_credentials(passphrase) if passphrase else b""
        database = target.with_name(f"{target.name}.sqlite")
        part = target.with_name(f"{target.name}.part")
        try:
            self.export_database(database)
            found = copies.check(database)
            metadata = Metadata(
                format=FORMAT,
                version=__version__,
                schema=HEAD,
                created_ms=self._now_ms(),
                instance=self._installation.instance_id,
                signing_key=self._fingerprint(),
                requests=found.requests,
                keys=found.keys,
                entities=found.entities,
                credentials=bool(sealed),
            )
            configuration, keys = scrubbing.readable(database)
            part.touch(0o600)
            with tarfile.open(part, "w:gz", compresslevel=6) as archive:
                for name, content in (
                    (METADATA, _json(metadata)),
                    (CONFIGURATION, _json(configuration)),
                    (KEYS, _json(keys)),
                    *([(CREDENTIALS, sealed)] if sealed else []),
                ):
                    _add(archive, name, io.BytesIO(content), len(content), metadata)
                with database.open("rb") as file:
                    _add(archive, DATABASE, file, database.stat().st_size, metadata)
            part.replace(target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror or error}") from error
        finally:
            database.unlink(missing_ok=True)
            part.unlink(missing_ok=True)
        return metadata

    def import_file(
        self, source: Path, passphrase: str = "", *, keep_revoked: bool = True
    ) -> Imported:
        """Imports an SQLite file or an archive. The configuration must be read anew afterwards.

        `keep_revoked`: keys that were revoked here stay so. Raises `ArchiveError`,
        `WrongPassphrase`, `StoreError` and its kinds, and then nothing has changed.
        """
        with source.open("rb") as file:
            is_archive = file.read(2) == _GZIP
        if not is_archive:
            restored = self._backups.replace_by(source, BEFORE_IMPORT, keep_revoked=keep_revoked)
            return Imported(restored, credentials=False, other_signing_key=False)
        database = source.with_name(f"{source.name}.database")
        try:
            members = _unpack(source, database)
            metadata = _metadata(members)
            other = metadata.signing_key != self._fingerprint()
            sealed = members.get(CREDENTIALS, b"")
            credentials = self._opened(sealed, passphrase) if sealed and passphrase else None

            def prepare(working: Path) -> None:
                if credentials is not None:
                    scrubbing.give(working, credentials)

            restored = self._backups.replace_by(
                database, BEFORE_IMPORT, prepare, keep_revoked=keep_revoked
            )
        finally:
            database.unlink(missing_ok=True)
        return Imported(restored, credentials is not None, other)

    def _fingerprint(self) -> str:
        return self._installation.key_digest(b"omniroute signing key").hex()[:16]

    def _sealed_credentials(self, passphrase: str) -> bytes:
        """In clear within the seal, since the key of this installation stays here."""

        def opened(text: str) -> str | None:
            try:
                return SEALED + self._installation.decrypt(record_of(text)).decode()
            except InstallationError:
                return None  # nobody could use it here either

        credentials = scrubbing.credentials_of(self._store.path)
        clear = scrubbing.with_sealed(credentials, opened)
        return seal(msgspec.json.encode(clear), passphrase)

    def _opened(self, sealed: bytes, passphrase: str) -> Credentials:
        def resealed(text: str) -> str:
            record = self._installation.encrypt(text.removeprefix(SEALED).encode())
            return SEALED + base64.b64encode(record).decode("ascii")

        plain = open_sealed(sealed, passphrase)
        try:
            credentials = msgspec.json.decode(plain, type=Credentials)
        except msgspec.MsgspecError as error:
            raise ArchiveError(f"the credentials in the archive cannot be read: {error}") from error
        return scrubbing.with_sealed(credentials, resealed)


def _json(value: Any) -> bytes:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2).encode() + b"\n"


def _add(
    archive: tarfile.TarFile, name: str, file: IO[bytes], size: int, metadata: Metadata
) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = metadata.created_ms // 1000
    archive.addfile(member, file)


def _unpack(source: Path, database: Path) -> dict[str, bytes]:
    """The small members by name; the database goes into a file of its own. Names are compared and
    never used as paths."""
    members: dict[str, bytes] = {}
    found = False
    try:
        with tarfile.open(source, "r|gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is None:
                    continue
                if member.name == DATABASE and not found:
                    found = True
                    database.touch(0o600)
                    with database.open("wb") as target:
                        _copy(file, target, MOST_BYTES)
                elif member.name in (METADATA, CREDENTIALS) and member.name not in members:
                    kept = io.BytesIO()
                    _copy(file, kept, _SMALL_BYTES)
                    members[member.name] = kept.getvalue()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(f"the archive cannot be read: {error}") from error
    if not found:
        raise ArchiveError(f"the archive holds no {DATABASE}")
    return members


def _copy(source: IO[bytes], target: IO[bytes], most: int) -> None:
    while piece := source.read(_PIECE):
        most -= len(piece)
        if most < 0:
            raise ArchiveError("what the archive holds is larger than anything of OmniRoute")
        target.write(piece)


def _metadata(members: dict[str, bytes]) -> Metadata:
    try:
        metadata = msgspec.json.decode(members.get(METADATA, b""), type=Metadata)
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"the archive does not say what it is: {error}") from error
    if metadata.format != FORMAT:
        raise ArchiveError(
            f"the archive has format {metadata.format}; this OmniRoute knows format {FORMAT}"
        )
    return metadata
