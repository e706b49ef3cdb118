"""Anthropic's Messages format ("claude"): as a client speaks it, and as a provider does.

`codec` translates, `dialect` passes through; `CARRIED` tells what of a conversation survives.
"""

from omniroute.formats.base import Codec, Dialect
from omniroute.formats.claude.carried import CARRIED
from omniroute.formats.claude.codec import ClaudeCodec
from omniroute.formats.claude.counting import estimate_input_tokens, estimated
from omniroute.formats.claude.dialect import ClaudeDialect
from omniroute.formats.claude.wire import FORMAT

__all__ = [
    "CARRIED",
    "FORMAT",
    "codec",
    "count_tokens_response",
    "dialect",
    "estimate_input_tokens",
    "estimated",
]


def codec() -> Codec:
    """The format in translation."""
    return ClaudeCodec()


def dialect() -> Dialect:
    """The format in passthrough."""
    return ClaudeDialect()


def count_tokens_response(tokens: int) -> bytes:
    """The answer of POST /v1/messages/count_tokens."""
    return ClaudeDialect().counted(tokens)
