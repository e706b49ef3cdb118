"""Console logs of every process, on standard error and in files; secrets taken out.

Contract: `configure` is called once by a process's main function. Code logs through
`logging.getLogger("omniroute.<room>")` with a plain sentence, and puts values that a machine
should find into `extra={"fields": {...}}`. Redaction runs over the finished line, traceback
included, so a secret inside an exception's text does not get through either; it is the last net,
not a licence to log secrets. Bodies of requests and answers are never logged.

Files hold one JSON object a line: `time`, `level`, `process`, `logger`, `message`, then the fields.
Each process writes one of its own, `<process>.jsonl`, so that none waits for another; full ones
become `<process>.<time>.jsonl`. A file that cannot be written never stops its process: what was
lost is counted, and said in the file as soon as one can be written again.
"""

import faulthandler
import itertools
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

FILES_IN: Final = "logs"
"""The folder of a data directory that they lie in."""
SUFFIX: Final = ".jsonl"

_SHORT_LEVEL = {"WARNING": "warn", "CRITICAL": "error"}
_DAY_S = 86_400
_RETRY_S = 1.0  # a disk that is full is not tried for each line

# What follows these marks is a secret up to the next delimiter. Vendors' key prefixes are listed
# because such keys turn up bare, in messages that upstreams send.
_SECRETS = (
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[^\s\"',;]+"),
    re.compile(
        r"(?i)((?:x-api-key|x-goog-api-key|api[-_]?key|authorization|cookie|password|secret|"
        r"(?:access|refresh|id|admin|csrf|session)[-_]?token)[\"']?\s*[:=]\s*[\"']?)"
        r"(?!bearer\b|basic\b)[^\s\"',;&]+"
    ),
    re.compile(r"(?i)([?&](?:key|token|link|code)=)[^\s&\"'#]+"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"\b((?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghu|AIza|ya29|oma_)[-_.]?)[A-Za-z0-9_\-.]{16,}"),
)


class Rotation(NamedTuple):
    """When a file of a process is full, and which of the full ones are kept; 0 is no limit."""

    file_bytes: int = 10_000_000
    files: int = 20  # full ones, of all processes together
    days: int = 7

    def __str__(self) -> str:
        return f"{self.file_bytes},{self.files},{self.days}"

    @classmethod
    def parse(cls, text: str) -> "Rotation":
        """What `str` gave, for the command lines of processes. Raises ValueError."""
        return cls(*map(int, text.split(",")))


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by [redacted]."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1[redacted]", text)
    return text


def redact_values(value: object) -> Any:
    """The same of all strings in lists and mappings; what is no plain data, as its text."""
    if isinstance(value, dict):
        return {redact(str(name)): redact_values(content) for name, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_values(content) for content in value]
    plain = value is None or isinstance(value, bool | int | float)
    return value if plain else redact(str(value))


class _LineFormatter(logging.Formatter):
    def __init__(self, process: str, as_json: bool) -> None:
        super().__init__()
        self._process = process
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        fields: dict[str, Any] = getattr(record, "fields", {})
        level = _SHORT_LEVEL.get(record.levelname, record.levelname.lower())
        moment = _moment(record.created)
        if self._as_json:
            entry = {
                "time": moment,
                "level": level,
                "process": self._process,
                "logger": record.name,
                "message": redact(message),
            }
            for name, value in fields.items():
                entry.setdefault(name, redact_values(value))
            return json.dumps(entry)
        values = "".join(f" {name}={value}" for name, value in fields.items())
        return redact(f"{moment} {level:5} {self._process}: {message}{values}")


def _moment(at_s: float) -> str:
    at_ms = int(at_s * 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_ms // 1000))}.{at_ms % 1000:03d}Z"


class RotatingLines(logging.Handler):
    """Appends lines to one process's file. `clock` gives Unix seconds.

    A file that was moved or deleted by somebody else is begun anew with the next line.
    """

    def __init__(
        self,
        directory: Path,
        process: str,
        rotation: Rotation,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.setFormatter(_LineFormatter(process, as_json=True))
        self._directory = directory
        self._process = process
        self._path = directory / f"{process}{SUFFIX}"
        self._rotation = rotation
        self._clock = clock
        self._fd = -1
        self._size = 0
        self._began_s = 0.0
        self._lost = 0
        self._why = ""
        self._try_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now_s = self._clock()
        if self._lost and now_s < self._try_s:
            self._lost += 1
            return
        try:
            self._open(now_s)
            if self._lost:
                self._write(self._loss(now_s))
                self._lost = 0
            self._write(self.format(record))
        except OSError as error:
            self._lost += 1
            self._why = error.strerror or str(error)
            self._try_s = now_s + _RETRY_S
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._shut()
        super().close()

    def _shut(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _open(self, now_s: float) -> None:
        """Have the file open, not full, and still the one with its name."""
        if self._fd >= 0 and not self._in_place():
            self._shut()
        if self._fd < 0:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(self._path, flags, 0o600)
            found = os.fstat(self._fd)
            self._size = found.st_size
            self._began_s = now_s if not found.st_size else found.st_mtime
        limit = self._rotation.file_bytes
        if self._size and (
            (limit and self._size >= limit)
            or (self._rotation.days and now_s - self._began_s >= _DAY_S)
        ):
            self._shut()
            os.rename(self._path, self._full_path(now_s))
            prune(self._directory, self._rotation, now_s)
            self._open(now_s)

    def _full_path(self, now_s: float) -> Path:
        moment = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now_s))}{int(now_s % 1 * 1e6):06d}"
        for number in itertools.count():  # a clock may stand still, or go back
            path = self._directory / f"{self._process}.{moment}-{number:03d}{SUFFIX}"
            if not path.exists():
                break
        return path

    def _in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _loss(self, now_s: float) -> str:
        entry = {
            "time": _moment(now_s),
            "level": "error",
            "process": self._process,
            "logger": "omniroute.logs",
            "message": f"{self._lost} lines could not be written here: {self._why}",
        }
        return json.dumps(entry)

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]


def is_full_file(path: Path) -> bool:
    """Is it one that no process writes to any more?"""
    return path.name.removesuffix(SUFFIX).count(".") == 1


def prune(directory: Path, rotation: Rotation, now_s: float) -> int:
    """Deletes files beyond number and age; returns how many. A file in use is only deleted when it
    has not been written to for so long. Raises OSError for a folder that cannot be read."""
    aged: list[tuple[float, Path]] = []
    for path in directory.glob(f"*{SUFFIX}"):
        try:
            aged.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue  # another process was first
    aged.sort(reverse=True)
    full = [path for _, path in aged if is_full_file(path)]
    gone = set(full[rotation.files :]) if rotation.files else set()
    if rotation.days:
        gone |= {path for written_s, path in aged if now_s - written_s > rotation.days * _DAY_S}
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def configure(
    process: str,
    *,
    level: str = "info",
    format_: str = "text",
    stream: IO[str] | None = None,
    directory: Path | None = None,
    rotation: Rotation | None = None,
) -> None:
    """Send this process's logs to `stream` (standard error), and with `rotation` to a file in
    `directory` as well. Replaces an earlier configuration."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_LineFormatter(process, format_ == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if directory is not None and rotation is not None:
        root.addHandler(RotatingLines(directory, process, rotation))
    root.setLevel(logging.WARNING)
    logging.getLogger("omniroute").setLevel(level.upper())


def tell_where_it_hangs() -> None:
    """Write the stacks of all threads (names and lines, no values) to standard error on SIGUSR1.

    The supervisor asks so before it kills a child that is silent or does not leave.
    """
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)
