"""How the state's LMDB is opened, made, completed and repaired; `lmdb_state` is what runs on it.

A state is made complete under another name and then renamed, so nobody ever sees half of one. The
gate (see `files`) is held all the while, so that who opens it sees it settled.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from omniroute.state import files
from omniroute.state.interface import StateDamaged, StateError, StateMissing

if TYPE_CHECKING:
    from lmdb import _Database

SCHEMA_VERSION = 2
MAP_BYTES_MIN = 1 << 20
MAX_READERS = 512
RESERVE = b"pages"
_MAX_DBS = 32  # the issues to come add theirs
_FIRST_DATABASES = (b"meta", b"snapshot", b"outbox", b"usage", b"drops", b"reserve")
DATABASES = (  # of version 2
    *_FIRST_DATABASES,
    b"meters",
    b"reservations",
    b"incarnations",
    b"conditions",
    b"sessions",
    b"answers",
)
_RESERVE_BYTES_MAX = 256 << 10
_VERIFY_ALWAYS_BYTES = 8 << 20  # up to here a full check takes some 40 ms at most

_SCHEMA = b"schema"


class Opened(NamedTuple):
    """An open state and what is known of it."""

    environment: lmdb.Environment
    databases: "dict[bytes, _Database]"
    mapping: files.Mapping
    use: files.UseLock
    warnings: tuple[str, ...]


def open_files(directory: Path, *, map_bytes: int, create: bool, repair: bool) -> Opened:
    """See `lmdb_state.open_state`."""
    if map_bytes < MAP_BYTES_MIN:
        raise StateError(f"the shared state needs a map of at least {MAP_BYTES_MIN} bytes")
    warnings: list[str] = []
    with files.hold_gate(directory) as gate:
        try:
            return _open_present(directory, map_bytes, gate, warnings, complete=create)
        except StateMissing:
            if not create:
                raise
        except StateDamaged as error:
            if not (create and repair):
                raise StateDamaged(f"{error}. {_recovery(directory)}") from error
            kept = files.move_aside(directory)
            warnings.append(
                f"the shared state was damaged ({error}); it was moved to {kept} and a new one is "
                "made, with counters from the history. Log records not yet in the history stay "
                "in the old file."
            )
        _create(directory, map_bytes)
        return _open_present(directory, map_bytes, gate, warnings, complete=False)


def _recovery(directory: Path) -> str:
    return (
        f"Stop OmniRoute, move {directory} away and start again: counters are rebuilt from the "
        "history; log records not yet in the history are in that directory only"
    )


def _open_present(
    directory: Path,
    map_bytes: int,
    gate: files.Gate,
    warnings: list[str],
    *,
    complete: bool,
) -> Opened:
    if not directory.exists():
        raise StateMissing(f"there is no shared state in {directory} yet")
    if not files.data_file(directory).exists():
        raise StateDamaged(f"{files.data_file(directory)} is missing")
    header_bytes, used_bytes = files.read_extent(directory)
    try:
        use = files.UseLock(directory)
    except OSError as error:
        raise StateError(f"cannot open {directory}: {error.strerror}") from error
    try:
        inside = gate.read()
        if use.alone or inside is None:
            boot = files.boot_id()
            torn = inside is not None and (inside.boot != boot or not boot)
            if use.alone and (torn or used_bytes <= _VERIFY_ALWAYS_BYTES):
                _verify(directory)
            if use.alone:
                files.allocate_lock_file(directory, MAX_READERS)
                map_bytes = max(map_bytes, used_bytes)
                hindrance = files.allocate(directory, map_bytes)
            else:
                map_bytes = header_bytes
                hindrance = files.hindrance(directory, map_bytes)
            if hindrance:
                warnings.append(
                    f"the shared state could not be allocated in advance ({hindrance}); it works, "
                    "but each write takes about three times as long"
                )
            inside = files.Mapping(boot, map_bytes, writemap=not hindrance)
            gate.write(inside)
        use.share()
        environment = _open_environment(directory, inside.map_bytes, inside.writemap)
        try:
            databases = _open_databases(environment, directory, complete=complete)
        except BaseException:
            environment.close()
            raise
    except OSError as error:
        use.release()
        raise StateError(f"cannot open the shared state in {directory}: {error}") from error
    except BaseException:
        use.release()
        raise
    return Opened(environment, databases, inside, use, tuple(warnings))


def _verify(directory: Path) -> None:
    from lmdb import verify  # only needed here, at the start of the first process

    try:
        problems: list[str] = verify.verify(str(directory))  # type: ignore[no-untyped-call]
    except verify.VerifyError as error:
        problems = [str(error)]
    if problems:
        raise StateDamaged(
            f"{files.data_file(directory)} has {len(problems)} broken places, first: {problems[0]}"
        )


def _open_environment(directory: Path, map_bytes: int, writemap: bool) -> lmdb.Environment:
    try:
        return lmdb.open(
            str(directory),
            map_size=map_bytes,
            mode=0o600,
            create=False,
            sync=False,
            metasync=False,
            writemap=writemap,
            max_readers=MAX_READERS,
            max_dbs=_MAX_DBS,
            max_spare_txns=2,
        )
    except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
        raise StateDamaged(f"{files.data_file(directory)}: {error}") from error
    except lmdb.Error as error:
        raise StateError(f"cannot open the shared state in {directory}: {error}") from error


def _open_databases(
    environment: lmdb.Environment, directory: Path, *, complete: bool
) -> "dict[bytes, _Database]":
    """The databases by name. `complete`: adds what a state of an earlier version lacks."""
    try:
        databases = {name: environment.open_db(name, create=False) for name in _FIRST_DATABASES}
        with environment.begin(databases[b"meta"]) as txn:
            schema = txn.get(_SCHEMA)
    except lmdb.NotFoundError as error:
        raise StateDamaged(f"{directory} is an LMDB of something else") from error
    except lmdb.Error as error:
        raise StateDamaged(f"{directory}: {error}") from error
    if schema is None:
        raise StateDamaged(f"{directory} is an LMDB of something else")
    version = int.from_bytes(schema, "big")
    if version > SCHEMA_VERSION:
        raise StateError(
            f"the shared state in {directory} is of version {version}, this OmniRoute knows "
            f"{SCHEMA_VERSION}. Start the OmniRoute that made it once, so that it saves its "
            f"records, or move {directory} away"
        )
    if version < SCHEMA_VERSION and not complete:
        raise StateMissing(f"the shared state in {directory} is still of version {version}")
    try:
        if version < SCHEMA_VERSION:
            # Nothing that is there changes, so one short transaction does.
            with environment.begin(write=True) as txn:
                for name in DATABASES:
                    environment.open_db(name, txn=txn)
                schema = SCHEMA_VERSION.to_bytes(2, "big")
                txn.put(_SCHEMA, schema, db=databases[b"meta"])
        for name in DATABASES:
            databases[name] = environment.open_db(name, create=False)
    except lmdb.NotFoundError as error:
        raise StateDamaged(f"{directory} lacks a part: {error}") from error
    except lmdb.Error as error:
        raise StateError(f"cannot open the shared state in {directory}: {error}") from error
    return databases


def _create(directory: Path, map_bytes: int) -> None:
    new = directory.with_name(f"{directory.name}.new")
    try:
        if new.exists():  # a creator that was killed
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        files.allocate_lock_file(new, MAX_READERS)
        environment = lmdb.open(
            str(new), map_size=map_bytes, mode=0o600, max_dbs=_MAX_DBS, max_readers=MAX_READERS
        )
        try:
            with environment.begin(write=True) as txn:
                databases = {name: environment.open_db(name, txn=txn) for name in DATABASES}
                txn.put(_SCHEMA, SCHEMA_VERSION.to_bytes(2, "big"), db=databases[b"meta"])
                txn.put(RESERVE, reserve(map_bytes), db=databases[b"reserve"])
        finally:
            environment.close()
        new.rename(directory)
    except (lmdb.Error, OSError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise StateError(f"cannot create the shared state in {directory}: {error}") from error


def reserve(map_bytes: int) -> bytes:
    """Pages that `LmdbState.forget` may give up, under the key `RESERVE`."""
    return bytes(min(_RESERVE_BYTES_MAX, map_bytes // 16))
