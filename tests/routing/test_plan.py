"""From a route to its attempts: whole orders, what is passed over, and that nothing comes twice."""

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.combos import TIERS, Combo, Member, Model
from omniroute.routing.gauges import Gauges
from omniroute.routing.plan import Passed, Plan, Skipped, Stock, explain
from omniroute.routing.resolve import Names, Route
from omniroute.routing.strategies import STRATEGIES, Turns
from omniroute.snapshot import ChainView, ComboView, MemberView, ModelView, ProviderView

NOW_MS = 1_700_000_000_000


class Connection(NamedTuple):
    connection_id: str

    @property
    def provider_id(self) -> str:
        return self.connection_id.partition("/")[0]


def provider(id: str, tier="apikey", models=("m",), strategy="fill-first", **more) -> ProviderView:
    return ProviderView(
        id=id,
        prefixes=(id,),
        name=id.title(),
        format="openai",
        base_url="",
        url="",
        tier=tier,
        models=tuple(ModelView(model, model) for model in models),
        strategy=strategy,
        **more,
    )


def stock(*connections: str, seed: int = 1, prices=None) -> Stock[Connection]:
    accounts: dict[str, tuple[Connection, ...]] = {}
    for connection in map(Connection, connections):
        own = accounts.get(connection.provider_id, ())
        accounts[connection.provider_id] = (*own, connection)
    gauges = Gauges(lambda provider, model: (prices or {}).get((provider, model)))
    return Stock(accounts, gauges, Turns(), Random(seed))


def combo(name: str, *members: str | tuple[str, float], **more) -> ComboView:
    """Members as "provider/model", or the name of a combo without a slash; with a weight or not."""
    views = []
    for given_ in members:
        member, weight = given_ if isinstance(given_, tuple) else (given_, 1.0)
        before, slash, after = member.partition("/")
        views.append(
            MemberView(before, after, weight=weight)
            if slash
            else MemberView(combo=member, weight=weight)
        )
    return ComboView(name=name, members=tuple(views), **more)


def healthy(connection: Connection, model: str) -> None:
    return None


def all_but(*out: str, until_ms: int | None = None):
    """Nothing stands against any target, but for connections ("p/a") and targets ("p/a m")."""

    def standing(connection: Connection, model: str) -> Skipped | None:
        name = connection.connection_id
        return Skipped("out", until_ms) if {name, f"{name} {model}"} & set(out) else None

    return standing


def told(plan: Plan[Connection]) -> list[str]:
    """All targets in order, as "provider/connection model"."""
    found = []
    while (attempt := plan.next_attempt()) is not None:
        found.append(f"{attempt.connection.connection_id} {attempt.model}")
    return found


def planned(
    names: Names, name: str, held: Stock[Connection], standing=healthy, kept=""
) -> list[str]:
    return told(Plan(names.resolve(name), held, standing, NOW_MS, kept))


def first(names: Names, name: str, held: Stock[Connection], kept="") -> str:
    """The connection of the first attempt alone, as when that succeeds."""
    attempt = Plan(names.resolve(name), held, healthy, NOW_MS, kept).next_attempt()
    assert attempt is not None
    return attempt.connection.connection_id


# --- a plain target ---


def test_a_plan_tries_the_providers_connections_in_their_order():
    held = stock("acme/a", "acme/b", "other/a")
    assert planned(Names([provider("acme")]), "acme/m", held) == ["acme/a m", "acme/b m"]


def test_an_attempt_says_what_it_is_of():
    names = Names([provider("acme", tier="cheap")])
    attempt = Plan(names.resolve("acme/m"), stock("acme/a"), healthy, NOW_MS).next_attempt()
    assert attempt is not None
    assert attempt.connection == Connection("acme/a")
    assert (attempt.model, attempt.of.provider.tier) == ("m", "cheap")
    assert (attempt.proxy, attempt.why) == (None, "")


def test_nothing_is_asked_about_before_it_is_wanted():
    asked = []

    def standing(connection: Connection, model: str) -> None:
        asked.append(connection.connection_id)

    plan = Plan(Names([provider("acme")]).resolve("acme/m"), stock("acme/a", "acme/b"), standing, 0)
    assert asked == []
    plan.next_attempt()
    assert asked == ["acme/a"]


def test_what_is_not_eligible_is_passed_over_with_its_reason():
    held = stock("acme/a", "acme/b", "acme/c")
    route = Names([provider("acme")]).resolve("acme/m")
    plan = Plan(route, held, all_but("acme/a", "acme/c", until_ms=77), NOW_MS)
    assert told(plan) == ["acme/b m"]
    assert plan.skipped == [
        Passed("acme/a", "acme/m", "", "out", 77),
        Passed("acme/c", "acme/m", "", "out", 77),
    ]


def test_the_first_to_come_back_is_told():
    until = {"acme/a": 90, "acme/b": 40, "acme/c": None}

    def standing(connection: Connection, model: str) -> Skipped:
        return Skipped("out", until[connection.connection_id])

    route = Names([provider("acme")]).resolve("acme/m")
    plan = Plan(route, stock(*until), standing, NOW_MS)
    assert plan.back_ms is None
    assert plan.next_attempt() is None
    assert plan.back_ms == 40
    assert plan.next_attempt() is None  # and stays at its end


def test_a_provider_chooses_its_connections_by_its_own_strategy():
    names = Names([provider("acme", strategy="round-robin", sticky_limit=3)])
    held = stock("acme/a", "acme/b")
    firsts = [first(names, f"acme/m{number}", held) for number in range(8)]
    assert firsts == ["acme/a"] * 3 + ["acme/b"] * 3 + ["acme/a"] * 2


def test_accounts_are_chosen_by_what_was_seen_of_them():
    held = stock("acme/a", "acme/b", "acme/c")
    for place, name in enumerate(("acme/b", "acme/a", "acme/c")):
        held.gauges.account(name).last_used_ms = place + 1
    names = Names([provider("acme", strategy="least-used")])
    assert planned(names, "acme/m", held) == ["acme/b m", "acme/a m", "acme/c m"]


# --- conversations ---


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_the_account_of_a_conversation_comes_first_while_it_is_eligible(strategy):
    names = Names([provider("acme", strategy=strategy)])
    held = stock("acme/a", "acme/b", "acme/c")
    for _ in range(5):
        assert planned(names, "acme/m", held, kept="acme/b")[0] == "acme/b m"
    found = planned(names, "acme/m", held, all_but("acme/b"), kept="acme/b")
    assert sorted(found) == ["acme/a m", "acme/c m"]


def test_an_account_that_is_gone_or_of_another_provider_changes_nothing():
    names = Names([provider("acme"), provider("other")])
    held = stock("acme/a", "acme/b", "other/a")
    assert planned(names, "acme/m", held, kept="acme/gone") == ["acme/a m", "acme/b m"]
    assert planned(names, "acme/m", held, kept="other/a") == ["acme/a m", "acme/b m"]


@pytest.mark.parametrize("strategy", ["round-robin", "random", "weighted", "p2c", "least-used"])
def test_where_requests_are_only_spread_a_conversation_stays_with_its_member(strategy):
    views = (combo("c", "one/m", "two/m", "inner", strategy=strategy), combo("inner", "three/m"))
    names = Names([provider("one"), provider("two"), provider("three")], combos=views)
    held = stock("one/a", "two/a", "two/b", "three/a")
    for _ in range(6):
        assert planned(names, "c", held, kept="two/b")[:2] == ["two/b m", "two/a m"]
        assert planned(names, "c", held, kept="three/a")[0] == "three/a m"
    assert sorted(planned(names, "c", held, kept="two/b")) == [
        "one/a m",
        "three/a m",
        "two/a m",
        "two/b m",
    ]


def test_conversations_that_stay_take_nobodys_turn():
    names = Names(
        [provider("one"), provider("two")],
        combos=(combo("c", "one/m", "two/m", strategy="round-robin"),),
    )
    held = stock("one/a", "two/a")
    firsts = []
    for _ in range(4):
        firsts.append(first(names, "c", held))
        assert first(names, "c", held, kept="two/a") == "two/a"
    assert firsts == ["one/a", "two/a", "one/a", "two/a"]


@pytest.mark.parametrize("strategy", ["priority", "fill-first", "cost-optimized"])
def test_where_members_are_preferred_a_conversation_comes_back(strategy):
    names = Names(
        [provider("one"), provider("two")],
        combos=(combo("c", "one/m", "two/m", strategy=strategy),),
    )
    found = planned(names, "c", stock("one/a", "two/a", "two/b"), kept="two/b")
    assert found == ["one/a m", "two/b m", "two/a m"]


# --- combos ---


def test_members_come_by_the_combos_strategy_and_all_their_accounts_with_them():
    names = Names(
        [provider("one"), provider("two")],
        combos=(combo("c", "one/m", "two/x", "two/m", strategy="cost-optimized"),),
    )
    held = stock("one/a", "two/a", "two/b", prices={("one", "m"): 9, ("two", "m"): 1})
    assert planned(names, "c", held) == ["two/a m", "two/b m", "one/a m", "two/a x", "two/b x"]


def test_weights_are_those_of_the_members():
    names = Names(
        [provider("one"), provider("two")],
        combos=(
            combo("c", ("one/m", 3.0), ("inner", 1.0), strategy="weighted"),
            combo("inner", "two/m"),
        ),
    )
    held = stock("one/a", "two/a")
    firsts = Counter(planned(names, "c", held)[0] for _ in range(2000))
    assert 1430 < firsts["one/a m"] < 1570


def test_a_nested_combo_is_ordered_by_its_own_strategy_in_its_place():
    names = Names(
        [provider("one"), provider("two"), provider("three")],
        combos=(
            combo("outer", "one/m", "inner", "one/z"),
            combo("inner", "two/m", "three/m", strategy="round-robin"),
        ),
    )
    held = stock("one/a", "two/a", "three/a")
    assert planned(names, "outer", held) == ["one/a m", "two/a m", "three/a m", "one/a z"]
    assert planned(names, "outer", held) == ["one/a m", "three/a m", "two/a m", "one/a z"]
    plan = Plan(names.resolve("outer"), held, all_but("one/a m", "two/a"), NOW_MS)
    assert told(plan) == ["three/a m", "one/a z"]


def test_the_proxy_is_that_of_the_nearest_combo():
    names = Names(
        [provider("one"), provider("two"), provider("three")],
        combos=(
            combo("outer", "one/m", "inner", "bare", proxy="http://outer"),
            combo("inner", "two/m", proxy="http://inner"),
            combo("bare", "three/m"),
        ),
    )
    plan = Plan(names.resolve("outer"), stock("one/a", "two/a", "three/a"), healthy, NOW_MS)
    proxies = [plan.next_attempt().proxy for _ in range(3)]
    assert proxies == ["http://outer", "http://inner", "http://outer"]
    plan = Plan(names.resolve("inner"), stock("two/a"), healthy, NOW_MS)
    assert plan.next_attempt().proxy == "http://inner"


def test_members_that_can_never_serve_are_among_what_was_passed_over():
    names = Names([provider("one")], combos=(combo("c", "gone/x", "one/m"),))
    plan = Plan(names.resolve("c"), stock("one/a"), healthy, NOW_MS)
    assert told(plan) == ["one/a m"]
    (passed,) = plan.skipped
    assert (passed.connection, passed.model, passed.until_ms) == ("", "gone/x", None)
    assert "not configured" in passed.reason


# --- leaving a member ---


def test_a_member_that_is_left_is_not_tried_with_its_other_accounts():
    names = Names(
        [provider("one"), provider("two")],
        combos=(combo("c", "one/m", "two/m", "one/other"),),
        chains=(ChainView("again", ("*",), ("one/m", "two/last")),),
    )
    held = stock("one/a", "one/b", "two/a")
    plan = Plan(names.resolve("c"), held, healthy, NOW_MS)
    assert plan.next_attempt().model == "m"
    plan.leave_member()
    assert told(plan) == ["two/a m", "one/a other", "one/b other", "two/a last"]
    assert plan.skipped == []


def test_before_the_first_attempt_there_is_nothing_to_leave():
    plan = Plan(Names([provider("one")]).resolve("one/m"), stock("one/a"), healthy, NOW_MS)
    plan.leave_member()
    assert told(plan) == ["one/a m"]


# --- what follows ---


def test_chains_follow_then_later_tiers_and_nothing_comes_twice():
    names = Names(
        [
            provider("sub", "subscription"),
            provider("key", "apikey"),
            provider("low", "cheap", ("m", "small")),
            provider("free", "free", ("f",)),
        ],
        combos=(combo("c", "low/small", "sub/m"),),
        chains=(ChainView("own", ("sub/*",), ("c", "sub/m", "key/big")),),
        tiered=True,
        tier_fallbacks=("free/f", "low/small"),
    )
    held = stock("sub/a", "sub/b", "key/a", "low/a", "free/a")
    plan = Plan(names.resolve("sub/m"), held, healthy, NOW_MS)
    found = []
    while (attempt := plan.next_attempt()) is not None:
        found.append((f"{attempt.connection.connection_id} {attempt.model}", attempt.why))
    assert found == [
        ("sub/a m", ""),
        ("sub/b m", ""),
        ("low/a small", "fallback chain 'own'"),
        ("key/a big", "fallback chain 'own'"),
        ("key/a m", "tier fallback"),
        ("low/a m", "tier fallback"),
        ("free/a f", "tier fallback"),
    ]


def test_a_tiered_combo_moves_on_through_the_tiers_with_its_strategy_in_each():
    names = Names(
        [
            provider("f", "free"),
            provider("s1", "subscription"),
            provider("s2", "subscription"),
            provider("c", "cheap"),
        ],
        combos=(
            combo("outer", "f/m", "s1/m", "inner", "c/m", tiered=True, strategy="round-robin"),
            combo("inner", "c/x", "s2/m"),
        ),
    )
    held = stock("f/a", "s1/a", "s2/a", "c/a")
    for _ in range(2):
        order = planned(names, "outer", held)
        assert [each[0] for each in order] == ["s", "s", "c", "c", "f"]
        assert sorted(order) == ["c/a m", "c/a x", "f/a m", "s1/a m", "s2/a m"]
    held = stock("f/a", "s1/a", "s2/a", "c/a")
    assert [first(names, "outer", held) for _ in range(4)] == ["s1/a", "s2/a"] * 2


# --- by property ---

PROVIDERS = ("p", "q", "r", "s")
MODELS = ("m", "n")
STRATEGY = st.sampled_from(sorted(STRATEGIES))


class World(NamedTuple):
    names: Names
    route: Route
    held: Stock[Connection]
    out: frozenset[str]  # targets that something stands against
    kept: str

    def standing(self, connection: Connection, model: str) -> Skipped | None:
        target = f"{connection.connection_id} {model}"
        return Skipped(f"{target} is out", len(target)) if target in self.out else None

    def plan(self) -> Plan[Connection]:
        return Plan(self.route, self.held, self.standing, NOW_MS, self.kept)

    def targets(self, whole: Combo) -> set[str]:
        return {
            f"{connection.connection_id} {model.model}"
            for model in models(whole.members)
            for connection in self.held.accounts[model.provider.id]
        }


def models(members: Iterable[Member]) -> Iterable[Model]:
    for member in members:
        if isinstance(member.of, Model):
            yield member.of
        else:
            yield from models(member.of.members)


@st.composite
def worlds(draw) -> World:
    views = [
        provider(name, draw(st.sampled_from(TIERS)), MODELS, draw(STRATEGY)) for name in PROVIDERS
    ]
    plain = st.builds("{}/{}".format, st.sampled_from(PROVIDERS), st.sampled_from(MODELS))
    combos = []
    for number in range(4):  # each may hold those before it: none reaches itself
        member = plain
        if combos:
            member |= st.sampled_from([each.name for each in combos])
        members = draw(st.lists(st.tuples(member, st.floats(0, 5)), min_size=1, max_size=4))
        more = {"strategy": draw(STRATEGY), "tiered": draw(st.booleans())}
        combos.append(combo(f"c{number}", *members, sticky_limit=draw(st.integers(1, 3)), **more))
    name = plain | st.sampled_from([each.name for each in combos])
    chains = [
        ChainView(f"f{number}", ("*",), tuple(draw(st.lists(name, min_size=1, max_size=3))))
        for number in range(draw(st.integers(0, 2)))
    ]
    names = Names(
        views,
        combos=combos,
        chains=chains,
        tiered=draw(st.booleans()),
        tier_fallbacks=draw(st.lists(name, max_size=3)),
    )
    accounts = [f"{each}/{n}" for each in PROVIDERS for n in range(draw(st.integers(1, 3)))]
    held = stock(*accounts, seed=draw(st.integers(0, 9)))
    all_targets = [f"{account} {model}" for account in accounts for model in MODELS]
    out = draw(st.frozensets(st.sampled_from(all_targets)))
    kept = draw(st.sampled_from(["", *accounts]))
    return World(names, names.resolve(draw(name)), held, out, kept)


@given(worlds())
def test_every_target_is_tried_or_passed_over_exactly_once(world):
    for _ in range(2):  # turns have moved in the second round
        plan = world.plan()
        tried = told(plan)
        every = set().union(*(world.targets(step.combo) for step in world.route.steps))
        passed = [f"{each.connection} {each.model.partition('/')[2]}" for each in plan.skipped]
        assert len(tried) == len(set(tried))
        assert len(passed) == len(set(passed))
        assert set(tried) == every - world.out
        assert set(passed) == every & world.out
        for target, each in zip(passed, plan.skipped, strict=True):
            assert (each.reason, each.until_ms) == (f"{target} is out", len(target))


@given(worlds())
def test_what_was_asked_for_is_used_up_before_what_follows(world):
    plan = world.plan()
    place = 0
    order = [step.why for step in world.route.steps]
    while (attempt := plan.next_attempt()) is not None:
        place = order.index(attempt.why, place)


@given(worlds())
def test_tiers_never_go_backwards(world):
    plan = world.plan()
    last: dict[str, int] = {}
    tiered = {step.why for step in world.route.steps if step.combo.tiered}
    while (attempt := plan.next_attempt()) is not None:
        if attempt.why in tiered:
            assert attempt.of.rank >= last.get(attempt.why, 0)
            last[attempt.why] = attempt.of.rank


@given(worlds())
def test_a_kept_account_is_the_first_of_its_provider_for_each_model(world):
    plan = world.plan()
    met = set()
    while (attempt := plan.next_attempt()) is not None:
        subject = (attempt.of.provider.id, attempt.model)
        if subject not in met and world.kept.startswith(f"{subject[0]}/"):
            kept_is_out = f"{world.kept} {attempt.model}" in world.out
            assert kept_is_out or attempt.connection.connection_id == world.kept
        met.add(subject)


@given(worlds(), st.sets(st.integers(0, 20)))
def test_a_model_that_was_left_never_comes_again(world, places):
    plan = world.plan()
    left = set()
    place = 0
    while (attempt := plan.next_attempt()) is not None:
        subject = (attempt.of.provider.id, attempt.model)
        assert subject not in left
        if place in places:
            plan.leave_member()
            left.add(subject)
        place += 1


@given(worlds())
def test_what_is_explained_is_what_would_be_done_and_leaves_no_trace(world):
    explained = explain(world.route, world.held, world.standing, NOW_MS, world.kept)
    again = explain(world.route, world.held, world.standing, NOW_MS, world.kept)
    assert explained == again
    plan = world.plan()
    tried = told(plan)
    assert [
        f"{each.connection} {each.model.partition('/')[2]}" for each in explained if not each.reason
    ] == tried
    assert [
        Passed(each.connection, each.model, each.why, each.reason, each.until_ms)
        for each in explained
        if each.reason
    ] == plan.skipped


def test_what_can_never_serve_is_explained_in_its_place():
    names = Names(
        [provider("one", "free")],
        combos=(combo("c", "gone/x"),),
        chains=(ChainView("f", ("*",), ("one/m", "no such name")),),
    )
    explained = explain(names.resolve("c"), stock("one/a"), all_but("one/a"), NOW_MS)
    assert [(each.connection, each.model, each.tier, each.why) for each in explained] == [
        ("", "gone/x", "", ""),
        ("", "no such name", "", "fallback chain 'f'"),
        ("one/a", "one/m", "free", "fallback chain 'f'"),
    ]
    assert all(each.reason for each in explained)
