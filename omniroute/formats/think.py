"""Reasoning that a model writes between think tags in its text, taken apart into reasoning parts.

Works on events (`ThinkStage`) and on the parts of a whole answer (`without_think_tags`); what is
a tag is for `wire.thinktags` to decide. Parts are counted anew, since one text part may become
several; parts of other kinds pass unchanged but for their index.
"""

from typing import Final

from omniroute.formats import ir
from omniroute.formats.ir import ReasoningDelta, TextDelta, ToolCallDelta
from omniroute.wire.thinktags import ThinkTagSplitter

_MOVED: Final = (ReasoningDelta, ToolCallDelta)


class _Choice:
    """One candidate of a stream: which part of the upstream's is which of ours."""

    __slots__ = ("indexes", "next_index", "open_index", "open_reasoning", "plain", "splitter")

    def __init__(self) -> None:
        self.indexes: dict[int, int] = {}
        self.next_index = 0
        self.splitter: ThinkTagSplitter | None = None  # while a text part is open
        self.open_index = -1  # of the part being filled from the text part, -1: none yet
        self.open_reasoning = False
        self.plain = False  # the text has begun and is no reasoning: no tag can open any more

    def take_index(self) -> int:
        index = self.next_index
        self.next_index += 1
        return index


class ThinkStage:
    """Events in, events out."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def feed(self, events: list[ir.Event]) -> list[ir.Event]:
        out: list[ir.Event] = []
        choices = self._choices
        for event in events:
            if isinstance(event, TextDelta):
                choice = choices.get(event.choice) or self._choice(event.choice)
                if not choice.plain:
                    self._text(choice, event, out)
                    continue
                event.index = choice.open_index
                out.append(event)
                continue
            if isinstance(event, _MOVED):
                choice = choices.get(event.choice) or self._choice(event.choice)
                event.index = choice.indexes.get(event.index, event.index)
                out.append(event)
                continue
            match event:
                case ir.PartStart(part=ir.Text()):
                    choice = self._choice(event.choice)
                    self._close_text(choice, event.choice, out)
                    choice.splitter = ThinkTagSplitter()
                case ir.PartStart():
                    choice = self._choice(event.choice)
                    choice.indexes[event.index] = index = choice.take_index()
                    event.index = index
                    out.append(event)
                case ir.PartEnd():
                    self._end_part(event, out)
                case ir.Finish():
                    self._close_text(self._choice(event.choice), event.choice, out)
                    out.append(event)
                case _:
                    out.append(event)
        return out

    def finish(self) -> list[ir.Event]:
        """The stream has ended; what a cut tag held back comes out."""
        out: list[ir.Event] = []
        for number, choice in self._choices.items():
            self._close_text(choice, number, out)
        return out

    def _choice(self, number: int) -> _Choice:
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice()
        return choice

    def _text(self, choice: _Choice, event: TextDelta, out: list[ir.Event]) -> None:
        """A piece of a text that has not begun to be plain."""
        if choice.splitter is None:
            choice.splitter = ThinkTagSplitter()  # the upstream opened no part
        pieces = choice.splitter.feed(event.text)
        self._fill(choice, event.choice, pieces, out)
        choice.plain = choice.open_index >= 0 and not choice.open_reasoning
        if pieces == [(False, event.text)]:
            event.index = choice.open_index
            out[-1] = event  # as it was, with what else it says

    def _fill(
        self,
        choice: _Choice,
        number: int,
        pieces: list[tuple[bool, str]],
        out: list[ir.Event],
    ) -> None:
        for is_reasoning, text in pieces:
            if not text:
                continue
            if choice.open_index >= 0 and choice.open_reasoning != is_reasoning:
                out.append(ir.PartEnd(choice.open_index, choice=number))
                choice.open_index = -1
            if choice.open_index < 0:
                choice.open_index = choice.take_index()
                choice.open_reasoning = is_reasoning
                part: ir.Part = ir.Reasoning() if is_reasoning else ir.Text("")
                out.append(ir.PartStart(choice.open_index, part, choice=number))
            if is_reasoning:
                out.append(ir.ReasoningDelta(choice.open_index, text, choice=number))
            else:
                out.append(ir.TextDelta(choice.open_index, text, choice=number))

    def _close_text(
        self, choice: _Choice, number: int, out: list[ir.Event], part: ir.Part | None = None
    ) -> None:
        if choice.splitter is None:
            return
        self._fill(choice, number, choice.splitter.finish(), out)
        choice.splitter = None
        choice.plain = False
        if choice.open_index >= 0:
            # The part that an end brings replaces what deltas built: only where nothing was split.
            whole = part if isinstance(part, ir.Text) and not choice.open_reasoning else None
            out.append(ir.PartEnd(choice.open_index, whole, choice=number))
            choice.open_index = -1

    def _end_part(self, event: ir.PartEnd, out: list[ir.Event]) -> None:
        choice = self._choice(event.choice)
        index = choice.indexes.pop(event.index, None)
        if index is None:
            part = event.part
            if isinstance(part, ir.Text):
                part.text = _visible(part.text)
            self._close_text(choice, event.choice, out, part)
        else:
            event.index = index
            out.append(event)


def _visible(text: str) -> str:
    splitter = ThinkTagSplitter()
    pieces = splitter.feed(text) + splitter.finish()
    return "".join(piece for is_reasoning, piece in pieces if not is_reasoning)


def without_think_tags(parts: list[ir.Part]) -> list[ir.Part]:
    """The parts of a whole answer, think tags in texts taken apart."""
    out: list[ir.Part] = []
    for part in parts:
        if not isinstance(part, ir.Text) or "<think" not in part.text:
            out.append(part)
            continue
        splitter = ThinkTagSplitter()
        visible = ""
        hidden = ""
        for is_reasoning, text in splitter.feed(part.text) + splitter.finish():
            if is_reasoning:
                hidden += text
            else:
                visible += text
        if hidden:
            out.append(ir.Reasoning(text=hidden))
            part.citations = []  # their offsets count the tags that are gone
        part.text = visible
        if visible or not hidden:
            out.append(part)
    return out
