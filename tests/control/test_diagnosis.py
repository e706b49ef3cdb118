"""What upstreams say is read for what is wrong, in whatever words they say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.diagnosis import (
    HELP,
    Answer,
    fault_of,
    read_models,
    said_by,
    sentence_of,
    unanswered,
)


@given(st.integers(100, 599), st.binary(max_size=200), st.booleans())
def test_every_answer_has_a_fault_with_help_and_a_sentence(
    status: int, content: bytes, of_models: bool
) -> None:
    answer = Answer(status, content)
    fault = fault_of(answer, of_models=of_models)
    assert HELP[fault]
    assert sentence_of(fault, answer, "m")
    assert len(said_by(content)) <= 300


@pytest.mark.parametrize(
    ("text", "proxied", "fault"),
    [
        ("by way of the proxy p:1: refused", True, "proxy"),
        ("the certificate of h was not accepted: expired", False, "TLS"),
        ("TLS with h failed: wrong version", False, "TLS"),
        (
            "10.0.0.1 is a private address that the configuration does not name",
            False,
            "refused by policy",
        ),
        ("h:443: Connection refused", False, "unreachable"),
        ("", False, "unreachable"),
    ],
)
def test_what_never_answers_is_told_by_the_cause(text: str, proxied: bool, fault: str) -> None:
    assert unanswered(OSError(text), proxied=proxied).fault == fault


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"data": 1}', b"<html>", b"[" * 5000])
def test_what_is_no_list_of_models_is_none(content: bytes) -> None:
    assert read_models("openai", content) is None


def test_gemini_names_lose_their_prefix() -> None:
    assert read_models("gemini", b'{"models": [{"name": "models/g"}, {"x": 1}]}') == ["g"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"error": {"message": "a\\n b"}}', "a b"),
        (b'{"error": "plain"}', "plain"),
        (b'{"message": "top"}', "top"),
        (b'[{"error": {}}]', ""),
        (b"<html>\n x</html>", "<html> x</html>"),
        (b"y" * 900, "y" * 299 + "…"),
    ],
)
def test_what_an_upstream_says_is_one_short_line(content: bytes, said: str) -> None:
    assert said_by(content) == said
