"""Every route of the management plane, with who may call it: closed unless declared open.

A route comes into being only as a `PolicyRoute`, whose policy is not optional, and `build_router`
refuses to start with any other kind. The check runs inside the route, before its endpoint, so
there is no list elsewhere that could be forgotten.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router

from omniroute.control.access import Access, Denied
from omniroute.control.sessions import ABSOLUTE_S, COOKIE_NAME, Session

CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ERROR_TYPES = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_attempts",
}


class Policy(Enum):
    """Who may call a route."""

    OPEN = "open"  # anybody: says nothing and changes nothing that needs protection
    ADMIN = "admin"  # the admin token, or a signed-in session (with CSRF token when unsafe)


Endpoint = Callable[[Request], Awaitable[Response]]


class PolicyMissing(Exception):
    """A route without a declared policy; the app does not start."""


class PolicyRoute(Route):
    """A route that checks its own policy. `request.state.session` is set where there is one."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        policy: Policy,
        methods: Sequence[str],
        access: Access,
    ) -> None:
        self.policy = policy

        async def guarded(request: Request) -> Response:
            request.state.session = None
            try:
                if policy is Policy.ADMIN:
                    request.state.session = admit(request, access)
                response = await endpoint(request)
            except Denied as denial:
                return error_response(denial.status, denial.message, denial.wait_s)
            _renew(request, response, access)
            return response

        super().__init__(path, guarded, methods=list(methods))


def build_router(routes: Sequence[BaseRoute]) -> Router:
    """The router of these routes. Raises PolicyMissing when one has no policy."""
    for route in routes:
        if not isinstance(route, PolicyRoute):
            raise PolicyMissing(f"{route!r} declares no policy")
    return Router(routes, redirect_slashes=False, default=_not_found)


def admit(request: Request, access: Access) -> Session | None:
    """Raises Denied unless the request carries valid credentials of an admin."""
    return access.authorize(
        authorization=request.headers.get("authorization", ""),
        cookie=request.cookies.get(COOKIE_NAME, ""),
        csrf=request.headers.get(CSRF_HEADER, ""),
        is_unsafe=request.method not in _SAFE_METHODS,
    )


def set_session_cookie(request: Request, response: Response, cookie: str) -> None:
    """Sets the session's cookie; an empty one removes it."""
    response.set_cookie(
        COOKIE_NAME,
        cookie,
        max_age=ABSOLUTE_S if cookie else 0,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def error_response(status: int, message: str, wait_s: float = 0.0) -> JSONResponse:
    """The shape of every error of the management plane."""
    headers = {"retry-after": str(int(wait_s) + 1)} if wait_s else {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="omniroute"'
    body = {"error": {"type": _ERROR_TYPES.get(status, "error"), "message": message}}
    return JSONResponse(body, status, headers)


def _renew(request: Request, response: Response, access: Access) -> None:
    session: Session | None = request.state.session
    if session is None or "set-cookie" in response.headers:
        return
    renewed = access.renewed(session)
    if renewed is not None:
        set_session_cookie(request, response, access.cookie(renewed))


async def _not_found(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await error_response(404, "there is nothing here")(scope, receive, send)
