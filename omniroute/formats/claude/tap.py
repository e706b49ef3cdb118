"""Reads a Messages stream that passes through; see `omniroute.formats.base.Tap`."""

from typing import Final

import msgspec
from msgspec import Struct

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.claude.errors import error_event, upstream_error
from omniroute.formats.claude.wire import Counts, UsageBody
from omniroute.formats.misread import UNREADABLE
from omniroute.usage import Usage
from omniroute.wire.deltas import read_claude_delta
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    find_members,
    replace_value,
)
from omniroute.wire.sse import SseReader, event_data


class _Delta(Struct, gc=False):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Message(Struct, gc=False):
    model: str | None = None
    usage: UsageBody | None = None


class _Body(Struct, gc=False):
    type: str
    delta: _Delta | None = None
    message: _Message | None = None
    usage: UsageBody | None = None


_decode: Final = msgspec.json.Decoder(_Body).decode


def _renamed(raw: bytes, payload: bytes, model: str) -> bytes:
    """The event with another `message.model`; as it was where the name cannot be found."""
    try:
        message = find_members(payload, (b"message",))[b"message"]
        inner = payload[message.value_start : message.value_end]
        named = find_members(inner, (b"model",))[b"model"]
    except (JsonScanError, DuplicateMember, KeyError):
        return raw
    changed = replace_value(inner, named, msgspec.json.encode(model))
    # Data over several lines is not found in the event, and then goes on as it is.
    return raw.replace(payload, replace_value(payload, message, changed), 1)


class ClaudeTap:
    """Gives on whole events, byte for byte; an error event is kept back.

    With `model` the answer says that it is of this model, in `message_start` alone: Claude Code
    sends the thinking of an answer back only where that is the very name it asked for.
    """

    __slots__ = (
        "_counts",
        "_model",
        "_reader",
        "_stop_reason",
        "characters",
        "done",
        "error",
        "generated",
        "usage",
    )

    def __init__(self, max_event_bytes: int, model: str = "") -> None:
        self._reader = SseReader(max_event_bytes)
        self._model = model
        self._counts = Counts()
        self._stop_reason: str | None = None
        self.generated = False
        self.done = False  # message_stop has passed
        self.usage: Usage | None = None
        self.error: UpstreamError | None = None
        self.characters = 0

    @property
    def complete(self) -> bool:
        """Did the stream end with its terminator, or at least with a reason to stop?"""
        return self.done or self._stop_reason is not None

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the upstream's stream, give those that go on. SseTooLong when unbounded."""
        events = self._reader.feed(data)
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(raw) for raw in events])

    def fail(self, error: GatewayError) -> bytes:
        """How this very stream ends when it fails."""
        return error_event(error)

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
        piece = read_claude_delta(payload)
        if piece is not None:
            self.generated = True
            self.characters += len(piece[3])
            return raw
        try:
            body = _decode(payload)
        except UNREADABLE:
            self.generated = True  # something this version cannot read still is something
            return raw
        kind = body.type
        if kind == "content_block_delta":
            self.generated = True
            delta = body.delta
            if delta is not None:
                text = delta.text or delta.partial_json or delta.thinking
                if text:
                    self.characters += len(text)
        elif kind == "message_start":
            message = body.message
            if message is not None and message.usage is not None:
                self._count(message.usage)
            if self._model and message is not None and message.model != self._model:
                return _renamed(raw, payload, self._model)
        elif kind == "message_delta":
            self.generated = True
            if body.delta is not None and body.delta.stop_reason is not None:
                self._stop_reason = body.delta.stop_reason
            if body.usage is not None:
                self._count(body.usage)
        elif kind == "message_stop":
            self.done = True
        elif kind == "error":
            self.error = upstream_error(payload)
            return b""
        elif kind == "content_block_start" and b'"text"' not in payload:
            self.generated = True  # a call, a result: its start alone is content
        return raw

    def _count(self, read: UsageBody) -> None:
        self._counts.take(read)
        usage = self._counts.usage
        # Imitators begin with zeros and report at the end, or never: zeros are no report.
        if usage is not None:
            self.usage = usage
