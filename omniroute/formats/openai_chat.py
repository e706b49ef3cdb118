"""The OpenAI chat-completions format as passthrough needs it: peek, edits, taps, error shape.

Source: the API reference of OpenAI, "Create chat completion" and "The chat completion chunk
object". Passthrough keeps the client's bytes: only what the gateway must know is decoded, and only
the members that must differ upstream are spliced. A tap reads what passes by (usage, finish reason,
errors) and never re-encodes it. No I/O, no clock.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from omniroute.errors import ErrorKind, GatewayError
from omniroute.usage import NO_USAGE, Usage
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    Member,
    find_members,
    insert_member,
    remove_member,
    replace_value,
)
from omniroute.wire.sse import SseReader, event_data

FORMAT: Final = "openai"

# Every top-level member whose meaning the gateway acts on: a second one of the same name would let
# this gateway and the upstream read two different requests out of one body.
PEEKED: Final = (
    b"model",
    b"stream",
    b"stream_options",
    b"n",
    b"max_tokens",
    b"max_completion_tokens",
)


NOTHING: Final = msgspec.Raw(b"null")


class _PeekStruct(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None
    stream_options: msgspec.Raw = NOTHING  # msgspec takes Raw in no union
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_decode_peek = msgspec.json.Decoder(_PeekStruct).decode


class Peek(NamedTuple):
    """What the gateway reads of a request; `members` are spans in the body it was read from."""

    model: str
    stream: bool
    include_usage: bool
    members: Mapping[bytes, Member]


def peek(body: bytes) -> Peek:
    """Read what routing and limits need. GatewayError (400) for a body that is not a request."""
    try:
        read = _decode_peek(body)
        members = find_members(body, PEEKED)
    except DuplicateMember as error:
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"{error}; a request must name each of its parameters once.",
        ) from None
    except (msgspec.ValidationError, JsonScanError) as error:
        text = str(error)
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"The request body is not a chat completion request: {text}.",
            param=_param_of(text),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayError(
            ErrorKind.BAD_REQUEST, f"The request body is not valid JSON: {error}."
        ) from None
    if not read.model:
        raise GatewayError(
            ErrorKind.BAD_REQUEST, "`model` is empty; give it as provider/model.", param="model"
        )
    stream = read.stream is True
    return Peek(read.model, stream, stream and _includes_usage(read.stream_options), members)


def _param_of(text: str) -> str | None:
    """The member a msgspec message is about: "… - at `$.stream`", "… required field `model`"."""
    _, _, rest = text.rpartition("`$.")
    if rest and rest is not text:
        return rest.rstrip("`") or None
    if "required field" in text:
        return text.rpartition("field `")[2].rstrip("`")
    return None


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


_decode_stream_options = msgspec.json.Decoder(_StreamOptions | None).decode


def _includes_usage(raw: msgspec.Raw) -> bool:
    try:
        options = _decode_stream_options(raw)
    except msgspec.ValidationError as error:
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"`stream_options` is wrong: {error}.",
            param="stream_options",
        ) from None
    return options is not None and options.include_usage is True


def upstream_body(body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
    """The client's bytes with the upstream's model name, asking for usage where wanted.

    Works from the last span to the first, so that each still fits its body.
    """
    edits: list[tuple[Member, bytes]] = []
    if model != peeked.model:
        edits.append((peeked.members[b"model"], msgspec.json.encode(model)))
    add_options = False
    if ask_usage:
        options = peeked.members.get(b"stream_options")
        if options is None:
            add_options = True
        else:
            old = msgspec.json.decode(body[options.value_start : options.value_end])
            asked = {**(old or {}), "include_usage": True}
            edits.append((options, msgspec.json.encode(asked)))
    edits.sort(key=lambda edit: edit[0].value_start, reverse=True)
    for member, value in edits:
        body = replace_value(body, member, value)
    if add_options:
        body = insert_member(body, b"stream_options", b'{"include_usage":true}')
    return body


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _UsageStruct(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name for cached_tokens


def _usage(read: _UsageStruct) -> Usage:
    prompt = read.prompt_tokens_details
    completion = read.completion_tokens_details
    cached = prompt.cached_tokens if prompt is not None else None
    written = prompt.cache_write_tokens if prompt is not None else None
    reasoning = completion.reasoning_tokens if completion is not None else None
    return Usage(
        input_tokens=read.prompt_tokens or 0,
        cache_read_tokens=cached or read.prompt_cache_hit_tokens or 0,
        cache_write_tokens=written or 0,
        output_tokens=read.completion_tokens or 0,
        reasoning_tokens=reasoning or 0,
    ).clamped()


class _Answer(msgspec.Struct, gc=False):
    usage: _UsageStruct | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def answer_usage(body: bytes) -> Usage | None:
    """The usage that a whole (unstreamed) answer reports; None when it reports none."""
    try:
        read = _decode_answer(body).usage
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # not ours to judge: the bytes go to the client as they are
    return None if read is None else _usage(read)


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = NOTHING
    function_call: msgspec.Raw = NOTHING
    audio: msgspec.Raw = NOTHING


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _UsageStruct | UnsetType | None = UNSET
    error: msgspec.Raw = NOTHING


_decode_chunk = msgspec.json.Decoder(_Chunk).decode

DONE: Final = b"data: [DONE]\n\n"


class StreamTap:
    """Reads a chat stream as it passes; gives on whole events only, byte for byte.

    `feed` returns what may go to the client now. With `strip_usage` the usage that the gateway
    asked for on its own account is taken out again: the final usage-only chunk and the `usage`
    members of others. `generated` turns true at the first event that carries something generated;
    until then a failure can still be hidden. `error` holds the upstream's error event, if one came;
    such an event is never given on by `feed`: the caller decides how the client learns of it.
    """

    __slots__ = (
        "_reader",
        "_strip_usage",
        "characters",
        "done",
        "error",
        "finish_reason",
        "generated",
        "usage",
    )

    def __init__(self, *, strip_usage: bool, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._strip_usage = strip_usage
        self.generated = False
        self.done = False  # the terminator has passed
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.error: UpstreamError | None = None
        self.characters = 0  # of generated text, to estimate by when no usage comes

    @property
    def complete(self) -> bool:
        """Did the stream end as a stream should: with its terminator or a finish reason?"""
        return self.done or self.finish_reason is not None

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the upstream's stream, give those that go on. SseTooLong when unbounded."""
        events = self._reader.feed(data)
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(raw) for raw in events])

    def finish(self) -> bytes:
        """The upstream has ended: a last event without its blank line still counts."""
        tail = self._reader.tail
        if not tail.strip():
            return b""
        return self._event(tail + b"\n\n") if event_data(tail + b"\n\n") else b""

    def _event(self, raw: bytes) -> bytes:
        payload = event_data(raw)
        if not payload:
            return raw  # a comment, or an event without data
        if payload == b"[DONE]":
            self.done = True
            return raw
        try:
            chunk = _decode_chunk(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.generated = True  # something this version cannot read still is something
            return raw
        if chunk.error != NOTHING:
            self.error = upstream_error(payload)
            return b""
        choices = chunk.choices
        if choices:
            for choice in choices:
                delta = choice.delta
                if delta is not None:
                    text = delta.content or delta.reasoning_content or delta.reasoning
                    if text:
                        self.characters += len(text)
                        self.generated = True
                    elif not self.generated and (
                        delta.refusal
                        or delta.tool_calls != NOTHING
                        or delta.function_call != NOTHING
                        or delta.audio != NOTHING
                    ):
                        self.generated = True
                if choice.finish_reason is not None:
                    self.finish_reason = choice.finish_reason
                    self.generated = True
        usage = chunk.usage
        if usage is UNSET:
            return raw
        if usage is not None:
            self.usage = _usage(usage)
        if not self._strip_usage:
            return raw
        if not choices and usage is not None:
            return b""
        return _without_usage(raw, payload)


def _without_usage(raw: bytes, payload: bytes) -> bytes:
    member = find_members(payload, (b"usage",)).get(b"usage")
    if member is None:
        return raw
    edited = remove_member(payload, member)
    # The payload stands in the event as it is unless it was spread over several data lines.
    if payload in raw:
        return raw.replace(payload, edited, 1)
    lines = b"\n".join(b"data: " + line for line in edited.split(b"\n"))
    return lines + b"\n\n"


class UpstreamError(NamedTuple):
    """What an upstream said of a failure, in the words of this format."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


class _ErrorDetail(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _ErrorBody(msgspec.Struct, gc=False):
    error: _ErrorDetail | str | None = None
    message: str | None = None
    detail: str | None = None


_decode_error = msgspec.json.Decoder(_ErrorBody, strict=False).decode

MAX_QUOTED_CHARACTERS: Final = 2000


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error body or event of an upstream; anything unreadable is quoted, shortened."""
    try:
        read = _decode_error(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS] or "no explanation")
    error = read.error
    if isinstance(error, str):
        return UpstreamError(error[:MAX_QUOTED_CHARACTERS])
    if error is not None:
        code = None if error.code is None else str(error.code)
        message = (error.message or "no explanation")[:MAX_QUOTED_CHARACTERS]
        return UpstreamError(message, error.type, code, error.param)
    text = read.message or read.detail or "no explanation"
    return UpstreamError(text[:MAX_QUOTED_CHARACTERS])


class _ErrorOut(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str | None


class _ErrorEnvelope(msgspec.Struct):
    error: _ErrorOut


def error_body(error: GatewayError) -> bytes:
    """An error in the shape that OpenAI's SDKs read."""
    return msgspec.json.encode(
        _ErrorEnvelope(_ErrorOut(error.message, error.openai_type, error.param, error.openai_code))
    )


def error_event(error: GatewayError) -> bytes:
    """How a stream that has begun ends when it fails: an error event, then the terminator."""
    return b"data: " + error_body(error) + b"\n\n" + DONE


def keepalive() -> bytes:
    """What keeps a silent stream open: a comment, which every SSE reader passes over."""
    return b": keepalive\n\n"


class ModelEntry(msgspec.Struct):
    """One entry of the model list."""

    id: str
    owned_by: str
    created: int = 0
    object: str = "model"


class _ModelList(msgspec.Struct):
    data: list[ModelEntry]
    object: str = "list"


def model_list(entries: list[ModelEntry]) -> bytes:
    """The answer of GET /v1/models."""
    return msgspec.json.encode(_ModelList(entries))


def model_entry(entry: ModelEntry) -> bytes:
    """The answer of GET /v1/models/{id}."""
    return msgspec.json.encode(entry)


def estimate_usage(request_bytes: int, characters: int) -> Usage:
    """A rough count for when an upstream reports none: four bytes or characters to a token."""
    if not request_bytes and not characters:
        return NO_USAGE
    return Usage(input_tokens=(request_bytes + 3) // 4, output_tokens=(characters + 3) // 4)
