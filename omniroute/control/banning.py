"""Bans by hand: who is refused for a while, in every worker from the next request on.

A ban is a condition (`resilience.bans`), so it needs no change of the configuration and outlives a
restart. Workers ban by themselves who guesses keys; such bans are listed and lifted the same way.
"""

from typing import NamedTuple

from omniroute.net.networks import usual
from omniroute.resilience import bans
from omniroute.state.interface import Conditions, StateError


class Banned(NamedTuple):
    """One ban that holds. Times in Unix ms."""

    network: str  # an address, or a network with the length of its prefix
    since_ms: int
    until_ms: int
    reason: str
    by_hand: bool


def ban(conditions: Conditions, network: str, now_ms: int, until_ms: int, reason: str) -> str:
    """Bans an address or a network; returns its usual text. A longer ban that runs stays.

    Raises ValueError for what is neither, StateError when there is no room.
    """
    text = usual(network)
    kept = conditions.change(
        bans.ban_key(text),
        lambda known: bans.after_ban(known, now_ms, until_ms, reason, by_hand=True),
    )
    if kept is None:
        raise StateError(f"{text} is not banned: the shared state has no room for more conditions")
    return text


def lift(conditions: Conditions, network: str) -> bool:
    """Ends a ban; False when there was none. Raises ValueError, StateError."""
    key = bans.ban_key(usual(network))
    if key not in conditions.read()[1]:
        return False
    conditions.change(key, lambda known: None)
    return True


def banned(conditions: Conditions, now_ms: int) -> list[Banned]:
    """The bans that hold, those that end first in front. Raises StateError."""
    found: list[Banned] = []
    for key, stored in conditions.read()[1].items():
        kind, _, network = key.partition(":")
        if kind != bans.BAN:
            continue
        one = bans.read(stored)
        if one.until_ms > now_ms:
            found.append(Banned(network, one.since_ms, one.until_ms, one.reason, one.by_hand))
    return sorted(found, key=lambda each: (each.until_ms, each.network))
