"""An upstream's Messages stream into events.

The hot path is a delta: one typed decode, one event. What a delta cannot say (citations, blocks
that are not read here, inputs of free-form tools) is gathered and comes with the part's end.
Lenient towards services that imitate the format: an unopened block is opened by its delta, an open
one closed by the end of the message, counts may come anywhere.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.claude.blocks import citation, part_of, reasoning_part
from omniroute.formats.claude.identity import ANSWER_TOOL, MARK
from omniroute.formats.claude.responses import finish_reason, refusal_part, unknown_members
from omniroute.formats.claude.wire import (
    FORMAT,
    NULL,
    Counts,
    UsageBody,
    decoded,
    object_decoder,
)
from omniroute.formats.misread import UNREADABLE
from omniroute.wire.deltas import ARGUMENTS, REASONING, TEXT, Delta, read_claude_delta
from omniroute.wire.sse import SseReader, SseTooLong, event_data


class _Delta(Struct, gc=False):
    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = NULL


class _Message(Struct, gc=False):
    id: str = ""
    model: str = ""
    usage: UsageBody | None = None
    content: list[Raw] | None = None


_message_decoder: Final = msgspec.json.Decoder(_Message)


class _Error(Struct, gc=False):
    type: str = ""
    message: str = ""


class StreamBody(Struct, gc=False):
    """Any event of the stream."""

    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: Raw = NULL
    message: Raw = NULL
    usage: UsageBody | None = None
    error: _Error | None = None


body_decoder: Final = msgspec.json.Decoder(StreamBody)

STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status of each error type, which an error inside a stream cannot have."""


class _Open:
    """A block that has begun and not ended; `index` is the part's."""

    __slots__ = ("citations", "filled", "index", "kind", "part", "pieces", "sealed")

    def __init__(self, index: int, kind: str, part: ir.Part) -> None:
        self.index = index
        self.kind = kind
        self.part = part
        self.pieces: list[str] = []
        self.citations: list[ir.Citation] = []
        self.filled = False
        self.sealed = ""


# How a block is filled.
_TEXT: Final = "text"
_REASONING: Final = "reasoning"
_CALL: Final = "call"
_ANSWER: Final = "answer"  # the forced tool: its arguments are the text
_RAW: Final = "raw"
_KIND_OF: Final = {TEXT: _TEXT, REASONING: _REASONING, ARGUMENTS: _CALL}


class ClaudeStreamDecoder:
    """See `omniroute.formats.base.StreamDecoder`."""

    __slots__ = ("_answered", "_counts", "_done", "_finished", "_next", "_open", "_reader")

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._open: dict[int, _Open] = {}
        self._next = 0
        self._counts = Counts()
        self._answered = False
        self._finished = False
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def feed(self, data: bytes) -> list[ir.Event]:
        """Take bytes, give the events that they complete. FormatError."""
        out: list[ir.Event] = []
        try:
            raws = self._reader.feed(data)
        except SseTooLong as error:
            raise ir.FormatError(f"The stream has an event too long: {error}") from None
        for raw in raws:
            payload = event_data(raw)
            if payload and not self._done:
                self._event(payload, out)
        return out

    def finish(self) -> list[ir.Event]:
        """A last event without its blank line still counts."""
        out: list[ir.Event] = []
        tail = self._reader.tail
        if tail.strip() and not self._done:
            payload = event_data(tail + b"\n\n")
            if payload:
                self._event(payload, out)
        return out

    def _event(self, payload: bytes, out: list[ir.Event]) -> None:
        piece = read_claude_delta(payload)
        if piece is not None and self._short(piece, out):
            return
        try:
            body = body_decoder.decode(payload)
        except UNREADABLE:
            if payload == b"[DONE]":
                return  # services that imitate the format
            body = decoded(body_decoder, payload, "An event of the stream")
        kind = body.type
        if kind == "content_block_delta":
            if body.delta is not None:
                self._delta(body.index, body.delta, out)
        elif kind == "content_block_start":
            self._start(body.index, body.content_block, out)
        elif kind == "content_block_stop":
            self._stop(body.index, out)
        elif kind == "message_start":
            self._message(body.message, out)
        elif kind == "message_delta":
            self._message_delta(body, out)
        elif kind == "message_stop":
            self._end(None, "", NULL, out)
            self._done = True
        elif kind == "error":
            error = body.error or _Error()
            out.append(
                ir.Failure(
                    error.message or "no explanation",
                    error.type,
                    status=STATUS.get(error.type, 502),
                )
            )
            self._done = True

    def _short(self, piece: Delta, out: list[ir.Event]) -> bool:
        """The usual event by far: a piece of the open block's own kind. False for all others."""
        kind, index, _, text = piece
        opened = self._open.get(index)
        if opened is None or opened.kind is not _KIND_OF[kind]:
            return False
        if kind == TEXT:
            opened.pieces.append(text)
            out.append(ir.TextDelta(opened.index, text))
        elif kind == ARGUMENTS:
            opened.filled = True
            out.append(ir.ToolCallDelta(opened.index, text))
        else:
            opened.pieces.append(text)
            out.append(ir.ReasoningDelta(opened.index, text))
        return True

    def _message(self, raw: Raw, out: list[ir.Event]) -> None:
        message, extra = _Message(), dict[str, Raw]()
        if raw != NULL:
            message = decoded(_message_decoder, raw, "message_start")
            extra = unknown_members(decoded(object_decoder, raw, "message_start"))
        out.append(ir.Start(message.id, message.model, origin=FORMAT, extra=extra))
        if message.usage is not None:
            self._count(message.usage, out)
        # Not documented, but imitators begin with what a fallback model had said already.
        for index, raw in enumerate(message.content or ()):
            self._start(index, raw, out)
            self._stop(index, out)

    def _message_delta(self, body: StreamBody, out: list[ir.Event]) -> None:
        delta = body.delta or _Delta()
        if delta.stop_reason is not None:
            self._end(delta.stop_reason, delta.stop_sequence or "", delta.stop_details, out, body)
        elif body.usage is not None:
            self._count(body.usage, out)

    def _count(self, read: UsageBody, out: list[ir.Event]) -> None:
        self._counts.take(read)
        usage = self._counts.usage
        if usage is not None:
            out.append(ir.UsageEvent(usage))

    def _end(
        self,
        reason: str | None,
        stop_sequence: str,
        details: Raw,
        out: list[ir.Event],
        body: StreamBody | None = None,
    ) -> None:
        if self._finished:
            return
        self._finished = True
        for index in list(self._open):
            self._stop(index, out)
        finish = finish_reason(reason, answered=self._answered)
        if finish == "refusal":
            refusal = refusal_part(details)
            if refusal is not None:
                out.append(ir.PartStart(self._next, refusal))
                out.append(ir.PartEnd(self._next))
                self._next += 1
        if body is not None and body.usage is not None:
            self._count(body.usage, out)
        out.append(ir.Finish(finish, stop_sequence))

    # --- blocks ---------------------------------------------------------------------------------

    def _start(self, index: int, raw: Raw, out: list[ir.Event]) -> None:
        if self._finished:
            return
        if index in self._open:
            self._stop(index, out)
        part = part_of(raw, "content_block")
        opened = self._opened(index, part)
        match part:
            case ir.Text():
                text, part.text = part.text, ""
                opened.citations, part.citations = part.citations, []
                out.append(ir.PartStart(opened.index, part))
                if text:
                    opened.pieces.append(text)
                    out.append(ir.TextDelta(opened.index, text))
            case ir.Reasoning():
                text, signature = part.text, part.signature
                part.text = part.signature = ""
                out.append(ir.PartStart(opened.index, part))
                if text or signature:
                    out.append(ir.ReasoningDelta(opened.index, text, signature))
            case ir.ToolCall() if part.name == ANSWER_TOOL:
                self._answered = True
                opened.kind = _ANSWER
                out.append(ir.PartStart(opened.index, ir.Text("")))
            case ir.ToolCall():
                # Given at once by imitators; the service itself gives {} and then fragments.
                whole = part.arguments
                part.arguments = ""
                opened.pieces = [] if whole.strip() == "{}" else [whole]
                opened.kind = _CALL
                out.append(ir.PartStart(opened.index, part))
            case ir.Opaque():
                opened.kind = _RAW
                out.append(ir.PartStart(opened.index, part))
            case _:
                out.append(ir.PartStart(opened.index, part))

    def _opened(self, index: int, part: ir.Part) -> _Open:
        kind = _TEXT if isinstance(part, ir.Text) else ""
        if isinstance(part, ir.Reasoning):
            kind = _REASONING
        opened = self._open[index] = _Open(self._next, kind, part)
        self._next += 1
        return opened

    def _delta(self, index: int, delta: _Delta, out: list[ir.Event]) -> None:
        opened = self._open.get(index)
        if opened is None:
            opened = self._unannounced(index, delta, out)
            if opened is None:
                return
        kind = opened.kind
        if kind is _TEXT:
            text = delta.text
            if text:
                opened.pieces.append(text)
                out.append(ir.TextDelta(opened.index, text))
            elif delta.citation != NULL:
                opened.citations.append(citation(delta.citation, "delta.citation"))
        elif kind is _CALL:
            piece = delta.partial_json
            if piece:
                opened.filled = True
                out.append(ir.ToolCallDelta(opened.index, piece))
        elif kind is _REASONING:
            if delta.thinking:
                opened.pieces.append(delta.thinking)
                out.append(ir.ReasoningDelta(opened.index, delta.thinking))
            if delta.signature and delta.signature.startswith(MARK):
                opened.sealed = delta.signature  # from a gateway like this one
            elif delta.signature:
                out.append(ir.ReasoningDelta(opened.index, signature=delta.signature))
        elif delta.partial_json:
            if kind is _ANSWER:
                opened.filled = True
                out.append(ir.TextDelta(opened.index, delta.partial_json))
            elif kind is _RAW:
                if not opened.filled:
                    opened.filled = True
                    opened.pieces = []
                opened.pieces.append(delta.partial_json)

    def _unannounced(self, index: int, delta: _Delta, out: list[ir.Event]) -> _Open | None:
        """Open a block for a delta that came without one; None where it says too little."""
        if self._finished:
            return None
        part: ir.Part
        if delta.text:
            part = ir.Text("")
        elif delta.thinking:
            part = ir.Reasoning(origin=FORMAT)
        else:
            return None
        opened = self._opened(index, part)
        out.append(ir.PartStart(opened.index, part))
        return opened

    def _stop(self, index: int, out: list[ir.Event]) -> None:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        whole: ir.Part | None = None
        at = opened.index
        if opened.kind is _TEXT:
            if opened.citations:
                whole = ir.Text("".join(opened.pieces), citations=opened.citations)
        elif opened.kind is _CALL:
            if not opened.filled:
                out.append(ir.ToolCallDelta(at, "".join(opened.pieces) or "{}"))
        elif opened.kind is _ANSWER:
            if not opened.filled and isinstance(opened.part, ir.ToolCall):
                out.append(ir.TextDelta(at, opened.part.arguments or "{}"))
        elif opened.kind is _REASONING:
            if opened.sealed:
                whole = reasoning_part("".join(opened.pieces), opened.sealed)
        elif opened.kind is _RAW and opened.filled and isinstance(opened.part, ir.Opaque):
            whole = _filled(opened.part, "".join(opened.pieces))
        out.append(ir.PartEnd(at, whole))


def _filled(part: ir.Opaque, given: str) -> ir.Opaque:
    """A block of the service's own tools with the input that came in fragments."""
    try:
        value = msgspec.json.decode(given)
    except (msgspec.MsgspecError, RecursionError):
        return part  # cut short: the block as it began
    members = decoded(object_decoder, part.raw, "content_block")
    members["input"] = Raw(msgspec.json.encode(value))
    return ir.Opaque(part.origin, Raw(msgspec.json.encode(members)), part.kind)
