"""The files under the shared state: who uses them, whether they are whole, room on the disk.

Nothing here knows lmdb's library; `lmdb_opening` opens what these functions have prepared.

Two locks (flock, so they end with their process, however it ends):

* the *gate*, the file `<directory>.gate` beside the directory: held while a process opens or closes
  the state. Its content tells later ones how those inside have mapped the file, and which run of
  the machine wrote it;
* the *use* lock on the directory itself: held shared as long as the state is open. Who gets it
  exclusively, inside the gate, is alone, and only then may size, mode or content be changed: LMDB
  does not stand processes with and without `writemap`, or with different sizes, side by side.

Where the system has no flock (Windows) everybody counts as not alone: nothing is ever resized.
"""

import contextlib
import errno
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec

from omniroute.state.interface import StateDamaged, StateError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

GATE_WAIT_S = 20.0
_GATE_POLL_S = 0.01
_GATE_BYTES = 256
_ALLOCATED = 0.99  # file systems keep their own books about blocks

# The start of a meta page of LMDB 0.9 on 64-bit machines (lmdb.h, mdb.c: MDB_page, MDB_meta):
# flags, magic, version, address, map size, page size, last page, transaction.
_META = struct.Struct("<10xH4xIIQQI92xQQ")
_META_FLAG = 0x08
_META_MAGIC = 0xBEEFC0DE
_META_VERSION = 1


class Mapping(msgspec.Struct, frozen=True):
    """How the processes inside have opened the state, and in which run of the machine."""

    boot: str
    map_bytes: int
    writemap: bool


def boot_id() -> str:
    """Names this run of the machine; "" where the system does not say.

    An LMDB written without sync may be torn after a crash of the machine. After the death of a
    process it may not: the kernel keeps the pages.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def data_file(directory: Path) -> Path:
    return directory / "data.mdb"


class Gate:
    """The gate while it is held. See `hold_gate`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self) -> Mapping | None:
        """None when the state was closed in order by its last user, or never opened."""
        raw = os.pread(self._fd, _GATE_BYTES, 0).strip(b" \0")
        if not raw:
            return None
        try:
            return msgspec.json.decode(raw, type=Mapping)
        except msgspec.MsgspecError:
            return Mapping(boot="unreadable", map_bytes=0, writemap=False)

    def write(self, mapping: Mapping | None) -> None:
        raw = b"" if mapping is None else msgspec.json.encode(mapping)
        # One write of a fixed length, so that a killed process leaves the old or the new content.
        os.pwrite(self._fd, raw.ljust(_GATE_BYTES), 0)


@contextlib.contextmanager
def hold_gate(directory: Path, wait_s: float = GATE_WAIT_S) -> Iterator[Gate]:
    """The gate of `directory`, exclusively. Raises `StateError` when it stays taken."""
    path = directory.with_name(directory.name + ".gate")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise StateError(f"cannot open {path}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + wait_s
        while not _lock(fd, exclusive=True):
            if time.monotonic() > deadline:
                raise StateError(
                    f"another process holds {path} for more than {wait_s:.0f} s while it opens or "
                    "closes the shared state; end that process"
                )
            time.sleep(_GATE_POLL_S)
        yield Gate(fd)
    finally:
        os.close(fd)


def _lock(fd: int, *, exclusive: bool) -> bool:
    if fcntl is None:
        return not exclusive
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class UseLock:
    """Says that this process has the state of `directory` open. To be taken inside the gate."""

    def __init__(self, directory: Path) -> None:
        self._fd = -1 if fcntl is None else os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        self.alone = fcntl is not None and _lock(self._fd, exclusive=True)

    def share(self) -> None:
        """Lets others in. Inside the gate, so nobody else can become alone meanwhile."""
        if self._fd >= 0:
            _lock(self._fd, exclusive=False)

    def last(self) -> bool:
        """Is nobody else left?"""
        return self._fd >= 0 and _lock(self._fd, exclusive=True)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_extent(directory: Path) -> tuple[int, int]:
    """(map size of the header, bytes in use) of the data file, read without mapping it.

    Raises `StateDamaged` for what LMDB must not be let at: it maps the file, and reading a page
    that is not there ends the process with a bus error.
    """
    path = data_file(directory)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = _read_meta(file.read(_META.size), path)
            file.seek(first[2])
            second = _read_meta(file.read(_META.size), path)
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from error
    map_bytes, last_page, page_bytes = max(first[0], second[0]), max(first[1], second[1]), first[2]
    used = (last_page + 1) * page_bytes
    if size < used:
        raise StateDamaged(f"{path} is cut short: {size} bytes of at least {used}")
    return map_bytes, used


def _read_meta(raw: bytes, path: Path) -> tuple[int, int, int]:
    if len(raw) < _META.size:
        raise StateDamaged(f"{path} is cut short: it ends within its header")
    flags, magic, version, _, map_bytes, page_bytes, last_page, _ = _META.unpack(raw)
    if magic != _META_MAGIC or not flags & _META_FLAG:
        raise StateDamaged(f"{path} is not an LMDB file")
    if version != _META_VERSION:
        raise StateDamaged(f"{path} is of LMDB format {version}, not {_META_VERSION}")
    if page_bytes < 512 or page_bytes > 65536 or page_bytes & (page_bytes - 1):
        raise StateDamaged(f"{path} has a damaged header: pages of {page_bytes} bytes")
    return map_bytes, last_page, page_bytes


def allocate(directory: Path, map_bytes: int) -> str:
    """Gives the data file all its blocks. "" when done, else why not; the file is then as before.

    Only a file with all its blocks may be mapped writable: storing into a page for which the disk
    has no room is a bus error, not an error code. Only for who is alone.
    """
    if not hindrance(directory, map_bytes):
        return ""
    if fcntl is None or not hasattr(os, "posix_fallocate"):
        return "this system does not offer it"
    fd = os.open(data_file(directory), os.O_RDWR)
    try:
        before_bytes = os.fstat(fd).st_size
        try:
            os.posix_fallocate(fd, 0, map_bytes)
        except OSError as error:
            os.ftruncate(fd, before_bytes)
            return "the disk is full" if error.errno == errno.ENOSPC else f"{error.strerror}"
        if why := hindrance(directory, map_bytes):
            os.ftruncate(fd, before_bytes)
        return why
    finally:
        os.close(fd)


def allocate_lock_file(directory: Path, readers: int) -> None:
    """The same for LMDB's table of readers, which is always mapped writable.

    Before LMDB opens it, by who is alone: LMDB takes a longer file as it is. Raises `OSError` when
    there is no room.
    """
    if fcntl is None or not hasattr(os, "posix_fallocate"):
        return
    fd = os.open(directory / "lock.mdb", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # 64 bytes a reader and a header of twice that (mdb.c: MDB_reader, MDB_txninfo).
        os.posix_fallocate(fd, 0, (readers + 2) * 64 // 4096 * 4096 + 4096)
    finally:
        os.close(fd)


def hindrance(directory: Path, map_bytes: int) -> str:
    """Why the data file may not be mapped writable with this size; "" when it may."""
    stat = data_file(directory).stat()
    blocks = getattr(stat, "st_blocks", 0) * 512
    if fcntl is None or stat.st_size < map_bytes or blocks < map_bytes * _ALLOCATED:
        return "the file system does not keep blocks for a file"
    return ""


def move_aside(directory: Path) -> Path:
    """Renames a broken state out of the way and says where it is now."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = directory.with_name(f"{directory.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = directory.with_name(f"{directory.name}.damaged-{stamp}-{number}")
    directory.rename(target)
    return target
