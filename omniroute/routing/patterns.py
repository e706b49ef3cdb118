"""Names with wildcards: `*` stands for any text, also none, `?` for one character.

A pattern is compared with a whole name, without regard to case. Of several that fit, the best is
the one with the most literal characters, then with the fewest `*`, then with the fewest `?`, then
the one written first. With more than one `*`, each but the last takes as little as it can.

No name, however long, makes a comparison go back and forth: the time is bounded by the length of
the name times that of the pattern.
"""

import re
from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

V = TypeVar("V")

# Answers that are remembered per set of patterns, and the longest name worth it: clients repeat
# themselves, and those that do not must not fill the memory.
REMEMBERED: Final = 1024
REMEMBERED_LENGTH: Final = 256


def has_wildcards(pattern: str) -> bool:
    """Does it stand for more than one name?"""
    return "*" in pattern or "?" in pattern


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression that fits the same whole names; its first group is what the first `*` took."""
    first, *others = (_literal(piece) for piece in pattern.split("*"))
    if not others:
        return re.compile(rf"{first}\Z", re.IGNORECASE | re.DOTALL)
    # An atomic group is not entered again: where the text up to a literal is taken, it stays so.
    # Only the last `*` need look for its end, and that lies at the end of the name.
    middle = "".join(f"(?>(.*?){piece})" for piece in others[:-1])
    return re.compile(rf"{first}{middle}(.*){others[-1]}\Z", re.IGNORECASE | re.DOTALL)


def _literal(piece: str) -> str:
    return ".".join(re.escape(text) for text in piece.split("?"))


def expand(target: str, captured: str) -> str:
    """The target of a pattern that fitted: every `*` in it is what the first `*` took."""
    return target.replace("*", captured)


class Found(NamedTuple, Generic[V]):
    """What a name fits: the value of the pattern, and what its first `*` took ("" without one)."""

    value: V
    captured: str


class Matcher(Generic[V]):
    """Many patterns, compiled once. Immutable.

    Of two equal patterns the first holds. A pattern without wildcards is found by one look, and
    wins over every pattern with some.
    """

    __slots__ = ("_exact", "_patterns")

    def __init__(self, patterns: Iterable[tuple[str, V]]) -> None:
        self._exact: dict[str, V] = {}
        wild: list[tuple[str, V]] = []
        for pattern, value in patterns:
            if has_wildcards(pattern):
                wild.append((pattern, value))
            else:
                self._exact.setdefault(pattern.lower(), value)
        wild.sort(key=lambda each: _rank(each[0]))  # stable: the first written stays first
        self._patterns = [(compiled(pattern), value) for pattern, value in wild]

    def find(self, name: str) -> Found[V] | None:
        """The best pattern that the name fits; None when there is none."""
        lowered = name.lower()
        if lowered in self._exact:
            return Found(self._exact[lowered], "")
        for pattern, value in self._patterns:
            fit = pattern.match(name)
            if fit is not None:
                return Found(value, fit[1] if pattern.groups else "")
        return None


def _rank(pattern: str) -> tuple[int, int, int]:
    stars, marks = pattern.count("*"), pattern.count("?")
    return stars + marks - len(pattern), stars, marks


class Allowed:
    """Which names a list of patterns allows; an empty list allows all.

    Remembers what it was asked, so that the same question again is one look into a dictionary.
    """

    __slots__ = ("_answers", "_matcher")

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = tuple(patterns)
        self._matcher = Matcher((pattern, True) for pattern in listed) if listed else None
        self._answers: dict[str, bool] = {}

    def allows(self, name: str) -> bool:
        """Does one of the patterns fit the name?"""
        if self._matcher is None:
            return True
        known = self._answers.get(name)
        if known is None:
            known = self._matcher.find(name) is not None
            if len(name) <= REMEMBERED_LENGTH:
                if len(self._answers) >= REMEMBERED:
                    self._answers.clear()
                self._answers[name] = known
        return known
