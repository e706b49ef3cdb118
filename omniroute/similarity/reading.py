"""Text to tokens: what is code, what is quoted, what is a number, a name, a word.

Contract: `read(text)` gives sentences of tokens. A word comes in lower case; whatever counts as it
is written (code, quotes, paths, flags, identifiers, formulas, operators) comes verbatim behind a
mark that no word bears, so that no table of words ever touches it. Numbers come in digits with
their unit in one spelling. Which words were written as names, and which as ordinary words, is told
beside. Pure; one pass, linear in the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from omniroute.similarity.words import (
    AUXILIARY,
    EMPTY,
    ENGLISH,
    PREPOSITIONS,
    SETTING,
    SYNONYM,
    TWO_FACED,
    UNIT,
    VERBS,
)

MARK: Final = "§"  # before whatever is kept as it is written
COMMA: Final = ","

_PIECES = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|`[^`\n]*`)"
    r"|(?P<quote>\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|(?<!\w)['‘][^'’\n]*['’](?!\w))"
    r"|(?P<line>\n)"
    r"|(?P<chunk>[^\s`\"“«]+)",
    re.DOTALL,
)
_LETTERS = r"[^\W\d_]"
_WORDS = re.compile(rf"{_LETTERS}+(?:['’]{_LETTERS}+)*(?:-{_LETTERS}+(?:['’]{_LETTERS}+)*)*\Z")
_HUMP = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_NUMBER = re.compile(r"([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)*)([^\W\d_]+|%|°[CF])?\Z")
_TAIL = re.compile(r"[.,;:!?…]+\Z|[。，；：！？]+\Z")
_ENDS: Final = frozenset(".;!?…。；！？")
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSING: Final = {closing: opening for opening, closing in _OPENING.items()}
# A full stop behind these ends no sentence.
_ABBREVIATIONS: Final = frozenset(("e.g", "etc", "i.e", "mr", "mrs", "no", "vs"))
# What the tables of words would take for something else if it lost its capitals: US, IT, OR, GET.
_SHOUTED: Final = frozenset(
    (*SYNONYM, *SYNONYM.values(), *EMPTY, *AUXILIARY, *PREPOSITIONS, *ENGLISH, *TWO_FACED, *VERBS)
) - {"ok"}


class Sentence(NamedTuple):
    """Tokens up to an end mark. `given`: they stand behind a colon or on a later line, so they are
    likely the material of a request and not the request."""

    tokens: tuple[str, ...]
    given: bool


class Reading(NamedTuple):
    """A text, read. `names`: words written with a capital where none was due; `plain`: words
    written without one. A writer who uses no capitals tells neither, but for words that are both.
    """

    sentences: tuple[Sentence, ...]
    names: frozenset[str]
    plain: frozenset[str]


class _Reader:
    def __init__(self) -> None:
        self.sentences: list[Sentence] = []
        self.names: set[str] = set()
        self.plain: set[str] = set()
        self.capitals = False
        self._tokens: list[str] = []
        self._given = False

    def end(self) -> None:
        if self._tokens:
            self.sentences.append(Sentence(tuple(self._tokens), self._given))
            self._tokens = []

    def give(self) -> None:
        self.end()
        self._given = bool(self.sentences)

    def keep(self, kind: str, text: str) -> None:
        self._tokens.append(f"{MARK}{kind}{text}")

    def chunk(self, chunk: str) -> None:
        """What stands between two spaces."""
        chunk = chunk.lstrip("¿¡")
        tail = _TAIL.search(chunk)
        ending = tail.group() if tail else ""
        core = chunk[: len(chunk) - len(ending)]
        if core:
            self._core(core)
        if core.lower() in _ABBREVIATIONS:
            return
        if ":" in ending or "：" in ending:
            self.give()
        elif _ENDS & set(ending):
            self.end()
        elif ending and self._tokens:
            self._tokens.append(COMMA)

    def _core(self, core: str) -> None:
        while core and core[0] in _OPENING and _OPENING[core[0]] not in core:
            self.keep("", core[0])
            core = core[1:]
        closed = []
        while core and core[-1] in _CLOSING and _CLOSING[core[-1]] not in core:
            closed.append(core[-1])
            core = core[:-1]
        if not core:
            pass
        elif _WORDS.match(core):
            self._word(core)
        elif number := _NUMBER.match(core):
            self._number(core, number.group(1).replace(",", ""), number.group(2))
        else:
            self.keep("", core)
        for bracket in reversed(closed):
            self.keep("", bracket)

    def _number(self, core: str, digits: str, unit: str | None) -> None:
        if unit and unit not in UNIT:
            self.keep("", core)  # 5x, 3rd, 2a: no unit, so as it stands
            return
        self._tokens.append(digits)
        if unit:
            self._tokens.append(MARK + UNIT[unit])

    def _word(self, core: str) -> None:
        lower = core.lower()
        if _HUMP.search(core) and lower not in SETTING:
            self.keep("", core)  # an identifier, or a brand that is spelled like one
            self.capitals = True
            return
        if unit := UNIT.get(core) or (UNIT.get(lower) if len(core) > 2 else None):
            degrees = self._tokens[-1:] in (["degrees"], ["degree"]) and unit.startswith("°")
            number = self._tokens[-2:-1] if degrees else self._tokens[-1:]
            if number and number[0].lstrip("+-")[:1].isdigit():
                self._tokens[len(self._tokens) - degrees :] = [MARK + unit]
                return
        start = not self._tokens
        for part in core.replace("’", "'").split("-"):
            word = part.lower()
            if word != part:
                self.capitals = True
            if part.isupper() and len(part) > 1:
                # An abbreviation: its capitals matter only where it would be read as a word.
                self._tokens.append(MARK + word if word in _SHOUTED else word)
                continue
            if part[0].isupper():
                if not start and not word.startswith("i'") and word != "i":
                    self.names.add(word.removesuffix("'s"))
            elif word not in SETTING or word in TWO_FACED:
                self.plain.add(word.removesuffix("'s"))
            self._tokens.append(word)
            start = False


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for piece in _PIECES.finditer(text):
        yield piece.lastgroup or "", piece.group()


def read(text: str) -> Reading:
    """The text as sentences of tokens, with what was written as a name."""
    reader = _Reader()
    for kind, piece in _pieces(unicodedata.normalize("NFC", text.strip())):
        if kind == "chunk":
            reader.chunk(piece)
        elif kind == "line":
            reader.give()
        elif kind == "code":
            reader.keep("`", piece)
        else:
            # The kind of quotation mark is a matter of taste, what stands inside is not.
            reader.keep('"', piece[1:-1].strip() if piece[0] == "«" else piece[1:-1])
    reader.end()
    plain = reader.plain if reader.capitals else reader.plain & TWO_FACED
    return Reading(tuple(reader.sentences), frozenset(reader.names), frozenset(plain))
