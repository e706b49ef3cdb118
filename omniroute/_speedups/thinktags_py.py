"""Reasoning between think tags, taken out of streamed text: the Python twin, and the reference.

Some models write `<think>…</think>` (or `<thinking>…</thinking>`) into their text. Contract:
 - A tag opens only where nothing visible stands before it: at the start of the text, white space
   aside, or behind a block that just closed. Tags later on are text. So a visible answer, code in
   it above all, is never eaten, whatever it says about think tags.
 - A block ends at the closing tag of the same name. Inside code that the reasoning quotes it does
   not count: in a code span (an open run of backticks that is followed by another backtick on the
   same line) and in a code fence, unless a blank line or the end follows it there: models leave
   fences open, and the answer behind the tag must not be lost for it.
 - A block that is never closed is reasoning to the end.
 - Line ends right behind a tag belong to the tag. All other text comes out as it went in.
 - However the text is cut into pieces, what comes out is the same, pieces joined. Work is linear;
   held back are at most a possible tag and `MAX_AHEAD` characters that decide what it is.
"""

import re
from typing import Final, final

MAX_AHEAD: Final = 200
"""How far behind a closing tag in a code span the span's end is sought, in characters."""

MAX_BLANK: Final = 256
"""How much white space may stand before an opening tag, in characters."""

_OPENING: Final = ("<think>", "<thinking>")
_STOP: Final = re.compile(r"[<\n`]")

_LEADING: Final = 0  # nothing visible yet: a tag may open
_REASONING: Final = 1
_VISIBLE: Final = 2  # to the end

# Where a line of reasoning stands, for the fences in it.
_INDENT: Final = 0
_RUN: Final = 1  # in the run of ` or ~ that the line begins with
_INSIDE: Final = 2


@final
class ThinkTagSplitter:
    """Splits one text. `_held` is what was fed and has not come out."""

    __slots__ = (
        "_behind_tag",
        "_close",
        "_fence",
        "_fence_length",
        "_held",
        "_line",
        "_mode",
        "_rest_blank",
        "_rest_ticks",
        "_run",
        "_run_length",
        "_span",
        "_ticks",
    )

    def __init__(self) -> None:
        self._mode = _LEADING
        self._held = ""
        self._behind_tag = False
        self._close = ""
        self._fence = ""
        self._fence_length = 0
        self._start_line()

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """Take the next piece; return (is_reasoning, text) pairs, none of them empty."""
        if type(text) is not str:
            raise TypeError(f"feed() takes str, not {type(text).__name__}")
        if self._mode == _VISIBLE:
            return [(False, text)] if text else []
        out: list[tuple[bool, str]] = []
        self._run_on(self._held + text if self._held else text, False, out)
        return out

    def finish(self) -> list[tuple[bool, str]]:
        """The text has ended: what was held back comes out."""
        out: list[tuple[bool, str]] = []
        if self._mode != _VISIBLE:
            self._run_on(self._held, True, out)
        return out

    def _run_on(self, data: str, final: bool, out: list[tuple[bool, str]]) -> None:
        self._held = ""
        at = 0
        while at < len(data) or final:
            if self._mode == _LEADING:
                at = self._lead(data, at, final, out)
            else:
                at = self._reason(data, at, final, out)
            if at < 0 or (final and at == len(data)):
                return

    def _lead(self, data: str, at: int, final: bool, out: list[tuple[bool, str]]) -> int:
        """Look for an opening tag. The offset to go on at; -1: all is taken."""
        size = len(data)
        first = at
        while first < size and data[first].isspace():
            first += 1
        if first - at <= MAX_BLANK:
            for tag in _OPENING:
                if data.startswith(tag, first):
                    self._start_block("</" + tag[1:])
                    return first + len(tag)
            if not final and size - first < len(_OPENING[1]):
                rest = data[first:]
                if any(tag.startswith(rest) for tag in _OPENING):
                    self._held = data[at:]
                    return -1
        if self._behind_tag:
            while at < size and data[at] in "\r\n":
                at += 1
        self._mode = _VISIBLE
        if at < size:
            out.append((False, data[at:]))
        return -1

    def _start_block(self, close: str) -> None:
        self._mode = _REASONING
        self._close = close
        self._behind_tag = True
        self._fence = ""
        self._fence_length = 0
        self._start_line()

    def _start_line(self) -> None:
        self._line = _INDENT
        self._run = ""
        self._run_length = 0
        self._rest_blank = True
        self._rest_ticks = False
        self._span = 0  # length of the backtick run that opened a code span on this line
        self._ticks = 0  # length of the backtick run that ends here

    def _reason(self, data: str, at: int, final: bool, out: list[tuple[bool, str]]) -> int:
        """Look for the closing tag. The offset to go on at; -1: all is taken."""
        size = len(data)
        if self._behind_tag:
            while at < size and data[at] in "\r\n":
                at += 1
            if at == size:
                return -1
            self._behind_tag = False
        start = at
        close = self._close
        while at < size:
            if self._line == _INSIDE and not self._ticks and not self._rest_blank:
                stop = _STOP.search(data, at)
                if stop is None:
                    break
                at = stop.start()
            char = data[at]
            if char == "<":
                self._pass("<")
                if data.startswith(close, at):
                    counts = self._counts(data, at + len(close), final)
                    if counts is None:
                        self._held = data[at:]
                        size = at
                        break
                    if counts:
                        if at > start:
                            out.append((True, data[start:at]))
                        self._mode = _LEADING
                        self._behind_tag = True
                        return at + len(close)
                elif not final and close.startswith(data[at : at + len(close)]):
                    self._held = data[at:]
                    size = at
                    break
            elif char == "\n":
                self._end_line()
            else:
                self._pass(char)
            at += 1
        if size > start:
            out.append((True, data[start:size]))
        return -1

    def _pass(self, char: str) -> None:
        """One character of a line, its end excepted."""
        if char == "`":
            self._ticks += 1
        elif self._ticks:
            if self._span == 0:
                self._span = self._ticks
            elif self._span == self._ticks:
                self._span = 0
            self._ticks = 0
        if self._line == _INDENT:
            if char == " " or char == "\t":
                return
            if char == "`" or char == "~":
                self._line = _RUN
                self._run = char
                self._run_length = 1
                return
            self._line = _INSIDE
        elif self._line == _RUN:
            if char == self._run:
                self._run_length += 1
                return
            self._line = _INSIDE
        if char == "`":
            self._rest_ticks = True
        if char not in " \t\r":
            self._rest_blank = False

    def _end_line(self) -> None:
        if self._run_length >= 3:
            if not self._fence:
                if self._run == "~" or not self._rest_ticks:
                    self._fence = self._run
                    self._fence_length = self._run_length
            elif self._closes_fence() and self._rest_blank:
                self._fence = ""
        self._start_line()

    def _closes_fence(self) -> bool:
        return self._run == self._fence and self._run_length >= self._fence_length

    def _counts(self, data: str, behind: int, final: bool) -> bool | None:
        """Whether the closing tag that ends at `behind` is one; None: what follows decides."""
        if self._fence and not self._closes_fence():
            ends = 0
            window = data[behind : behind + 4]  # two line ends, CRLF at most
            for char in window:
                if char == "\n":
                    ends += 1
                elif char != "\r":
                    return False
                if ends == 2:
                    return True
            return True if final else None if len(window) < 4 else False
        if self._span:
            window = data[behind : behind + MAX_AHEAD]
            for char in window:
                if char == "`":
                    return False
                if char == "\n":
                    return True
            return True if final or len(window) == MAX_AHEAD else None
        return True
