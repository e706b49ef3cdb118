"""Declared routes as HTTP endpoints: one for each path, with all its methods.

The order for every request: method → who is there → query → body → handler → audit → answer. So a
caller without credentials learns nothing but which methods a path has, and no handler sees what
was not checked. Every error leaves in one shape; what nobody expected is logged with its traceback
and told as 500 without a detail.
"""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final
from urllib.parse import quote, unquote

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute.config import ConfigError
from omniroute.control.access import NOBODY, Access, Actor
from omniroute.control.api import multipart
from omniroute.control.api.answers import (
    Events,
    EventsResponse,
    File,
    Lines,
    Piped,
    file_response,
    lines_response,
    piped_response,
)
from omniroute.control.api.declare import Answer, Call, Route, RouteInvalid, Upload
from omniroute.control.api.services import Services
from omniroute.control.api.validation import read_body, read_query
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied, Detail, invalid_fields
from omniroute.control.routes import error_response
from omniroute.control.sessions import ABSOLUTE_S, COOKIE_NAME
from omniroute.installation import InstallationError
from omniroute.state.interface import StateError
from omniroute.store.interface import StoreBusy, StoreError, StoreFull

CSRF_HEADER: Final = "x-csrf-token"
AUDIT_HEADER: Final = "x-omniroute-audit"
"""`missing`: what was asked is done, but could not be written into the audit log."""
_BODY_S: Final = 30.0
_JSON: Final = "application/json"
_PARAMETER: Final = re.compile(r"\{(\w+)(:path)?\}")

_log = logging.getLogger("omniroute.control.api")


def endpoints(routes: Iterable[Route], services: Services) -> list["Endpoint"]:
    """The endpoints of all routes, in the order in which paths must be tried: what has fewer
    parameters first, so that `/api/usage/history` is not taken for the account `history`.

    Raises RouteInvalid when a method is declared twice at a path.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = by_path.setdefault(_shape(route.path), {})
        if route.method in methods:
            raise RouteInvalid(f"{route.method} {route.path} is declared twice")
        methods[route.method] = route
    ordered = sorted(
        by_path.values(), key=lambda methods: _order(next(iter(methods.values())).path)
    )
    return [Endpoint(tuple(methods.values()), services) for methods in ordered]


def _shape(path: str) -> str:
    return _PARAMETER.sub(lambda found: "{*}" if found[2] else "{}", path)


def _order(path: str) -> tuple[int, int, str]:
    parameters = _PARAMETER.findall(path)
    return (sum(bool(rest) for _, rest in parameters), len(parameters), path)


class Endpoint(BaseRoute):
    """All methods of one path."""

    def __init__(self, routes: Sequence[Route], services: Services) -> None:
        self.path = routes[0].path
        self.routes = {route.method: route for route in routes}
        self.policy = routes[0].policy  # that each has one is checked by its declaration
        self._services = services
        self._patterns = [(_pattern(route.path), route) for route in routes]
        methods = {*self.routes, "OPTIONS"} | ({"HEAD"} if "GET" in self.routes else set())
        self.methods = frozenset(methods)
        self._allow = ", ".join(sorted(methods))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not self._patterns[0][0].fullmatch(raw_path(scope)):
            return Match.NONE, {}
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        is_head = method == "HEAD"
        route = self.routes.get("GET" if is_head else method)
        if route is None:
            response = self._without_route(method)
        else:
            response = await self._respond(route, Request(scope, receive))
        await response(scope, receive, _without_body(send) if is_head else send)

    def _without_route(self, method: str) -> Response:
        if method == "OPTIONS":
            return Response(status_code=204, headers={"allow": self._allow})
        response = error_response(Denied(405, f"{self.path} answers to {self._allow}"))
        response.headers["allow"] = self._allow
        return response

    async def _respond(self, route: Route, request: Request) -> Response:
        access = self._services.access
        actor = NOBODY
        try:
            actor = _admitted(route, request, access)
            call = await self._call(route, request, actor)
            async with _closing(call.upload):
                result = await route.handler(call)
            is_recorded = await self._audit(route, call)
            response = self._response(route, request, call, result)
        except Exception as error:
            return error_response(_denial_of(error, route))
        if not is_recorded:
            response.headers[AUDIT_HEADER] = "missing"
        cookie = call.cookie
        if cookie is None and actor.session is not None:
            renewed = await access.renewed(actor.session)
            cookie = None if renewed is None else access.cookie(renewed)
        if cookie is not None:
            _set_cookie(request, response, cookie)
        return response

    async def _call(self, route: Route, request: Request, actor: Actor) -> Call:
        found = next(
            pattern.fullmatch(raw_path(request.scope))
            for pattern, declared in self._patterns
            if declared is route
        )
        assert found is not None, "it has matched"
        pairs = request.query_params.multi_items()
        if route.query is None and pairs:
            raise invalid_fields(*(Detail(name, "there is no such parameter") for name, _ in pairs))
        call = Call(
            services=self._services,
            route=route,
            actor=actor,
            address=request.client.host if request.client else "unknown",
            path={name: unquote(value) for name, value in found.groupdict().items()},
            query=read_query(pairs, route.query) if route.query is not None else None,
            body=None,
            if_match=_etags(request.headers.get("if-match", "")),
            last_event_id=request.headers.get("last-event-id", ""),
            agent=request.headers.get("user-agent", ""),
            presented_cookie=request.cookies.get(COOKIE_NAME, ""),
            presented_csrf=request.headers.get(CSRF_HEADER, ""),
            headers={
                name: unquote(request.headers[name])
                for name in route.headers
                if name in request.headers
            },
        )
        if isinstance(route.input, Upload):
            call.media_type = _check_type(request, route.input.media_types)
            call.upload = _bounded(request, route.input.limit_bytes)
            if call.media_type == multipart.MEDIA_TYPE:
                boundary = multipart.boundary_of(request.headers["content-type"])
                call.upload = multipart.first_file(call.upload, boundary)
        elif route.input is not None:
            _check_type(request, (_JSON,))
            call.body = read_body(await _whole(request, route.body_bytes), route.input)
        return call

    def _response(self, route: Route, request: Request, call: Call, result: Any) -> Response:
        match result:
            case Lines():
                return lines_response(result)
            case File():
                return file_response(result)
            case Piped():
                return piped_response(result)
            case Events():
                return EventsResponse(result, lambda: self._is_still_admitted(route, request))
        answer = result if isinstance(result, Answer) else Answer(result)
        headers = {"cache-control": "no-store", **answer.headers}
        if answer.etag != "":
            headers["etag"] = f'"{answer.etag}"'
            known = _etags(request.headers.get("if-none-match", ""))
            if not route.is_unsafe and str(answer.etag) in known:
                return Response(status_code=304, headers=headers)
        status = answer.status or route.success
        if status == 204:
            return Response(status_code=204, headers=headers)
        body = msgspec.json.encode(answer.value)
        return Response(body, status, headers, media_type=_JSON)

    def _is_still_admitted(self, route: Route, request: Request) -> bool:
        try:
            _admitted(route, request, self._services.access)
        except Denied:
            return False
        return True

    async def _audit(self, route: Route, call: Call) -> bool:
        """Whether all of it could be written. If not, the change acts all the same: to answer that
        it failed would be wrong, so caller and log are told."""
        is_recorded = True
        if route.is_unsafe and route.changes and not call.is_audited:
            call.audit("/".join(call.path.values()))
        for entry in call.changes:
            try:
                await call.blocking(self._services.store.audit.add, entry)
            except StoreError as error:
                _log.error("no audit record of %s by %s: %s", entry.action, entry.actor, error)
                is_recorded = False
        return is_recorded


def not_found(paths: Sequence[Endpoint]) -> ASGIApp:
    """For what no route answers: 308 to the path without its last slash where that is one, else
    404."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = raw_path(scope)
        response: Response
        bare = {**scope, "raw_path": path.rstrip("/").encode()}
        if path.endswith("/") and any(known.matches(bare)[0] is Match.FULL for known in paths):
            query = scope["query_string"].decode("latin-1")
            response = RedirectResponse(path.rstrip("/") + (f"?{query}" if query else ""), 308)
        else:
            response = error_response(Denied(404, "there is nothing here"))
        await response(scope, receive, send)

    return answer


def raw_path(scope: Scope) -> str:
    """The path as it was sent: an id may hold an encoded slash."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?::path)?\})", path)
    return re.compile("".join(map(_part, parts)))


def _part(part: str) -> str:
    found = _PARAMETER.fullmatch(part)
    if found is None:
        return re.escape(part)
    return f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"


def _admitted(route: Route, request: Request, access: Access) -> Actor:
    if route.policy is Policy.OPEN:
        return NOBODY
    return access.authorize(
        authorization=request.headers.get("authorization", ""),
        cookie=request.cookies.get(COOKIE_NAME, ""),
        csrf=request.headers.get(CSRF_HEADER, ""),
        is_unsafe=route.is_unsafe,
        needs=route.policy,
    )


def _denial_of(error: Exception, route: Route) -> Denied:
    """What the client is told of an error. One that nobody expected is logged."""
    match error:
        case Denied():
            return error
        case ConfigError():
            details = [Detail(one.key, _rule(one)) for one in (error, *error.more)]
            return invalid_fields(*details)
        case StoreBusy():
            return Denied(503, "the database is busy; try again in a moment", 1.0)
        case StoreFull():
            return Denied(507, str(error))
        case StoreError() | StateError() | InstallationError():
            _log.error("%s %s: %s", route.method, route.path, error)
            return Denied(503, str(error))
        case ClientDisconnect():
            return Denied(400, "the client left")
    _log.error("%s %s broke", route.method, route.path, exc_info=error)
    return Denied(500, "something went wrong here; the log says what")


def _rule(error: ConfigError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _etags(header: str) -> tuple[str, ...]:
    """The versions that If-Match or If-None-Match names; `*` as it is, weak ones as strong."""
    return tuple(
        tag.strip().removeprefix("W/").strip('"') for tag in header.split(",") if tag.strip()
    )


def _check_type(request: Request, allowed: Sequence[str]) -> str:
    # A cross-site form can send only three other types without asking first.
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise Denied(415, f"send {' or '.join(allowed)}")
    return given


async def _whole(request: Request, limit: int) -> bytes:
    body = bytearray()
    with anyio.move_on_after(_BODY_S) as waiting:
        async with aclosing(_bounded(request, limit)) as chunks:
            async for chunk in chunks:
                body += chunk
    if waiting.cancelled_caught:
        raise Denied(408, "the body did not arrive")
    return bytes(body)


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    told = request.headers.get("content-length", "0")
    size = int(told) if told.isdecimal() else 0
    if size > limit:
        raise Denied(413, f"a body here may have {limit} bytes")
    size = 0
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise Denied(413, f"a body here may have {limit} bytes")
            yield chunk


@asynccontextmanager
async def _closing(upload: AsyncGenerator[bytes, None] | None) -> AsyncIterator[None]:
    """A handler may leave an upload in the middle."""
    try:
        yield
    finally:
        if upload is not None:
            await upload.aclose()


def _set_cookie(request: Request, response: Response, cookie: str) -> None:
    """An empty one removes it."""
    response.set_cookie(
        COOKIE_NAME,
        cookie,
        max_age=ABSOLUTE_S if cookie else 0,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _without_body(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return wrapped
