"""The embedder of the extra: what its vectors are, and how it is found or missed."""

import logging
import platform
import socket
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from omniroute.config.routing import CacheSettings
from omniroute.similarity import embedding
from omniroute.similarity.embedding import DIMENSIONS, Embedder, EmbedderMissingError
from omniroute.similarity.guard import MAX_CHARS, features, same
from tests.similarity.paraphrases import questions

# The wheels that there are; where there is one it must be installed, or these tests fail.
HAS_WHEEL = sys.version_info < (3, 14) and (
    platform.machine() in ("x86_64", "AMD64") or sys.platform == "darwin"
)
needs_wheel = pytest.mark.skipif(not HAS_WHEEL, reason="wordllama has no wheel for this system")


@cache
def embedder() -> Embedder:
    return embedding.load()


def test_nothing_heavy_is_imported_before_it_is_asked_for() -> None:
    probe = (
        "import sys, omniroute.similarity.embedding, omniroute.similarity.guard\n"
        "print(sorted({'numpy', 'wordllama', 'tokenizers', 'requests'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(EmbedderMissingError, match=r"pip install 'omniroute\[semantic\]'"):
        embedding.load()


@needs_wheel
def test_loading_opens_no_connection_and_leaves_logging_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the embedder went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    assert embedding.load().embed("a word")
    assert (root.level, root.handlers) == before


@needs_wheel
def test_a_vector_has_one_size_and_is_made_anew_alike() -> None:
    for text in ("", "x", "How do I sort a list?", "数", "\ud800", "a " * (MAX_CHARS // 2)):
        vector = embedder().embed(text)
        assert len(vector) == DIMENSIONS
        assert embedder().embed(text) == vector
    assert embedder().embed("") == bytes(DIMENSIONS)


@needs_wheel
def test_a_text_that_the_guard_refuses_is_not_embedded() -> None:
    with pytest.raises(ValueError, match="at most"):
        embedder().embed("a" * (MAX_CHARS + 1))


@needs_wheel
def test_the_nearest_is_the_one_about_the_same() -> None:
    make = embedder().embed
    candidates = [make("How do I bake bread?"), make("Sort a list in Python"), make("Who was Ada?")]
    place, cosine = embedder().nearest(make("How do I sort a Python list?"), candidates)
    assert place == 1
    assert 0.6 < cosine < 1
    place, cosine = embedder().nearest(candidates[2], candidates)
    assert place == 2
    assert cosine == pytest.approx(1, abs=1e-6)


@needs_wheel
def test_the_first_of_equals_is_nearest_and_none_of_none() -> None:
    one = embedder().embed("the same")
    assert embedder().nearest(one, [one, one])[0] == 0
    assert embedder().nearest(one, []) == (-1, -1.0)
    assert embedder().nearest(bytes(DIMENSIONS), [one]) == (0, 0.0)


@needs_wheel
def test_a_vector_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        embedder().nearest(bytes(DIMENSIONS), [bytes(DIMENSIONS), bytes(64)])


@needs_wheel
@pytest.mark.parametrize(("half", "least"), [("pairs", 0.45), ("pairs_held_out", 0.33)])
def test_hits_at_the_default_threshold_are_right_and_enough(half: str, least: float) -> None:
    threshold = CacheSettings().semantic_threshold

    def hit(one: str, other: str) -> bool:
        near = embedder().nearest(embedder().embed(one), [embedder().embed(other)])[1]
        of_one, of_other = features(one), features(other)
        assert of_one is not None
        assert of_other is not None
        return near >= threshold and same(of_one, of_other)

    rows = questions(half)
    right = sum(hit(row.text, again) for row in rows for again in row.same)
    wrong = sum(hit(row.text, other) for row in rows for other in row.other)
    paraphrases = sum(len(row.same) for row in rows)
    precision, recall = right / (right + wrong), right / paraphrases
    print(f"{half} at {threshold}: precision {precision:.1%}, recall {recall:.1%}")
    assert precision >= 0.995
    assert recall >= least
