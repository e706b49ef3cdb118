"""A stream's events folded into a whole answer, and an answer unfolded into events.

Contract: `fold(unfold(response)) == response` for every answer whose choices have indexes of their
own and whose function calls have arguments (a call without any gets "{}", an object, as codecs
read it from whole answers). Streamed and unstreamed answers agree because codecs agree with this.

`fold` follows the invariants of `ir`; where an upstream breaks them (a delta without its part) the
part is opened by its delta. Only a `Failure` is refused: there is no answer to fold then.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.usage import Usage


class _Logprobs(msgspec.Struct):
    """OpenAI's object: one entry for each token of the text, and of a refusal."""

    content: list[Raw] | None = None
    refusal: list[Raw] | None = None


_decode_logprobs = msgspec.json.Decoder(_Logprobs).decode


def joined_logprobs(pieces: list[Raw]) -> Raw:
    """The objects of fragments as the one of the whole text."""
    if len(pieces) == 1:
        return pieces[0]
    whole = _Logprobs()
    for piece in pieces:
        try:
            read = _decode_logprobs(piece)
        except msgspec.MsgspecError:
            continue  # an upstream's own shape: a number the less, and no reason to fail
        for name in ("content", "refusal"):
            entries = getattr(read, name)
            if entries is not None:
                setattr(whole, name, (getattr(whole, name) or []) + entries)
    return Raw(msgspec.json.encode(whole))


class _Part:
    """A part that is being filled."""

    __slots__ = ("logprobs", "part", "pieces", "signature", "whole")

    def __init__(self, part: ir.Part) -> None:
        self.part = part
        self.pieces: list[str] = []
        self.signature = ""
        self.logprobs: list[Raw] = []
        self.whole: ir.Part | None = None  # what the part's end brought instead

    def finished(self) -> ir.Part:
        part = self.part if self.whole is None else _copy(self.whole)
        if self.whole is None:
            text = "".join(self.pieces)
            match part:
                case ir.Text():
                    part.text += text
                    if self.logprobs:
                        part.logprobs = joined_logprobs(self.logprobs)
                case ir.Refusal():
                    part.text += text
                case ir.Reasoning():
                    part.text += text
                    part.signature += self.signature
                case ir.ToolCall():
                    part.arguments += text
                case _:
                    pass
        elif isinstance(part, ir.Text) and self.logprobs and part.logprobs == ir.NULL:
            part.logprobs = joined_logprobs(self.logprobs)
        if isinstance(part, ir.ToolCall) and not part.arguments and not part.custom:
            part.arguments = "{}"
        return part


class _Choice:
    __slots__ = ("finish", "parts", "stop_sequence")

    def __init__(self) -> None:
        self.parts: dict[int, _Part] = {}
        self.finish: ir.FinishReason = "stop"
        self.stop_sequence = ""

    def part(self, index: int, otherwise: ir.Part) -> _Part:
        part = self.parts.get(index)
        if part is None:
            part = self.parts[index] = _Part(otherwise)
        return part


def fold(events: Iterable[ir.Event]) -> ir.Response:
    """The whole answer that the events are. FormatError when they report a failure."""
    response = ir.Response()
    choices: dict[int, _Choice] = {}
    usage: Usage | None = None

    def choice_of(number: int) -> _Choice:
        choice = choices.get(number)
        if choice is None:
            choice = choices[number] = _Choice()
        return choice

    for event in events:
        match event:
            case ir.TextDelta():
                part = choice_of(event.choice).part(event.index, ir.Text(""))
                part.pieces.append(event.text)
                if event.logprobs != ir.NULL:
                    part.logprobs.append(event.logprobs)
            case ir.ReasoningDelta():
                part = choice_of(event.choice).part(event.index, ir.Reasoning())
                part.pieces.append(event.text)
                part.signature += event.signature
            case ir.ToolCallDelta():
                part = choice_of(event.choice).part(event.index, ir.ToolCall("", "", ""))
                part.pieces.append(event.arguments)
            case ir.PartStart():
                choice_of(event.choice).parts[event.index] = _Part(_copy(event.part))
            case ir.PartEnd():
                if event.part is not None:
                    choice_of(event.choice).part(event.index, event.part).whole = event.part
            case ir.Finish():
                choice = choice_of(event.choice)
                choice.finish = event.reason
                choice.stop_sequence = event.stop_sequence
            case ir.UsageEvent():
                usage = event.usage
            case ir.Start():
                response.id = event.id or response.id
                response.model = event.model or response.model
                response.created = event.created or response.created
                response.origin = event.origin or response.origin
                response.extra = event.extra or response.extra
            case ir.Failure():
                raise ir.FormatError(f"the stream reports an error: {event.message}")
    response.choices = [
        ir.Choice(
            [choice.parts[at].finished() for at in sorted(choice.parts)],
            choice.finish,
            choice.stop_sequence,
            number,
        )
        for number, choice in choices.items()
    ]
    response.usage = usage
    return response


def _copy(part: ir.Part) -> ir.Part:
    """A part of our own to fill: events belong to whoever made them."""
    match part:
        case ir.Text():
            return ir.Text(part.text, part.cache, part.citations, part.logprobs)
        case ir.Refusal():
            return ir.Refusal(part.text)
        case ir.Reasoning():
            return ir.Reasoning(
                part.text,
                part.signature,
                part.data,
                part.origin,
                part.id,
                part.summary,
            )
        case ir.ToolCall():
            return ir.ToolCall(
                part.id,
                part.name,
                part.arguments,
                part.signature,
                part.origin,
                part.custom,
                part.cache,
            )
        case _:
            return part


def unfold(response: ir.Response) -> list[ir.Event]:
    """The events of a whole answer, as a stream would have brought them, each part in one piece."""
    events: list[ir.Event] = [
        ir.Start(response.id, response.model, response.created, response.origin, response.extra)
    ]
    for choice in response.choices:
        number = choice.index
        for index, part in enumerate(choice.parts):
            start = _copy(part)
            whole: ir.Part | None = None
            deltas: list[ir.Event] = []
            match start:
                case ir.Text():
                    if start.text or start.logprobs != ir.NULL:
                        deltas.append(ir.TextDelta(index, start.text, number, start.logprobs))
                    start.text = ""
                    start.logprobs = ir.NULL
                    if start.citations:
                        start.citations = []
                        whole = part
                case ir.Refusal():
                    # No delta of its own in the IR: refusals are short, and come whole.
                    pass
                case ir.Reasoning():
                    if start.text or start.signature:
                        deltas.append(ir.ReasoningDelta(index, start.text, start.signature, number))
                    start.text = start.signature = ""
                case ir.ToolCall():
                    if start.arguments:
                        deltas.append(ir.ToolCallDelta(index, start.arguments, number))
                    start.arguments = ""
                case _:
                    pass
            events.append(ir.PartStart(index, start, number))
            events += deltas
            events.append(ir.PartEnd(index, whole, number))
        events.append(ir.Finish(choice.finish, choice.stop_sequence, number))
    if response.usage is not None:
        events.append(ir.UsageEvent(response.usage))
    return events
