"""A route without a declared policy does not come into being; errors have one shape."""

import json
from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import Mount, Route

from omniroute.control.refusal import Denied, Detail, invalid_fields
from omniroute.control.routes import OpenRoute, PolicyMissing, build_router, error_response


async def endpoint(_: Any) -> Response:
    return Response()


@pytest.mark.parametrize(
    "route", [Route("/forgotten", endpoint), Mount("/mounted", routes=[Route("/x", endpoint)])]
)
def test_a_plain_route_stops_the_start(route: Any) -> None:
    with pytest.raises(PolicyMissing):
        build_router([OpenRoute("/good", endpoint), route], Response())


def test_errors_say_how_to_go_on() -> None:
    assert error_response(Denied(401, "no")).headers["www-authenticate"].startswith("Bearer")
    assert error_response(Denied(429, "slow", 1.5)).headers["retry-after"] == "2"


def test_errors_name_the_fields() -> None:
    denial = invalid_fields(Detail("name", "is taken"), Detail("scopes[0]", "is no scope"))
    assert json.loads(bytes(error_response(denial).body)) == {
        "error": {
            "type": "invalid_value",
            "message": "name: is taken (and 1 more)",
            "details": [
                {"field": "name", "message": "is taken"},
                {"field": "scopes[0]", "message": "is no scope"},
            ],
        }
    }
