"""Reads the adversarial set: questions, their paraphrases, and what only looks like one."""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
HALVES = ("pairs", "pairs_held_out")


class Question(NamedTuple):
    """`same`: asks for the same answer as `text`. `other`: nearly its words, another answer."""

    text: str
    same: list[str]
    other: list[str]


@cache
def questions(half: str) -> tuple[Question, ...]:
    """The questions of one half, in the order of its file."""
    rows = tomllib.loads((HERE / f"{half}.toml").read_text(encoding="utf-8"))["question"]
    return tuple(Question(row["text"], row["same"], row["other"]) for row in rows)
