"""What admission reads of a request without decoding it, alike in every dialect."""

from typing import Any

import msgspec
import pytest

from omniroute.errors import GatewayError
from omniroute.formats.base import MAX_CHOICES, MAX_COUNT, PathFacts, Peek
from omniroute.formats.table import DIALECTS

# Format -> names of: a bound on the output, the number of answers, the temperature, the session.
NAMES: dict[str, tuple[str, str, str, str]] = {
    "openai": ("max_completion_tokens", "n", "temperature", "prompt_cache_key"),
    "openai-completions": ("max_tokens", "best_of", "temperature", "prompt_cache_key"),
    "openai-responses": ("max_output_tokens", "", "temperature", "prompt_cache_key"),
    "claude": ("max_tokens", "", "temperature", "metadata.user_id"),
    "gemini": (
        "generationConfig.maxOutputTokens",
        "generationConfig.candidateCount",
        "generationConfig.temperature",
        "",
    ),
}


def peeked(form: str, given: dict[str, Any]) -> Peek:
    return read(form, body_of(form, given))


def read(form: str, body: bytes) -> Peek:
    return DIALECTS[form].peek(body, PathFacts("m"))


def body_of(form: str, given: dict[str, Any]) -> bytes:
    """A request with members by their path ("generationConfig.temperature")."""
    made: dict[str, Any] = {} if form == "gemini" else {"model": "m"}
    for path, value in given.items():
        holder, _, name = path.rpartition(".")
        (made.setdefault(holder, {}) if holder else made)[name] = value
    return msgspec.json.encode(made)


@pytest.mark.parametrize("form", NAMES)
def test_a_request_that_says_nothing_bounds_nothing(form: str) -> None:
    found = peeked(form, {})
    said = (found.output_tokens, found.choices, found.temperature, found.session)
    assert said == (None, 1, None, "")


@pytest.mark.parametrize("form", NAMES)
def test_what_a_limit_needs_is_read(form: str) -> None:
    bound, choices, temperature, session = NAMES[form]
    given = {bound: 100, choices: 3, temperature: 0, session: "abc"}
    found = peeked(form, {name: value for name, value in given.items() if name})
    assert (found.output_tokens, found.temperature) == (100, 0.0)
    assert found.choices == (3 if choices else 1)
    assert found.session == ("abc" if session else "")


@pytest.mark.parametrize("form", NAMES)
def test_null_is_not_said(form: str) -> None:
    found = peeked(form, {name: None for name in NAMES[form] if name})
    said = (found.output_tokens, found.choices, found.temperature, found.session)
    assert said == (None, 1, None, "")


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("value", [-1, MAX_COUNT + 1, 1 << 70])
def test_a_bound_that_cannot_be_is_refused_by_its_name(form: str, value: int) -> None:
    name = NAMES[form][0]
    with pytest.raises(GatewayError) as caught:
        peeked(form, {name: value})
    assert (caught.value.status, caught.value.param) == (400, name)


@pytest.mark.parametrize("form", NAMES)
def test_so_is_a_temperature(form: str) -> None:
    name = NAMES[form][2]
    with pytest.raises(GatewayError) as caught:
        peeked(form, {name: -0.1})
    assert (caught.value.status, caught.value.param) == (400, name)


@pytest.mark.parametrize("form", [form for form, names in NAMES.items() if names[1]])
@pytest.mark.parametrize("value", [0, -1, MAX_CHOICES + 1])
def test_so_is_a_number_of_answers(form: str, value: int) -> None:
    name = NAMES[form][1]
    with pytest.raises(GatewayError) as caught:
        peeked(form, {name: value})
    assert (caught.value.status, caught.value.param) == (400, name)


@pytest.mark.parametrize("form", NAMES)
def test_what_is_read_may_stand_only_once(form: str) -> None:
    for path in filter(None, NAMES[form]):
        # The outermost member of each, and what stands in Gemini's own object of settings.
        name = path if path.startswith("generationConfig") else path.partition(".")[0]
        holder, _, last = name.rpartition(".")
        value = '{"user_id":"a"}' if last == "metadata" else "1"
        value = '"a"' if last == "prompt_cache_key" else value
        escaped = f"\\u{ord(last[0]):04x}{last[1:]}"
        inner = f'"{last}":{value},"{escaped}":{value}'
        body = f'{{"{holder}":{{{inner}}}}}' if holder else f'{{"model":"m",{inner}}}'
        with pytest.raises(GatewayError) as caught:
            read(form, body.encode())
        assert (caught.value.status, "twice" in caught.value.message) == (400, True), path


def test_of_two_bounds_the_greater_counts() -> None:
    both = {"max_tokens": 9, "max_completion_tokens": 5}
    assert peeked("openai", both).output_tokens == 9
    spelt = {"generationConfig.maxOutputTokens": 5, "generationConfig.max_output_tokens": 7}
    assert peeked("gemini", spelt).output_tokens == 7
    assert peeked("openai-completions", {"n": 2, "best_of": 5}).choices == 5


def test_gemini_takes_both_spellings_and_numbers_as_proto3_writes_them() -> None:
    found = peeked("gemini", {"generation_config.max_output_tokens": "64"})
    assert found.output_tokens == 64
    found = peeked("gemini", {"generationConfig.candidate_count": 2.0})
    assert found.choices == 2
