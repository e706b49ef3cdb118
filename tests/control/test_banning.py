"""Bans by hand are found again however the address is written, and end when they should."""

import pytest

from omniroute.control.banning import Banned, ban, banned, lift
from omniroute.resilience import bans, cooldown
from omniroute.state.interface import StateError
from omniroute.state.memory_conditions import CONDITIONS_MAX, MemoryConditions

NOW = 1_790_000_000_000


@pytest.fixture
def conditions() -> MemoryConditions:
    made = MemoryConditions()
    policy = cooldown.Policy(5.0, 300.0, 86400.0)
    made.change(
        cooldown.cooldown_key("a/1"), lambda known: cooldown.after_failure(known, NOW, policy)
    )
    return made


def test_a_ban_is_listed_until_it_ends(conditions: MemoryConditions) -> None:
    assert ban(conditions, "2001:DB8::/32", NOW, NOW + 2000, "floods") == "2001:db8::/32"
    ban(conditions, "192.0.2.7", NOW, NOW + 1000, "guesses")
    assert banned(conditions, NOW) == [
        Banned("192.0.2.7", NOW, NOW + 1000, "guesses", True),
        Banned("2001:db8::/32", NOW, NOW + 2000, "floods", True),
    ]
    assert [each.network for each in banned(conditions, NOW + 1000)] == ["2001:db8::/32"]


def test_a_ban_is_lifted_however_the_address_is_written(conditions: MemoryConditions) -> None:
    ban(conditions, "::ffff:192.0.2.7", NOW, NOW + 1000, "guesses")
    assert lift(conditions, "192.0.2.7/32")
    assert not lift(conditions, "192.0.2.7")
    assert banned(conditions, NOW) == []
    assert list(conditions.read()[1]) == ["cooldown:a/1"]


def test_a_workers_ban_is_listed_as_one(conditions: MemoryConditions) -> None:
    key = bans.ban_key("192.0.2.7")
    conditions.change(key, lambda known: bans.after_ban(known, NOW, NOW + 1, "guesses"))
    assert not banned(conditions, NOW)[0].by_hand


def test_a_ban_for_which_there_is_no_room_is_no_silent_one(conditions: MemoryConditions) -> None:
    for number in range(CONDITIONS_MAX):
        conditions.change(f"cooldown:a/{number}", lambda known: known or b"x")
    with pytest.raises(StateError, match="no room"):
        ban(conditions, "192.0.2.7", NOW, NOW + 1, "")


def test_what_is_no_address_is_not_banned(conditions: MemoryConditions) -> None:
    for change in (
        lambda: ban(conditions, "nowhere", NOW, NOW + 1, ""),
        lambda: lift(conditions, "nowhere"),
    ):
        with pytest.raises(ValueError, match="nowhere"):
            change()
