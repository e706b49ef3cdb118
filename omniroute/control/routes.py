"""The routes that are no part of the API, the router of all, and the one shape of errors.

`build_router` refuses to start with a route that declares no policy; the check itself runs inside
each route, before its endpoint, so there is no list elsewhere that could be forgotten.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied

ERROR_TYPES = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    412: "changed_meanwhile",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_value",
    429: "too_many_attempts",
    500: "internal_error",
    502: "upstream_error",
    503: "unavailable",
    507: "disk_full",
}


Endpoint = Callable[[Request], Awaitable[Response]]


class PolicyMissing(Exception):
    """A route without a declared policy; the app does not start."""


class OpenRoute(Route):
    """A page or file that anybody may have: the dashboard signs in by itself."""

    policy = Policy.OPEN

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        async def answered(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Denied as denial:
                return error_response(denial)

        super().__init__(path, answered, methods=["GET"])


def build_router(routes: Sequence[BaseRoute], not_found: ASGIApp) -> Router:
    """The router of these routes. Raises PolicyMissing when one has no policy."""
    for route in routes:
        if not isinstance(getattr(route, "policy", None), Policy):
            raise PolicyMissing(f"{route!r} declares no policy")
    return Router(routes, redirect_slashes=False, default=not_found)


def error_response(denial: Denied) -> JSONResponse:
    """The shape of every error of the management plane:
    `{"error": {"type", "message", "details": [{"field", "message"}]}}`, details where known."""
    headers = {"cache-control": "no-store"}
    if denial.wait_s:
        headers["retry-after"] = str(int(denial.wait_s) + 1)
    if denial.status == 401:
        headers["www-authenticate"] = 'Bearer realm="omniroute"'
    error: dict[str, Any] = {
        "type": ERROR_TYPES.get(denial.status, "error"),
        "message": denial.message,
    }
    if denial.details:
        error["details"] = [detail._asdict() for detail in denial.details]
    return JSONResponse({"error": error}, denial.status, headers)
