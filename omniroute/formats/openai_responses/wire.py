"""What the OpenAI Responses API puts on the wire, as far as it has to be looked into.

Source: OpenAI API reference, "Create a model response" and "Streaming events", and the types of the
official SDK (openai 3.52). Field names are the vendor's. Items and content parts are read in two
steps, their type first: one that is not known is kept raw, so nothing of it can be wrong.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from omniroute.formats.ir import CacheMark, FormatError
from omniroute.usage import Usage

FORMAT: Final = "openai-responses"
NOTHING: Final = Raw(b"null")

T = TypeVar("T")


class Head(Struct, gc=False):
    """The type of an item, a part, a tool or an event. Messages may leave theirs out."""

    type: str | None = None


class MessageIn(Struct):
    role: str
    content: Raw = NOTHING


class CallIn(Struct):
    call_id: str
    name: str
    arguments: str = ""
    namespace: str | None = None


class CustomCallIn(Struct):
    call_id: str
    name: str
    input: str = ""
    namespace: str | None = None


class OutputIn(Struct):
    call_id: str
    output: Raw = NOTHING


class TextIn(Struct):
    text: str = ""


class ReasoningIn(Struct):
    id: str | None = None
    summary: list[TextIn] | None = None
    content: list[TextIn] | None = None
    encrypted_content: str | None = None


class ItemReferenceIn(Struct):
    id: str


class BreakpointIn(Struct):
    ttl: str | None = None

    @property
    def mark(self) -> CacheMark:
        return CacheMark("1h" if self.ttl == "12h" else "5m")


class AudioIn(Struct):
    data: str = ""
    format: str = ""


class TextPartIn(Struct):
    text: str = ""
    annotations: list[Raw] | None = None
    logprobs: list[Raw] | None = None
    prompt_cache_breakpoint: BreakpointIn | None = None


class RefusalPartIn(Struct):
    refusal: str = ""


class ImagePartIn(Struct):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: BreakpointIn | None = None


class FilePartIn(Struct):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: BreakpointIn | None = None


class AudioPartIn(Struct):
    input_audio: AudioIn


class AnnotationIn(Struct):
    type: str | None = None
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class ImageCallIn(Struct):
    result: str | None = None
    output_format: str | None = None


class InputDetailsIn(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetailsIn(Struct, gc=False):
    reasoning_tokens: int | None = None


class UsageIn(Struct, gc=False):
    """`input_tokens` and `output_tokens` are totals that include their details."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetailsIn | None = None
    output_tokens_details: OutputDetailsIn | None = None

    @property
    def usage(self) -> Usage:
        given = self.input_tokens_details
        made = self.output_tokens_details
        return Usage(
            input_tokens=self.input_tokens or 0,
            cache_read_tokens=(given.cached_tokens or 0) if given is not None else 0,
            cache_write_tokens=(given.cache_write_tokens or 0) if given is not None else 0,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=(made.reasoning_tokens or 0) if made is not None else 0,
        ).clamped()


class IncompleteIn(Struct):
    reason: str | None = None


class ErrorIn(Struct):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class ResponseIn(Struct):
    """A response object: a whole answer, or what the first and last event of a stream hold."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Raw] | None = None
    usage: UsageIn | None = None
    incomplete_details: IncompleteIn | None = None
    error: ErrorIn | None = None


read_head: Final = msgspec.json.Decoder(Head).decode
read_raws: Final = msgspec.json.Decoder(list[Raw]).decode
read_text: Final = msgspec.json.Decoder(str).decode
read_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
read_any_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
read_response: Final = msgspec.json.Decoder(ResponseIn).decode
dump: Final = msgspec.json.Encoder().encode


def reader(kind: type[T]) -> Callable[[bytes | Raw], T]:
    """A typed decoder's `decode`."""
    return msgspec.json.Decoder(kind).decode


def read(decode: Callable[[bytes | Raw], T], data: bytes | Raw, where: str) -> T:
    """Decode or raise FormatError naming what is wrong and where (`where` is a JSON path)."""
    try:
        return decode(data)
    except msgspec.ValidationError as error:
        text = str(error)
        reason, _, path = text.partition(" - at `$")
        param = (where + path.rstrip("`")).lstrip(".")
        raise FormatError(f"`{param}`: {reason}" if param else text, param or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"not valid JSON: {error}", where or None) from None


def usage_json(usage: Usage) -> bytes:
    """Usage in this format's words."""
    return (
        b'{"input_tokens":%d,"input_tokens_details":{"cache_write_tokens":%d,"cached_tokens":%d},'
        b'"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
        % (
            usage.input_tokens,
            usage.cache_write_tokens,
            usage.cache_read_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.total_tokens,
        )
    )
