"""The tail of the log files: the latest lines of all processes, filtered, latest first.

Files are read backwards, a block at a time and only as far as needed; a filter that fits hardly
anything ends after `MOST_BYTES` and says so. Lines of all processes are merged by their time.
Blocking calls: for a thread.
"""

import heapq
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from omniroute.control.watching import log_entry
from omniroute.logs import LEVELS, SUFFIX

MOST_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 64 << 10
_LEVELS: Final = ("debug", "info", "warn", "error")


class LineFilter(NamedTuple):
    """Which lines are wanted; "" leaves a question open. Times as in the lines (RFC 3339, UTC)."""

    level: str = ""  # at least: debug | info | warning | error
    process: str = ""
    logger: str = ""  # or the begin of it
    text: str = ""  # anywhere in the line, in either case of its letters
    since: str = ""
    before: str = ""  # exclusive


class Tail(NamedTuple):
    """Lines, latest first. `is_whole`: no older ones are left that fit."""

    lines: list[dict[str, Any]]
    is_whole: bool


def tail(directory: Path, wanted: LineFilter, limit: int, most_bytes: int = MOST_BYTES) -> Tail:
    """The latest lines that fit. Raises OSError."""
    budget = _Budget(most_bytes)
    streams = [
        _entries(paths, wanted, budget)
        for process, paths in _by_process(directory).items()
        if not wanted.process or process == wanted.process
    ]
    found: list[dict[str, Any]] = []
    merged = heapq.merge(*streams, key=lambda entry: str(entry.get("time", "")), reverse=True)
    for entry in merged:
        if len(found) == limit:
            return Tail(found, is_whole=False)
        found.append(entry)
    return Tail(found, is_whole=not budget.is_spent)


class _Budget:
    """How much may still be read."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.is_spent = False

    def take(self, size: int) -> bool:
        if size > self.left:
            self.is_spent = True
            return False
        self.left -= size
        return True


def _by_process(directory: Path) -> dict[str, list[Path]]:
    """The files of each process, the one in use first, then the full ones, latest first."""
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}"), reverse=True):
        process, _, moment = path.name.removesuffix(SUFFIX).partition(".")
        paths = found.setdefault(process, [])
        if moment:
            paths.append(path)
        else:
            paths.insert(0, path)
    return found


def _entries(paths: list[Path], wanted: LineFilter, budget: _Budget) -> Iterator[dict[str, Any]]:
    """The lines of one process that fit, latest first."""
    needle = wanted.text.lower()
    for path in paths:
        for line in _backwards(path, budget):
            entry = log_entry(line)
            if entry is None:
                continue
            time = str(entry.get("time", ""))
            if wanted.since and time < wanted.since:
                return
            if _fits(entry, time, wanted) and (not needle or needle in str(entry).lower()):
                yield entry
        if budget.is_spent:
            return


def _fits(entry: dict[str, Any], time: str, wanted: LineFilter) -> bool:
    level = str(entry.get("level", ""))
    return (
        (not wanted.before or time < wanted.before)
        and (not wanted.level or _rank(level) >= LEVELS.index(wanted.level))
        and str(entry.get("logger", "")).startswith(wanted.logger)
    )


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def _backwards(path: Path, budget: _Budget) -> Iterator[bytes]:
    """The lines of a file from its end; ends early when the budget does."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # pruned meanwhile
    with file:
        place = file.seek(0, os.SEEK_END)
        rest = b""
        while place > 0:
            size = min(_BLOCK_BYTES, place)
            if not budget.take(size):
                return
            place -= size
            file.seek(place)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from reversed(lines[1:])
        yield rest
