"""Gauges never admit more than their limit, whatever the order of events and the clock."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience.gauges import RESERVED_WAIT_MS, Gauge, Gauges, gauge
from omniroute.resilience.meters import Meter, Reading, Refused

DAY_MS = 86_400_000
NOW_MS = 20_600 * DAY_MS + 45_296_789

KINDS: list[dict[str, Any]] = [
    {"kind": "rolling", "window_ms": 60_000},
    {"kind": "rolling", "window_ms": 5 * 3_600_000},
    {"kind": "fixed", "period": "daily", "reset_minute": 90, "timezone": "Europe/Berlin"},
    {"kind": "session", "window_ms": 5 * 3_600_000},
]
windows = st.sampled_from(KINDS)


def make(**fields: Any) -> Gauge:
    return gauge(Meter(**({"key": "k", "measure": "usd", "limit": 100} | fields)))


def admitted(result: bytes | Refused) -> bytes:
    assert not isinstance(result, Refused), result
    return result


def used(made: Gauge, stored: bytes | None, now_ms: int) -> int:
    return made.read(stored, now_ms).used


# --- what every kind with a window keeps ---

steps = st.lists(
    st.tuples(
        st.sampled_from(["admit", "end"]),
        st.one_of(st.integers(0, 9_000), st.integers(0, 8 * 3_600_000)),  # ms that pass before
        st.integers(0, 60),
        st.integers(0, 100),  # per cent of the bound that is used in the end
    ),
    max_size=60,
)


@given(windows, steps)
def test_used_and_reserved_are_never_more_than_the_limit(window, drawn):
    made = make(**window)
    stored: bytes | None = None
    now_ms, held = NOW_MS, list[int]()
    for what, pass_ms, amount, share in drawn:
        now_ms += pass_ms
        if what == "admit":
            result = made.admit(stored, amount, now_ms)
            if isinstance(result, Refused):
                assert result.used + result.reserved + amount > 100
            else:
                stored = result
                held.append(amount)
        elif held:
            bound = held.pop(0)
            stored = made.settle(stored, bound, bound * share // 100, now_ms)
        reading = made.read(stored, now_ms)
        assert reading.used + reading.reserved <= 100
        assert reading.reserved == sum(held)
        assert reading.resets_ms is None or reading.resets_ms > now_ms


@given(st.sampled_from(KINDS[:2]), steps, st.booleans())
def test_no_window_of_that_length_wherever_it_begins_has_more_than_the_limit(
    window, drawn, counts_at_once
):
    made = make(**window, measure="requests" if counts_at_once else "usd")
    stored: bytes | None = None
    now_ms, held = NOW_MS, list[int]()
    events: list[tuple[int, int]] = []
    for what, pass_ms, amount, share in drawn:
        now_ms += pass_ms
        if what == "admit":
            result = made.admit(stored, amount, now_ms)
            if not isinstance(result, Refused):
                stored = result
                if counts_at_once:
                    events.append((now_ms, amount))
                else:
                    held.append(amount)
        elif held:
            bound = held.pop(0)
            events.append((now_ms, bound * share // 100))
            stored = made.settle(stored, bound, events[-1][1], now_ms)
    for end_ms, _ in events:
        begin_ms = end_ms - window["window_ms"]
        assert sum(n for at_ms, n in events if begin_ms < at_ms <= end_ms) <= 100


@given(st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 20)), min_size=30, max_size=60))
def test_a_rolling_meter_has_used_what_its_thirteen_slots_have(drawn):
    made = make(kind="rolling", window_ms=60_000, limit=1 << 40)
    stored: bytes | None = None
    now_ms, events = NOW_MS, list[tuple[int, int]]()
    for pass_ms, amount in drawn:
        now_ms += pass_ms
        stored = made.settle(stored, 0, amount, now_ms)
        events.append((now_ms // 5_000, amount))
        assert used(made, stored, now_ms) == sum(
            amount for slot, amount in events if slot >= now_ms // 5_000 - 12
        )


@given(windows, st.integers(1, 60), st.integers(1, 20 * 60_000), st.integers(1, 100))
def test_the_wait_that_is_told_is_as_long_as_it_must_be_and_no_longer(
    window, first, pass_ms, amount
):
    made = make(**window, measure="requests")
    stored = admitted(made.admit(None, first, NOW_MS))
    if not isinstance(second := made.admit(stored, 41, NOW_MS + pass_ms), Refused):
        stored = second
    now_ms = NOW_MS + 2 * pass_ms
    refused = made.admit(stored, amount, now_ms)
    if isinstance(refused, Refused):
        assert refused.wait_ms is not None
        assert refused.wait_ms > 0
        admitted(made.admit(stored, amount, now_ms + refused.wait_ms))
        assert isinstance(made.admit(stored, amount, now_ms + refused.wait_ms - 1), Refused)


@pytest.mark.parametrize("window", KINDS)
def test_what_is_reserved_outlives_its_window_and_is_used_in_the_one_it_ends_in(window):
    made = make(**window)
    stored: bytes | None = admitted(made.admit(None, 70, NOW_MS))
    later_ms = NOW_MS + 3 * DAY_MS
    assert made.read(stored, later_ms)[:2] == (0, 70)
    refused = made.admit(stored, 31, later_ms)
    assert isinstance(refused, Refused)
    assert refused == (0, 70, RESERVED_WAIT_MS)
    stored = made.settle(stored, 70, 50, later_ms)
    assert made.read(stored, later_ms)[:2] == (50, 0)
    assert made.read(stored, later_ms + 3 * DAY_MS)[:2] == (0, 0)


@pytest.mark.parametrize("window", KINDS)
def test_more_than_the_bound_is_settled_all_the_same(window):
    made = make(**window)
    stored = made.settle(admitted(made.admit(None, 90, NOW_MS)), 90, 130, NOW_MS)
    assert made.read(stored, NOW_MS)[:2] == (130, 0)
    assert isinstance(made.admit(stored, 0, NOW_MS), Refused)


@pytest.mark.parametrize("window", KINDS)
def test_more_than_the_limit_itself_is_never_worth_waiting_for(window):
    refused = make(**window).admit(None, 101, NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.wait_ms is None


@given(windows, st.integers(1, 100), st.integers(0, 400 * DAY_MS))
def test_a_clock_that_steps_back_makes_no_room(window, amount, back_ms):
    made = make(**window)
    stored = made.settle(admitted(made.admit(None, amount, NOW_MS)), amount, amount, NOW_MS)
    assert used(made, stored, NOW_MS - back_ms) == amount
    changed = admitted(made.admit(stored, 0, NOW_MS - back_ms))
    assert used(made, changed, NOW_MS - back_ms) == amount


@given(windows, st.integers(60_001, 400 * DAY_MS))
def test_a_clock_that_was_far_ahead_blocks_no_longer_than_one_window(window, ahead_ms):
    made = make(**window, measure="requests")
    stored = admitted(made.admit(None, 100, NOW_MS + ahead_ms))
    touched = made.admit(stored, 0, NOW_MS)
    stored = admitted(touched)
    assert used(made, stored, NOW_MS + 2 * DAY_MS) == 0


@pytest.mark.parametrize("window", KINDS)
def test_requests_are_counted_when_admitted_and_not_given_back(window):
    made = make(**window, measure="requests")
    assert not made.reserves
    stored = admitted(made.admit(None, 1, NOW_MS))
    assert made.read(stored, NOW_MS)[:2] == (1, 0)
    assert made.settle(stored, 1, 0, NOW_MS) is None


@pytest.mark.parametrize("window", KINDS)
def test_absurd_figures_are_capped(window):
    made = make(**window)
    stored = made.settle(None, 0, 1 << 62, NOW_MS)
    stored = made.settle(stored, 0, (1 << 63) - 1, NOW_MS)
    assert used(made, stored, NOW_MS) == (1 << 63) - 1


parts = st.lists(st.tuples(st.integers(-3 * DAY_MS, 0), st.integers(1, 50)), max_size=30)


@given(windows, parts)
def test_a_primed_meter_is_one_that_saw_it_all(window, drawn):
    made = make(**window)
    seen: bytes | None = None
    past = [(NOW_MS + at_ms, amount) for at_ms, amount in sorted(drawn)]
    for at_ms, amount in past:
        seen = made.settle(seen, 0, amount, at_ms)
    primed = made.prime(reversed(past), NOW_MS)
    assert made.read(primed, NOW_MS)[:2] == made.read(seen, NOW_MS)[:2]
    since_ms = made.reaches_back_ms(NOW_MS)
    assert since_ms is not None
    if window["kind"] != "session":
        reached = made.prime([part for part in past if part[0] >= since_ms], NOW_MS)
        assert reached == primed


# --- each kind ---


def test_a_rolling_window_frees_what_is_older_step_by_step():
    made = make(kind="rolling", window_ms=60_000, measure="requests", limit=3)
    start_ms = NOW_MS // 5_000 * 5_000
    stored = admitted(made.admit(None, 1, start_ms))
    stored = admitted(made.admit(stored, 2, start_ms + 5_000))
    assert made.admit(stored, 1, start_ms + 60_000) == Refused(3, 0, 5_000)
    assert used(made, stored, start_ms + 65_000) == 2
    assert made.read(stored, start_ms + 65_000).resets_ms == start_ms + 70_000
    assert used(made, stored, start_ms + 70_000) == 0


def test_a_session_begins_with_its_first_use():
    made = make(kind="session", window_ms=1000)
    assert made.read(None, NOW_MS) == Reading(0, 0, None)
    stored: bytes | None = admitted(made.admit(None, 10, NOW_MS))
    stored = made.settle(stored, 10, 10, NOW_MS + 1)
    assert made.read(stored, NOW_MS + 999) == Reading(10, 0, NOW_MS + 1000)
    assert made.read(stored, NOW_MS + 1000) == Reading(0, 0, None)
    stored = admitted(made.admit(stored, 10, NOW_MS + 5000))
    assert made.read(stored, NOW_MS + 5001) == Reading(0, 10, NOW_MS + 6000)


def test_a_session_that_came_to_nothing_ends_all_the_same():
    made = make(kind="session", window_ms=1000)
    stored = made.settle(admitted(made.admit(None, 10, NOW_MS)), 10, 0, NOW_MS + 2000)
    assert made.read(stored, NOW_MS + 2000) == Reading(0, 0, None)


def test_running_requests_are_given_back():
    made = make(kind="running", measure="running", limit=2)
    stored = admitted(made.admit(None, 1, NOW_MS))
    stored = admitted(made.admit(stored, 1, NOW_MS))
    assert made.admit(stored, 1, NOW_MS) == Refused(0, 2, RESERVED_WAIT_MS)
    ended = made.settle(stored, 1, 0, NOW_MS)
    assert made.read(ended, NOW_MS) == Reading(0, 1, None)
    admitted(made.admit(ended, 1, NOW_MS))
    assert made.settle(None, 1, 0, NOW_MS) is None
    assert made.admit(None, 3, NOW_MS) == Refused(0, 0, None)


@given(st.lists(st.integers(0, 900), max_size=30))
def test_between_two_requests_passes_the_gap(passing):
    made = make(kind="gap", measure="gap", limit=500)
    stored: bytes | None = None
    now_ms, last_ms = NOW_MS, NOW_MS - 500
    for pass_ms in passing:
        now_ms += pass_ms
        result = made.admit(stored, 1, now_ms)
        if isinstance(result, Refused):
            assert result.wait_ms == last_ms + 500 - now_ms > 0
            assert made.read(stored, now_ms) == (result.wait_ms, 0, last_ms + 500)
        else:
            assert now_ms - last_ms >= 500
            stored, last_ms = result, now_ms
            assert made.settle(stored, 1, 1, now_ms) is None
    assert made.read(stored, now_ms + 500) == Reading(0, 0, None)


def test_a_clock_set_back_does_not_keep_a_gap_closed():
    made = make(kind="gap", measure="gap", limit=500)
    stored = admitted(made.admit(None, 1, NOW_MS + DAY_MS))
    admitted(made.admit(stored, 1, NOW_MS))


@pytest.mark.parametrize("kind", ["running", "gap"])
def test_what_is_of_the_moment_has_no_past(kind):
    made = make(kind=kind, measure=kind)
    assert made.prime([(NOW_MS, 5)], NOW_MS) is None
    assert made.reaches_back_ms(NOW_MS) is None


# --- where it is kept ---


def test_a_limit_may_change_and_what_it_counts_may_not():
    daily = {"kind": "fixed", "period": "daily"}
    keys = [
        make(**fields).key
        for fields in (
            daily | {"limit": 1},
            daily | {"limit": 2},
            daily | {"timezone": "Asia/Tokyo"},
            daily | {"reset_minute": 5},
            daily | {"measure": "tokens"},
            daily | {"period": "weekly"},
            {"kind": "rolling", "window_ms": 1},
            {"kind": "session", "window_ms": 1},
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 7


def test_a_long_name_still_makes_a_key_that_can_be_stored():
    keys = {make(kind="running", key=f"{'x' * 600}{n}").key for n in range(2)}
    assert len(keys) == 2
    assert max(map(len, keys)) <= 511


def test_gauges_are_made_once_and_found_by_their_bytes():
    gauges = Gauges(most=2)
    meters = [make(kind="running", key=f"{n}").meter for n in range(3)]
    first = gauges.of[meters[0]]
    assert gauges.of[meters[0]] is first
    assert gauges.of_blob(first.blob) is first
    for meter in meters[1:]:
        gauges.of[meter]
    assert gauges.of[meters[0]] is not first  # they are bounded
    assert Gauges().of_blob(first.blob).meter == meters[0]
    with pytest.raises(msgspec.MsgspecError):
        gauges.of_blob(b"\xc1")
