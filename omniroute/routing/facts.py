"""What strategies ask about candidates, answered from a worker's gauges.

An account is known by its own gauge. A model by that of the model; a combo in a combo by its
members: as cheap and as quick as the best of them, with all that is under way at any.
"""

from collections.abc import Iterator
from typing import Protocol

from omniroute.routing.combos import Member, Model
from omniroute.routing.gauges import Gauge, Gauges


class Account(Protocol):
    """A connection as planning sees it."""

    @property
    def connection_id(self) -> str: ...

    @property
    def provider_id(self) -> str: ...


class AccountFacts:
    """Of the accounts of one provider. The model asked for costs the same at each of them."""

    __slots__ = ("_gauges",)

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def weight(self, account: Account) -> float:
        return 1.0

    def price(self, account: Account) -> int | None:
        return None

    def gauge(self, account: Account) -> Gauge:
        return self._gauges.account(account.connection_id)


class MemberFacts:
    """Of the members of a combo."""

    __slots__ = ("_gauges",)

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def weight(self, member: Member) -> float:
        return member.weight

    def price(self, member: Member) -> int | None:
        price = self._gauges.price
        prices = [price(model.provider.id, model.model) for model in models(member)]
        return min((known for known in prices if known is not None), default=None)

    def gauge(self, member: Member) -> Gauge:
        if isinstance(member.of, Model):
            return self._gauges.model(member.of.provider.id, member.of.model)
        return Gauge.best(
            [self._gauges.model(each.provider.id, each.model) for each in models(member)]
        )


def models(member: Member) -> Iterator[Model]:
    """The models of a member, through all nested combos."""
    if isinstance(member.of, Model):
        yield member.of
    else:
        for inner in member.of.members:
            yield from models(inner)
