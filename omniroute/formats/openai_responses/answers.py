"""Whole answers: an upstream's response object into the IR, and the IR into one for a client."""

from typing import Final

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_responses import objects, parts, wire
from omniroute.formats.openai_responses.wire import FORMAT, dump, read

_INCOMPLETE: Final[dict[str, ir.FinishReason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


def decode_response(body: bytes) -> ir.Response:
    """FormatError for what is no answer, and for one that says that it failed."""
    given = read(wire.read_response, body, "")
    if given.status in ("failed", "cancelled") or given.output is None:
        said = given.error.message if given.error is not None else None
        raise ir.FormatError(f"the upstream gives no answer: {said or given.status or 'no output'}")
    found: list[ir.Part] = []
    for index, raw in enumerate(given.output):
        found += parts.output_item(raw, f"output[{index}]")
    return ir.Response(
        id=given.id or "",
        model=given.model or "",
        created=int(given.created_at or 0),
        choices=[ir.Choice(found, finish_of(given, found))],
        usage=given.usage.usage if given.usage is not None else None,
        origin=FORMAT,
    )


def finish_of(given: wire.ResponseIn, found: list[ir.Part]) -> ir.FinishReason:
    """Why the answer ended. A call or a refusal is no reason of its own here, elsewhere it is."""
    if given.status == "incomplete":
        details = given.incomplete_details
        return _INCOMPLETE.get((details.reason or "") if details is not None else "", "other")
    if any(isinstance(part, ir.ToolCall) for part in found):
        return "tool_calls"
    if any(isinstance(part, ir.Refusal) for part in found):
        return "refusal"
    return "stop"


def encode_response(response: ir.Response, shown: Shown) -> bytes:
    """The answer as a response object; of several candidates the first, as there is one output."""
    names = objects.Names(response.id, shown.id)
    frame = objects.Frame(names.response, shown.model, shown.created)
    if not response.choices:
        return frame.json("completed", usage=response.usage)
    choice = response.choices[0]
    status, reason = objects.ending(choice.finish)
    output = _Output(names, status)
    for part in choice.parts:
        output.add(part)
    output.end()
    return frame.json(status, output.items, usage=response.usage, incomplete=reason)


class _Output:
    """The items of one answer, in order; neighbouring texts share a message."""

    def __init__(self, names: objects.Names, status: str) -> None:
        self.items: list[bytes] = []
        self._names = names
        self._status = status
        self._content: list[objects.Json] = []
        self._thought: list[ir.Reasoning] = []

    def add(self, part: ir.Part) -> None:
        match part:
            case ir.Text():
                self._close_reasoning()
                self._content.append(objects.output_text(part))
                return
            case ir.Refusal():
                self._close_reasoning()
                self._content.append(objects.refusal(part.text))
                return
            case ir.Reasoning():
                self._close_message("completed")
                if self._thought and (not part.id or self._thought[0].id != part.id):
                    self._close_reasoning()
                if part.text or part.data or part.signature:
                    self._thought.append(part)
                return
            case _:
                self.close()
        place = len(self.items)
        match part:
            case ir.ToolCall():
                call_id = self._names.call(part.id, place)
                item_id = self._names.item("ctc" if part.custom else "fc", place)
                arguments = part.arguments
                self._put(objects.call_item(item_id, call_id, part, arguments, "completed"))
                if part.signature:
                    item_id = self._names.item("rs", len(self.items))
                    self._put(objects.call_seal(item_id, part, call_id))
            case ir.Image() if part.data:
                self._put(objects.image_item(self._names.item("ig", place), part))
            case ir.Opaque() if part.origin == FORMAT:
                self.items.append(bytes(part.raw))
            case _:
                pass  # sound, and what belongs to another format: there is no item for it

    def close(self) -> None:
        """All that is open is over, and something follows."""
        self._close_reasoning()
        self._close_message("completed")

    def end(self) -> None:
        """Nothing follows: a message that stands last may have been cut off."""
        self._close_reasoning()
        self._close_message(self._status)

    def _put(self, item: objects.Json) -> None:
        self.items.append(dump(item))

    def _close_message(self, status: str) -> None:
        if self._content:
            item_id = self._names.item("msg", len(self.items))
            self._put(objects.message(item_id, self._content, status))
            self._content = []

    def _close_reasoning(self) -> None:
        pieces = self._thought
        if not pieces:
            return
        self._thought = []
        item_id = self._names.item("rs", len(self.items))
        shown_whole = [piece.text for piece in pieces if not is_summary(piece) and piece.text]
        summary = [piece.text for piece in pieces if is_summary(piece) and piece.text]
        encrypted = objects.encrypted_content(pieces[-1])
        self._put(objects.reasoning_item(item_id, summary, shown_whole, encrypted, "completed"))


def is_summary(part: ir.Reasoning) -> bool:
    """Where reasoning goes: clients show summaries, so other formats' reasoning is given as one."""
    return part.summary or part.origin != FORMAT
