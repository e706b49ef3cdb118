"""The Messages format as it stands on the wire: its structs, stop reasons and counts.

Source: Anthropic's API reference, "Messages" and "Streaming messages", and the types of its Python
SDK (anthropic 2.11, November 2026). Field names are the vendor's. Structs read only what this
gateway looks into; what it does not know stays raw.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from omniroute.formats.ir import CacheMark, FinishReason, FormatError
from omniroute.usage import Usage

FORMAT: Final = "claude"
NULL: Final = Raw(b"null")

FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
STOP_REASON: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
    "content_filter": "refusal",
    "other": "end_turn",
}

_T = TypeVar("_T")


class CacheControl(Struct, gc=False):
    type: str = "ephemeral"
    ttl: str | None = None


class Block(Struct, gc=False):
    """Any content block, as far as its members mean something here."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NULL
    tool_use_id: str | None = None
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None
    citations: Raw = NULL  # a list on text, an object on documents


class BlockType(Struct, gc=False):
    """Enough to tell a block apart when its other members are not as expected."""

    type: str


class CitationBody(Struct, gc=False):
    type: str = ""
    cited_text: str | None = None
    title: str | None = None
    document_title: str | None = None
    url: str | None = None
    source: str | None = None
    encrypted_index: str | None = None


class CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class UsageBody(Struct, gc=False):
    """`input_tokens` leaves out what was read from or written to the cache."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class StopDetails(Struct, gc=False):
    category: str | None = None
    explanation: str | None = None


class Counts:
    """Usage as a stream reports it: cumulative, in parts, each later number in place of the older.

    An upstream that leaves a count out of `message_delta` has not taken back that of
    `message_start`.
    """

    __slots__ = ("cache_read", "cache_write", "output", "reasoning", "uncached")

    def __init__(self) -> None:
        self.uncached = 0
        self.cache_read = 0
        self.cache_write = 0
        self.output = 0
        self.reasoning = 0

    def take(self, read: UsageBody) -> None:
        if read.input_tokens is not None:
            self.uncached = max(0, read.input_tokens)
        if read.cache_read_input_tokens is not None:
            self.cache_read = max(0, read.cache_read_input_tokens)
        written = read.cache_creation_input_tokens
        if written is None and read.cache_creation is not None:
            split = read.cache_creation
            written = (split.ephemeral_5m_input_tokens or 0) + (
                split.ephemeral_1h_input_tokens or 0
            )
        if written is not None:
            self.cache_write = max(0, written)
        if read.output_tokens is not None:
            self.output = read.output_tokens
        details = read.output_tokens_details
        if details is not None and details.thinking_tokens is not None:
            self.reasoning = details.thinking_tokens

    @property
    def usage(self) -> Usage | None:
        """None for zeros: who counts nothing sends those, since the members are required."""
        usage = Usage(
            input_tokens=self.uncached + self.cache_read + self.cache_write,
            cache_read_tokens=self.cache_read,
            cache_write_tokens=self.cache_write,
            output_tokens=self.output,
            reasoning_tokens=self.reasoning,
        ).clamped()
        return usage if usage.total_tokens else None


def usage_of(read: UsageBody) -> Usage | None:
    """The usage that one whole object reports."""
    counts = Counts()
    counts.take(read)
    return counts.usage


def usage_body(usage: Usage) -> dict[str, object]:
    """A usage in this format's members. The split of cache writes by lifetime is not known here."""
    body: dict[str, object] = {
        "input_tokens": usage.uncached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return body


def cache_mark(control: CacheControl | None) -> CacheMark | None:
    return None if control is None else CacheMark(control.ttl or "5m")


def cache_control(mark: CacheMark) -> dict[str, str]:
    """Five minutes is the default and stays unsaid: older compatible services know no `ttl`."""
    if mark.ttl == "5m":
        return {"type": "ephemeral"}
    return {"type": "ephemeral", "ttl": mark.ttl}


def decoded(decoder: "msgspec.json.Decoder[_T]", data: bytes | Raw | str, what: str) -> _T:
    """Decode, or FormatError that says what `what` was and which member is wrong."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        text = str(error)
        _, _, rest = text.rpartition("`$.")
        param = rest.rstrip("`") if rest and rest is not text else None
        raise FormatError(f"{what}: {text}", param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{what} is not valid JSON: {error}") from None


block_decoder: Final = msgspec.json.Decoder(Block)
object_decoder: Final = msgspec.json.Decoder(dict[str, Raw])
