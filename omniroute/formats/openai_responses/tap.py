"""The tap of a Responses stream that passes through: read for usage, end and errors.

The opening events only repeat the request, so nothing is generated before the first item. An error
comes as `error`, as `response.failed`, or as both; none of them is given on.
"""

from typing import Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_responses import errors, wire
from omniroute.formats.openai_responses.failing import failure
from omniroute.usage import Usage
from omniroute.wire.sse import SseReader, SseTooLong, event_data

_OPENING: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_END: Final = frozenset({"response.completed", "response.incomplete"})
_ERROR: Final = frozenset({"response.failed", "error"})


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: str = ""
    response: msgspec.Raw = wire.NOTHING
    error: msgspec.Raw = wire.NOTHING


_read_event = msgspec.json.Decoder(_Event).decode


class _Ended(msgspec.Struct, gc=False):
    usage: wire.UsageIn | None = None


_read_ended = msgspec.json.Decoder(_Ended).decode


def answer_usage(body: bytes | msgspec.Raw) -> Usage | None:
    """The usage of a response object; None when it reports none, or cannot be read."""
    try:
        usage = _read_ended(body).usage
    except UNREADABLE:
        return None  # not ours to judge: the bytes go to the client as they are
    return None if usage is None else usage.usage


class StreamTap:
    """See `formats.base.Tap`.

    Where the events before one that is too long are good, `feed` gives them first and raises at the
    next call.
    """

    __slots__ = ("_reader", "_too_long", "characters", "done", "error", "generated", "usage")

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._too_long = False
        self.generated = False
        self.done = False
        self.usage: Usage | None = None
        self.error: UpstreamError | None = None
        self.characters = 0

    @property
    def complete(self) -> bool:
        return self.done

    def feed(self, data: bytes) -> bytes:
        """SseTooLong when an event outgrows its bound."""
        try:
            events = self._reader.feed(data)
        except SseTooLong as error:
            if self._too_long or not error.events:
                raise
            self._too_long = True
            events = error.events
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(raw) for raw in events])

    def fail(self, error: GatewayError) -> bytes:
        """How this very stream ends when it fails."""
        return failure(error)

    def finish(self) -> bytes:
        """A last event without its blank line still counts."""
        events = self._reader.finish()
        tail = self._reader.tail
        if event_data(tail):
            events.append(tail.rstrip(b"\r\n") + b"\n\n")
        return b"".join([self._event(raw) for raw in events])

    def _event(self, raw: bytes) -> bytes:
        payload = event_data(raw)
        if not payload:
            return raw  # a comment
        try:
            event = _read_event(payload)
        except UNREADABLE:
            self.generated = True  # something this version cannot read still is something
            return raw
        kind = event.type
        if event.delta:
            self.characters += len(event.delta)
            self.generated = True
        elif kind in _END:
            self.done = True
            self.generated = True
            self.usage = answer_usage(event.response)
        elif kind in _ERROR or (not kind and event.error != wire.NOTHING):
            # The first of two says more: `response.failed` has no type and no parameter.
            if self.error is None:
                self.error = errors.upstream_error(payload)
            return b""
        elif kind not in _OPENING:
            self.generated = True
        return raw
