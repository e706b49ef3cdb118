"""The cache over HTTP: figures and entries without answers, and purging of just what is named."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services

MINUTE_MS = 60_000


@pytest.fixture(autouse=True)
def kept(services: Services) -> list[bytes]:
    """Three answers, one each minute, of two models; returns their keys."""
    answers, now_ms = services.state.answers, services.now_ms()
    keys = [bytes([number]) * 32 for number in range(3)]
    for number, key in enumerate(keys):
        at_ms = now_ms - (2 - number) * MINUTE_MS
        answers.claim(key, b"o" * 16, at_ms)
        answers.put(
            key,
            b"o" * 16,
            b"SECRET ANSWER",
            now_ms=at_ms,
            expires_ms=now_ms + MINUTE_MS,
            limit_bytes=1 << 20,
            model=f"acme/m{number % 2}",
        )
    return keys


async def entries(owner: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await owner.get("/api/cache/entries", params=query)
    assert answer.status_code == 200
    assert "SECRET" not in answer.text
    return [entry["signature"][:2] for entry in answer.json()["entries"]]


async def test_entries_are_listed_last_used_first(owner: httpx.AsyncClient) -> None:
    assert await entries(owner) == ["02", "01", "00"]
    assert await entries(owner, limit=1) == ["02"]


async def test_figures_are_those_of_the_state(
    owner: httpx.AsyncClient, services: Services, kept: list[bytes]
) -> None:
    services.state.answers.take(kept[0], services.now_ms())
    stats = (await owner.get("/api/cache/stats")).json()
    assert (stats["entries"], stats["hits"], stats["misses"]) == (3, 1, 3)
    assert stats["hit_share"] == 0.25
    whole = (await owner.get("/api/cache")).json()
    assert whole["stats"] == stats
    assert len(whole["entries"]) == 3


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({}, []),
        ({"model": "acme/m0"}, ["01"]),
        ({"signature": "01" * 32}, ["02", "00"]),
    ],
)
async def test_what_is_named_goes(
    owner: httpx.AsyncClient, query: dict[str, str], left: list[str]
) -> None:
    answer = await owner.delete("/api/cache/entries", params=query)
    assert answer.json() == {"removed": 3 - len(left)}
    assert await entries(owner) == left


async def test_what_is_old_goes(owner: httpx.AsyncClient, services: Services) -> None:
    before_ms = services.now_ms() - MINUTE_MS
    answer = await owner.delete("/api/cache/entries", params={"before_ms": before_ms})
    assert answer.json() == {"removed": 1}
    assert await entries(owner) == ["02", "01"]


async def test_the_whole_cache_can_be_emptied(owner: httpx.AsyncClient) -> None:
    assert (await owner.delete("/api/cache")).json() == {"removed": 3}
    assert await entries(owner) == []


async def test_what_is_not_there_or_named_twice_is_refused(
    client: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    path = "/api/cache/entries"
    assert (await owner.delete(path, params={"signature": "0f" * 32})).status_code == 404
    both = {"signature": "01" * 32, "model": "acme/m1"}
    assert (await owner.delete(path, params=both)).status_code == 422
    assert (await owner.delete(path, params={"signature": "x"})).status_code == 422
    assert (await client.delete(path)).status_code == 401
