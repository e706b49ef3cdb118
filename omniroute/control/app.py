"""The management API and the dashboard as one ASGI app: the table of routes and their endpoints.

Endpoints hold no state. They ask `Access` who is there and a function for the status; both are
given, so that tests run the app on its own.
"""

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Router

from omniroute.control.access import Access, Denied
from omniroute.control.policy import Policy, PolicyRoute, admit, build_router, set_session_cookie
from omniroute.control.sessions import Session
from omniroute.control.static_files import StaticFiles

# A sign-in is a few dozen bytes.
_SIGN_IN_BYTES = 4096
_SIGN_IN_S = 15.0


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a sign-in: one of the two."""

    password: str | None = None
    link: str | None = None


def build_app(access: Access, status: Callable[[], dict[str, Any]], dashboard_dir: Path) -> Router:
    """All routes. Raises PolicyMissing when one has no policy, OSError without a dashboard."""
    endpoints = _Endpoints(access, status)
    static = StaticFiles(dashboard_dir)

    def route(
        path: str, endpoint: Any, policy: Policy, methods: tuple[str, ...] = ("GET",)
    ) -> PolicyRoute:
        return PolicyRoute(path, endpoint, policy=policy, methods=methods, access=access)

    return build_router(
        [
            route("/", _to_dashboard, Policy.OPEN),
            route("/dashboard", _to_dashboard, Policy.OPEN),
            route("/dashboard/{path:path}", static.serve, Policy.OPEN),
            route("/healthz", _health, Policy.OPEN),
            route("/api/health", _health, Policy.OPEN),
            route("/api/auth/login", endpoints.sign_in, Policy.OPEN, ("POST",)),
            # Open, so that a session that is over can be left, too; a live one needs its token.
            route("/api/auth/logout", endpoints.sign_out, Policy.OPEN, ("POST",)),
            route("/api/auth/session", endpoints.session, Policy.ADMIN),
            route("/api/status", endpoints.status, Policy.ADMIN),
        ]
    )


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def _to_dashboard(request: Request) -> Response:
    return RedirectResponse("/dashboard/", 302)


class _Endpoints:
    def __init__(self, access: Access, status: Callable[[], dict[str, Any]]) -> None:
        self._access = access
        self._status = status

    async def status(self, request: Request) -> Response:
        return JSONResponse(self._status(), headers={"cache-control": "no-store"})

    async def session(self, request: Request) -> Response:
        """What a page needs after a reload: whether it is signed in, and its CSRF token."""
        return self._describe(request.state.session)

    async def sign_in(self, request: Request) -> Response:
        body = await _read_sign_in(request)
        address = request.client.host if request.client else "unknown"
        if body.password is not None and body.link is None:
            session = await self._access.sign_in_with_password(address, body.password)
        elif body.link is not None and body.password is None:
            session = await self._access.sign_in_with_link(address, body.link)
        else:
            raise Denied(400, "give either a password or a link")
        response = self._describe(session)
        set_session_cookie(request, response, self._access.cookie(session))
        return response

    async def sign_out(self, request: Request) -> Response:
        response = JSONResponse({"signed_in": False}, headers={"cache-control": "no-store"})
        try:
            session = admit(request, self._access)
        except Denied as denial:
            if denial.status != 401:
                raise
            session = None
        if session is not None:
            await self._access.sign_out(session)
        set_session_cookie(request, response, "")
        return response

    def _describe(self, session: Session | None) -> Response:
        answer: dict[str, Any] = {"signed_in": True}
        if session is not None:
            answer["csrf_token"] = self._access.csrf_token(session)
            answer["ends_s"] = session.ends_s()
        return JSONResponse(answer, headers={"cache-control": "no-store"})


async def _read_sign_in(request: Request) -> SignIn:
    # A cross-site form can send only three other types without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Denied(415, "send application/json")
    if int(request.headers.get("content-length", "0")) > _SIGN_IN_BYTES:
        raise Denied(413, "a sign-in is smaller than that")
    body = bytearray()
    with anyio.move_on_after(_SIGN_IN_S) as waiting:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _SIGN_IN_BYTES:
                    raise Denied(413, "a sign-in is smaller than that")
    if waiting.cancelled_caught:
        raise Denied(408, "the sign-in did not arrive")
    try:
        return msgspec.json.decode(body, type=SignIn)
    except msgspec.DecodeError as error:
        raise Denied(400, f"not a sign-in: {error}") from error
