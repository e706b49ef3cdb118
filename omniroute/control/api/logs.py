"""The console: the latest log lines of all processes, from their files."""

import time
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from omniroute.control.api.declare import Call, Route
from omniroute.control.console import LineFilter, tail
from omniroute.control.policy import Policy
from omniroute.logs import FILES_IN

_LINES_MAX: Final = 2_000


class Wanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which lines. `before_ms` is exclusive: the time of the last line seen gives older ones."""

    level: Literal["", "debug", "info", "warning", "error"] = ""
    process: str = ""
    logger: str = ""
    text: str = ""
    since_ms: Annotated[int, Meta(ge=0, lt=1 << 47)] | None = None
    before_ms: Annotated[int, Meta(ge=0, lt=1 << 47)] | None = None
    limit: Annotated[int, Meta(ge=1, le=_LINES_MAX)] = 200


class Lines(msgspec.Struct):
    """Latest first. Each line has `time`, `level`, `process`, `logger`, `message`, and fields of
    its own. Without `is_whole` there may be older ones."""

    lines: list[dict[str, Any]]
    is_whole: bool


async def console(call: Call) -> Lines:
    """Empty where the log files are switched off."""
    query: Wanted = call.query
    found = await call.blocking(
        tail,
        call.services.installation.data_dir / FILES_IN,
        LineFilter(
            level=query.level,
            process=query.process,
            logger=query.logger,
            text=query.text,
            since=_moment(query.since_ms),
            before=_moment(query.before_ms),
        ),
        query.limit,
    )
    return Lines(found.lines, found.is_whole)


def _moment(at_ms: int | None) -> str:
    """Unix ms as the lines have it."""
    if at_ms is None:
        return ""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
    return f"{whole}.{at_ms % 1000:03d}Z"


ROUTES: Final = (
    Route(
        "GET",
        "/api/logs/console",
        Policy.READ,
        "The latest log lines of all processes.",
        console,
        query=Wanted,
        output=Lines,
    ),
)
