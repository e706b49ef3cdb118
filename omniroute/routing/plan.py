"""From a route to the attempts that may serve it, in order.

Pure; the cost grows with the connections of one provider, never with history.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Generic, NamedTuple, Protocol, TypeVar

from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.resolve import Route


class HasPriority(Protocol):
    """A connection as planning sees it."""

    @property
    def priority(self) -> int: ...


C = TypeVar("C", bound=HasPriority)


class Attempt(NamedTuple, Generic[C]):
    """One try at one target: a connection of a provider, and a model."""

    connection: C
    model: str


def plan(route: Route, connections: Mapping[str, Sequence[C]]) -> Iterator[Attempt[C]]:
    """The attempts for a route, one at a time: nearly every request needs the first alone.

    They are the provider's connections, lowest priority number first.

    The connections of a provider come already sorted; the plan of a provider without any is an
    error that says what to configure.
    """
    provider = route.provider
    own = connections.get(provider.id)
    if not own:
        raise GatewayError(
            ErrorKind.NOT_CONFIGURED,
            f"Provider {provider.id!r} has no connection; add a [[connections]] entry with "
            f'provider = "{provider.id}" and an api_key.',
            param="model",
        )
    return map(Attempt, own, repeat(route.model))
