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
from omniroute.wire.sse import SseReader, SseTooLong, event_data, event_type

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
    except RecursionError:
        raise GatewayError(
            ErrorKind.BAD_REQUEST, "The request body is nested too deeply to be read."
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
    if raw == NOTHING:
        return False
    try:
        options = _decode_stream_options(raw)
        find_members(bytes(raw), (b"include_usage",))  # twice would mean two things
    except (msgspec.ValidationError, DuplicateMember) as error:
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
            asked = _asking_usage(body[options.value_start : options.value_end])
            edits.append((options, asked))
    edits.sort(key=lambda edit: edit[0].value_start, reverse=True)
    for member, value in edits:
        body = replace_value(body, member, value)
    if add_options:
        body = insert_member(body, b"stream_options", b'{"include_usage":true}')
    return body


def _asking_usage(options: bytes) -> bytes:
    """A client's `stream_options`, an object or null, with `include_usage` set."""
    if options == b"null":
        return b'{"include_usage":true}'
    member = find_members(options, (b"include_usage",)).get(b"include_usage")
    if member is None:
        return insert_member(options, b"include_usage", b"true")
    return replace_value(options, member, b"true")


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _UsageStruct(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    # Names of others for prompt_tokens_details.cached_tokens: DeepSeek's, Moonshot's.
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None


def _usage(read: _UsageStruct) -> Usage:
    prompt = read.prompt_tokens_details
    completion = read.completion_tokens_details
    cached = prompt.cached_tokens if prompt is not None else None
    written = prompt.cache_write_tokens if prompt is not None else None
    reasoning = (completion.reasoning_tokens if completion is not None else None) or 0
    prompt_tokens = read.prompt_tokens or 0
    output = read.completion_tokens or 0
    if reasoning and read.total_tokens == prompt_tokens + output + reasoning:
        output += reasoning  # xAI counts reasoning beside completion_tokens, not within
    return Usage(
        input_tokens=prompt_tokens,
        cache_read_tokens=cached or read.prompt_cache_hit_tokens or read.cached_tokens or 0,
        cache_write_tokens=written or 0,
        output_tokens=output,
        reasoning_tokens=reasoning,
    ).clamped()


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Answer(msgspec.Struct, gc=False):
    usage: _UsageStruct | None = None


# Numbers of answers may come as strings or as floats without a fraction.
_decode_answer = msgspec.json.Decoder(_Answer, strict=False).decode


def answer_usage(body: bytes) -> Usage | None:
    """The usage that a whole (unstreamed) answer reports; None when it reports none."""
    try:
        read = _decode_answer(body).usage
    except _UNREADABLE:
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


class _LooseChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _LooseChunk(msgspec.Struct, gc=False):
    """What is read of an event that has the type of some member wrong (content as a list, …)."""

    choices: list[_LooseChoice] | None = None
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_decode_loose_chunk = msgspec.json.Decoder(_LooseChunk).decode
_decode_loose_usage = msgspec.json.Decoder(_UsageStruct, strict=False).decode

DONE: Final = b"data: [DONE]\n\n"


class StreamTap:
    """Reads a chat stream as it passes; gives on whole events only, byte for byte.

    `feed` returns what may go to the client now. With `strip_usage` the usage that the gateway
    asked for on its own account is taken out again: the final usage-only chunk and the `usage`
    members of others. `generated` turns true at the first event that carries something generated;
    until then a failure can still be hidden. `error` holds the upstream's error event, if one came;
    such an event is never given on by `feed`: the caller decides how the client learns of it.

    Where the events before one that is too long are good, `feed` gives them first and raises at the
    next call.
    """

    __slots__ = (
        "_reader",
        "_strip_usage",
        "_too_long",
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
        self._too_long = False
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
        try:
            events = self._reader.feed(data)
        except SseTooLong as error:
            self._too_long = True
            events = error.events
            if not events:
                raise
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(raw) for raw in events])

    def finish(self) -> bytes:
        """The upstream has ended: a last event without its blank line counts if it is whole."""
        reader = self._reader
        if self._too_long:
            raise SseTooLong(reader.max_event_bytes, [])
        out = b"".join([self._event(raw) for raw in reader.finish()])
        tail = reader.tail
        payload = event_data(tail)
        if payload == b"[DONE]" or (payload and _is_object(payload)):
            out += self._event(tail + (b"\n" if tail.endswith(b"\n") else b"\n\n"))
        return out

    def _event(self, raw: bytes) -> bytes:
        payload = event_data(raw)
        if not payload:
            return raw  # a comment, or an event without data
        if payload == b"[DONE]":
            self.done = True
            return raw
        try:
            chunk = _decode_chunk(payload)
        except _UNREADABLE:
            return self._odd_event(raw, payload)
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
            return raw if choices is not None else self._foreign_event(raw, payload)
        if usage is not None:
            self.usage = _usage(usage)
        if not self._strip_usage:
            return raw
        if not choices and usage is not None:
            return b""
        return _without_usage(raw, payload)

    def _foreign_event(self, raw: bytes, payload: bytes) -> bytes:
        """An object that is no chunk: an error without the `error` member, or nothing to us."""
        if event_type(raw) == b"error" or _is_bare_error(payload):
            self.error = upstream_error(payload)
            return b""
        return raw

    def _odd_event(self, raw: bytes, payload: bytes) -> bytes:
        """An event that does not have the usual types, or is no JSON: read what can be read."""
        if event_type(raw) == b"error":
            self.error = upstream_error(payload)
            return b""
        self.generated = True  # something this version cannot read still is something
        try:
            chunk = _decode_loose_chunk(payload)
        except _UNREADABLE:
            return raw
        if chunk.error != NOTHING:
            self.error = upstream_error(payload)
            return b""
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
        if chunk.usage != NOTHING:
            try:
                self.usage = _usage(_decode_loose_usage(chunk.usage))
            except _UNREADABLE:
                return raw
            if self._strip_usage:
                return _without_usage(raw, payload) if chunk.choices else b""
        return raw


def _is_object(payload: bytes) -> bool:
    try:
        _decode_loose_chunk(payload)
    except msgspec.ValidationError:
        return payload.startswith(b"{")
    except _UNREADABLE:
        return False
    return True


_LAST_NULL_USAGE: Final = b',"usage":null}'


def _without_usage(raw: bytes, payload: bytes) -> bytes:
    """The event without the `usage` of its payload; as it is where that has two or more."""
    plain = len(raw) == len(payload) + 8 and raw.startswith(b"data: ")  # one line, LF line ends
    if plain and payload.endswith(_LAST_NULL_USAGE):
        # The usual place: the last brace is the outermost one, so this is the outermost member.
        start = len(payload) - len(_LAST_NULL_USAGE)
        if payload.find(b'"usage"') == start + 1:
            return b"data: %b}\n\n" % payload[:start]
    try:
        member = find_members(payload, (b"usage",)).get(b"usage")
    except JsonScanError:
        return raw
    if member is None:
        return raw
    edited = remove_member(payload, member)
    if plain:
        return b"data: %b\n\n" % edited
    # Lines of other fields stay where they are; the data takes the place of its first line.
    lines: list[bytes] = []
    pending = [b"data: " + line for line in edited.split(b"\n")]
    for line in raw.splitlines():
        if not line.startswith(b"data:") and line != b"data":
            lines.append(line)
        elif pending:
            lines += pending
            pending = []
    return b"\n".join(lines) + b"\n"


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
    object: str | None = None  # vLLM's errors are bare: {"object": "error", "message": …}
    message: str | None = None
    detail: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


# Google's service for this format wraps the object in a list.
_decode_error = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody], strict=False).decode

MAX_QUOTED_CHARACTERS: Final = 2000


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error body or event of an upstream; anything unreadable is quoted, shortened."""
    try:
        found = _decode_error(body)
        read = found if isinstance(found, _ErrorBody) else found[0]
    except (*_UNREADABLE, IndexError):
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
    code = None if read.code is None else str(read.code)
    return UpstreamError(text[:MAX_QUOTED_CHARACTERS], read.type, code, read.param)


def _is_bare_error(payload: bytes) -> bool:
    try:
        read = _decode_error(payload)
    except _UNREADABLE:
        return False
    return isinstance(read, _ErrorBody) and read.object == "error"


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
