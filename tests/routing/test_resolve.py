"""From a model's name to what it stands for and what follows that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import CacheSettings, LimitSettings, ServerSettings, UpstreamSettings
from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.combos import Model
from omniroute.routing.patterns import REMEMBERED
from omniroute.routing.resolve import MOST_HOPS, Names, Route
from omniroute.snapshot import (
    ChainView,
    ComboView,
    ConnectionView,
    MemberView,
    ModelView,
    PatternView,
    ProviderView,
    Snapshot,
)


def provider(id: str, *prefixes: str, models=(), tier="apikey", **more) -> ProviderView:
    return ProviderView(
        id=id,
        prefixes=(id, *prefixes),
        name=id.title(),
        format="openai",
        base_url="https://x.example/v1",
        url="https://x.example/v1/chat/completions",
        tier=tier,
        models=tuple(ModelView(model, model) for model in models),
        **more,
    )


ACME = provider("acme", "ac", models=("plain", "vendor/x", "twice"))
ROUTER = provider("router", models=("router/auto", "acme/plain", "other/y", "twice"))
STRICT = provider("strict", models=("a", "b"), restrict=True)
NEEDY = provider("needy", models=("n", "plain"), needs="A sign-in that is not built yet.")
PROVIDERS = (ACME, ROUTER, STRICT, NEEDY)
NAMES = Names(PROVIDERS)


def targets(route: Route, step: int = 0) -> list[tuple[str, str] | str]:
    """The members of one step, models as (provider, model), combos by name."""
    return [
        (member.of.provider.id, member.of.model) if isinstance(member.of, Model) else member.of.name
        for member in route.steps[step].combo.members
    ]


def only(name: str, pinned: str | None = None, names: Names = NAMES) -> tuple[str, str]:
    """The plain target that a name stands for."""
    route = names.resolve(name, pinned)
    (target,) = targets(route)
    assert route.combo == ""
    assert isinstance(target, tuple)
    return target


def refused(name: str, pinned: str | None = None, names: Names = NAMES) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        names.resolve(name, pinned)
    assert caught.value.param == "model"
    return caught.value


def combo(name: str, *members: str, **more) -> ComboView:
    """Members as "provider/model", or the name of a combo without a slash."""
    views = []
    for member in members:
        before, slash, after = member.partition("/")
        views.append(MemberView(before, after) if slash else MemberView(combo=member))
    return ComboView(name=name, members=tuple(views), **more)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme/plain", ("acme", "plain")),
        ("ac/plain", ("acme", "plain")),
        ("acme/not-listed", ("acme", "not-listed")),
        ("acme/vendor/x", ("acme", "vendor/x")),
        ("acme/acme/plain", ("acme", "acme/plain")),
        ("acme//x", ("acme", "/x")),
        ("acme/ ", ("acme", " ")),
        ("router/router/auto", ("router", "router/auto")),
        ("strict/a", ("strict", "a")),
        ("acme/plain[1m]", ("acme", "plain")),
    ],
)
def test_the_text_before_the_first_slash_is_the_provider(name, expected):
    assert only(name) == expected


@pytest.mark.parametrize(
    ("name", "pinned", "expected"),
    [
        ("plain", "acme", ("acme", "plain")),
        ("acme/plain", "acme", ("acme", "plain")),
        ("ac/plain", "acme", ("acme", "plain")),
        ("acme/plain", "ac", ("acme", "plain")),
        ("unknown/model", "acme", ("acme", "unknown/model")),
        ("vendor/x", "acme", ("acme", "vendor/x")),
        ("acme/plain", "router", ("router", "acme/plain")),  # its own model of that name
        ("router/auto", "router", ("router", "router/auto")),
        ("router/router/auto", "router", ("router", "router/auto")),
        ("router/new", "router", ("router", "new")),
        ("a", "strict", ("strict", "a")),
    ],
)
def test_a_path_with_a_provider_adds_the_prefix_where_it_is_missing(name, pinned, expected):
    assert only(name, pinned) == expected


def test_a_model_of_another_provider_is_refused_under_a_providers_path():
    error = refused("strict/a", "acme")
    assert error.status == 400
    assert "'strict'" in error.message
    assert "/v1/providers/strict/" in error.message


def test_under_a_providers_path_nothing_else_has_a_say():
    names = Names(
        PROVIDERS,
        combos=(combo("plain", "strict/a"),),
        aliases=(PatternView("*", "strict/b"),),
        chains=(ChainView("any", ("*",), ("strict/a",)),),
        tiered=True,
        tier_fallbacks=("strict/a",),
    )
    assert only("plain", "acme", names) == ("acme", "plain")
    assert len(names.resolve("plain", "acme").steps) == 1


# --- bare names ---


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vendor/x", ("acme", "vendor/x")),  # no provider is called vendor
        ("other/y", ("router", "other/y")),
        ("a", ("strict", "a")),
        ("plain", ("acme", "plain")),  # the other one that lists it cannot be used
        ("acme/plain", ("acme", "plain")),  # the prefix goes before a list
    ],
)
def test_a_bare_name_belongs_to_the_one_provider_that_lists_it(name, expected):
    assert only(name) == expected


def test_a_bare_name_of_several_providers_is_told_the_candidates():
    error = refused("twice")
    assert error.kind is ErrorKind.BAD_REQUEST
    assert error.status == 400
    assert "one of acme/twice, router/twice" in error.message


def test_a_provider_without_an_account_does_not_make_a_bare_name_ambiguous():
    assert only("twice", names=Names(PROVIDERS, with_accounts={"router"})) == ("router", "twice")


def test_a_bare_name_whose_owners_cannot_be_used_says_what_is_missing():
    error = refused("n")
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert "A sign-in" in error.message


# --- combos ---


def test_the_name_of_a_combo_goes_before_everything():
    names = Names(
        PROVIDERS,
        combos=(combo("plain", "strict/a", "acme/x"), combo("acme/plain", "strict/b")),
        aliases=(PatternView("plain", "acme/plain"),),
    )
    route = names.resolve("plain")
    assert (route.asked, route.combo, route.names) == ("plain", "plain", ("plain",))
    assert targets(route) == [("strict", "a"), ("acme", "x")]
    assert targets(names.resolve("acme/plain")) == [("strict", "b")]
    assert refused("PLAIN", names=Names(PROVIDERS, combos=(combo("Coding", "acme/x"),)))


def test_a_combo_refers_to_those_it_holds():
    names = Names(PROVIDERS, combos=(combo("outer", "inner", "acme/x"), combo("inner", "strict/a")))
    assert targets(names.resolve("outer")) == ["inner", ("acme", "x")]


def test_members_that_can_never_serve_are_told_and_left_out():
    names = Names(
        PROVIDERS,
        with_accounts={"acme", "strict", "needy"},
        combos=(combo("c", "needy/n", "gone/x", "strict/z", "router/y", "off", "acme/x"),),
    )
    route = names.resolve("c")
    assert targets(route) == [("acme", "x")]
    told = {each.target: each.reason for each in route.steps[0].combo.absent}
    assert "A sign-in" in told["needy/n"]
    assert "'gone' is not configured" in told["gone/x"]
    assert "restricted" in told["strict/z"]
    assert "no connection" in told["router/y"]
    assert "enabled" in told["off"]
    assert len(told) == 5


def test_a_combo_without_a_member_left_says_why():
    names = Names(PROVIDERS, combos=(combo("c", "needy/n", "inner"), combo("inner", "gone/x")))
    error = refused("c", names=names)
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert "needy/n: Needy: A sign-in" in error.message
    assert "gone/x: provider 'gone' is not configured" in error.message


# --- aliases and routes ---


def aliased(*pairs: tuple[str, str], routes=(), combos=(), **more) -> Names:
    return Names(
        PROVIDERS,
        aliases=tuple(PatternView(*pair) for pair in pairs),
        routes=tuple(PatternView(*pair) for pair in routes),
        combos=combos,
        **more,
    )


@pytest.mark.parametrize(
    ("pattern", "target", "name", "expected"),
    [
        ("opus", "acme/big", "opus", ("acme", "big")),
        ("opus", "acme/big", "OPUS", ("acme", "big")),
        ("claude-*", "acme/c-*", "claude-x", ("acme", "c-x")),
        ("claude-?", "acme/small", "claude-4", ("acme", "small")),
        ("acme/plain", "strict/a", "acme/plain", ("strict", "a")),  # goes before the provider
        ("*", "ac/*", "any/thing", ("acme", "any/thing")),
        ("opus", "acme/big", "opus[1m]", ("acme", "big")),
        ("opus", "acme/big[1m]", "opus", ("acme", "big")),
        ("opus", "a", "opus", ("strict", "a")),  # a bare name
    ],
)
def test_an_alias_stands_for_its_target(pattern, target, name, expected):
    assert only(name, names=aliased((pattern, target))) == expected


def test_an_alias_may_lead_to_a_combo_and_to_another_alias():
    names = aliased(("fast", "quick"), ("quick", "c"), combos=(combo("c", "acme/x"),))
    route = names.resolve("fast")
    assert (route.asked, route.combo) == ("fast", "c")
    assert route.names == ("fast", "quick", "c")


def test_an_alias_that_fits_its_own_target_is_no_circle():
    assert only("a-new", names=aliased(("a*", "a"))) == ("strict", "a")
    assert only("a", names=aliased(("a*", "a"))) == ("strict", "a")


def test_aliases_in_a_circle_are_told_with_the_way():
    error = refused("a1", names=aliased(("a1", "a2"), ("a2", "a3"), ("a3", "a1")))
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "'a1' → 'a2' → 'a3' → 'a1'" in error.message


def test_what_a_pattern_led_to_is_not_led_on_by_it():
    assert "'xx'" in refused("x", names=aliased(("x*", "xx*"))).message
    names = aliased(("*", "router/*"), routes=(("*", "acme/*"),))
    assert only("acme/plain", names=names) == ("router", "acme/plain")


def test_too_many_hops_are_stopped():
    pairs = [(f"a{number}", f"a{number + 1}") for number in range(MOST_HOPS + 3)]
    error = refused("a0", names=aliased(*pairs))
    assert "without end" in error.message
    assert error.message.count("→") == MOST_HOPS + 1


def test_a_route_serves_names_whose_provider_is_not_configured():
    names = aliased(routes=(("openai/*", "router/openai/*"), ("*/*", "acme/*")))
    assert only("openai/gpt", names=names) == ("router", "openai/gpt")
    assert only("nobody/gpt", names=names) == ("acme", "nobody")
    assert only("acme/plain", names=names) == ("acme", "plain")  # it is configured
    assert only("needy/n", names=names) == ("acme", "needy")  # but cannot be used


def test_a_route_goes_before_a_bare_name():
    assert only("a", names=aliased(routes=(("a", "acme/a"),))) == ("acme", "a")


def test_the_best_alias_holds():
    names = aliased(("gpt-*", "acme/any"), ("gpt-5*", "acme/five"), ("gpt-5", "acme/exact"))
    assert only("gpt-4", names=names) == ("acme", "any")
    assert only("gpt-5-x", names=names) == ("acme", "five")
    assert only("gpt-5", names=names) == ("acme", "exact")


# --- what follows ---


def test_chains_follow_the_names_they_apply_to_in_their_order():
    chains = (
        ChainView("models", ("ac/*",), ("strict/a", "c")),
        ChainView("all", ("*",), ("router/y",)),
        ChainView("others", ("strict/*",), ("acme/x",)),
    )
    names = aliased(("mine", "acme/big"), combos=(combo("c", "acme/x"),), chains=chains)
    for name in ("acme/big", "ac/big", "mine"):
        route = names.resolve(name)
        assert [step.why for step in route.steps] == [
            "",
            "fallback chain 'models'",
            "fallback chain 'all'",
        ]
        assert targets(route, 1) == [("strict", "a"), "c"]
    assert [step.why for step in names.resolve("c").steps] == ["", "fallback chain 'all'"]


def test_a_chain_leaves_out_what_cannot_be_resolved_and_tells_it():
    names = aliased(chains=(ChainView("x", ("*",), ("nonsense", "needy/n", "strict/a")),))
    step = names.resolve("acme/plain").steps[1]
    assert [each.target for each in step.combo.absent] == ["nonsense", "needy/n"]
    assert targets(names.resolve("acme/plain"), 1) == [("strict", "a")]


def test_what_cannot_serve_is_passed_over_when_something_follows():
    names = aliased(
        chains=(ChainView("x", ("needy/*", "c"), ("strict/a",)),), combos=(combo("c", "gone/x"),)
    )
    for name in ("needy/n", "c"):
        route = names.resolve(name)
        assert route.steps[0].combo.stages == ()
        assert len(route.steps[0].combo.absent) == 1
        assert targets(route, 1) == [("strict", "a")]
    assert refused("needy/n").kind is ErrorKind.NOT_CONFIGURED


TIERED = (
    provider("sub", models=("m", "other"), tier="subscription"),
    provider("key", models=("m",)),
    provider("key2", models=("m",)),
    provider("cheap", models=("m", "low"), tier="cheap"),
    provider("broke", models=("m",), tier="cheap", needs="money"),
    provider("free", models=("f",), tier="free"),
)


def later(name: str, *fallbacks: str, **more) -> list[tuple[str, str] | str]:
    route = Names(TIERED, tiered=True, tier_fallbacks=fallbacks, **more).resolve(name)
    if len(route.steps) == 1:
        return []
    assert route.steps[-1].why == "tier fallback"
    return targets(route, len(route.steps) - 1)


def test_with_tiers_the_same_model_follows_at_later_tiers():
    assert later("sub/m") == [("key", "m"), ("key2", "m"), ("cheap", "m")]
    assert later("key/m") == [("cheap", "m")]
    assert later("cheap/m") == []
    assert later("sub/other") == []


def test_stand_ins_follow_by_tier_never_going_back():
    stand_ins = ("free/f", "cheap/low", "sub/other")
    assert later("sub/m", *stand_ins) == [
        ("sub", "other"),
        ("key", "m"),
        ("key2", "m"),
        ("cheap", "m"),
        ("cheap", "low"),
        ("free", "f"),
    ]
    assert later("cheap/m", *stand_ins) == [("cheap", "low"), ("free", "f")]


def test_tiers_follow_plain_names_only():
    combos = (combo("c", "sub/m"),)
    assert later("c", "free/f", combos=combos) == []
    assert len(Names(TIERED, tier_fallbacks=("free/f",)).resolve("sub/m").steps) == 1  # not tiered


# --- what is wrong ---


def test_a_name_that_nobody_has_is_told_what_is_configured():
    error = refused("nobody-has-this")
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert "provider/model" in error.message
    assert "acme, needy, router, strict" in error.message


@pytest.mark.parametrize(
    ("name", "meant"),
    [("amce/plain", "acme"), ("plian", "plain"), ("codign", "coding"), ("ops", "opus")],
)
def test_a_name_that_is_nearly_right_is_suggested(name, meant):
    names = aliased(("opus", "acme/x"), combos=(combo("coding", "acme/x"),))
    error = refused(name, names=names)
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert f"did you mean {meant!r}" in error.message
    assert "configured: acme, needy, router, strict" in error.message


def test_a_name_unlike_any_gets_no_suggestion():
    assert "did you mean" not in refused("zzzzzz/plain").message


def test_an_error_repeats_only_so_much_of_a_name():
    assert len(refused("x" * 100_000).message) < 1000
    assert len(refused("x/" * 50_000).message) < 1000
    assert len(refused("x", "acm" * 50_000).message) < 1000


def test_an_unknown_provider_of_a_path_is_told():
    assert "'nobody'" in refused("plain", "nobody").message


def test_with_nothing_configured_the_way_there_is_told():
    assert "none yet: add one to omniroute.toml" in refused("a/b", names=Names(())).message


@pytest.mark.parametrize("name", ["acme/", "/plain", "/", "//", ""])
def test_half_a_name_is_refused(name):
    assert refused(name).status in (400, 404)


def test_a_provider_without_a_model_is_told_apart():
    error = refused("acme/")
    assert error.status == 400
    assert "names no model" in error.message


@pytest.mark.parametrize(("name", "pinned"), [("strict/c", None), ("c", "strict")])
def test_a_restricted_provider_serves_its_list_only(name, pinned):
    error = refused(name, pinned)
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert "(a, b)" in error.message


@pytest.mark.parametrize(("name", "pinned"), [("needy/n", None), ("n", "needy")])
def test_a_provider_that_cannot_be_used_says_what_is_missing(name, pinned):
    error = refused(name, pinned)
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert error.message == "Needy: A sign-in that is not built yet."


def test_a_provider_without_a_connection_is_told_what_to_add():
    error = refused("acme/plain", names=Names(PROVIDERS, with_accounts={"router"}))
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert "[[connections]]" in error.message
    assert 'provider = "acme"' in error.message


def test_a_chain_of_names_that_mean_nothing_hides_no_error():
    names = aliased(chains=(ChainView("x", ("*",), ("nonsense",)),))
    assert refused("needy/n", names=names).kind is ErrorKind.NOT_CONFIGURED
    route = names.resolve("acme/plain")
    assert [each.target for each in route.steps[1].combo.absent] == ["nonsense"]


TEXT = st.text("ac/*?[1m]x", max_size=12) | st.text(max_size=6)


@given(TEXT, st.none() | TEXT, st.lists(st.tuples(TEXT.filter(bool), TEXT.filter(bool))))
def test_whatever_is_asked_gets_a_route_or_an_error_that_can_be_told(name, pinned, pairs):
    names = aliased(*pairs[::2], routes=pairs[1::2], combos=(combo("x", "acme/x"),))
    try:
        route = names.resolve(name, pinned)
    except GatewayError as error:
        told = error.message
    else:
        told = "/".join(targets(route)[0])
        assert route.combo in route.names or told in route.names
    assert told


# --- what is remembered ---


def test_a_name_seen_before_gives_the_same_route():
    names = Names(PROVIDERS)
    assert names.resolve("acme/plain") is names.resolve("acme/plain")
    assert names.resolve("plain", "acme") is not names.resolve("plain")


def told(names: Names, name: str) -> object:
    try:
        return only(name, names=names)
    except GatewayError as error:
        return error.message


@given(st.lists(st.sampled_from(["acme/a", "ac/b", "a", "twice", "x/y", "acme/"]), max_size=8))
def test_what_is_remembered_changes_no_answer(asked):
    remembering = Names(PROVIDERS)
    for name in asked:
        assert told(remembering, name) == told(Names(PROVIDERS), name)


def test_what_is_remembered_is_bounded():
    names = Names(PROVIDERS)
    for number in range(2 * REMEMBERED):
        names.resolve(f"acme/{number}")
    names.resolve("acme/" + "x" * 100_000)
    assert len(names._remembered) <= REMEMBERED
    assert all(len(name) < 100 for _, name in names._remembered)


def test_what_is_suggested_is_remembered_and_bounded():
    names = Names(PROVIDERS)
    for number in range(REMEMBERED + 10):
        assert refused(f"{number}", names=names).message == refused(f"{number}").message
    assert refused("plian", "amce", names=names).message.count("'acme'") == 1
    assert refused("plian", names=names).message.count("'plain'") == 1
    assert refused("plian", names=names).message.count("'plain'") == 1
    assert len(names._suggested) <= REMEMBERED


def test_the_names_of_a_snapshot():
    snapshot = Snapshot(
        server=ServerSettings(),
        limits=LimitSettings(),
        upstream=UpstreamSettings(),
        cache=CacheSettings(),
        providers=PROVIDERS,
        connections=(ConnectionView(id="router/main", provider="router", name="main", url=""),),
        combos=(combo("c", "router/x", "acme/x"),),
        aliases=(PatternView("alias", "c"),),
        routes=(PatternView("z/*", "router/*"),),
        chains=(ChainView("last", ("z/*",), ("router/end",)),),
    )
    names = Names.of(snapshot)
    assert targets(names.resolve("alias")) == [("router", "x")]
    assert targets(names.resolve("z/1"), 1) == [("router", "end")]
    assert refused("acme/plain", names=names).kind is ErrorKind.NOT_CONFIGURED
