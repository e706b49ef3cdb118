"""The choice of a twin, and the agreement of both on random inputs.

What each twin must do is tested in `tests/wire/`, by the module that offers it, on both.
`OMNIROUTE_REQUIRE_EXTENSIONS=1` turns a missing extension into failures there and here.
"""

import importlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType

import pytest

import omniroute._speedups as speedups
from omniroute._speedups import (
    JsonScanError,
    SseTooLong,
    contract,
    jsonscan_py,
    sse_py,
    thinktags_py,
)

REQUIRED = os.environ.get("OMNIROUTE_REQUIRE_EXTENSIONS", "") not in ("", "0")
PAIRS = ["sse", "jsonscan", "thinktags", "deltas"]
BUILT = all(find_spec(f"omniroute._speedups.{name}_c") for name in PAIRS)

needs_extension = pytest.mark.skipif(
    not BUILT and not REQUIRED, reason="the extension is not built, so there is one twin only"
)


def compiled(name: str) -> ModuleType:
    return importlib.import_module(f"omniroute._speedups.{name}_c")


def choice(setup: str = "", **env: str) -> str:
    """What a fresh interpreter chooses: "<compiled> <module> <module> …: <reason>"."""
    code = f"""{setup}
import omniroute._speedups as chosen
twins = (chosen.SseReader, chosen.find_members, chosen.ThinkTagSplitter, chosen.write_delta)
print(chosen.COMPILED, *(twin.__module__.rpartition(".")[2] for twin in twins), end=": ")
print(chosen.FALLBACK_REASON, end="")
"""
    inherited = {k: v for k, v in os.environ.items() if k != "OMNIROUTE_NO_EXTENSIONS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


PYTHON = "False sse_py jsonscan_py thinktags_py deltas_py: "
COMPILED = "True sse_c jsonscan_c thinktags_c deltas_c: "


def test_the_python_twins_run_where_extensions_are_switched_off() -> None:
    assert choice(OMNIROUTE_NO_EXTENSIONS="1") == PYTHON + "OMNIROUTE_NO_EXTENSIONS is set"


@pytest.mark.parametrize("absent", PAIRS)
def test_the_python_twins_run_together_when_one_extension_is_missing(absent: str) -> None:
    setup = f"import sys; sys.modules['omniroute._speedups.{absent}_c'] = None"
    assert choice(setup).startswith(PYTHON + "the compiled speedups do not load: ")


@needs_extension
@pytest.mark.parametrize("value", ["", "0"])
def test_the_compiled_twins_run_where_they_are_built(value: str) -> None:
    assert choice() == COMPILED
    assert choice(OMNIROUTE_NO_EXTENSIONS=value) == COMPILED


@needs_extension
@pytest.mark.parametrize("name", PAIRS)
def test_twins_have_the_same_public_names(name: str) -> None:
    def own(module: ModuleType) -> set[str]:
        return {
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not key.startswith("_")
        }

    reference = importlib.import_module(f"omniroute._speedups.{name}_py")
    assert own(compiled(name)) == own(reference)
    assert own(reference) <= set(speedups.__all__)


@needs_extension
def test_reader_objects_of_twins_have_the_same_public_names() -> None:
    def public(thing: object) -> set[str]:
        return {key for key in dir(thing) if not key.startswith("_")}

    assert public(compiled("sse").SseReader(1)) == public(sse_py.SseReader(1))
    fast = compiled("thinktags")
    assert public(fast.ThinkTagSplitter()) == public(thinktags_py.ThinkTagSplitter())
    assert (fast.MAX_AHEAD, fast.MAX_BLANK) == (thinktags_py.MAX_AHEAD, thinktags_py.MAX_BLANK)


def test_everything_the_chooser_offers_exists() -> None:
    for name in speedups.__all__:
        assert getattr(speedups, name) is not None
    assert not speedups.FALLBACK_REASON if speedups.COMPILED else speedups.FALLBACK_REASON
    assert contract.MAX_DEPTH == speedups.MAX_DEPTH


def outcome_of(call: Callable[[], object]) -> object:
    """The result, or the error as what a caller could tell of it."""
    try:
        return call()
    except (JsonScanError, SseTooLong) as error:
        return type(error), str(error), vars(error)


def followed(twin: ModuleType, chunks: list[bytes], limit: int) -> list[object]:
    """Everything a caller sees while a stream is fed, and what its events then read as."""
    reader = twin.SseReader(limit)
    seen: list[object] = []
    for chunk in chunks:
        events = outcome_of(lambda chunk=chunk: reader.feed(chunk))  # type: ignore[misc]
        seen += [events, reader.tail]
        if isinstance(events, list):
            seen += [(twin.event_data(raw), twin.event_type(raw)) for raw in events]
    return [*seen, reader.finish(), reader.tail]


SSE_PIECES = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"data: a",
    b"data:",
    b"data",
    b"event: e",
]
SSE_PIECES += [b": ", b"x", b" ", b'data: {"id":1}\n\n', b"\xef\xbb\xbf", b"\xef\xbb", b"\xff"]


@needs_extension
def test_twins_agree_on_a_hundred_thousand_random_streams() -> None:
    dice = random.Random(9262)
    fast = compiled("sse")
    for _ in range(100_000):
        chunks = [
            b"".join(dice.choices(SSE_PIECES, k=dice.randrange(5)))
            for _ in range(dice.randrange(1, 5))
        ]
        limit = dice.choice((5, 20, 10_000))
        assert followed(fast, chunks, limit) == followed(sse_py, chunks, limit), (chunks, limit)


JSON_PIECES = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b" ", b"\n", b"1", b"true", b"-"]
JSON_PIECES += [b'"model"', b'"mod\\u0065l":', b'"model":', b'"n":', b"\\u00", b"\\ud83d\\ude00"]
JSON_PIECES += [b'"a":[', b'{"b":', b'"\\"', b"\xff", b"e", b"u", b'"\\', b'"\\x', b'"x":1,']


def random_body(dice: random.Random) -> bytes:
    body = b"".join(dice.choices(JSON_PIECES, k=dice.randrange(9)))
    # Most shuffles break at once; half of the bodies get a sound frame to break inside of.
    return b'{"n":0,"x":[' + body + b'],"model":""}' if dice.random() < 0.5 else b"{" + body + b"}"


@needs_extension
def test_twins_agree_on_a_hundred_thousand_random_bodies() -> None:
    dice = random.Random(8259)
    fast = compiled("jsonscan").find_members
    slow = jsonscan_py.find_members
    names = (b"model", b"n", b"", b"\xf0\x9f\x98\x80")
    sound = 0
    for _ in range(100_000):
        body = random_body(dice)
        expected = outcome_of(lambda body=body: slow(body, names))  # type: ignore[misc]
        assert outcome_of(lambda body=body: fast(body, names)) == expected, body  # type: ignore[misc]
        sound += isinstance(expected, dict)
    assert 1000 < sound < 99_000


THINK_PIECES = ["<think>", "<thinking>", "</think>", "</thinking>", "<thi", "</th", "ink>", "<"]
THINK_PIECES += ["`", "``", "```", "~~~", "```py\n", "\n", "\n\n", "\r\n", " ", "a", "é\U0001f600"]
THINK_PIECES += ["\u2003", "    ", " " * 90, "b" * 70]


@needs_extension
def test_twins_agree_on_a_hundred_thousand_random_thoughts() -> None:
    dice = random.Random(4711)
    fast = compiled("thinktags")
    thoughts = 0
    for _ in range(100_000):
        chunks = ["".join(dice.choices(THINK_PIECES, k=dice.randrange(6))) for _ in range(3)]
        if dice.random() < 0.7:
            chunks.insert(0, dice.choice(("<think>", " <thinking>", "<think>```\n", "<think>`")))
        ours, theirs = thinktags_py.ThinkTagSplitter(), fast.ThinkTagSplitter()
        expected = [ours.feed(chunk) for chunk in chunks] + [ours.finish()]
        assert [theirs.feed(chunk) for chunk in chunks] + [theirs.finish()] == expected, chunks
        thoughts += len({is_reasoning for pairs in expected for is_reasoning, _ in pairs}) == 2
    assert thoughts > 1000
