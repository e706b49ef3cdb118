"""What a worker has seen of accounts and models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.routing.gauges import ERRORS_HALVE_MS, GAUGES_KEPT, Gauge, Gauges


def no_price(provider: str, model: str) -> None:
    return None


def test_what_is_under_way_is_counted_until_it_ends():
    gauge = Gauge()
    gauge.begin(10)
    gauge.begin(20)
    assert (gauge.in_flight, gauge.last_used_ms) == (2, 20)
    gauge.end(30, failed=False)
    assert (gauge.in_flight, gauge.last_used_ms) == (1, 20)


def test_the_first_latency_is_taken_whole_and_later_ones_move_it():
    gauge = Gauge()
    assert gauge.latency_ms is None
    for latency_ms, expected in ((100, 100), (200, 120), (120, 120)):
        gauge.begin(0)
        gauge.end(0, failed=False, latency_ms=latency_ms)
        assert gauge.latency_ms == pytest.approx(expected)


def test_an_end_without_a_latency_leaves_it():
    gauge = Gauge()
    gauge.begin(0)
    gauge.end(0, failed=True)
    assert gauge.latency_ms is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), max_size=50))
def test_the_share_of_errors_is_a_share(ends):
    gauge, now_ms = Gauge(), 0
    for failed, passed_ms in ends:
        now_ms += passed_ms
        gauge.begin(now_ms)
        gauge.end(now_ms, failed=failed)
        assert 0.0 <= gauge.error_share(now_ms) <= 1.0
    assert gauge.in_flight == 0


def test_errors_go_with_successes_and_with_time():
    gauge = Gauge()
    for _ in range(20):
        gauge.begin(0)
        gauge.end(0, failed=True)
    share = gauge.error_share(0)
    assert share > 0.9
    assert gauge.error_share(ERRORS_HALVE_MS) == pytest.approx(share / 2)
    assert gauge.error_share(-5) == share  # a clock that was set back
    gauge.begin(0)
    gauge.end(0, failed=False)
    assert gauge.error_share(0) < share


def test_what_says_nothing_of_the_upstream_changes_no_share():
    gauge = Gauge()
    gauge.begin(0)
    gauge.end(0, failed=True)
    share = gauge.error_share(0)
    gauge.begin(0)
    gauge.end(0, failed=None)
    assert gauge.error_share(0) == share


def test_several_are_as_good_as_the_best_with_all_that_is_under_way():
    one, other, idle = Gauge(), Gauge(), Gauge()
    one.begin(5)
    one.end(5, failed=True, latency_ms=100)
    one.begin(7)
    other.begin(6)
    other.begin(6)
    other.end(6, failed=False, latency_ms=300)
    whole = Gauge.best([one, other, idle])
    assert (whole.in_flight, whole.last_used_ms, whole.latency_ms) == (2, 7, 100)
    assert whole.error_share(7) == 0.0
    assert Gauge.best([one]).error_share(7) == one.error_share(7)


def test_accounts_and_models_have_gauges_of_their_own():
    gauges = Gauges(no_price)
    assert gauges.account("acme/main") is gauges.account("acme/main")
    assert gauges.model("acme", "main") is gauges.model("acme", "main")
    gauges.account("acme/main").begin(1)
    assert gauges.model("acme", "main").in_flight == 0


def test_gauges_are_bounded_and_keep_what_is_under_way():
    gauges = Gauges(no_price)
    running = gauges.model("acme", "running")
    running.begin(0)
    for number in range(3 * GAUGES_KEPT):
        gauges.model("acme", str(number)).last_used_ms = number
    assert len(gauges) <= GAUGES_KEPT
    assert gauges.model("acme", "running") is running
    assert gauges.model("acme", str(3 * GAUGES_KEPT - 1)).last_used_ms  # the latest is kept
