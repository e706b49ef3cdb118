"""From a route to its attempts."""

from typing import NamedTuple

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.plan import Attempt, plan
from omniroute.routing.resolve import Route
from omniroute.snapshot import ProviderView

ACME = ProviderView(
    id="acme", prefixes=("acme",), name="Acme", format="openai", base_url="", url="", tier="apikey"
)


class Connection(NamedTuple):
    name: str
    priority: int


FIRST, SECOND = Connection("first", 1), Connection("second", 2)


def test_a_plan_tries_the_providers_connections_in_their_order():
    attempts = list(plan(Route(ACME, "plain"), {"acme": (FIRST, SECOND), "other": (SECOND,)}))
    assert attempts == [Attempt(FIRST, "plain"), Attempt(SECOND, "plain")]


@pytest.mark.parametrize("connections", [{}, {"acme": ()}, {"other": (FIRST,)}])
def test_a_provider_without_a_connection_is_told_what_to_add(connections):
    with pytest.raises(GatewayError) as caught:
        plan(Route(ACME, "plain"), connections)
    assert caught.value.kind is ErrorKind.NOT_CONFIGURED
    assert caught.value.param == "model"
    assert "[[connections]]" in caught.value.message
    assert 'provider = "acme"' in caught.value.message
