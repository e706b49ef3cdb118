"""Names with wildcards."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.patterns import (
    REMEMBERED,
    Allowed,
    Matcher,
    compiled,
    expand,
    has_wildcards,
)


def found(patterns: list[str], name: str) -> tuple[str, str] | None:
    return Matcher((pattern, pattern) for pattern in patterns).find(name)


@pytest.mark.parametrize(
    ("pattern", "name", "captured"),
    [
        ("plain", "plain", ""),
        ("plain", "PLAIN", ""),
        ("claude-*", "claude-sonnet-4", "sonnet-4"),
        ("Claude-*", "cLAUDE-Sonnet", "Sonnet"),  # what was taken keeps its case
        ("*", "", ""),
        ("*", "line\nbreak", "line\nbreak"),
        ("*-mini", "gpt-5-mini", "gpt-5"),
        ("*/*", "a/b/c", "a"),
        ("a*b*c", "a1b2b3c", "1"),
        ("*b*b", "abbb", "a"),
        ("gpt-?", "gpt-5", ""),
        ("?*", "xyz", "yz"),
        ("*?", "xyz", "xy"),
        ("a.b+(c)[d]*", "A.B+(C)[D]e", "e"),
        ("a**b", "axb", ""),
    ],
)
def test_a_pattern_fits_a_whole_name(pattern, name, captured):
    assert found([pattern], name) == (pattern, captured)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("plain", "plainly"),
        ("plain", "plain\n"),
        ("claude-*", "my-claude-x"),
        ("*-mini", "gpt-mini-x"),
        ("gpt-?", "gpt-"),
        ("gpt-?", "gpt-45"),
        ("a.b", "axb"),
        ("a*b*c", "a1c2b"),
        ("ab*ba", "aba"),
    ],
)
def test_what_does_not_fit_as_a_whole_does_not_fit(pattern, name):
    assert found([pattern], name) is None


@pytest.mark.parametrize(
    ("patterns", "name", "best"),
    [
        (["*", "gpt-*", "gpt-5*"], "gpt-5-mini", "gpt-5*"),
        (["gpt-5*", "gpt-5"], "gpt-5", "gpt-5"),
        (["gpt*5", "gpt-?"], "gpt-5", "gpt-?"),  # as many literals, no star
        (["g*p*", "*gp"], "gp", "*gp"),
        (["gp?*", "gp*"], "gpt", "gp*"),
        (["*a", "a*"], "aa", "*a"),  # equal: the first written
        (["GPT", "gpt"], "gpt", "GPT"),
    ],
)
def test_of_several_the_most_literal_one_fits_best(patterns, name, best):
    assert found(patterns, name) is not None
    assert found(patterns, name)[0] == best


def test_the_target_repeats_what_the_first_star_took():
    assert expand("acme/*", "x/y") == "acme/x/y"
    assert expand("acme/fixed", "x") == "acme/fixed"
    assert expand("*/*", "x") == "x/x"


def test_wildcards_are_told_from_plain_names():
    assert has_wildcards("a*")
    assert has_wildcards("a?")
    assert not has_wildcards("a[b]")


def naive(pattern: str, name: str) -> bool:
    """By the definition, without any cleverness."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(naive(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and naive(pattern[1:], name[1:])


@given(st.text("ab*?", max_size=8), st.text("abc", max_size=10))
def test_it_fits_exactly_as_the_definition_says(pattern, name):
    assert (compiled(pattern).match(name) is not None) == naive(pattern, name)


@given(st.text("ab/", max_size=6), st.text("ab/", max_size=6), st.text("ab/-", max_size=12))
def test_with_one_star_what_it_took_makes_the_name_whole_again(before, after, name):
    fit = Matcher([(f"{before}*{after}", None)]).find(name)
    if fit is not None:
        assert expand(f"{before}*{after}", fit.captured) == name


def test_no_name_sends_a_pattern_back_and_forth():
    """Sixteen stars over a long name: with backtracking this would not end in a lifetime."""
    assert compiled("*a" * 16 + "b").match("a" * 4000) is None
    assert isinstance(compiled("*"), re.Pattern)


def test_an_empty_list_allows_everything():
    assert Allowed(()).allows("anything")


def test_a_list_allows_what_fits_one_of_it():
    allowed = Allowed(("acme/*", "coding"))
    for _ in range(2):  # the second answer is the remembered one
        assert allowed.allows("acme/x")
        assert allowed.allows("Coding")
        assert not allowed.allows("other/x")


def test_what_is_remembered_is_bounded():
    allowed = Allowed(("a*",))
    for number in range(3 * REMEMBERED):
        assert allowed.allows(f"a{number}")
    assert not allowed.allows("b" * 100_000)
    assert len(allowed._answers) <= REMEMBERED
    assert max(map(len, allowed._answers)) < 100
