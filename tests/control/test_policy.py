"""A route without a declared policy does not come into being."""

from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import Mount, Route

from omniroute.control.access import Access
from omniroute.control.policy import (
    Policy,
    PolicyMissing,
    PolicyRoute,
    build_router,
    error_response,
)


async def endpoint(_: Any) -> Response:
    return Response()


@pytest.mark.parametrize(
    "route", [Route("/forgotten", endpoint), Mount("/mounted", routes=[Route("/x", endpoint)])]
)
def test_a_plain_route_stops_the_start(route: Any, access: Access) -> None:
    good = PolicyRoute("/good", endpoint, policy=Policy.ADMIN, methods=["GET"], access=access)
    with pytest.raises(PolicyMissing):
        build_router([good, route])


def test_the_policy_is_not_optional(access: Access) -> None:
    with pytest.raises(TypeError):
        PolicyRoute("/x", endpoint, methods=["GET"], access=access)  # type: ignore[call-arg]


def test_errors_say_how_to_go_on() -> None:
    assert error_response(401, "no").headers["www-authenticate"].startswith("Bearer")
    assert error_response(429, "slow", 1.5).headers["retry-after"] == "2"
