"""Cooldowns with an explicit clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience import cooldown
from omniroute.resilience.cooldown import (
    Policy,
    after_failure,
    after_success,
    cooldown_key,
    is_stale,
    lockout_key,
    policy_of,
    read,
    target_key,
)
from omniroute.resilience.verdict import Mark

POLICY = Policy(base_s=5.0, max_s=300.0, hint_max_s=86400.0)
T0 = 1_790_000_000_000


def ready_at_ms(stored: bytes | None) -> int:
    """From when on the subject may be asked; 0 when nothing is known against it."""
    return 0 if stored is None else read(stored).until_ms


def rests_s(stored: bytes, now_ms: int) -> float:
    return (ready_at_ms(stored) - now_ms) / 1000


def test_a_success_of_which_nothing_is_known_leaves_nothing() -> None:
    assert after_success(None, T0) is None


def test_each_failure_after_a_cooldown_doubles_the_next_up_to_the_cap() -> None:
    stored, now, rests = None, T0, []
    for _ in range(10):
        stored = after_failure(stored, now, POLICY)
        rests.append(rests_s(stored, now))
        now = ready_at_ms(stored)
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]


def test_the_level_outlives_the_cooldown_however_long_ago() -> None:
    first = after_failure(None, T0, POLICY)
    much_later = T0 + 86_400_000
    assert rests_s(after_failure(first, much_later, POLICY), much_later) == 10


def test_a_failure_while_cooling_is_a_duplicate_and_changes_not_a_byte() -> None:
    first = after_failure(None, T0, POLICY, reason="429")
    assert after_failure(first, T0 + 4999, POLICY, reason="other") is first
    assert after_failure(first, T0 + 1000, POLICY, hint_s=2.0) is first


def test_a_hint_wins_over_the_own_duration_shorter_or_longer() -> None:
    assert rests_s(after_failure(None, T0, POLICY, hint_s=0.5), T0) == 0.5
    assert rests_s(after_failure(None, T0, POLICY, hint_s=7200.0), T0) == 7200


def test_a_hint_is_capped_for_itself() -> None:
    assert rests_s(after_failure(None, T0, POLICY, hint_s=1e9), T0) == 86400


@pytest.mark.parametrize("hint", [0.0, -3.0])
def test_a_hint_of_nothing_is_none(hint: float) -> None:
    assert rests_s(after_failure(None, T0, POLICY, hint_s=hint), T0) == 5


def test_a_longer_hint_while_cooling_prolongs_and_leaves_the_level() -> None:
    first = after_failure(None, T0, POLICY)
    longer = after_failure(first, T0 + 1000, POLICY, hint_s=60.0)
    assert rests_s(longer, T0 + 1000) == 60
    assert read(longer).failures == 1
    assert read(longer).hinted


def test_a_success_forgets_unless_its_request_is_older_than_the_failure() -> None:
    stored = after_failure(None, T0, POLICY, hint_s=3600.0)
    assert after_success(stored, T0 - 1) is stored, "a stream from before proves nothing of now"
    assert after_success(stored, T0) is None


def test_some_failures_may_be_free() -> None:
    policy = Policy(5.0, 300.0, 86400.0, free=1)
    once = after_failure(None, T0, policy)
    assert ready_at_ms(once) <= T0
    twice = after_failure(once, T0, policy)
    assert rests_s(twice, T0) == 5
    assert rests_s(after_failure(None, T0, policy, hint_s=9.0), T0) == 9


def test_marks_have_their_policies() -> None:
    settings = {"base_s": 5.0, "max_s": 300.0, "hint_max_s": 86400.0}
    assert policy_of(Mark.COOLDOWN, **settings) == POLICY
    assert policy_of(Mark.LOCKOUT, **settings) == POLICY
    assert policy_of(Mark.TARGET, **settings).free == 1
    assert policy_of(Mark.COOLDOWN, **settings, least_s=120.0).base_s == 120
    assert policy_of(Mark.LOCKOUT, **settings, least_s=3600.0).max_s == 3600
    exhausted, dead = policy_of(Mark.EXHAUSTED, **settings), policy_of(Mark.DEAD, **settings)
    assert 5 < exhausted.base_s < exhausted.max_s <= 3600
    assert exhausted.base_s < dead.base_s < dead.max_s <= 86400


def test_short_settings_make_everything_short() -> None:
    short = {"base_s": 0.1, "max_s": 0.5, "hint_max_s": 9.0}
    for mark in Mark:
        for least_s in (0.0, 3600.0):
            policy = policy_of(mark, **short, least_s=least_s)
            assert policy.base_s <= 6
            assert policy.hint_max_s == 9


def test_keys_tell_their_subjects() -> None:
    assert cooldown_key("acme/main") == "cooldown:acme/main"
    assert lockout_key("acme/main", "big-1") == "lockout:acme/main big-1"
    assert target_key("acme", "big-1") == "target:acme big-1"


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_keys_are_short_whatever_a_client_calls_a_model(one: str, other: str) -> None:
    keys = [target_key("acme", one), target_key("acme", other)]
    assert all(len(key.encode()) < 400 for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_record_is_compact_and_its_reason_bounded() -> None:
    stored = after_failure(None, T0, POLICY, reason="x" * 5000)
    assert len(stored) < 300
    assert len(after_failure(None, T0, POLICY, reason="rate-limited")) < 50


def test_a_record_is_stale_some_time_after_it_ended() -> None:
    stored = after_failure(None, T0, POLICY)
    assert not is_stale(stored, T0 + 5999, 1000)
    assert is_stale(stored, T0 + 6000, 1000)


steps = st.lists(
    st.tuples(
        st.integers(0, 400_000),
        st.booleans(),
        st.none() | st.floats(0, 1e6, allow_nan=False),
    ),
    max_size=40,
)


@given(steps)
def test_failures_only_rise_until_a_success_and_nobody_rests_longer_than_allowed(path) -> None:
    stored: bytes | None = None
    now, failures = T0, 0
    for passed, succeeds, hint in path:
        now += passed
        if succeeds:
            stored = after_success(stored, now)
            assert stored is None
            failures = 0
            continue
        ready = ready_at_ms(stored)
        stored = after_failure(stored, now, POLICY, hint)
        record = read(stored)
        assert record.failures == failures + (ready <= now)
        failures = record.failures
        assert ready_at_ms(stored) >= ready
        assert 0 <= rests_s(stored, now) <= POLICY.hint_max_s
        if not record.hinted:
            assert rests_s(stored, now) <= POLICY.max_s


def test_the_kinds_of_keys_differ() -> None:
    assert len({cooldown.CONNECTION, cooldown.LOCKOUT, cooldown.TARGET}) == 3
