"""What processes and files take of the machine: CPU, memory, threads; sizes of the data directory.

Processes are read from `/proc` (proc(5)); where the system has none, nothing is known of them.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_PROC: Final = Path("/proc")

# Fields of /proc/<pid>/stat after the name, which may hold blanks and brackets itself.
_USER_TICKS: Final = 11
_SYSTEM_TICKS: Final = 12
_THREADS: Final = 17
_RESIDENT_PAGES: Final = 21


def process_vitals(pid: int, proc: Path = _PROC) -> dict[str, Any] | None:
    """`cpu_s` since it began, `memory_bytes` resident, `threads`; None when it cannot be known."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
        return {
            "cpu_s": round(ticks / os.sysconf("SC_CLK_TCK"), 2),
            "memory_bytes": int(fields[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE"),
            "threads": int(fields[_THREADS]),
        }
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def all_vitals(processes: Iterable[tuple[str, int | None]]) -> list[dict[str, Any]]:
    """Of each process by name and pid; what cannot be known is left out of its entry."""
    return [
        {"process": name, "pid": pid, **(process_vitals(pid) or {})}
        for name, pid in processes
        if pid is not None
    ]


def data_sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file and folder in the data directory, by its name; `free`: left on its disk.

    Files with holes, such as the shared state, count with what they take.
    """
    sizes: dict[str, int] = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                sizes[entry.name] = _taken(Path(entry.path))
        sizes["free"] = shutil.disk_usage(directory).free
    except OSError:
        return sizes  # it is going or not there: what is known is told
    return sizes


def _taken(path: Path) -> int:
    try:
        if not path.is_dir():
            found = path.lstat()
            return getattr(found, "st_blocks", -(-found.st_size // 512)) * 512
        return sum(_taken(inner) for inner in path.iterdir())
    except OSError:
        return 0  # deleted meanwhile
