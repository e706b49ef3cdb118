"""Events into a client's Responses stream.

Every event says its type twice (SSE's `event` and the member `type`), carries a sequence number,
and where an item or the response opens or closes it carries the whole object: the official SDK
accumulates from the openings, Codex acts on the closings. A message stays open as long as texts
follow each other, so that streamed and unstreamed answers have the same items.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_responses import errors, objects
from omniroute.formats.openai_responses.answers import is_summary
from omniroute.formats.openai_responses.objects import Json
from omniroute.formats.openai_responses.wire import FORMAT, dump
from omniroute.usage import Usage
from omniroute.wire.deltas import write_delta

_DELTAS: Final = (ir.TextDelta, ir.ToolCallDelta, ir.ReasoningDelta)


class _Filled:
    """A part that is open. A delta is `head` + its text as JSON + `tail` + the sequence number."""

    __slots__ = ("head", "part", "pieces", "place", "position", "scores", "tail")

    def __init__(self, part: ir.Part, place: int) -> None:
        self.part = part
        self.place = place  # the output index of its item
        self.position = 0  # the content index within it
        self.pieces: list[str] = []
        self.scores: list[Raw] = []
        self.head = b""
        self.tail = b""


class ResponsesStreamEncoder:
    """See `base.StreamEncoder`. Only the first candidate is written: there is one output."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._names = objects.Names("", shown.id)
        self._frame = objects.Frame(self._names.response, shown.model, shown.created)
        self._number = 0  # of the next event
        self._started = False
        self._over = False
        self._out: list[bytes] = []
        self._parts: dict[int, _Filled] = {}
        self._items: list[bytes] = []  # complete items by output index; b"" while one is open
        self._message = -1  # output index of the open message
        self._content: list[Json] = []  # of the open message
        self._thought: list[ir.Reasoning] = []  # of the open reasoning item, complete parts
        self._thought_at = -1  # output index of the open reasoning item
        self._usage: Usage | None = None
        self._finish: ir.FinishReason = "stop"

    def feed(self, events: Sequence[ir.Event]) -> bytes:
        for event in events:
            self._take(event)
        out = b"".join(self._out)
        self._out.clear()
        return out

    def finish(self) -> bytes:
        if not self._over:
            self._start()
            for index in list(self._parts):
                self._part_end(index, None)
            self._close_items()
            self._over = True
            status, reason = objects.ending(self._finish)
            final = self._frame.json(status, self._items, usage=self._usage, incomplete=reason)
            self._lifecycle(f"response.{status}", final)
        return self.feed(())

    def fail(self, error: GatewayError) -> bytes:
        if not self._over:
            self._start()
            self._over = True
            self._out.append(errors.error_frame(error, self._number))
            self._number += 1
            complete = [item for item in self._items if item]
            said = errors.response_error(error)
            self._lifecycle("response.failed", self._frame.json("failed", complete, error=said))
        return self.feed(())

    # --- events ----------------------------------------------------------------------------------

    def _take(self, event: ir.Event) -> None:
        if isinstance(event, _DELTAS):
            if event.choice == 0:
                self._delta(event)
            return
        match event:
            case ir.PartStart():
                if event.choice == 0:
                    self._start()
                    self._part_start(event.index, event.part)
            case ir.PartEnd():
                if event.choice == 0:
                    self._part_end(event.index, event.part)
            case ir.Start():
                if event.id and not self._started:
                    self._names = objects.Names(event.id, self._shown.id)
                    shown = self._shown
                    self._frame = objects.Frame(self._names.response, shown.model, shown.created)
                self._start()
            case ir.UsageEvent():
                self._usage = event.usage
            case ir.Finish():
                if event.choice == 0:
                    self._finish = event.reason
            case ir.Failure():
                kind = ErrorKind.UPSTREAM_ERROR
                code, message = event.code or None, event.message
                self._out.append(self.fail(GatewayError(kind, message, code=code)))

    def _start(self) -> None:
        if not self._started:
            self._started = True
            opening = self._frame.json("in_progress")
            self._lifecycle("response.created", opening)
            self._lifecycle("response.in_progress", opening)

    def _delta(self, event: ir.TextDelta | ir.ToolCallDelta | ir.ReasoningDelta) -> None:
        filled = self._parts.get(event.index)
        if filled is None:
            return
        if isinstance(event, ir.ToolCallDelta):
            text = event.arguments
        else:
            text = event.text
            if isinstance(event, ir.TextDelta):
                if event.logprobs != ir.NULL:
                    self._scored_delta(filled, event)
                    return
            elif event.signature and isinstance(filled.part, ir.Reasoning):
                filled.part.signature += event.signature
        if text:
            if not filled.head:
                self._open_reasoning(filled)
            filled.pieces.append(text)
            tail = b"%b%d}\n\n" % (filled.tail, self._number)
            self._out.append(write_delta(filled.head, text, tail))
            self._number += 1

    def _scored_delta(self, filled: _Filled, event: ir.TextDelta) -> None:
        scores = objects.logprobs(event.logprobs)
        filled.pieces.append(event.text)
        filled.scores += scores
        tail = filled.tail.replace(b'"logprobs":[]', b'"logprobs":' + _line(dump(scores)), 1)
        self._out.append(b"%b%b%b%d}\n\n" % (filled.head, dump(event.text), tail, self._number))
        self._number += 1

    # --- parts -----------------------------------------------------------------------------------

    def _part_start(self, index: int, part: ir.Part) -> None:
        match part:
            case ir.Text() | ir.Refusal():
                self._close_reasoning()
                filled = self._open_content(part)
            case ir.Reasoning():
                self._close_message()
                filled = _Filled(ir.Reasoning(**_reasoning_fields(part)), -1)
            case ir.ToolCall():
                self._close_items()
                filled = self._open_call(part)
            case _:
                self._close_items()
                filled = _Filled(part, -1)
        self._parts[index] = filled
        if isinstance(part, ir.Text | ir.Refusal | ir.Reasoning) and part.text:
            kind = ir.ReasoningDelta if isinstance(part, ir.Reasoning) else ir.TextDelta
            self._delta(kind(index, part.text))
        elif isinstance(part, ir.ToolCall) and part.arguments:
            self._delta(ir.ToolCallDelta(index, part.arguments))

    def _open_content(self, part: ir.Text | ir.Refusal) -> _Filled:
        if self._message < 0:
            self._message = self._new_item()
            item_id = self._names.item("msg", self._message)
            self._added(self._message, objects.message(item_id, (), "in_progress"))
        filled = _Filled(part, self._message)
        filled.position = len(self._content)
        item_id = self._names.item("msg", filled.place)
        is_text = isinstance(part, ir.Text)
        empty = objects.output_text(ir.Text("")) if is_text else objects.refusal("")
        self._content.append(empty)
        self._event(
            "response.content_part.added",
            _at(item_id, filled.place) | {"content_index": filled.position, "part": empty},
        )
        kind = "response.output_text.delta" if is_text else "response.refusal.delta"
        filled.head = _head(kind, item_id, filled.place, b"content_index", filled.position)
        filled.tail = b',"logprobs":[],"sequence_number":' if is_text else b',"sequence_number":'
        return filled

    def _open_call(self, call: ir.ToolCall) -> _Filled:
        place = self._new_item()
        call_id = self._names.call(call.id, place)
        own = ir.ToolCall(call_id, call.name, "", call.signature, call.origin, call.custom)
        filled = _Filled(own, place)
        item_id = self._names.item("ctc" if call.custom else "fc", place)
        self._added(place, objects.call_item(item_id, call_id, own, "", "in_progress"))
        kind = "custom_tool_call_input" if call.custom else "function_call_arguments"
        filled.head = _head(f"response.{kind}.delta", item_id, place)
        filled.tail = b',"sequence_number":'
        return filled

    def _open_reasoning(self, filled: _Filled) -> None:
        """The item of reasoning opens with its first word, or its end when it has none."""
        part = filled.part
        if not isinstance(part, ir.Reasoning):
            return
        self._reasoning_item(part)
        filled.place = place = self._thought_at
        item_id = self._names.item("rs", place)
        summary = is_summary(part)
        filled.position = sum(
            1 for other in self._thought if other.text and is_summary(other) == summary
        )
        if summary:
            kind, name = "reasoning_summary_text", "summary_index"
        else:
            kind, name = "reasoning_text", "content_index"
        filled.head = _head(
            f"response.{kind}.delta", item_id, place, name.encode(), filled.position
        )
        filled.tail = b',"sequence_number":'
        self._reasoning_part("added", filled, "")

    def _reasoning_item(self, part: ir.Reasoning) -> None:
        """Have an item open for the part; parts of one id share theirs."""
        if self._thought and (not part.id or self._thought[0].id != part.id):
            self._close_reasoning()
        if self._thought_at < 0:
            self._thought_at = self._new_item()
            item_id = self._names.item("rs", self._thought_at)
            item = objects.reasoning_item(item_id, (), (), None, "in_progress")
            self._added(self._thought_at, item)

    def _reasoning_part(self, how: str, filled: _Filled, text: str) -> None:
        summary = isinstance(filled.part, ir.Reasoning) and is_summary(filled.part)
        kind, name, piece = (
            ("reasoning_summary_part", "summary_index", "summary_text")
            if summary
            else ("content_part", "content_index", "reasoning_text")
        )
        item_id = self._names.item("rs", filled.place)
        self._event(
            f"response.{kind}.{how}",
            _at(item_id, filled.place)
            | {name: filled.position, "part": {"type": piece, "text": text}},
        )

    def _part_end(self, index: int, whole: ir.Part | None) -> None:
        filled = self._parts.pop(index, None)
        if filled is None:
            return
        text = "".join(filled.pieces)
        part = filled.part
        match part:
            case ir.Text():
                self._end_text(filled, whole if isinstance(whole, ir.Text) else None, text)
            case ir.Refusal():
                self._end_refusal(filled, whole.text if isinstance(whole, ir.Refusal) else text)
            case ir.Reasoning():
                self._end_reasoning(filled, whole, text)
            case ir.ToolCall():
                self._end_call(filled, part, whole, text)
            case _:
                self._end_other(part if whole is None else whole)

    def _end_text(self, filled: _Filled, whole: ir.Text | None, text: str) -> None:
        given = ir.Text(text) if whole is None else whole
        done = objects.output_text(given)
        if not done["logprobs"]:
            done["logprobs"] = filled.scores
        item_id = self._names.item("msg", filled.place)
        at = _at(item_id, filled.place) | {"content_index": filled.position}
        for number, annotation in enumerate(done["annotations"]):
            self._event(
                "response.output_text.annotation.added",
                at | {"annotation_index": number, "annotation": annotation},
            )
        scores = done["logprobs"]
        self._event("response.output_text.done", at | {"text": given.text, "logprobs": scores})
        self._event("response.content_part.done", at | {"part": done})
        self._content[filled.position] = done

    def _end_refusal(self, filled: _Filled, text: str) -> None:
        item_id = self._names.item("msg", filled.place)
        at = _at(item_id, filled.place) | {"content_index": filled.position}
        self._event("response.refusal.done", at | {"refusal": text})
        done = objects.refusal(text)
        self._event("response.content_part.done", at | {"part": done})
        self._content[filled.position] = done

    def _end_reasoning(self, filled: _Filled, whole: ir.Part | None, text: str) -> None:
        part = filled.part
        if isinstance(whole, ir.Reasoning):
            part = ir.Reasoning(**_reasoning_fields(whole))
            text = part.text = whole.text
        if not isinstance(part, ir.Reasoning):
            return
        part.text = text
        if not (part.text or part.data or part.signature):
            return
        if filled.place < 0:
            filled.part = part
            if part.text:
                self._open_reasoning(filled)
            else:
                self._reasoning_item(part)
        if part.text:
            item_id = self._names.item("rs", filled.place)
            summary = is_summary(part)
            kind = "reasoning_summary_text" if summary else "reasoning_text"
            at = "summary_index" if summary else "content_index"
            self._event(
                f"response.{kind}.done",
                _at(item_id, filled.place) | {at: filled.position, "text": text},
            )
            self._reasoning_part("done", filled, text)
        self._thought.append(part)

    def _end_call(
        self, filled: _Filled, call: ir.ToolCall, whole: ir.Part | None, text: str
    ) -> None:
        if isinstance(whole, ir.ToolCall):
            text = whole.arguments
            call.signature = whole.signature or call.signature
            call.origin = whole.origin or call.origin
        if not text and not call.custom:
            text = "{}"
        place = filled.place
        item_id = self._names.item("ctc" if call.custom else "fc", place)
        kind, name = (
            ("custom_tool_call_input", "input")
            if call.custom
            else ("function_call_arguments", "arguments")
        )
        done = _at(item_id, place) | {name: text}
        self._event(f"response.{kind}.done", done)
        self._done(place, objects.call_item(item_id, call.id, call, text, "completed"))
        if call.signature:
            seal_at = self._new_item()
            item = objects.call_seal(self._names.item("rs", seal_at), call, call.id)
            self._added(seal_at, item)
            self._done(seal_at, item)

    def _end_other(self, part: ir.Part) -> None:
        if isinstance(part, ir.Image) and part.data:
            place = self._new_item()
            item: Json | Raw = objects.image_item(self._names.item("ig", place), part)
        elif isinstance(part, ir.Opaque) and part.origin == FORMAT:
            place = self._new_item()
            item = part.raw
        else:
            return  # sound, and what belongs to another format: there is no item for it
        self._added(place, item)
        self._done(place, item)

    # --- items -----------------------------------------------------------------------------------

    def _new_item(self) -> int:
        self._items.append(b"")
        return len(self._items) - 1

    def _added(self, place: int, item: Json | Raw) -> None:
        self._event("response.output_item.added", {"output_index": place, "item": item})

    def _done(self, place: int, item: Json | Raw) -> None:
        self._items[place] = dump(item)
        self._event("response.output_item.done", {"output_index": place, "item": item})

    def _close_items(self) -> None:
        self._close_reasoning()
        self._close_message()

    def _is_filling(self, place: int) -> bool:
        """Is a part of that item still open? Calls may begin before what precedes them ends."""
        return any(filled.place == place for filled in self._parts.values())

    def _close_message(self) -> None:
        if self._message >= 0 and not self._is_filling(self._message):
            place, self._message = self._message, -1
            content, self._content = self._content, []
            item_id = self._names.item("msg", place)
            status = objects.ending(self._finish)[0]
            self._done(place, objects.message(item_id, content, status))

    def _close_reasoning(self) -> None:
        if self._thought_at < 0 or self._is_filling(self._thought_at):
            return
        place, self._thought_at = self._thought_at, -1
        pieces, self._thought = self._thought, []
        item_id = self._names.item("rs", place)
        summary = [piece.text for piece in pieces if piece.text and is_summary(piece)]
        content = [piece.text for piece in pieces if piece.text and not is_summary(piece)]
        encrypted = objects.encrypted_content(pieces[-1]) if pieces else None
        item = objects.reasoning_item(item_id, summary, content, encrypted, "completed")
        self._done(place, item)

    # --- bytes -----------------------------------------------------------------------------------

    def _event(self, kind: str, members: Json) -> None:
        body = _line(dump({"type": kind, "sequence_number": self._number, **members}))
        self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), body))
        self._number += 1

    def _lifecycle(self, kind: str, response: bytes) -> None:
        name = kind.encode()
        self._out.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n'
            % (name, name, self._number, _line(response))
        )
        self._number += 1


def _line(body: bytes) -> bytes:
    """JSON on one line, as an event needs it: what is kept raw came as its sender laid it out."""
    if b"\n" in body or b"\r" in body:
        return msgspec.json.format(body, indent=-1)
    return body


def _at(item_id: str, place: int) -> Json:
    return {"item_id": item_id, "output_index": place}


def _head(kind: str, item_id: str, place: int, index_name: bytes = b"", index: int = 0) -> bytes:
    """All of a delta event up to its text."""
    name = kind.encode()
    within = b'"%b":%d,' % (index_name, index) if index_name else b""
    return b'event: %b\ndata: {"type":"%b","item_id":%b,"output_index":%d,%b"delta":' % (
        name,
        name,
        dump(item_id),
        place,
        within,
    )


def _reasoning_fields(part: ir.Reasoning) -> Json:
    """All but the text, for a part of our own to fill."""
    return {
        "signature": part.signature,
        "data": part.data,
        "origin": part.origin,
        "id": part.id,
        "summary": part.summary,
    }
