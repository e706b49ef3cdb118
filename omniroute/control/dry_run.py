"""What would happen now to a request: every target in its order, and why one would be passed over.

The order is that of `routing.plan.explain` over the snapshot in force, with the conditions and
limits as they are at this moment. What workers alone know (measured speed, whose turn it is, what
runs where) is not known here: strategies that go by it are shown as a worker that has just started
would order them. Nothing is counted, reserved or changed.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, NamedTuple

import msgspec

from omniroute.control.in_use import limits_in_use
from omniroute.providers.pricing import PriceBook
from omniroute.resilience import breaker, cooldown, quota
from omniroute.routing.gauges import Gauges
from omniroute.routing.patterns import Allowed
from omniroute.routing.plan import Skipped, Stock, explain
from omniroute.routing.resolve import Names
from omniroute.routing.strategies import Turns
from omniroute.snapshot import KeyView, Snapshot
from omniroute.state.interface import State

NOT_THIS_ACCOUNT: Final = "the key may not use this account"
NOT_THIS_MODEL: Final = "the key may not use this model"


class Target(msgspec.Struct, kw_only=True):
    """One target of the plan. `why` says what it follows from, "" for what was asked for.
    `reason` says why it would be passed over, "" when it would be tried; `until_ms` until when."""

    connection: str
    model: str
    tier: str
    why: str
    reason: str
    until_ms: int | None
    input_price_microusd: int | None  # for a million tokens; null when nobody says
    output_price_microusd: int | None


class DryRun(msgspec.Struct, kw_only=True):
    """The plan. `first` is the place in `targets` of the one that would be tried first, null when
    none would be."""

    asked: str
    names: tuple[str, ...]
    combo: str
    targets: list[Target]
    first: int | None


class _Account(NamedTuple):
    """A connection as planning sees it."""

    connection_id: str
    provider_id: str
    quota_threshold: float


def dry_run(
    snapshot: Snapshot, state: State, model: str, now_ms: int, key: KeyView | None = None
) -> DryRun:
    """The plan of a request for this model, by this key where one is given.

    Raises GatewayError for a name that stands for nothing, StateError.
    """
    route = Names.of(snapshot).resolve(model)
    _, table = state.conditions.read()
    standing = _Standing(snapshot, state, table, now_ms, key, route.names)
    prices = PriceBook(snapshot.prices, {each.id: each.tier for each in snapshot.providers})
    stock = Stock(_accounts(snapshot), Gauges(_blended(prices)), Turns(), Random(0))
    targets = []
    for told in explain(route, stock, standing.against, now_ms):
        provider, _, name = told.model.partition("/")
        price = prices.price(provider, name)
        targets.append(
            Target(
                connection=told.connection,
                model=told.model,
                tier=told.tier,
                why=told.why,
                reason=told.reason,
                until_ms=told.until_ms,
                input_price_microusd=None if price is None else price.input,
                output_price_microusd=None if price is None else price.output,
            )
        )
    tried = (place for place, target in enumerate(targets) if not target.reason)
    return DryRun(
        asked=route.asked,
        names=route.names,
        combo=route.combo,
        targets=targets,
        first=next(tried, None),
    )


def _accounts(snapshot: Snapshot) -> dict[str, list[_Account]]:
    usable = {provider.id for provider in snapshot.providers if not provider.needs}
    found: dict[str, list[_Account]] = {}
    for each in sorted(snapshot.connections, key=lambda connection: connection.priority):
        if each.provider in usable:
            account = _Account(each.id, each.provider, each.quota_threshold)
            found.setdefault(each.provider, []).append(account)
    return found


def _blended(prices: PriceBook) -> Callable[[str, str], int | None]:
    """Input and output weighted as agents use them, as workers do it."""

    def price(provider: str, model: str) -> int | None:
        found = prices.price(provider, model)
        return None if found is None else (3 * found.input + found.output) // 4

    return price


class _Standing:
    """What stands against a target at one moment."""

    def __init__(
        self,
        snapshot: Snapshot,
        state: State,
        table: Mapping[str, bytes],
        now_ms: int,
        key: KeyView | None,
        names: tuple[str, ...],
    ) -> None:
        self._table = table
        self._now_ms = now_ms
        self._reports = quota.by_connection(table)
        self._connections = Allowed(key.connections if key is not None else ())
        models = Allowed(key.models if key is not None else ())
        self._models = None if any(map(models.allows, names)) else models
        self._throttled = {
            limit.owner: limit
            for limit in limits_in_use(state, snapshot, now_ms)
            if limit.is_throttled and limit.owner_kind == "connection"
        }

    def against(self, account: _Account, model: str) -> Skipped | None:
        """In the order in which a worker would find it out."""
        name = f"{account.provider_id}/{model}"
        if not self._connections.allows(account.connection_id):
            return Skipped(NOT_THIS_ACCOUNT)
        if self._models is not None and not self._models.allows(name):
            return Skipped(NOT_THIS_MODEL)
        return self._rest(account, model) or self._fault(account) or self._limit(account, model)

    def _rest(self, account: _Account, model: str) -> Skipped | None:
        for key, of in (
            (cooldown.cooldown_key(account.connection_id), "rests"),
            (cooldown.lockout_key(account.connection_id, model), "this model rests"),
            (cooldown.target_key(account.provider_id, model), "this model rests"),
        ):
            stored = self._table.get(key)
            if stored is not None:
                found = cooldown.read(stored)
                if found.until_ms > self._now_ms:
                    return Skipped(f"{of}: {found.reason}", found.until_ms)
        return None

    def _fault(self, account: _Account) -> Skipped | None:
        stored = self._table.get(breaker.breaker_key(account.provider_id))
        if stored is None:
            return None
        standing = breaker.standing(stored, self._now_ms)
        if standing.state == "closed" or standing.probe_free:
            return None
        why = breaker.read(stored).reason
        return Skipped(f"the breaker of {account.provider_id} is open: {why}", standing.until_ms)

    def _limit(self, account: _Account, model: str) -> Skipped | None:
        reports = self._reports.get(account.connection_id, ())
        until_ms = quota.exhausted_until_ms(reports, account.quota_threshold, self._now_ms, model)
        if until_ms:
            return Skipped("its quota is used up, as its provider reports", until_ms)
        limit = self._throttled.get(account.connection_id)
        if limit is not None:
            return Skipped(f"its limit is reached: {limit.key}", limit.resets_ms)
        return None
