"""One data dir, one supervisor: two controls on the same files would undo each other's work.

The lock is on the directory itself. Its descriptor is not inherited, so the lock goes with the
supervisor, not with children that are still draining.
"""

import os
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class DataDirInUse(Exception):
    """Another supervisor runs on this data dir, or the dir cannot be used."""


def hold(data_dir: Path) -> int:
    """Make the data dir if need be and hold it until the returned descriptor is closed.

    Raises DataDirInUse.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir, os.O_RDONLY)
    except OSError as error:
        raise DataDirInUse(f"the data directory {data_dir} cannot be used: {error}") from error
    if fcntl is None:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        raise DataDirInUse(
            f"another omniroute{_holder(inode)} runs on the data directory {data_dir}; stop "
            "it, or give this one its own with --data-dir"
        ) from error
    return descriptor


def _holder(inode: int) -> str:
    """Who holds a lock on this inode, as " (pid 7)"; empty where /proc/locks does not tell."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
            return f" (pid {words[4]})"
    return ""
