"""The OpenAI chat-completions format: passthrough, errors, lists, and translation.

Source: the API reference of OpenAI, and what its compatible vendors add to it. Everything here is
pure: no I/O, no clock.
"""

from omniroute.formats.base import Codec, Dialect, ModelEntry, Peek, UpstreamError
from omniroute.formats.openai_chat.carried import CARRIED
from omniroute.formats.openai_chat.codec import OpenAIChatCodec
from omniroute.formats.openai_chat.counts import answer_usage
from omniroute.formats.openai_chat.dialect import OpenAIChatDialect
from omniroute.formats.openai_chat.errors import (
    error_body,
    error_event,
    keepalive,
    upstream_error,
)
from omniroute.formats.openai_chat.lists import model_entry, model_list
from omniroute.formats.openai_chat.peeking import peek, upstream_body
from omniroute.formats.openai_chat.request_encoding import QUIRKS
from omniroute.formats.openai_chat.sanitising import sanitise
from omniroute.formats.openai_chat.tap import StreamTap
from omniroute.formats.openai_chat.wire import DONE, FORMAT
from omniroute.usage import estimate_usage

__all__ = [
    "CARRIED",
    "DONE",
    "FORMAT",
    "QUIRKS",
    "ModelEntry",
    "Peek",
    "StreamTap",
    "UpstreamError",
    "answer_usage",
    "codec",
    "dialect",
    "error_body",
    "error_event",
    "estimate_usage",
    "keepalive",
    "model_entry",
    "model_list",
    "peek",
    "sanitise",
    "upstream_body",
    "upstream_error",
]


def codec() -> Codec:
    """The format's codec."""
    return OpenAIChatCodec()


def dialect() -> Dialect:
    """The format's dialect."""
    return OpenAIChatDialect()
