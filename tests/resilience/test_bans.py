"""A ban lasts as long as the longest that was spoken, and is over after that."""

from omniroute.resilience import bans
from omniroute.resilience.conditions import describe, is_stale

NOW = 1_790_000_000_000
HOUR = 3_600_000


def test_a_second_ban_never_makes_a_running_one_shorter() -> None:
    stored = bans.after_ban(None, NOW, NOW + HOUR, "by hand", by_hand=True)
    assert bans.after_ban(stored, NOW + 1, NOW + 1000, "guesses") == stored
    longer = bans.read(bans.after_ban(stored, NOW + 1, NOW + 2 * HOUR, "guesses"))
    assert (longer.until_ms, longer.reason, longer.by_hand) == (NOW + 2 * HOUR, "guesses", False)


def test_a_ban_that_is_over_gives_way_to_a_new_one() -> None:
    stored = bans.after_ban(None, NOW, NOW + HOUR, "once")
    again = bans.read(bans.after_ban(stored, NOW + 2 * HOUR, NOW + 3 * HOUR, "again"))
    assert (again.since_ms, again.until_ms, again.reason) == (
        NOW + 2 * HOUR,
        NOW + 3 * HOUR,
        "again",
    )


def test_a_ban_tells_whom_why_and_until_when() -> None:
    stored = bans.after_ban(None, NOW, NOW + HOUR, "guesses")
    shown = describe(bans.ban_key("2001:db8::/64"), stored, NOW)
    assert shown is not None
    assert (shown.kind, shown.subject, shown.detail) == ("ban", "2001:db8::/64", "")
    assert (shown.state, shown.until_ms, shown.reason) == ("banned", NOW + HOUR, "guesses")
    over = describe(bans.ban_key("2001:db8::/64"), stored, NOW + HOUR)
    assert over is not None
    assert (over.state, over.until_ms) == ("over", 0)


def test_a_ban_stays_to_be_seen_for_an_hour_after_its_end() -> None:
    key, stored = bans.ban_key("192.0.2.7"), bans.after_ban(None, NOW, NOW + HOUR, "guesses")
    assert not is_stale(key, stored, NOW + 2 * HOUR - 1)
    assert is_stale(key, stored, NOW + 2 * HOUR)


def test_a_reason_is_bounded() -> None:
    assert len(bans.read(bans.after_ban(None, NOW, NOW + 1, "x" * 5000)).reason) == 200
