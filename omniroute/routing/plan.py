"""From a route to the attempts that may serve it, one at a time.

`Plan` is lazy: nearly every request needs the first attempt alone, so nothing beyond it is ordered.
Invariants:

* No target (connection and model) is given twice, nor asked about twice.
* A target is given only when `standing` has just said that nothing stands against it. Every other
  one that was passed over is in `skipped`, with the reason and when it comes back.
* What follows (fallback chains, later tiers) begins when all before it is used up.
* The account that a conversation keeps comes first among the accounts of its provider, and the
  members that it can serve come first where the strategy only spreads requests. Where the strategy
  says which member is preferred, or between tiers, it changes nothing.

Pure; the cost grows with the candidates that are looked at, never with history.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from random import Random
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from omniroute.routing.combos import Combo, Member, Model, Stage
from omniroute.routing.facts import Account, AccountFacts, MemberFacts
from omniroute.routing.gauges import Gauges
from omniroute.routing.resolve import Route
from omniroute.routing.strategies import Facts, Turn, Turns

C = TypeVar("C", bound=Account)


class Attempt(Struct, Generic[C], frozen=True, gc=False):
    """One try at one target: a connection of a provider, and a model."""

    connection: C
    model: str
    of: Model  # the same model with its provider and tier
    proxy: str | None  # of the nearest combo that has one
    why: str  # "" for what was asked for, else what it follows from: "fallback chain 'x'"


class Skipped(NamedTuple):
    """Why a target is not eligible now, `until_ms`: Unix time from which it is, if by waiting."""

    reason: str
    until_ms: int | None = None


class Passed(NamedTuple):
    """A target that was passed over."""

    connection: str  # its id; "" where none of the provider's could be asked
    model: str  # with the provider: "acme/plain"
    why: str  # as in `Attempt`
    reason: str
    until_ms: int | None  # Unix time from which that no longer holds, if by waiting


Standing = Callable[[C, str], Skipped | None]
"""What stands against a connection and a model just now: cooldown, breaker, quota, the key's
permissions, …"""


class Stock(Generic[C]):
    """What plans are made from: the accounts of a snapshot and what a worker knows of them.

    `accounts` holds the connections of each provider, lowest priority number first.
    """

    __slots__ = ("account_facts", "accounts", "by_id", "gauges", "member_facts", "rng", "turns")

    def __init__(
        self, accounts: Mapping[str, Sequence[C]], gauges: Gauges, turns: Turns, rng: Random
    ) -> None:
        self.accounts = accounts
        self.by_id = {each.connection_id: each for own in accounts.values() for each in own}
        self.account_facts: Facts[Account] = AccountFacts(gauges)
        self.member_facts: Facts[Member] = MemberFacts(gauges)
        self.turns = turns
        self.rng = rng
        self.gauges = gauges

    def aside(self) -> "Stock[C]":
        """The same with counters and chance of its own: planning from it leaves no trace."""
        rng = Random()
        rng.setstate(self.rng.getstate())
        return Stock(self.accounts, self.gauges, self.turns.copy(), rng)


class Plan(Generic[C]):
    """The attempts of one request. See the module's text.

    `kept` is the id of the connection that the conversation stays with, "" without one.
    """

    __slots__ = ("_attempts", "_current", "_left", "route", "skipped")

    def __init__(
        self, route: Route, stock: Stock[C], standing: Standing[C], now_ms: int, kept: str = ""
    ) -> None:
        self.route = route
        self.skipped: list[Passed] = []
        self._left: set[tuple[str, str]] = set()
        self._current: Model | None = None
        choice = _Choice(stock, stock.by_id.get(kept) if kept else None, now_ms)
        # Nothing in it points back here: what a request holds is gone when it ends.
        self._attempts = _attempts(route, choice, standing, self._left, self.skipped)

    def next_attempt(self) -> Attempt[C] | None:
        """The next target to try; None when there is no other."""
        attempt = next(self._attempts, None)
        if attempt is not None:
            self._current = attempt.of
        return attempt

    def leave_member(self) -> None:
        """The model of the last attempt is no use: its other accounts are not tried any more."""
        if self._current is not None:
            self._left.add((self._current.provider.id, self._current.model))

    @property
    def back_ms(self) -> int | None:
        """When the first that was passed over comes back; None: waiting brings none back."""
        return min(
            (each.until_ms for each in self.skipped if each.until_ms is not None), default=None
        )


def _attempts(
    route: Route,
    choice: "_Choice[C]",
    standing: Standing[C],
    left: set[tuple[str, str]],
    skipped: list[Passed],
) -> Iterator[Attempt[C]]:
    """The attempts of a route, but none of a provider's model in `left`; fills `skipped`."""
    seen: set[tuple[str, str]] = set()
    for why, combo in route.steps:
        for absent in combo.absent:
            skipped.append(Passed("", absent.target, why, absent.reason, None))
        for member, proxy in combo.sole or choice.models(combo, None):
            model = member.model
            for connection in choice.accounts(member):
                if left and (member.provider.id, model) in left:
                    break
                target = (connection.connection_id, model)
                if target in seen:
                    continue
                seen.add(target)
                against = standing(connection, model)
                if against is None:
                    yield Attempt(connection, model, member, proxy, why)
                else:
                    name = f"{member.provider.id}/{model}"
                    skipped.append(Passed(target[0], name, why, *against))


class _Choice(Generic[C]):
    """The order of what may be chosen among, for one request."""

    __slots__ = ("_kept", "_now_ms", "_stock")

    def __init__(self, stock: Stock[C], kept: C | None, now_ms: int) -> None:
        self._stock = stock
        self._kept = kept
        self._now_ms = now_ms

    def accounts(self, member: Model) -> Iterator[C]:
        """The provider's connections in the order of its strategy, the kept one before them."""
        stock, kept = self._stock, self._kept
        own = stock.accounts.get(member.provider.id, ())
        order = member.order(
            own, stock.account_facts, member.turn, stock.turns, stock.rng, self._now_ms
        )
        if kept is not None and kept.provider_id == member.provider.id:
            return chain((kept,), order)
        return order

    def models(self, combo: Combo, proxy: str | None) -> Iterator[tuple[Model, str | None]]:
        """The models of a combo in its order, nested ones in place, each with its proxy."""
        proxy = combo.proxy or proxy
        for stage in combo.stages:
            for member in self._members(stage):
                if isinstance(member.of, Model):
                    yield member.of, proxy
                else:
                    yield from self.models(member.of, proxy)

    def _members(self, stage: Stage) -> Iterator[Member]:
        """The members of a stage in its order, those that serve the conversation's account first.

        Turns are counted apart then: the usual ones count places among all members.
        """
        kept = self._kept
        if kept is None or stage.prefers:
            return self._ordered(stage, stage.members, stage.turn)
        provider = kept.provider_id
        first = [each for each in stage.members if provider in each.providers]
        if not first:
            return self._ordered(stage, stage.members, stage.turn)
        then = [each for each in stage.members if provider not in each.providers]
        turn = stage.turn
        return chain(
            self._ordered(stage, first, turn._replace(key=f"{turn.key}@{provider}")),
            self._ordered(stage, then, turn._replace(key=f"{turn.key}~{provider}")),
        )

    def _ordered(self, stage: Stage, members: Sequence[Member], turn: Turn) -> Iterator[Member]:
        stock = self._stock
        return stage.order(members, stock.member_facts, turn, stock.turns, stock.rng, self._now_ms)


class Explained(NamedTuple):
    """One target of a plan as it would be made now, or one that would be passed over."""

    connection: str  # its id; "" where none of the provider's could be asked
    model: str  # with the provider: "acme/plain"
    tier: str  # of the provider; "" where it is not configured
    why: str  # as in `Attempt`
    reason: str  # why it would be passed over; "" when it would be tried
    until_ms: int | None  # Unix time from which that no longer holds, if by waiting


def explain(
    route: Route, stock: Stock[C], standing: Standing[C], now_ms: int, kept: str = ""
) -> list[Explained]:
    """The whole order of a route as it is now, what would be passed over in its place.

    Nothing is counted: turns and chance are tried on a copy.
    """
    aside = stock.aside()
    plan = Plan(route, aside, lambda connection, model: None, now_ms, kept)
    told: list[Explained] = []
    absent = 0
    while True:
        attempt = plan.next_attempt()
        for passed in plan.skipped[absent:]:
            told.append(Explained("", passed.model, "", passed.why, passed.reason, None))
        absent = len(plan.skipped)
        if attempt is None:
            return told
        against = standing(attempt.connection, attempt.model) or Skipped("")
        told.append(
            Explained(
                attempt.connection.connection_id,
                f"{attempt.of.provider.id}/{attempt.model}",
                attempt.of.provider.tier,
                attempt.why,
                *against,
            )
        )
