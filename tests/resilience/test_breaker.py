"""Circuit breakers with an explicit clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience.breaker import (
    Policy,
    breaker_key,
    claim_probe,
    holds_probe,
    is_stale,
    on_failure,
    on_success,
    read,
    release_probe,
    standing,
)

POLICY = Policy(failures=3, window_ms=60_000, reset_ms=30_000, reset_max_ms=200_000)
T0 = 1_790_000_000_000


def failed(times: int, now_ms: int = T0, policy: Policy = POLICY) -> bytes:
    stored = None
    for _ in range(times):
        stored = on_failure(stored, now_ms, policy)
    assert stored is not None
    return stored


OPEN = failed(3)
UNTIL = T0 + 30_000


def test_it_opens_with_the_last_failure_of_its_number() -> None:
    assert standing(None, T0) == ("closed", 0, False)
    assert standing(failed(2), T0) == ("closed", 0, False)
    assert standing(OPEN, T0) == ("open", UNTIL, False)


def test_failures_outside_the_window_do_not_count() -> None:
    stored = on_failure(on_failure(None, T0, POLICY), T0 + 1, POLICY)
    assert standing(on_failure(stored, T0 + 60_000, POLICY), T0 + 60_000).state == "closed"
    assert standing(on_failure(stored, T0 + 59_999, POLICY), T0 + 59_999).state == "open"


def test_a_success_between_makes_them_count_anew() -> None:
    assert on_success(failed(2)) is None


def test_one_failure_can_be_enough() -> None:
    policy = Policy(failures=1, window_ms=1000, reset_ms=1000)
    assert standing(on_failure(None, T0, policy), T0).state == "open"


def test_it_is_half_open_by_time_alone_and_admits_one() -> None:
    assert standing(OPEN, UNTIL - 1).state == "open"
    assert standing(OPEN, UNTIL) == ("half_open", 0, True)
    claimed = claim_probe(OPEN, UNTIL, POLICY, "r1")
    assert holds_probe(claimed, "r1")
    assert standing(claimed, UNTIL) == ("half_open", UNTIL + POLICY.probe_ms, False)
    assert claim_probe(claimed, UNTIL + 1, POLICY, "r2") is claimed
    assert not holds_probe(claimed, "r2")


def test_nothing_is_claimed_of_a_breaker_that_is_closed_or_open() -> None:
    assert claim_probe(None, T0, POLICY, "r1") is None
    for stored, now in ((failed(1), T0), (OPEN, UNTIL - 1)):
        assert claim_probe(stored, now, POLICY, "r1") is stored
        assert not holds_probe(stored, "r1")


def test_the_probes_success_closes_it() -> None:
    claimed = claim_probe(OPEN, UNTIL, POLICY, "r1")
    assert on_success(claimed, "r1") is None


def test_the_probes_failure_opens_it_for_longer_each_time_up_to_the_cap() -> None:
    stored, now, pauses = OPEN, UNTIL, []
    for number in range(5):
        stored = claim_probe(stored, now, POLICY, f"r{number}")
        stored = on_failure(stored, now, POLICY, f"r{number}")
        until = standing(stored, now).until_ms
        pauses.append(until - now)
        now = until
    assert pauses == [60_000, 120_000, 200_000, 200_000, 200_000]


def test_reports_of_others_change_nothing_while_it_is_not_closed() -> None:
    claimed = claim_probe(OPEN, UNTIL, POLICY, "r1")
    for stored in (OPEN, claimed):
        assert on_failure(stored, UNTIL, POLICY) is stored
        assert on_failure(stored, UNTIL, POLICY, "r0") is stored
        assert on_success(stored) is stored
        assert on_success(stored, "r0") is stored


def test_a_probe_that_never_reports_loses_its_place() -> None:
    claimed = claim_probe(OPEN, UNTIL, POLICY, "r1")
    later = UNTIL + POLICY.probe_ms
    assert standing(claimed, later - 1).probe_free is False
    assert standing(claimed, later) == ("half_open", 0, True)
    again = claim_probe(claimed, later, POLICY, "r2")
    assert holds_probe(again, "r2")
    assert on_success(again, "r1") is again, "the late report is that of nobody now"
    assert on_success(again, "r2") is None


def test_a_probe_can_give_its_place_back() -> None:
    claimed = claim_probe(OPEN, UNTIL, POLICY, "r1")
    assert release_probe(claimed, "r2") is claimed
    assert standing(release_probe(claimed, "r1"), UNTIL).probe_free
    assert release_probe(None, "r1") is None


def test_no_name_holds_no_place() -> None:
    assert not holds_probe(OPEN, "")
    assert not holds_probe(None, "r1")
    assert on_success(OPEN, "") is OPEN


def test_the_reason_is_kept_for_people() -> None:
    stored = on_failure(failed(2), T0, POLICY, reason="server-fault")
    assert read(stored).reason == "server-fault"
    assert breaker_key("acme") == "breaker:acme"


def test_a_record_is_stale_some_time_after_anything_of_it_mattered() -> None:
    assert not is_stale(failed(1), T0 + 999, 1000)
    assert is_stale(failed(1), T0 + 1000, 1000)
    assert not is_stale(OPEN, UNTIL + 999, 1000)
    assert is_stale(OPEN, UNTIL + 1000, 1000)


@pytest.mark.parametrize("failures", [1, 2, 5, 1000])
def test_what_is_stored_stays_bounded(failures: int) -> None:
    policy = Policy(failures=failures, window_ms=10**9, reset_ms=1000)
    assert len(failed(failures * 2, policy=policy)) < 60 + 9 * failures


moves = st.lists(
    st.tuples(
        st.sampled_from(["wait", "ask", "fails", "works", "stray-fails", "stray-works"]),
        st.integers(0, 45_000),
    ),
    max_size=60,
)


@given(moves)
def test_never_more_than_one_probe_and_open_admits_nobody_before_its_time(path) -> None:
    stored: bytes | None = None
    now, number = T0, 0
    running: dict[str, int] = {}  # claimant -> until when its place is kept
    for move, amount in path:
        before = standing(stored, now)
        if move == "wait":
            now += amount
        elif move == "ask":
            number += 1
            claimant = f"r{number}"
            stored = claim_probe(stored, now, POLICY, claimant)
            if holds_probe(stored, claimant):
                assert before.probe_free
                assert not [name for name, until in running.items() if until > now]
                running[claimant] = now + POLICY.probe_ms
            else:
                assert not before.probe_free
        elif move in ("fails", "works") and running:
            claimant = running and next(reversed(running))
            running.pop(claimant)
            if move == "fails":
                stored = on_failure(stored, now, POLICY, claimant)
                assert standing(stored, now).state != "closed"
            else:
                stored = on_success(stored, claimant)
                assert stored is None
                running.clear()
        elif move == "stray-fails":
            stored = on_failure(stored, now, POLICY)
        elif move == "stray-works":
            stored = on_success(stored)
            assert standing(stored, now).state == before.state
        after = standing(stored, now)
        if before.state == "open" and move != "wait":
            assert after == before
        if after.state == "open":
            assert after.until_ms > now
