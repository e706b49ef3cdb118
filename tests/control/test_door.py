"""The two doors: who is believed about the client, and who is kept out."""

from typing import Any

import pytest

from omniroute.control.content_policy import POLICY
from omniroute.control.door import Door, parse_forwarded
from omniroute.control.origins import KnownHosts

Headers = list[tuple[bytes, bytes]]


class Visit:
    """One request through a door to an app that remembers what it saw."""

    def __init__(self, headers: Headers, *, is_private: bool = False, method: str = "GET") -> None:
        self._method = method
        self.seen: dict[str, Any] | None = None
        self.sent: list[dict[str, Any]] = []
        self._headers = headers
        self._door = Door(self._app, lambda: KnownHosts("127.0.0.1", []), is_private=is_private)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def make(self) -> "Visit":
        scope = {
            "type": "http",
            "method": self._method,
            "path": "/",
            "scheme": "http",
            "client": ("10.0.0.9", 5),
            "headers": self._headers,
        }

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self._door(scope, None, send)  # type: ignore[arg-type]
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


HOST = (b"host", b"localhost:20129")
FORWARDED = (b"x-omniroute-forwarded", b"for=192.0.2.7;proto=https")


async def test_our_own_name_passes() -> None:
    assert (await Visit([HOST]).make()).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [HOST, HOST],
        [HOST, (b"origin", b"http://evil.example")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"http://localhost:20129"), (b"origin", b"http://localhost:20129")],
    ],
)
@pytest.mark.parametrize("is_private", [False, True])
async def test_foreign_names_and_pages_are_refused_at_both_doors(
    headers: Headers, is_private: bool
) -> None:
    visit = await Visit(headers, is_private=is_private).make()
    assert visit.status == 403
    assert visit.seen is None


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
@pytest.mark.parametrize(
    ("method", "mode", "status"),
    [
        ("GET", b"navigate", 200),  # a link to the dashboard
        ("GET", b"no-cors", 403),  # a picture or script of another port's page
        ("GET", b"cors", 403),
        ("POST", b"navigate", 403),  # a form
    ],
)
async def test_pages_of_other_origins_may_link_to_us_and_nothing_else(
    site: bytes, method: str, mode: bytes, status: int
) -> None:
    said = [(b"sec-fetch-site", site), (b"sec-fetch-mode", mode)]
    assert (await Visit([HOST, *said], method=method).make()).status == status
    own = [(b"sec-fetch-site", b"same-origin"), (b"sec-fetch-mode", mode)]
    assert (await Visit([HOST, *own], method=method).make()).status == 200


async def test_our_own_page_passes() -> None:
    assert (await Visit([HOST, (b"origin", b"http://localhost:20129")]).make()).status == 200


async def test_the_public_door_believes_the_socket_only() -> None:
    visit = await Visit([HOST, FORWARDED]).make()
    assert visit.seen is not None
    assert visit.seen["client"] == ("10.0.0.9", 5)
    assert visit.seen["scheme"] == "http"
    assert FORWARDED not in visit.seen["headers"]


async def test_the_private_door_believes_the_worker() -> None:
    visit = await Visit([HOST, FORWARDED], is_private=True).make()
    assert visit.seen is not None
    assert visit.seen["client"] == ("192.0.2.7", 0)
    assert visit.seen["scheme"] == "https"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"for=::1;proto=http", ("::1", "http")),
        (b"proto=https; for=10.0.0.1", ("10.0.0.1", "https")),
        (b"for=10.0.0.1;proto=javascript", ("10.0.0.1", "http")),
        (b"", ("unknown", "http")),
        (b";;=;", ("unknown", "http")),
    ],
)
def test_the_forwarded_header_is_read_leniently_but_harmlessly(
    value: bytes, told: tuple[str, str]
) -> None:
    assert parse_forwarded(value) == told


@pytest.mark.parametrize("headers", [[HOST], []])
async def test_every_answer_has_the_security_headers(headers: Headers) -> None:
    visit = await Visit(headers).make()
    sent = dict(visit.sent[0]["headers"])
    assert sent[b"content-security-policy"].decode() == POLICY
    assert "unsafe" not in POLICY
    assert sent[b"x-content-type-options"] == b"nosniff"


async def test_websockets_are_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("reached the app")

    door = Door(app, lambda: KnownHosts("127.0.0.1", []), is_private=False)
    await door({"type": "websocket", "headers": []}, None, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "websocket.close"
