"""Deltas as they travel: the commonest event of each stream, read and written without a decoder.

What the readers take and give, and that they give None for everything else, is stated with the
reference in `omniroute._speedups.deltas_py`; a compiled twin runs where it is built.
"""

from omniroute._speedups import (
    ARGUMENTS,
    REASONING,
    SUMMARY,
    TEXT,
    Delta,
    read_claude_delta,
    read_gemini_delta,
    read_openai_delta,
    read_responses_delta,
    write_delta,
)

__all__ = [
    "ARGUMENTS",
    "REASONING",
    "SUMMARY",
    "TEXT",
    "Delta",
    "read_claude_delta",
    "read_gemini_delta",
    "read_openai_delta",
    "read_responses_delta",
    "write_delta",
]
