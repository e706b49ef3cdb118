"""The hot byte work: compiled modules, each beside a Python twin with the same interface.

This is the one place where a twin is chosen; everyone imports the names below. The compiled
modules (`*_c`) are taken together or not at all. The Python twins (`*_py`) run when
`OMNIROUTE_NO_EXTENSIONS` is set (to anything but "" or "0"), or when the extension is not there
or does not load; `FALLBACK_REASON` then says why, so that commands can tell a person.
"""

import os
from typing import TYPE_CHECKING

from omniroute._speedups.contract import (
    ARGUMENTS,
    MAX_DEPTH,
    REASONING,
    SUMMARY,
    TEXT,
    Delta,
    DuplicateMember,
    JsonScanError,
    Member,
    SseTooLong,
)

__all__ = [
    "ARGUMENTS",
    "COMPILED",
    "FALLBACK_REASON",
    "MAX_DEPTH",
    "REASONING",
    "SUMMARY",
    "TEXT",
    "Delta",
    "DuplicateMember",
    "JsonScanError",
    "Member",
    "SseReader",
    "SseTooLong",
    "ThinkTagSplitter",
    "event_data",
    "event_type",
    "find_members",
    "holds_string",
    "read_claude_delta",
    "read_gemini_delta",
    "read_openai_delta",
    "read_responses_delta",
    "write_delta",
]

FALLBACK_REASON: str = ""
"""Why the Python twins run; "" when the compiled modules do."""

if TYPE_CHECKING or os.environ.get("OMNIROUTE_NO_EXTENSIONS", "") not in ("", "0"):
    FALLBACK_REASON = "OMNIROUTE_NO_EXTENSIONS is set"
else:
    try:
        from omniroute._speedups.deltas_c import (
            read_claude_delta,
            read_gemini_delta,
            read_openai_delta,
            read_responses_delta,
            write_delta,
        )
        from omniroute._speedups.jsonscan_c import find_members, holds_string
        from omniroute._speedups.sse_c import SseReader, event_data, event_type
        from omniroute._speedups.thinktags_c import ThinkTagSplitter
    except ImportError as error:
        FALLBACK_REASON = f"the compiled speedups do not load: {error}"

if FALLBACK_REASON:
    from omniroute._speedups.deltas_py import (
        read_claude_delta,
        read_gemini_delta,
        read_openai_delta,
        read_responses_delta,
        write_delta,
    )
    from omniroute._speedups.jsonscan_py import find_members, holds_string
    from omniroute._speedups.sse_py import SseReader, event_data, event_type
    from omniroute._speedups.thinktags_py import ThinkTagSplitter

COMPILED: bool = not FALLBACK_REASON
"""Whether the compiled modules run."""
