"""Each strategy by its distribution, with chance from a seed: the same figures on each run."""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.providing import AccountStrategy
from omniroute.config.routing import ComboStrategy
from omniroute.routing.gauges import Gauge
from omniroute.routing.strategies import (
    LATENCY_HOLDS_MS,
    PREFERRING,
    STRATEGIES,
    TURNS_KEPT,
    Turn,
    Turns,
)

NOW_MS = 1_700_000_000_000
NAMES = ("a", "b", "c", "d")


class Told:
    """Facts as a test tells them; what is not told is as if nothing had been seen."""

    def __init__(self, weights=None, prices=None, gauges=None) -> None:
        self.weights = weights or {}
        self.prices = prices or {}
        self.gauges = gauges or {}

    def weight(self, candidate: str) -> float:
        return self.weights.get(candidate, 1.0)

    def price(self, candidate: str) -> int | None:
        return self.prices.get(candidate)

    def gauge(self, candidate: str) -> Gauge:
        return self.gauges.get(candidate, Gauge())


class Silent:
    """Facts that nobody may ask for."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"{name} was asked for")


def seen(*, running=0, used_ms=NOW_MS - 1000, latency_ms=None, failures=0) -> Gauge:
    gauge = Gauge()
    for _ in range(failures):
        gauge.begin(NOW_MS)
        gauge.end(NOW_MS, failed=True)
    if latency_ms is not None:
        gauge.begin(NOW_MS)
        gauge.end(NOW_MS, failed=None, latency_ms=latency_ms)
    for _ in range(running):
        gauge.begin(NOW_MS)
    gauge.last_used_ms = used_ms
    return gauge


def ordered(
    strategy: str,
    candidates: Sequence[str] = NAMES,
    facts=None,
    *,
    rng: Random | None = None,
    turns: Turns | None = None,
    limit: int = 1,
) -> Iterator[str]:
    return STRATEGIES[strategy](
        candidates,
        facts or Told(),
        Turn("k", limit),
        Turns() if turns is None else turns,
        rng or Random(7),
        NOW_MS,
    )


def firsts(strategy: str, count: int, facts=None, **more) -> Counter[str]:
    rng = Random(20)
    return Counter(next(ordered(strategy, facts=facts, rng=rng, **more)) for _ in range(count))


def chi_square(counted: Counter, shares: dict[str, float]) -> float:
    total = sum(counted.values())
    assert set(counted) <= set(shares)
    return sum(
        (counted[name] - total * share) ** 2 / (total * share) for name, share in shares.items()
    )


def test_the_table_holds_what_can_be_configured():
    assert set(STRATEGIES) == set(ComboStrategy.__args__)
    assert set(AccountStrategy.__args__) <= set(STRATEGIES)
    assert set(STRATEGIES) > PREFERRING


@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.lists(st.integers(), unique=True, max_size=12),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_each_candidate_comes_once(strategy, candidates, rng, data):
    gauges = st.builds(
        seen,
        running=st.integers(0, 3),
        used_ms=st.integers(0, NOW_MS),
        latency_ms=st.none() | st.floats(0, 1e6),
        failures=st.integers(0, 5),
    )
    facts = Told(
        {each: data.draw(st.floats(0, 10)) for each in candidates},
        {each: data.draw(st.none() | st.integers(0, 10**9)) for each in candidates},
        {each: data.draw(gauges) for each in candidates},
    )
    found = list(ordered(strategy, candidates, facts, rng=rng))
    assert len(found) == len(candidates)
    assert set(found) == set(candidates)


@given(st.sampled_from(sorted(STRATEGIES)), st.integers(0, 5))
def test_with_the_same_seed_the_order_is_the_same(strategy, seed):
    assert list(ordered(strategy, rng=Random(seed))) == list(ordered(strategy, rng=Random(seed)))


@pytest.mark.parametrize("strategy", ["priority", "fill-first"])
def test_as_written_looks_at_nothing(strategy):
    class Endless(Sequence):
        def __len__(self) -> int:
            raise AssertionError("the number was asked for")

        def __getitem__(self, place: int) -> int:
            return place

    order = ordered(strategy, Endless(), Silent())
    assert [next(order) for _ in range(3)] == [0, 1, 2]


# --- round robin ---


@pytest.mark.parametrize(("limit", "expected"), [(1, "abcdabcd"), (3, "aaabbbcc"), (2, "aabbccdd")])
def test_round_robin_gives_each_its_turn(limit, expected):
    turns = Turns()
    order = [next(ordered("round-robin", turns=turns, limit=limit)) for _ in range(8)]
    assert "".join(order) == expected


def test_round_robin_goes_on_around_from_the_one_whose_turn_it_is():
    turns = Turns()
    next(ordered("round-robin", turns=turns))
    assert list(ordered("round-robin", turns=turns)) == ["b", "c", "d", "a"]


def test_one_that_is_out_does_not_give_its_share_to_its_neighbour():
    turns = Turns()
    served = Counter()
    for _ in range(300):
        served[next(each for each in ordered("round-robin", turns=turns) if each != "b")] += 1
    assert served == {"a": 100, "c": 100, "d": 100}


def test_the_one_that_stands_in_gets_its_requests_in_a_row():
    turns = Turns()
    order = [
        next(each for each in ordered("round-robin", turns=turns, limit=3) if each != "b")
        for _ in range(9)
    ]
    assert "".join(order) == "aaacccddd"


def test_a_turn_that_has_moved_meanwhile_is_not_moved_back():
    turns = Turns()
    slow = ordered("round-robin", turns=turns)
    assert next(slow) == "a"
    assert next(ordered("round-robin", turns=turns)) == "b"
    assert next(slow) == "b"  # a failed, but the turn is b's already
    assert next(ordered("round-robin", turns=turns)) == "c"


def test_turns_begin_anew_when_candidates_have_gone():
    turns = Turns()
    for _ in range(4):
        next(ordered("round-robin", turns=turns))
    assert next(ordered("round-robin", ("x", "y"), turns=turns)) == "x"


def test_turns_are_counted_per_key_and_bounded():
    turns = Turns()
    assert [turns.take(Turn("one"), 3), turns.take(Turn("two"), 3)] == [0, 0]
    assert turns.take(Turn("one"), 3) == 1
    for number in range(2 * TURNS_KEPT):
        turns.take(Turn(str(number)), 3)
    assert len(turns) == TURNS_KEPT


def test_a_copy_of_turns_counts_for_itself():
    turns = Turns()
    turns.take(Turn("k"), 3)
    copy = turns.copy()
    assert copy.take(Turn("k"), 3) == 1
    assert copy.take(Turn("k"), 3) == 2
    assert turns.take(Turn("k"), 3) == 1


# --- chance ---


def test_random_prefers_none():
    assert chi_square(firsts("random", 8000), dict.fromkeys(NAMES, 0.25)) < 11.3  # 1 % of cases


def test_random_gives_every_order():
    rng = Random(3)
    orders = Counter("".join(ordered("random", "abc", rng=rng)) for _ in range(6000))
    assert len(orders) == 6
    assert chi_square(orders, dict.fromkeys(orders, 1 / 6)) < 15.1


def test_weighted_draws_by_weight():
    weights = {"a": 5.0, "b": 3.0, "c": 2.0, "d": 0.0}
    counted = firsts("weighted", 8000, Told(weights))
    assert counted["d"] == 0
    assert chi_square(counted, {"a": 0.5, "b": 0.3, "c": 0.2}) < 9.2


def test_weighted_draws_the_second_by_weight_among_the_others():
    rng, facts = Random(4), Told({"a": 5.0, "b": 3.0, "c": 2.0})
    orders = [list(ordered("weighted", "abc", facts, rng=rng)) for _ in range(6000)]
    seconds = Counter(second for first, second, _ in orders if first == "a")
    assert chi_square(seconds, {"b": 0.6, "c": 0.4}) < 6.6


def test_without_weight_one_is_the_last_resort():
    facts = Told({"a": 0.0, "b": 1.0, "c": 0.0, "d": 2.0})
    for seed in range(50):
        order = list(ordered("weighted", facts=facts, rng=Random(seed)))
        assert set(order[:2]) == {"b", "d"}


def test_weighted_without_any_weight_prefers_none():
    counted = firsts("weighted", 8000, Told(dict.fromkeys(NAMES, 0.0)))
    assert chi_square(counted, dict.fromkeys(NAMES, 0.25)) < 11.3


class High(Random):
    def random(self) -> float:
        return 1.0 - 2**-53


@pytest.mark.parametrize("strategy", ["random", "weighted", "p2c"])
def test_the_highest_number_that_chance_gives_is_still_a_candidate(strategy):
    facts = Told({"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.0})
    assert sorted(ordered(strategy, facts=facts, rng=High())) == list(NAMES)


# --- power of two choices ---


def test_p2c_prefers_none_when_all_are_alike():
    assert chi_square(firsts("p2c", 8000), dict.fromkeys(NAMES, 0.25)) < 11.3


@pytest.mark.parametrize(
    "burden",
    [
        {"running": 4, "latency_ms": 100.0},
        {"latency_ms": 900.0},
        {"failures": 4, "latency_ms": 100.0},
    ],
)
def test_p2c_never_takes_the_most_burdened_first(burden):
    gauges = {name: seen(latency_ms=100.0) for name in NAMES}
    gauges["b"] = seen(**burden)
    counted = firsts("p2c", 6000, Told(gauges=gauges))
    # Of two drawn, b is one in half of the cases and always loses.
    assert chi_square(counted, {"a": 1 / 3, "c": 1 / 3, "d": 1 / 3}) < 9.2


def test_p2c_takes_the_least_burdened_whenever_it_is_drawn():
    gauges = {name: seen(running=2) for name in NAMES} | {"c": seen()}
    counted = firsts("p2c", 6000, Told(gauges=gauges))
    assert chi_square(counted, {"a": 1 / 6, "b": 1 / 6, "c": 1 / 2, "d": 1 / 6}) < 11.3


def test_p2c_leaves_latency_aside_until_both_are_measured():
    gauges = {"a": seen(latency_ms=9000.0), "b": seen(running=1)}
    assert {next(ordered("p2c", "ab", Told(gauges=gauges), rng=Random(s))) for s in range(20)} == {
        "a"
    }


def test_p2c_spreads_a_load_evenly():
    """What the two choices are for: the fullest of fifty is hardly fuller than the average."""
    rng = Random(5)
    names = [str(number) for number in range(50)]
    gauges = {name: Gauge() for name in names}
    facts = Told(gauges=gauges)
    for _ in range(1000):
        gauges[next(ordered("p2c", names, facts, rng=rng))].begin(NOW_MS)
    running = [gauge.in_flight for gauge in gauges.values()]
    assert max(running) <= 23  # 20 on average; 30 and more with one random choice
    assert min(running) >= 15


# --- by figures ---


def test_least_used_takes_the_one_that_rests_longest():
    gauges = {
        "a": seen(used_ms=300),
        "b": seen(used_ms=100),
        "c": seen(used_ms=200),
        "d": seen(used_ms=0),
    }
    assert list(ordered("least-used", facts=Told(gauges=gauges))) == ["d", "b", "c", "a"]


def test_least_used_takes_the_one_with_less_under_way_of_those_alike():
    gauges = {"a": seen(used_ms=5, running=2), "b": seen(used_ms=5, running=1)}
    assert list(ordered("least-used", "ab", Told(gauges=gauges))) == ["b", "a"]


def test_least_used_uses_all_alike():
    gauges = {name: Gauge() for name in NAMES}
    used = Counter()
    for now_ms in range(1, 401):
        name = next(ordered("least-used", facts=Told(gauges=gauges)))
        gauges[name].last_used_ms = now_ms
        used[name] += 1
    assert used == dict.fromkeys(NAMES, 100)


def test_cost_optimized_takes_the_cheapest_and_an_unknown_price_last():
    facts = Told(prices={"a": 500, "c": 0, "d": 20})
    assert list(ordered("cost-optimized", facts=facts)) == ["c", "d", "a", "b"]


def test_cost_optimized_keeps_the_order_of_those_that_cost_the_same():
    assert list(ordered("cost-optimized", facts=Told(prices={"b": 1, "d": 1}))) == list("bdac")


def test_lowest_latency_takes_the_quickest():
    gauges = {
        name: seen(latency_ms=ms) for name, ms in zip(NAMES, (300, 100, 400, 200), strict=True)
    }
    assert list(ordered("lowest-latency", facts=Told(gauges=gauges))) == ["b", "d", "a", "c"]


def test_lowest_latency_counts_errors_as_time():
    gauges = {"a": seen(latency_ms=100, failures=4), "b": seen(latency_ms=120)}
    assert list(ordered("lowest-latency", "ab", Told(gauges=gauges))) == ["b", "a"]


def test_lowest_latency_measures_what_is_not_known_by_one_request_at_a_time():
    gauges = {"a": seen(latency_ms=100), "b": Gauge(), "c": seen(latency_ms=50)}
    facts = Told(gauges=gauges)
    assert list(ordered("lowest-latency", "abc", facts)) == ["b", "c", "a"]
    gauges["b"].begin(NOW_MS)
    assert list(ordered("lowest-latency", "abc", facts)) == ["c", "a", "b"]


def test_lowest_latency_does_not_measure_what_mostly_fails():
    gauges = {"a": seen(failures=5), "b": seen(latency_ms=5000)}
    assert list(ordered("lowest-latency", "ab", Told(gauges=gauges))) == ["b", "a"]


def test_lowest_latency_measures_anew_what_was_not_used_for_long():
    gauges = {
        "a": seen(latency_ms=100),
        "b": seen(latency_ms=9000, used_ms=NOW_MS - LATENCY_HOLDS_MS),
    }
    assert list(ordered("lowest-latency", "ab", Told(gauges=gauges))) == ["b", "a"]
