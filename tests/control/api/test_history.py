"""The request log over HTTP: every request once whatever the filter, and no secret in any form."""

import csv
import io
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.record import Record
from omniroute.store.interface import ProxyConnect, StoredBody
from tests.control.api.past import HOUR_MS, remember

LOG = "/api/usage/call-logs"


@pytest.fixture(autouse=True)
def past(services: Services) -> list[Record]:
    return remember(services)


async def get(owner: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await owner.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert "SECRETVALUE" not in answer.text
    return answer.json()


async def ids(owner: httpx.AsyncClient, **query: Any) -> list[str]:
    return [each["id"] for each in (await get(owner, LOG, **query))["requests"]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, range(12)),
        ({"provider": "acme"}, range(1, 12, 2)),
        ({"provider": ["acme", "other"]}, range(12)),
        ({"model": "m0", "provider": "other"}, [0, 6]),
        ({"combo": "fast"}, [0, 4, 8]),
        ({"failed": "true"}, [3]),
        ({"status": 503}, [3]),
        ({"status_class": 5}, [3]),
        ({"error_text": "NO KEY"}, [3]),
        ({"cached": "true"}, [5]),
        ({"key_id": "nobody"}, []),
        ({"min_cost_microusd": 251}, []),
    ],
)
async def test_a_filter_gives_what_fits(
    owner: httpx.AsyncClient, query: dict[str, Any], numbers: Any
) -> None:
    assert await ids(owner, **query) == [f"r{number:02d}" for number in numbers]


async def test_pages_follow_each_other(owner: httpx.AsyncClient) -> None:
    found: list[str] = []
    cursor = ""
    while True:
        page = await get(owner, LOG, limit=5, **({"cursor": cursor} if cursor else {}))
        found += [each["id"] for each in page["requests"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert found == [f"r{number:02d}" for number in range(12)]
    assert (await get(owner, "/api/usage/request-logs", limit=1))["requests"][0]["id"] == "r00"


async def test_times_bound_what_is_shown(owner: httpx.AsyncClient, services: Services) -> None:
    now_ms = services.now_ms()
    assert await ids(owner, since_ms=now_ms - 2 * HOUR_MS) == ["r00", "r01"]
    assert await ids(owner, until_ms=now_ms - 11 * HOUR_MS) == ["r11"]


async def test_a_request_is_shown_with_its_attempts(owner: httpx.AsyncClient) -> None:
    told = await get(owner, f"{LOG}/r04")
    assert told["request"]["cost_usd"] == 0.00025
    assert told["request"]["input_tokens"] == 100
    first, last = told["attempts"]
    assert (first["provider"], first["status"], first["is_last"]) == ("acme", 429, False)
    assert (last["provider"], last["status"], last["is_last"]) == ("other", 200, True)
    assert first["took_us"] + last["took_us"] + told["request"]["queue_us"] == 50_000
    assert not told["has_bodies"]
    assert (await owner.get(f"{LOG}/nothing")).status_code == 404


async def test_bodies_are_opened_for_admins_alone(
    owner: httpx.AsyncClient, services: Services
) -> None:
    sealed = services.installation.encrypt('{"é": 1}'.encode())
    services.store.bodies.add([StoredBody("r01", 0, "client", "request", 5, 9, sealed)])
    [body] = (await get(owner, f"{LOG}/r01/bodies"))["bodies"]
    assert (body["text"], body["size"], body["side"]) == ('{"é": 1}', 9, "client")
    assert (await get(owner, f"{LOG}/r01"))["has_bodies"]
    made = await owner.post("/api/auth/keys", json={"name": "reader", "scopes": ["read"]})
    reader = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await owner.get(f"{LOG}/r01", headers=reader)).status_code == 200
    assert (await owner.get(f"{LOG}/r01/bodies", headers=reader)).status_code == 403


async def test_the_log_is_exported_without_formulas_and_secrets(owner: httpx.AsyncClient) -> None:
    answer = await owner.get("/api/logs/export", params={"provider": "acme"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == [f"r{number:02d}" for number in range(1, 12, 2)]
    assert rows[1]["error"].startswith("'=SUM(1)")
    assert "SECRETVALUE" not in answer.text


async def test_a_filter_can_offer_what_occurs(owner: httpx.AsyncClient) -> None:
    values = await get(owner, "/api/usage/filters")
    assert values["provider"] == ["acme", "other"]
    assert values["model"] == ["m0", "m1", "m2"]


async def test_connects_through_proxies_are_listed_and_cleared(
    owner: httpx.AsyncClient, services: Services
) -> None:
    connects = [
        ProxyConnect(number, "http://p:1", "a:443", "global", "acme", "acme/main", "ok")
        for number in range(3)
    ]
    services.store.proxy_log.add(connects)
    page = await get(owner, "/api/usage/proxy-logs", limit=2)
    assert [each["at_ms"] for each in page["connects"]] == [2, 1]
    page = await get(owner, "/api/usage/proxy-logs", limit=2, before=page["next"])
    assert ([each["at_ms"] for each in page["connects"]], page["next"]) == ([0], None)
    assert (await owner.delete("/api/usage/proxy-logs")).json() == {"removed": 3}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "cursor=x", "colour=red", "status=a", "since_ms=-1"]
)
async def test_a_query_that_is_wrong_is_refused(owner: httpx.AsyncClient, query: str) -> None:
    assert (await owner.get(f"{LOG}?{query}")).status_code == 422


@pytest.mark.parametrize("path", [LOG, f"{LOG}/r01", f"{LOG}/r01/bodies", "/api/logs/export"])
async def test_the_log_is_closed(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401
