"""The management API as a client meets it: closed by default, sessions by cookie, CSRF checked."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from omniroute.assets import dashboard_dir
from omniroute.control.access import PASSWORD_FACT
from omniroute.control.api.endpoint import Endpoint
from omniroute.control.api.services import Services
from omniroute.control.app import API, build_app
from omniroute.control.passwords import hash_password
from omniroute.control.policy import Policy
from omniroute.control.routes import OpenRoute
from omniroute.control.sessions import RENEW_AFTER_S
from omniroute.store.database import Store
from tests.control.conftest import client_of

pytestmark = pytest.mark.usefixtures("quick_hashing")

# Every route that answers without credentials, and why that harms nobody.
OPEN_ROUTES = {
    "/": "redirects to the dashboard",
    "/dashboard": "redirects to the dashboard",
    "/dashboard/{path:path}": "the page that signs in; no data",
    "/healthz": "says that it is alive, no detail",
    "/api/health": "says that it is alive, no detail",
    "/api/auth/login": "signs in",
    "/api/auth/logout": "signs out; a live session needs its CSRF token",
    "/api/auth/status": "tells a browser whether its own session lives",
    "/api/init": "says that it runs",
}


def filled(path: str) -> str:
    """A path of the form that is declared."""
    return re.sub(r"\{[^}]*\}", "x", path)


@pytest.fixture
def app(services: Services) -> Any:
    return build_app(services, dashboard_dir())


@pytest.fixture
async def signed_in(client: httpx.AsyncClient, store: Store) -> str:
    """The CSRF token of a session whose cookie the client holds."""
    store.set_meta(PASSWORD_FACT, hash_password("right"))
    answer = await client.post("/api/auth/login", json={"password": "right"})
    assert answer.status_code == 200
    return str(answer.json()["csrf_token"])


async def test_every_route_without_credentials_is_closed_but_the_named_ones(
    app: Any, client: httpx.AsyncClient
) -> None:
    assert {route.path for route in app.routes} >= set(OPEN_ROUTES)
    for route in app.routes:
        assert isinstance(route, OpenRoute | Endpoint)
        for method in {*(route.methods or ())} - {"OPTIONS"}:
            answer = await client.request(method, filled(route.path))
            if route.path in OPEN_ROUTES:
                assert answer.status_code not in (401, 403), (method, route.path)
            else:
                assert answer.status_code in (401, 403), (method, route.path)


def test_what_is_open_is_declared_so() -> None:
    declared = {route.path for route in API if route.policy is Policy.OPEN}
    assert declared == {path for path in OPEN_ROUTES if path.startswith("/api/")}


async def test_the_methods_of_a_path_are_told_to_anybody_and_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    for route in API:
        answer = await client.request("OPTIONS", filled(route.path))
        assert answer.status_code == 204, route.path
        assert answer.content == b""
        assert route.method in answer.headers["allow"]


async def test_every_unsafe_route_needs_the_csrf_token(
    client: httpx.AsyncClient, signed_in: str
) -> None:
    for route in API:
        if route.is_unsafe and route.policy is not Policy.OPEN:
            answer = await client.request(route.method, filled(route.path))
            assert answer.status_code == 403, (route.method, route.path)


async def test_the_admin_token_reads_the_status(
    owner: httpx.AsyncClient,
) -> None:
    answer = await owner.get("/api/status")
    assert answer.json() == {"version": "x"}
    assert answer.headers["cache-control"] == "no-store"


async def test_health_tells_nothing_but_that(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/health")).json() == {"status": "ok"}


async def test_a_session_is_a_strict_cookie(client: httpx.AsyncClient, signed_in: str) -> None:
    cookie = client.cookies.get("omniroute_session")
    assert cookie
    assert (await client.get("/api/status")).status_code == 200
    session = (await client.get("/api/auth/session")).json()
    assert session["csrf_token"] == signed_in


async def test_cookie_attributes(services: Services, store: Store) -> None:
    store.set_meta(PASSWORD_FACT, hash_password("right"))
    for scheme, secure in (("http", False), ("https", True)):
        async with client_of(services, scheme) as client:
            answer = await client.post("/api/auth/login", json={"password": "right"})
        attributes = answer.headers["set-cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=strict" in attributes
        assert ("secure" in attributes) is secure


async def test_signing_out_needs_the_csrf_token_and_ends_the_session(
    client: httpx.AsyncClient, signed_in: str
) -> None:
    cookies = dict(client.cookies)
    assert (await client.post("/api/auth/logout")).status_code == 403
    assert (await client.get("/api/status")).status_code == 200
    headers = {"x-csrf-token": signed_in}
    assert (await client.post("/api/auth/logout", headers=headers)).status_code == 200
    assert not client.cookies
    client.cookies.update(cookies)
    assert (await client.get("/api/status")).status_code == 401
    client.cookies.clear()
    # Once more, without a session: nothing to end, no error.
    assert (await client.post("/api/auth/logout")).status_code == 200


async def test_a_used_session_gets_a_fresh_cookie(
    client: httpx.AsyncClient, clock: Any, signed_in: str
) -> None:
    before = client.cookies["omniroute_session"]
    assert "set-cookie" not in (await client.get("/api/status")).headers
    clock.now_s += RENEW_AFTER_S
    assert "set-cookie" in (await client.get("/api/status")).headers
    assert client.cookies["omniroute_session"] != before
    assert (await client.get("/api/status")).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"password":"wrong"}', "application/json", 401),
        (b"{}", "application/json", 422),
        (b'{"password":"right","link":"x"}', "application/json", 422),
        (b'{"password":"right","more":1}', "application/json", 422),
        (b'{"password":1}', "application/json", 422),
        (b'{"password":', "application/json", 400),
        (b'{"password":"\xff"}', "application/json", 400),
        (b"password=right", "application/x-www-form-urlencoded", 415),
        (b'{"password":"right"}', "text/plain", 415),
        (b'{"password":"' + b"x" * 9000 + b'"}', "application/json", 413),
    ],
)
async def test_wrong_sign_ins_are_refused(
    client: httpx.AsyncClient, store: Store, content: bytes, content_type: str, status: int
) -> None:
    store.set_meta(PASSWORD_FACT, hash_password("right"))
    headers = {"content-type": content_type}
    answer = await client.post("/api/auth/login", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert "set-cookie" not in answer.headers


async def test_a_sign_in_of_unknown_length_is_bounded_too(app: Any) -> None:
    sent: list[Any] = []
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/auth/login",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert asked < 20


async def test_a_sign_in_that_does_not_arrive_is_given_up(
    app: Any, autojump_clock: MockClock
) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        await trio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/auth/login",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_guesser_is_told_when_to_come_back(client: httpx.AsyncClient, store: Store) -> None:
    store.set_meta(PASSWORD_FACT, hash_password("right"))
    for _ in range(5):
        await client.post("/api/auth/login", json={"password": "wrong"})
    answer = await client.post("/api/auth/login", json={"password": "right"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_the_root_leads_to_the_dashboard(client: httpx.AsyncClient) -> None:
    for path in ("/", "/dashboard"):
        answer = await client.get(path)
        assert answer.status_code == 302
        assert answer.headers["location"] == "/dashboard/"
    page = await client.get("/dashboard/")
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "<style" not in page.text


async def test_unknown_paths_and_methods_are_errors_of_our_shape(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found"
    assert (await client.delete("/api/status")).status_code == 405


def test_an_installation_without_a_dashboard_is_an_empty_folder(
    services: Services, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    build_app(services, tmp_path / "empty")
