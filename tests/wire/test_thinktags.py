"""Think tags in streamed text: what is reasoning, what is not, and that no cut changes it."""

import importlib
import random
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pytest

TWINS = [
    importlib.import_module(f"omniroute._speedups.thinktags_{twin}")
    for twin in ("py", "c")
    if find_spec(f"omniroute._speedups.thinktags_{twin}")
]

CASES = {
    "no tag": ("hello", "", "hello"),
    "a block, then the answer": ("<think>why</think>so", "why", "so"),
    "the long name": ("<thinking>why</thinking>so", "why", "so"),
    "line ends behind tags belong to them": ("<think>\nwhy\n</think>\n\nso", "why\n", "so"),
    "white space before the tag": (" \n\t<think>why</think>so", "why", "so"),
    "indentation of the answer stays": ("<think>a</think>\n\n    code", "a", "    code"),
    "white space without a tag stays": ("\n\n  code", "", "\n\n  code"),
    "two blocks in a row": ("<think>a</think>\n<think>b</think>c", "ab", "c"),
    "an empty block": ("<think></think>so", "", "so"),
    "never closed": ("<think>why\nand why", "why\nand why", ""),
    "closed at the very end": ("<think>why</think>", "why", ""),
    "cut inside the opening tag": ("<thin", "", "<thin"),
    "cut inside the closing tag": ("<think>a</thi", "a</thi", ""),
    "the other name does not close": ("<think>a</thinking>b</think>c", "a</thinking>b", "c"),
    "no nesting": ("<think>a<think>b</think>c", "a<think>b", "c"),
    "a tag behind visible text is text": ("so <think>a</think>", "", "so <think>a</think>"),
    "a tag of HTML is text": ("<thinker>a</thinker>", "", "<thinker>a</thinker>"),
    "visible code is not touched": (
        "```\n<think>a</think>\n```\n<think>",
        "",
        "```\n<think>a</think>\n```\n<think>",
    ),
    "code behind the block is not touched": (
        "<think>a</think>`<think>b</think>`\n<think>c",
        "a",
        "`<think>b</think>`\n<think>c",
    ),
    "a code span in the reasoning": ("<think>a `</think>` b</think>c", "a `</think>` b", "c"),
    "a wider code span": ("<think>``a </think> `b``</think>c", "``a </think> `b``", "c"),
    "a lone backtick does not hide the end": ("<think>it's ` odd</think> c", "it's ` odd", " c"),
    "a backtick of an earlier line": ("<think>odd `\nb</think>c`", "odd `\nb", "c`"),
    "a closed code span": ("<think>a `b` c</think>`d`", "a `b` c", "`d`"),
    "a fence in the reasoning": (
        "<think>\n```html\n<p></think>\n```\nok</think>so",
        "```html\n<p></think>\n```\nok",
        "so",
    ),
    "a fence of tildes": ("<think>~~~\n</think>\n~~~\n</think>so", "~~~\n</think>\n~~~\n", "so"),
    "a fence that is closed on the line of the tag": (
        "<think>\n```\na\n```</think>so",
        "```\na\n```",
        "so",
    ),
    "a fence left open does not eat the answer": (
        "<think>\n```\na\n</think>\n\nso",
        "```\na\n",
        "so",
    ),
    "a fence left open, CRLF": ("<think>```\r\na</think>\r\n\r\nso", "```\r\na", "so"),
    "a fence left open to the end": ("<think>```\na</think>", "```\na", ""),
    "three backticks in a line are no fence": ("<think>```a``` b\n</think>c", "```a``` b\n", "c"),
    "a shorter run does not close a fence": (
        "<think>````\n```\n</think>x\n````\n</think>c",
        "````\n```\n</think>x\n````\n",
        "c",
    ),
    "letters beyond ASCII": ("<think>é😀</think>ü😀", "é😀", "ü😀"),
    "empty": ("", "", ""),
}


def split(twin: Any, pieces: list[str]) -> tuple[str, str]:
    splitter = twin.ThinkTagSplitter()
    pairs = [pair for piece in pieces for pair in splitter.feed(piece)] + splitter.finish()
    assert all(text for _, text in pairs), "an empty piece"
    reasoning = "".join(text for is_reasoning, text in pairs if is_reasoning)
    return reasoning, "".join(text for is_reasoning, text in pairs if not is_reasoning)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__.rpartition("_")[2])
@pytest.mark.parametrize("case", CASES)
def test_what_is_reasoning(case: str, twin: Any) -> None:
    text, reasoning, visible = CASES[case]
    assert split(twin, [text]) == (reasoning, visible)
    for size in (1, 2, 3, 7):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert split(twin, pieces) == (reasoning, visible), f"pieces of {size}"


PIECES = ["<think>", "</think>", "<thinking>", "</thinking>", "`", "```", "~~~", "\n", "\r\n"]
PIECES += [" ", "a", "<", "</", "é", " " * 100, "b" * 80]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__.rpartition("_")[2])
def test_no_cut_changes_what_comes_out(twin: Any) -> None:
    dice = random.Random(31)
    for _ in range(3000):
        text = "<think>" * (dice.random() < 0.7) + "".join(dice.choices(PIECES, k=12))
        whole = split(twin, [text])
        cuts = [0, *sorted(dice.choices(range(len(text) + 1), k=4)), len(text)]
        assert split(twin, [text[a:b] for a, b in pairwise(cuts)]) == whole, text
        assert split(twin, list(text)) == whole, text


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__.rpartition("_")[2])
def test_little_is_held_back(twin: Any) -> None:
    splitter = twin.ThinkTagSplitter()
    assert splitter.feed("<think>a `") == [(True, "a `")]
    assert splitter.feed("</think>" + "x" * 199) == [], "a code span may still end"
    assert splitter.feed("x") == [(False, "x" * 200)]

    splitter = twin.ThinkTagSplitter()
    assert splitter.feed(" " * 256) == []
    assert splitter.feed(" ") == [(False, " " * 257)], "so much white space leads no tag"
    assert splitter.feed("<think>") == [(False, "<think>")]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__.rpartition("_")[2])
def test_only_text_is_taken(twin: Any) -> None:
    with pytest.raises(TypeError):
        twin.ThinkTagSplitter().feed(b"<think>")
