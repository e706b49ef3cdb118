"""What the live feed shows beside requests: log lines as they are written, conditions as they move.

Both are found by looking, once a second, at what all processes share: the log files and the table
of conditions. Nothing is looked at while nobody follows the feed, and who begins to follow gets
what happens from then on. Blocking calls: for a thread, one at a time.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from omniroute.control.live import Live
from omniroute.logs import SUFFIX, is_full_file
from omniroute.resilience.conditions import Condition, describe
from omniroute.state.interface import Conditions

_MOST_BYTES: Final = 256 << 10  # of one file at a time; a storm of lines is shown by its end


class LogWatch:
    """Follows the log files of all processes."""

    def __init__(self, directory: Path, live: Live) -> None:
        self._directory = directory
        self._live = live
        self._places: dict[Path, tuple[int, int]] | None = None  # inode, bytes read

    def look(self) -> None:
        """Publish the lines that came since the last look. Raises OSError."""
        if not self._live.readers:
            self._places = None
            return
        first = self._places is None
        known = self._places or {}
        places: dict[Path, tuple[int, int]] = {}
        lines: list[dict[str, Any]] = []
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            if is_full_file(path):
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            inode, place = known.get(path, (found.st_ino, found.st_size if first else 0))
            if inode != found.st_ino or place > found.st_size:
                place = 0
            data, place = _whole_lines(path, place, found.st_size)
            places[path] = (found.st_ino, place)
            lines += filter(None, map(log_entry, data))
        self._places = places
        lines.sort(key=lambda line: str(line.get("time", "")))
        self._live.publish("log", lines)


def _whole_lines(path: Path, place: int, size: int) -> tuple[list[bytes], int]:
    """The lines that ended since `place`, and where the next one begins."""
    place = max(place, size - _MOST_BYTES)
    if size <= place:
        return [], place
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(size - place)
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), place + end


def log_entry(line: bytes) -> dict[str, Any] | None:
    """A line of a log file as an object; None for what is none, such as half a line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


class ConditionWatch:
    """Follows the table of conditions."""

    def __init__(self, conditions: Conditions, live: Live) -> None:
        self._conditions = conditions
        self._live = live
        self._version = -1
        self._before: dict[str, Condition] | None = None

    def look(self, now_ms: int) -> None:
        """Publish what has another state than at the last look. Raises StateError."""
        if not self._live.readers:
            self._before = None
            return
        before = self._before
        if (
            before is not None
            and self._conditions.version() == self._version
            and not _due(before, now_ms)
        ):
            return
        self._version, table = self._conditions.read()
        after = _described(table, now_ms)
        self._before = after
        if before is None:
            return
        changes = [
            _told(after[key]) for key in sorted(after) if _differs(before.get(key), after[key])
        ]
        changes += [
            {**_told(before[key]), "state": "gone"} for key in sorted(before.keys() - after.keys())
        ]
        self._live.publish("condition", changes)


def _described(table: Mapping[str, bytes], now_ms: int) -> dict[str, Condition]:
    described = {key: describe(key, stored, now_ms) for key, stored in table.items()}
    return {key: condition for key, condition in described.items() if condition is not None}


def _due(before: Mapping[str, Condition], now_ms: int) -> bool:
    """Has one of them ended since, by itself?"""
    return any(0 < condition.until_ms <= now_ms for condition in before.values())


def _differs(before: Condition | None, after: Condition) -> bool:
    return before is None or (before.state, before.until_ms, before.failures, before.used) != (
        after.state,
        after.until_ms,
        after.failures,
        after.used,
    )


def _told(condition: Condition) -> dict[str, Any]:
    return {
        "kind": condition.kind,
        "subject": condition.subject,
        "detail": condition.detail,
        "state": condition.state,
        "until_ms": condition.until_ms or None,
        "failures": condition.failures,
        "used": condition.used,
        "reason": condition.reason,
    }
