"""The tap of a chat stream that passes through: read for usage, end and errors, never re-encoded.

Source: the API reference of OpenAI, "The chat completion chunk object". No I/O, no clock.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat.counts import UsageIn, usage_of
from omniroute.formats.openai_chat.errors import error_event, is_bare_error, upstream_error
from omniroute.formats.openai_chat.sanitising import sanitise
from omniroute.formats.openai_chat.wire import NOTHING
from omniroute.usage import Usage
from omniroute.wire.deltas import ARGUMENTS, read_openai_delta
from omniroute.wire.jsonscan import JsonScanError, find_members, remove_member
from omniroute.wire.sse import SseReader, SseTooLong, event_data, event_type


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = NOTHING
    function_call: msgspec.Raw = NOTHING
    audio: msgspec.Raw = NOTHING


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: UsageIn | UnsetType | None = UNSET
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
_decode_loose_usage = msgspec.json.Decoder(UsageIn, strict=False).decode


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

    def fail(self, error: GatewayError) -> bytes:
        """How this very stream ends when it fails."""
        return error_event(error)

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
        if not self._strip_usage or b'"usage"' not in payload:
            piece = read_openai_delta(payload)
            if piece is not None:
                # The usual event by far: a piece of something, and nothing else.
                if piece[0] != ARGUMENTS:
                    self.characters += len(piece[3])
                self.generated = True
                return raw
        try:
            chunk = _decode_chunk(payload)
        except UNREADABLE:
            return self._odd_event(raw, payload)
        if chunk.error != NOTHING:
            self.error = upstream_error(payload)
            return b""
        choices = chunk.choices
        if choices:
            for choice in choices:
                delta = choice.delta
                if delta is not None:
                    text = (
                        delta.content
                        or delta.reasoning_content
                        or delta.reasoning
                        or delta.reasoning_text
                    )
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
            self.usage = usage_of(usage)
        if not self._strip_usage:
            return raw
        if not choices and usage is not None:
            return b""
        return _withoutusage_of(raw, payload)

    def _foreign_event(self, raw: bytes, payload: bytes) -> bytes:
        """An object that is no chunk: an error without the `error` member, or nothing to us."""
        if event_type(raw) == b"error" or is_bare_error(payload):
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
        except UNREADABLE:
            return raw
        if chunk.error != NOTHING:
            self.error = upstream_error(payload)
            return b""
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
        if chunk.usage != NOTHING:
            try:
                self.usage = usage_of(_decode_loose_usage(chunk.usage))
            except UNREADABLE:
                return raw
            if self._strip_usage:
                return _withoutusage_of(raw, payload) if chunk.choices else b""
        return raw


class SanitisingTap(StreamTap):
    """A stream tap that takes members outside the dialect out of what it gives on.

    What they say is read all the same, for they go only behind the reading.
    """

    __slots__ = ()

    def _event(self, raw: bytes) -> bytes:
        kept = super()._event(raw)
        return sanitise(kept) if kept else kept


def _is_object(payload: bytes) -> bool:
    try:
        _decode_loose_chunk(payload)
    except msgspec.ValidationError:
        return payload.startswith(b"{")
    except UNREADABLE:
        return False
    return True


_LAST_NULL_USAGE: Final = b',"usage":null}'


def _withoutusage_of(raw: bytes, payload: bytes) -> bytes:
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
