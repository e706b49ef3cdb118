"""An upstream's Responses stream into events.

An item opens with `response.output_item.added` and is complete in `response.output_item.done`; its
deltas stand between. Upstreams leave events out (some give only complete items, some only the final
object), so whatever the deltas did not bring is taken from the most complete object that comes.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_responses import parts, wire
from omniroute.formats.openai_responses.answers import finish_of
from omniroute.formats.openai_responses.errors import status_of
from omniroute.formats.openai_responses.wire import FORMAT, NOTHING, read
from omniroute.wire.deltas import ARGUMENTS, SUMMARY, TEXT, Delta, read_responses_delta
from omniroute.wire.sse import SseReader, SseTooLong, event_data

Place = tuple[str, int]
"""What a part is within its item ("text", "refusal", "call" …), and its position there."""

_CALL: Final[Place] = ("call", 0)
_SUMMARY: Final[Place] = ("summary", 0)
_REASONING: Final[Place] = ("reasoning", 0)


class _EventIn(Struct, gc=False):
    """Any event; what it lacks stays empty."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    logprobs: list[Raw] | None = None
    item: Raw = NOTHING
    part: Raw = NOTHING
    response: Raw = NOTHING
    error: Raw = NOTHING
    message: str | None = None
    code: str | int | None = None


class _CallHead(Struct):
    type: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None


_read_event = msgspec.json.Decoder(_EventIn).decode
_read_item_head = wire.reader(_CallHead)
_read_error = wire.reader(wire.ErrorIn)


class _Open:
    """A part that is open. `position` is that of the last delta within a summary or content."""

    __slots__ = ("filled", "index", "pieces", "place", "position", "scored")

    def __init__(self, index: int, place: Place) -> None:
        self.index = index
        self.place = place
        self.filled = False
        self.scored = False  # deltas brought log probabilities
        self.position = 0
        self.pieces: list[str] = []  # of reasoning, whose end may have to repeat its text


class _Item:
    """An output item that is under way; `closed` are the places whose parts are complete."""

    __slots__ = ("closed", "id", "now")

    def __init__(self, item_id: str = "") -> None:
        self.id = item_id
        self.now: _Open | None = None
        self.closed: set[Place] = set()


class ResponsesStreamDecoder:
    """See `base.StreamDecoder`."""

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._items: dict[int, _Item] = {}
        self._complete: set[int] = set()  # output indexes of items that are over
        self._parts: list[ir.Part] = []  # all that were opened
        self._started = False
        self._done = False
        self._out: list[ir.Event] = []
        self._handlers: dict[str, Callable[[_EventIn], None]] = {
            "response.output_text.delta": self._on_text,
            "response.function_call_arguments.delta": self._on_arguments,
            "response.custom_tool_call_input.delta": self._on_arguments,
            "response.reasoning_summary_text.delta": self._on_summary,
            "response.reasoning_text.delta": self._on_reasoning,
            "response.refusal.delta": self._on_refusal,
            "response.content_part.added": self._on_part_added,
            "response.content_part.done": self._on_part_done,
            "response.output_item.added": self._on_item_added,
            "response.output_item.done": self._on_item_done,
            "response.created": self._on_response,
            "response.in_progress": self._on_response,
            "response.queued": self._on_response,
            "response.completed": self._on_end,
            "response.incomplete": self._on_end,
            "response.failed": self._on_failed,
            "error": self._on_error,
        }

    @property
    def done(self) -> bool:
        return self._done

    def feed(self, data: bytes) -> list[ir.Event]:
        try:
            raws = self._reader.feed(data)
        except SseTooLong as error:
            raise ir.FormatError(str(error)) from None
        for raw in raws:
            self._take(raw)
        out, self._out = self._out, []
        return out

    def finish(self) -> list[ir.Event]:
        for raw in self._reader.finish():
            self._take(raw)
        self._take(self._reader.tail)
        out, self._out = self._out, []
        return out

    def _take(self, raw: bytes) -> None:
        payload = event_data(raw)
        if not payload or payload == b"[DONE]" or self._done:
            return
        delta = read_responses_delta(payload)
        if delta is not None and self._short(delta):
            return
        try:
            event = _read_event(payload)
        except UNREADABLE:
            self._take_odd(payload)
            return
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)
        elif event.error != NOTHING:
            self._on_error(event)

    def _short(self, delta: Delta) -> bool:
        """The usual event by far: a piece of the part that is open. False for all others."""
        kind, index, within, text = delta
        item = self._items.get(index)
        now = None if item is None else item.now
        if now is None:
            return False
        place, position = now.place
        if kind == TEXT:
            if place != "text" or position != within:
                return False
            self._out.append(ir.TextDelta(now.index, text))
        elif kind == ARGUMENTS:
            if place != "call":
                return False
            self._out.append(ir.ToolCallDelta(now.index, text))
        else:
            if place != ("summary" if kind == SUMMARY else "reasoning"):
                return False
            self._think(now, text, within)
        now.filled = True
        return True

    def _take_odd(self, payload: bytes) -> None:
        """An event of another shape: no matter, unless it is one that this decoder reads."""
        kind = read(wire.read_head, payload, "").type
        if kind in self._handlers:
            raise ir.FormatError(f"an event {kind!r} is not of its shape")

    # --- parts -----------------------------------------------------------------------------------

    def _item(self, index: int) -> _Item | None:
        """The item of that place; None when it is over."""
        item = self._items.get(index)
        if item is None and index not in self._complete:
            item = self._items[index] = _Item()
        return item

    def _open(self, item: _Item, part: ir.Part, place: Place) -> _Open:
        self._close(item)
        if not self._started:
            self._start(wire.ResponseIn())
        now = item.now = _Open(len(self._parts), place)
        self._parts.append(part)
        self._out.append(ir.PartStart(now.index, part))
        return now

    def _close(self, item: _Item, whole: ir.Part | None = None) -> None:
        now = item.now
        if now is not None:
            item.now = None
            item.closed.add(now.place)
            self._out.append(ir.PartEnd(now.index, whole))

    def _part(self, index: int, place: Place) -> _Open | None:
        """The part that a delta belongs to, opened where no event did; None when it is over."""
        item = self._item(index)
        if item is None:
            return None
        now = item.now
        if now is not None and now.place == place:
            return now
        if place in item.closed:
            return None
        part: ir.Part
        match place[0]:
            case "text":
                part = ir.Text("")
            case "refusal":
                part = ir.Refusal("")
            case "call":
                raise ir.FormatError("arguments of a call that was not opened")
            case kind:
                part = ir.Reasoning(origin=FORMAT, id=item.id, summary=kind == "summary")
        return self._open(item, part, place)

    def _complete_part(self, item: _Item, place: Place, part: ir.Part) -> None:
        """A part as the most complete object has it: what deltas left out is made up for."""
        if place in item.closed:
            return
        now = item.now
        if now is None or now.place != place:
            now = self._open(item, _emptied(part), place)
        whole: ir.Part | None = None
        match part:
            case ir.Text():
                if not now.filled and part.text:
                    self._out.append(ir.TextDelta(now.index, part.text))
                if part.citations or (part.logprobs != ir.NULL and not now.scored):
                    whole = part
            case ir.Refusal():
                if not now.filled and part.text:
                    self._out.append(ir.TextDelta(now.index, part.text))
            case ir.ToolCall():
                if not now.filled and part.arguments:
                    self._out.append(ir.ToolCallDelta(now.index, part.arguments))
            case ir.Reasoning():
                if not now.filled and part.text:
                    self._out.append(ir.ReasoningDelta(now.index, part.text))
                if part.data or part.signature:
                    if now.filled:
                        part.text = "".join(now.pieces)
                    whole = part
            case _:
                pass
        self._close(item, whole)

    # --- deltas ----------------------------------------------------------------------------------

    def _on_text(self, event: _EventIn) -> None:
        now = self._part(event.output_index, ("text", event.content_index))
        if now is None:
            return
        now.filled = True
        delta = ir.TextDelta(now.index, event.delta)
        if event.logprobs:
            delta.logprobs = parts.logprobs(event.logprobs)
            now.scored = True
        self._out.append(delta)

    def _on_refusal(self, event: _EventIn) -> None:
        now = self._part(event.output_index, ("refusal", event.content_index))
        if now is not None:
            now.filled = True
            self._out.append(ir.TextDelta(now.index, event.delta))

    def _on_arguments(self, event: _EventIn) -> None:
        now = self._part(event.output_index, _CALL)
        if now is not None and event.delta:
            now.filled = True
            self._out.append(ir.ToolCallDelta(now.index, event.delta))

    def _on_summary(self, event: _EventIn) -> None:
        self._think(self._part(event.output_index, _SUMMARY), event.delta, event.summary_index)

    def _on_reasoning(self, event: _EventIn) -> None:
        self._think(self._part(event.output_index, _REASONING), event.delta, event.content_index)

    def _think(self, now: _Open | None, text: str, position: int) -> None:
        """All parts of a summary are one part of the IR, set apart as in whole answers."""
        if now is None:
            return
        if now.filled and position != now.position:
            text = "\n\n" + text
        now.filled = True
        now.position = position
        now.pieces.append(text)
        self._out.append(ir.ReasoningDelta(now.index, text))

    # --- parts and items opened and closed -------------------------------------------------------

    def _on_part_added(self, event: _EventIn) -> None:
        kind = read(wire.read_head, event.part, "part").type
        if kind == "output_text":
            self._part(event.output_index, ("text", event.content_index))
        elif kind == "refusal":
            self._part(event.output_index, ("refusal", event.content_index))

    def _on_part_done(self, event: _EventIn) -> None:
        item = self._items.get(event.output_index)
        if item is None:
            return
        part = parts.part(event.part, "part")
        place = _place_of(part, event.content_index)
        if place[0] != "whole":
            self._complete_part(item, place, part)

    def _on_item_added(self, event: _EventIn) -> None:
        head = read(_read_item_head, event.item, "item")
        item = self._item(event.output_index)
        if item is None:
            return
        item.id = head.id or ""
        if head.type in ("function_call", "custom_tool_call") and item.now is None:
            name = parts.full_name(head.name or "", head.namespace)
            custom = head.type == "custom_tool_call"
            self._open(item, ir.ToolCall(head.call_id or "", name, "", custom=custom), _CALL)

    def _on_item_done(self, event: _EventIn) -> None:
        self._item_over(event.output_index, event.item, "item")

    def _item_over(self, index: int, raw: Raw, where: str) -> None:
        item = self._item(index)
        if item is None:
            return
        for position, part in enumerate(parts.output_item(raw, where)):
            self._complete_part(item, _place_of(part, position), part)
        self._close(item)
        del self._items[index]
        self._complete.add(index)

    # --- the response ----------------------------------------------------------------------------

    def _start(self, given: wire.ResponseIn) -> None:
        self._started = True
        created = int(given.created_at or 0)
        start = ir.Start(given.id or "", given.model or "", created, origin=FORMAT)
        self._out.append(start)

    def _on_response(self, event: _EventIn) -> None:
        if not self._started:
            self._start(read(wire.read_response, event.response, "response"))

    def _on_end(self, event: _EventIn) -> None:
        given = read(wire.read_response, event.response, "response")
        if not self._started:
            self._start(given)
        nothing_came = not self._items and not self._complete
        for index, raw in enumerate(given.output or ()):
            # Indexes need not agree with places in the list, so only gaps are filled from it.
            if nothing_came or index in self._items:
                self._item_over(index, raw, f"response.output[{index}]")
        for item in self._items.values():
            self._close(item)
        if given.status is None and event.type == "response.incomplete":
            given.status = "incomplete"
        if given.usage is not None:
            self._out.append(ir.UsageEvent(given.usage.usage))
        self._out.append(ir.Finish(finish_of(given, self._parts)))
        self._done = True

    def _on_failed(self, event: _EventIn) -> None:
        given = read(wire.read_response, event.response, "response")
        self._fail(given.error or wire.ErrorIn())

    def _on_error(self, event: _EventIn) -> None:
        if event.error == NOTHING:
            self._fail(wire.ErrorIn(event.message, event.code))
        else:
            self._fail(read(_read_error, event.error, "error"))

    def _fail(self, error: wire.ErrorIn) -> None:
        code = "" if error.code is None else str(error.code)
        self._out.append(
            ir.Failure(
                error.message or "no explanation",
                error.type or "",
                code,
                status_of(code, error.type or ""),
            )
        )
        self._done = True


def _place_of(part: ir.Part, position: int) -> Place:
    match part:
        case ir.Text():
            return ("text", position)
        case ir.Refusal():
            return ("refusal", position)
        case ir.ToolCall():
            return _CALL
        case ir.Reasoning():
            return _SUMMARY if part.summary else _REASONING
        case _:
            return ("whole", position)


def _emptied(part: ir.Part) -> ir.Part:
    """The part as it opens: what deltas bring is not in it yet."""
    match part:
        case ir.Text():
            return ir.Text("")
        case ir.Refusal():
            return ir.Refusal("")
        case ir.ToolCall():
            return ir.ToolCall(part.id, part.name, "", custom=part.custom)
        case ir.Reasoning():
            return ir.Reasoning(origin=part.origin, id=part.id, summary=part.summary)
        case _:
            return part
