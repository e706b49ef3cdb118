"""Combos as plans walk them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.setting import Tier
from omniroute.errors import ErrorKind
from omniroute.routing.combos import (
    TIERS,
    Absent,
    Combo,
    Model,
    bound,
    combo,
    combo_member,
    model_member,
    model_of,
    objection,
    rank_of,
)
from omniroute.snapshot import ComboView, MemberView, ModelView, ProviderView


def provider(id: str, tier="apikey", **more) -> ProviderView:
    return ProviderView(
        id=id,
        prefixes=(id,),
        name=id.title(),
        format="openai",
        base_url="",
        url="",
        tier=tier,
        models=(ModelView("m", "m"),),
        **more,
    )


BY_TIER = {tier: provider(tier, tier) for tier in TIERS}


def member(tier: str, model: str = "m"):
    return model_member(model_of(BY_TIER[tier], model))


def shape(whole: Combo) -> list[list[object]]:
    """The stages: models as "provider/model", combos as (name, their own shape)."""
    return [
        [
            f"{each.of.provider.id}/{each.of.model}"
            if isinstance(each.of, Model)
            else (each.of.name, shape(each.of))
            for each in stage.members
        ]
        for stage in whole.stages
    ]


def test_tiers_are_those_that_can_be_configured_in_their_order():
    assert Tier.__args__ == TIERS
    assert sorted(TIERS, key=rank_of) == list(TIERS)
    assert rank_of("nonsense") > rank_of(TIERS[-1])


def test_without_tiers_a_combo_is_one_stage_as_written():
    whole = combo("c", [member("free"), member("subscription")])
    assert shape(whole) == [["free/m", "subscription/m"]]


def test_a_tiered_combo_has_a_stage_per_tier():
    whole = combo("c", [member("free"), member("cheap", "b"), member("cheap", "a")], tiered=True)
    assert shape(whole) == [["cheap/b", "cheap/a"], ["free/m"]]
    assert len({stage.turn.key for stage in whole.stages}) == 2


def test_a_nested_combo_stands_in_every_tier_that_it_has_members_in():
    inner = combo("inner", [member("free"), member("apikey")], strategy="random")
    whole = combo("c", [combo_member(inner), member("free", "x"), member("local")], tiered=True)
    assert shape(whole) == [
        [("inner", [["apikey/m"]])],
        [("inner", [["free/m"]]), "free/x"],
        ["local/m"],
    ]
    assert shape(inner) == [["free/m", "apikey/m"]]  # as it was, for those who ask for it


def test_earlier_tiers_can_be_left_out():
    members = [member("subscription"), member("cheap"), member("free")]
    assert shape(combo("c", members, tiered=True, from_rank=rank_of("cheap"))) == [
        ["cheap/m"],
        ["free/m"],
    ]


def test_the_only_model_of_a_combo_is_at_hand_with_the_proxy():
    alone = combo("c", [member("free")], proxy="http://p")
    assert alone.sole is not None
    ((model, proxy),) = alone.sole
    assert (model.provider.id, proxy) == ("free", "http://p")
    assert combo("c", [member("free"), member("cheap")]).sole is None
    assert combo("c", [combo_member(alone)]).sole is None
    assert combo("c", [member("free")], tiered=True, from_rank=rank_of("local")).sole is None
    assert combo("c", []).sole is None


def test_a_combo_without_members_is_left_out_and_what_it_lacks_is_told_once():
    lacking = (Absent("gone/x", "is gone"),)
    empty = combo("empty", [], absent=lacking)
    whole = combo("c", [combo_member(empty), combo_member(empty), member("free")], absent=lacking)
    assert shape(whole) == [["free/m"]]
    assert whole.absent == lacking


def test_turns_of_accounts_are_those_of_the_provider_whatever_the_model():
    one, other = (
        model_member(model_of(BY_TIER["free"], "a")),
        model_member(model_of(BY_TIER["free"], "b")),
    )
    assert one.of.turn == other.of.turn
    assert one.of.turn != model_member(model_of(BY_TIER["cheap"], "a")).of.turn


@pytest.mark.parametrize(
    ("more", "model", "has_account", "kind"),
    [
        ({}, "x", True, None),
        ({"restrict": True}, "m", True, None),
        ({"restrict": True}, "x", True, ErrorKind.UNKNOWN_MODEL),
        ({"models_off": ("x",)}, "x", True, ErrorKind.UNKNOWN_MODEL),
        ({}, "m", False, ErrorKind.NOT_CONFIGURED),
        ({"needs": "money"}, "m", True, ErrorKind.NOT_CONFIGURED),
    ],
)
def test_what_can_never_serve_is_told_apart(more, model, has_account, kind):
    wrong = objection(provider("acme", **more), model, has_account=has_account)
    assert (None if wrong is None else wrong.kind) is kind


def test_combos_are_bound_whatever_their_order():
    views = (
        ComboView(name="a", members=(MemberView(combo="b"), MemberView("free", "m", weight=2.0))),
        ComboView(name="b", members=(MemberView("cheap", "m"),), strategy="random", proxy="p"),
    )
    combos = bound(views, BY_TIER, frozenset(BY_TIER))
    assert shape(combos["a"]) == [[("b", [["cheap/m"]]), "free/m"]]
    assert combos["a"].members[0].of is combos["b"]
    assert [each.weight for each in combos["a"].members] == [1.0, 2.0]
    assert (combos["b"].strategy, combos["b"].proxy) == ("random", "p")


def test_one_combo_may_be_held_by_several():
    views = [ComboView(name=n, members=(MemberView(combo="c"),)) for n in ("a", "b")]
    views.append(ComboView(name="c", members=(MemberView("free", "m"),)))
    combos = bound(views, BY_TIER, frozenset(BY_TIER))
    assert shape(combos["a"]) == shape(combos["b"]) == [[("c", [["free/m"]])]]


@given(st.recursive(st.sampled_from(TIERS), lambda inner: st.lists(inner, max_size=4)))
def test_cutting_into_tiers_loses_and_adds_nothing(tree):
    def build(node, name: str):
        if isinstance(node, str):
            return model_member(model_of(BY_TIER[node], name))
        return combo_member(
            combo(name, [build(each, f"{name}.{n}") for n, each in enumerate(node)])
        )

    def leaves(whole: Combo) -> list[tuple[int, str]]:
        found = []
        for each in whole.members:
            inner = each.of
            found += [(inner.rank, inner.model)] if isinstance(inner, Model) else leaves(inner)
        return found

    plain = combo("c", [build(tree, "x")])
    tiered = combo("c", [build(tree, "x")], tiered=True)
    assert leaves(tiered) == sorted(leaves(plain), key=lambda each: each[0])
