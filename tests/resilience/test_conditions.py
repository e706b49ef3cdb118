"""The table of conditions, read for people and tidied."""

from omniroute.resilience import breaker, cooldown, quota
from omniroute.resilience.conditions import describe, is_stale

NOW = 1_790_000_000_000
DAY = 86_400_000
POLICY = cooldown.Policy(5.0, 300.0, 86400.0)
BREAKER = breaker.Policy(failures=1, window_ms=1000, reset_ms=30_000)


def test_a_cooldown_tells_whom_why_and_until_when() -> None:
    key = cooldown.lockout_key("acme/main", "big-1")
    stored = cooldown.after_failure(None, NOW, POLICY, reason="rate-limited")
    shown = describe(key, stored, NOW)
    assert shown is not None
    assert (shown.kind, shown.subject, shown.detail) == ("lockout", "acme/main", "big-1")
    assert (shown.state, shown.until_ms, shown.failures) == ("cooling", NOW + 5000, 1)
    assert shown.reason == "rate-limited"
    over = describe(key, stored, NOW + 5000)
    assert over is not None
    assert (over.state, over.until_ms) == ("counting", 0)


def test_a_breaker_tells_its_state() -> None:
    stored = breaker.on_failure(None, NOW, BREAKER, reason="server-fault")
    key = breaker.breaker_key("acme")
    states = [describe(key, stored, NOW + passed) for passed in (0, 30_000)]
    assert [shown and shown.state for shown in states] == ["open", "half_open"]
    assert states[0] is not None
    assert (states[0].subject, states[0].failures, states[0].until_ms) == ("acme", 1, NOW + 30_000)


def test_a_quota_tells_its_share() -> None:
    key = quota.quota_key("acme/main", "7d-opus")
    for used, state in ((0.4, "reported"), (1.0, "used_up")):
        report = quota.Report("7d-opus", used, NOW + DAY, NOW, "header", model="opus")
        stored = quota.after_report(None, report)
        assert stored is not None
        shown = describe(key, stored, NOW)
        assert shown is not None
        assert (shown.state, shown.used, shown.until_ms) == (state, used, NOW + DAY)
        assert (shown.subject, shown.detail) == ("acme/main", "7d-opus")


def test_what_is_of_no_known_kind_is_shown_to_nobody_and_may_go() -> None:
    assert describe("weather:acme", b"x", NOW) is None
    assert is_stale("weather:acme", b"x", NOW)


def test_conditions_are_kept_for_a_time_after_they_ended() -> None:
    cooling = cooldown.after_failure(None, NOW, POLICY)
    report = quota.after_report(None, quota.Report("5h", 0.5, NOW, NOW - DAY, "header"))
    opened = breaker.on_failure(None, NOW, BREAKER)
    assert report is not None
    for key, stored, days in (
        ("cooldown:acme/main", cooling, 7),
        ("target:acme big-1", cooling, 1),
        ("lockout:acme/main big-1", cooling, 1),
        ("quota:acme/main 5h", report, 1),
        ("breaker:acme", opened, 1 / 24),
    ):
        assert not is_stale(key, stored, NOW + round(days * DAY) - 1), key
        assert is_stale(key, stored, NOW + round(days * DAY) + 30_000), key
