"""Proxies of all levels are set, shown without who signs in, and tried."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of

CANARY = "canary-in-the-coal-mine"
PROXY = f"http://user:{CANARY}@proxy.example:8080"
SHOWN = "http://[secret]@proxy.example:8080"


@pytest.fixture(autouse=True)
def configured(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    editing = editing_of(services)
    key = "sk-test-1234"
    editing.create("connection", {"provider": "openai", "name": "a", "api_key": key})
    editing.create("combo", {"name": "fast", "models": ["openai/one"]})
    monkeypatch.setenv("HTTPS_PROXY", f"user:{CANARY}@proxy.example:3128")


LEVELS = [("global", ""), ("provider", "openai"), ("combo", "fast"), ("connection", "openai/a")]


async def test_every_level_is_set_shown_acts_and_is_taken_away(
    owner: httpx.AsyncClient, services: Services
) -> None:
    for level, id_ in LEVELS:
        wish = {"level": level, "id": id_, "proxy": PROXY}
        answer = await owner.put("/api/settings/proxy", json=wish)
        assert answer.status_code == 200, answer.text
        assert CANARY not in answer.text
    assert answer.json() == {
        "global": SHOWN,
        "providers": {"openai": SHOWN},
        "combos": {"fast": SHOWN},
        "connections": {"openai/a": SHOWN},
        "environment": {"HTTPS_PROXY": "[secret]@proxy.example:3128"},
    }
    snapshot = services.configuration.snapshot
    assert snapshot is not None
    assert snapshot.server.proxy == snapshot.providers[0].proxy == PROXY
    assert snapshot.combos[0].proxy == snapshot.connections[0].proxy == PROXY
    for level, id_ in LEVELS:
        params = {"level": level, "id": id_}
        answer = await owner.delete("/api/settings/proxy", params=params)
        assert answer.status_code == 200
    assert answer.json()["providers"] == answer.json()["connections"] == {}
    assert answer.json()["global"] is None
    assert CANARY not in (await owner.get("/api/compliance/audit-log")).text


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"level": "global", "proxy": "nonsense"}, 422),
        ({"level": "combo", "id": "nothing", "proxy": PROXY}, 404),
        ({"level": "combo", "proxy": PROXY}, 422),
    ],
)
async def test_what_cannot_be_is_refused(
    owner: httpx.AsyncClient, wish: dict[str, str], status: int
) -> None:
    assert (await owner.put("/api/settings/proxy", json=wish)).status_code == status


@pytest.fixture
async def proxy() -> AsyncIterator[int]:
    """Grants every tunnel."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 Connected\r\n\r\n")
        await stream.receive_some(65536)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_proxy_that_works_and_one_that_does_not_are_told(
    owner: httpx.AsyncClient, proxy: int
) -> None:
    target = "http://upstream.example:80"
    for port, ok in ((proxy, True), (1, False)):
        wish = {"proxy": f"http://user:{CANARY}@127.0.0.1:{port}", "target": target}
        answer = await owner.post("/api/settings/proxy/test", json=wish)
        assert (answer.json()["ok"], answer.json()["target"]) == (ok, "upstream.example:80")
        assert CANARY not in answer.text


async def test_a_proxy_that_is_not_set_cannot_be_tried(owner: httpx.AsyncClient) -> None:
    wish = {"level": "connection", "id": "openai/a"}
    assert (await owner.post("/api/settings/proxy/test", json=wish)).status_code == 404
