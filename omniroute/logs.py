"""Console logs of every process: one line a record on standard error, secrets taken out.

Contract: `configure` is called once by a process's main function. Code logs through
`logging.getLogger("omniroute.<room>")` with a plain sentence, and puts values that a machine
should find into `extra={"fields": {...}}`. Redaction runs over the finished line, traceback
included, so a secret inside an exception's text does not get through either; it is the last net,
not a licence to log secrets. Bodies of requests and answers are never logged.
"""

import faulthandler
import json
import logging
import re
import signal
import sys
import time
from typing import IO, Any

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_SHORT_LEVEL = {"WARNING": "warn", "CRITICAL": "error"}

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
    re.compile(r"\b((?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghu|AIza|ya29)[-_.]?)[A-Za-z0-9_\-.]{16,}"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by [redacted]."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1[redacted]", text)
    return text


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
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        moment = f"{moment}.{int(record.msecs):03d}Z"
        if self._as_json:
            entry = {
                "time": moment,
                "level": level,
                "process": self._process,
                "logger": record.name,
                "message": redact(message),
            }
            for name, value in fields.items():
                entry.setdefault(name, redact(str(value)) if isinstance(value, str) else value)
            return json.dumps(entry, default=str)
        values = "".join(f" {name}={value}" for name, value in fields.items())
        return redact(f"{moment} {level:5} {self._process}: {message}{values}")


def configure(
    process: str, *, level: str = "info", format_: str = "text", stream: IO[str] | None = None
) -> None:
    """Send this process's logs to `stream` (standard error). Replaces an earlier configuration."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_LineFormatter(process, format_ == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("omniroute").setLevel(level.upper())


def tell_where_it_hangs() -> None:
    """Write the stacks of all threads (names and lines, no values) to standard error on SIGUSR1.

    The supervisor asks so before it kills a child that is silent or does not leave.
    """
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)
