"""Combos, aliases, routes and chains: what they name exists, and what is off is left out."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError
from omniroute.snapshot import ChainView, MemberView, PatternView, Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]
Refused = Callable[[str], ConfigError]

TWO = ACME + 'models = ["plain", "think"]\n' + connection("vendor")


def combo(name: str, models: str, more: str = "") -> str:
    return f'[[combos]]\nname = "{name}"\nmodels = [{models}]\n{more}\n'


# --- combos ---


def test_members_are_models_under_their_providers_ids_or_combos(compiled: Compile) -> None:
    snapshot = compiled(
        TWO
        + combo("c", '"ve/large", { model = "inner", weight = 2.5 }, "acme/org/model"')
        + combo("inner", '"acme/plain"')
    )
    assert snapshot.combos[0].members == (
        MemberView("vendor", "large"),
        MemberView(combo="inner", weight=2.5),
        MemberView("acme", "org/model"),
    )
    assert snapshot.problems == ()


def test_a_combo_says_how_its_members_are_chosen(compiled: Compile) -> None:
    (view,) = compiled(TWO + combo("c", '"acme/plain"')).combos
    assert (view.strategy, view.sticky_limit, view.tiered, view.proxy) == (
        "priority",
        1,
        False,
        None,
    )
    more = 'strategy = "round-robin"\nsticky_limit = 4\nproxy = "http://proxy:1"'
    (view,) = compiled(TWO + combo("c", '"acme/plain"', more)).combos
    assert (view.strategy, view.sticky_limit, view.proxy) == ("round-robin", 4, "http://proxy:1")


def test_tiers_are_the_combos_choice_else_the_general_one(compiled: Compile) -> None:
    text = (
        "[routing]\ntiered = true\n"
        + TWO
        + combo("a", '"acme/plain"')
        + combo("b", '"acme/plain"', "tiered = false")
    )
    assert [view.tiered for view in compiled(text).combos] == [True, False]


def test_a_combo_that_is_off_is_gone_also_from_others(compiled: Compile) -> None:
    snapshot = compiled(
        TWO + combo("a", '"b", "acme/plain"') + combo("b", '"acme/think"', "enabled = false")
    )
    assert [view.name for view in snapshot.combos] == ["a"]
    assert snapshot.combos[0].members == (MemberView("acme", "plain"),)
    assert snapshot.problems == ("combo a: b is left out: it is switched off",)


@pytest.mark.parametrize(
    ("more", "member", "why"),
    [
        ('[routing]\nblocked_providers = ["ve"]\n', "ve/large", "vendor is blocked"),
        ("", "nearby/x", "nearby is not configured; it needs [[connections]] or [[providers]]"),
        ('[[providers]]\nid = "nearby"\nenabled = false\n', "nearby/x", "nearby is switched off"),
        ('[[providers]]\nid = "members"\n', "members/x", "members cannot be used"),
        (
            '[[models]]\nprovider = "acme"\nid = "think"\nenabled = false\n',
            "acme/think",
            "the model is switched off",
        ),
        (
            '[[providers]]\nid = "nearby"\nmodels = ["a"]\nrestrict = true\n',
            "nearby/b",
            "nearby is restricted to other models",
        ),
    ],
)
def test_a_member_that_cannot_be_used_is_left_out_and_told(
    compiled: Compile, more: str, member: str, why: str
) -> None:
    snapshot = compiled(more + TWO + combo("c", f'"{member}", "acme/plain"'))
    assert snapshot.combos[0].members == (MemberView("acme", "plain"),)
    assert f"combo c: {member} is left out: {why}" in snapshot.problems


def test_a_combo_of_which_nothing_is_left_is_told(compiled: Compile) -> None:
    snapshot = compiled(TWO + combo("c", '"nearby/x"'))
    assert snapshot.combos[0].members == ()
    assert snapshot.problems[-1] == "combo c: none of its members can be used"


@pytest.mark.parametrize(
    ("member", "fragments"),
    [
        ("acmee/x", ["'acmee' is no provider", "did you mean acme?"]),
        ("inne", ["neither provider/model nor a combo", "did you mean inner?"]),
        ("plain", ["neither provider/model nor a combo", "write acme/plain"]),
        ("acme/", ["names no model", "such as acme/some-model"]),
        ("zzz/x", ["[[providers]]"]),
    ],
)
def test_a_member_that_nobody_knows_is_refused_with_what_may_be_meant(
    refused: Refused, member: str, fragments: list[str]
) -> None:
    error = refused(TWO + combo("inner", '"acme/plain"') + combo("c", f'"acme/x", "{member}"'))
    assert error.key == "combos[1].models[1]"
    for fragment in fragments:
        assert fragment in str(error)


@pytest.mark.parametrize(
    ("combos", "circle"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"x": "a", "a": "b", "b": "c", "c": "a"}, "a -> b -> c -> a"),
    ],
)
def test_combos_that_reach_themselves_are_refused_with_the_circle(
    refused: Refused, combos: dict[str, str], circle: str
) -> None:
    text = "".join(combo(name, f'"acme/plain", "{inner}"') for name, inner in combos.items())
    error = refused(TWO + text)
    assert f"lead back to where they began: {circle}" in str(error)
    assert not error.more


def test_two_ways_to_one_combo_are_no_circle(compiled: Compile) -> None:
    text = combo("a", '"b", "c"') + combo("b", '"d"') + combo("c", '"d"') + combo("d", '"acme/x"')
    assert len(compiled(TWO + text).combos) == 4


def test_a_combo_may_stand_before_the_model_of_its_own_name(compiled: Compile) -> None:
    (view,) = compiled(TWO + combo("acme/plain", '"acme/plain", "vendor/large"')).combos
    assert view.members == (MemberView("acme", "plain"), MemberView("vendor", "large"))


# --- aliases and routes ---


def pattern(section: str, name: str, target: str) -> str:
    return f'[[{section}]]\npattern = "{name}"\ntarget = "{target}"\n'


def test_targets_go_by_ids_and_keep_what_is_filled_in(compiled: Compile) -> None:
    snapshot = compiled(
        TWO
        + combo("c", '"acme/plain"')
        + pattern("aliases", "gpt-*", "ve/*")
        + pattern("aliases", "best", "c")
        + pattern("routes", "openai/*", "acme/openai/*")
        + pattern("routes", "by-*", "*/large")
    )
    assert snapshot.aliases == (PatternView("gpt-*", "vendor/*"), PatternView("best", "c"))
    assert snapshot.routes == (
        PatternView("openai/*", "acme/openai/*"),
        PatternView("by-*", "*/large"),
    )
    assert snapshot.problems == ()


def test_a_target_may_be_what_another_alias_or_a_route_takes_up(compiled: Compile) -> None:
    snapshot = compiled(
        TWO
        + pattern("aliases", "one", "two")
        + pattern("aliases", "two", "nearby/x")
        + pattern("routes", "nearby/*", "acme/*")
    )
    assert [one.target for one in snapshot.aliases] == ["two", "nearby/x"]


def test_a_pattern_does_not_take_up_its_own_target(refused: Refused) -> None:
    assert refused(TWO + pattern("aliases", "*", "nowhere")).key == "aliases[0].target"


@pytest.mark.parametrize("section", ["aliases", "routes"])
def test_a_target_that_cannot_be_used_takes_its_pattern_along(
    compiled: Compile, refused: Refused, section: str
) -> None:
    snapshot = compiled(TWO + pattern(section, "a", "nearby/x"))
    assert (snapshot.aliases, snapshot.routes) == ((), ())
    assert snapshot.problems[0].startswith(f"{section} a: nearby/x is left out")
    assert refused(TWO + pattern(section, "a", "acmee/x")).key == f"{section}[0].target"


# --- fallbacks ---


def test_a_chain_applies_to_names_as_written_and_by_ids(compiled: Compile) -> None:
    text = (
        '[[fallback_chains]]\nname = "last"\nmodels = ["ve/large", "nearby/x"]\n'
        'applies_to = ["ve/*", "coding"]\n'
    )
    snapshot = compiled(TWO + text)
    assert snapshot.chains == (
        ChainView("last", ("ve/*", "vendor/*", "coding"), ("vendor/large",)),
    )
    assert len(snapshot.problems) == 1
    assert compiled(TWO + text + "enabled = false").chains == ()


def test_a_chain_that_leads_nowhere_is_gone(compiled: Compile) -> None:
    text = '[[fallback_chains]]\nname = "last"\nmodels = ["nearby/x"]\n'
    assert compiled(TWO + text).chains == ()


def test_what_stands_in_by_tier_is_checked_like_a_member(
    compiled: Compile, refused: Refused
) -> None:
    text = '[routing]\ntier_fallbacks = ["{}", "nearby/x"]\n' + TWO
    assert compiled(text.format("ve/large")).routing.tier_fallbacks == ("vendor/large",)
    assert refused(text.format("vf/large")).key == "routing.tier_fallbacks[0]"
