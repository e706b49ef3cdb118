"""Connections are tried over the API, saved or not; the provider's own models are imported."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from tests.control.test_probing import KEY, LIST, REFUSED, upstream

ANSWERS = {"GET /v1/models": (200, LIST), "GET /v1/models anonymous": REFUSED}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with upstream(ANSWERS, []) as made:
        yield made


async def configure(owner: httpx.AsyncClient, port: int, **more: Any) -> None:
    node = {"id": "acme", "format": "openai", "baseUrl": f"http://127.0.0.1:{port}/v1"}
    assert (await owner.post("/api/provider-nodes", json=node)).status_code == 201
    connection = {"provider": "acme", "name": "a", "apiKey": KEY} | more
    assert (await owner.post("/api/providers", json=connection)).status_code == 201


async def test_a_stored_connection_is_tried(owner: httpx.AsyncClient, port: int) -> None:
    await configure(owner, port)
    answer = await owner.post("/api/providers/acme%2Fa/test", json={})
    assert answer.status_code == 200
    assert (answer.json()["ok"], answer.json()["via"]) == (True, "models")
    assert KEY not in answer.text


async def test_one_that_is_off_is_tried_without_being_switched_on(
    owner: httpx.AsyncClient, port: int, services: Services
) -> None:
    await configure(owner, port, isActive=False)
    version = services.configuration.version
    assert (await owner.post("/api/providers/acme%2Fa/test", json={})).json()["ok"] is True
    assert services.configuration.version == version
    (shown,) = (await owner.get("/api/providers")).json()["connections"]
    assert shown["isActive"] is False


async def test_an_unknown_one_is_404(owner: httpx.AsyncClient) -> None:
    assert (await owner.post("/api/providers/acme%2Fa/test", json={})).status_code == 404


@pytest.mark.parametrize(
    ("wish", "count"),
    [
        ({}, 1),
        ({"mode": "provider", "providerId": "acme"}, 1),
        ({"mode": "provider", "providerId": "openai"}, 0),
        ({"mode": "compatible"}, 1),
        ({"mode": "oauth"}, 0),
        ({"mode": "free"}, 0),
    ],
)
async def test_many_are_tried_together(
    owner: httpx.AsyncClient, port: int, wish: dict[str, str], count: int
) -> None:
    await configure(owner, port)
    answer = (await owner.post("/api/providers/test-batch", json=wish)).json()
    assert (answer["working"], answer["failing"], len(answer["results"])) == (count, 0, count)


async def test_what_is_not_saved_is_tried_and_forgotten(
    owner: httpx.AsyncClient, port: int, services: Services
) -> None:
    body = {"apiKey": KEY, "format": "openai", "baseUrl": f"http://127.0.0.1:{port}/v1"}
    answer = await owner.post("/api/providers/validate", json=body)
    assert answer.json()["ok"] is True
    await configure(owner, port)
    known = await owner.post("/api/providers/validate", json={"provider": "acme", "apiKey": KEY})
    assert (known.json()["ok"], known.json()["id"]) == (True, "acme")
    kinds = [(each.kind, each.id) for each in services.store.entities.all()]
    assert kinds == [("connection", "acme/a"), ("provider", "acme")]


async def test_what_is_not_saved_and_wrong_is_told_by_its_field(owner: httpx.AsyncClient) -> None:
    answer = await owner.post("/api/providers/validate", json={"provider": "nobody"})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "provider"


async def test_the_providers_own_list_is_shown_and_imported_once(
    owner: httpx.AsyncClient, port: int
) -> None:
    await configure(owner, port)
    listed = (await owner.get("/api/providers/acme%2Fa/models")).json()
    assert listed["models"] == [{"id": "one", "isKnown": False}, {"id": "two", "isKnown": False}]
    first = await owner.post("/api/providers/acme%2Fa/sync-models")
    assert first.json() == {"added": ["one", "two"], "known": 0}
    again = await owner.post("/api/providers/acme%2Fa/sync-models")
    assert again.json() == {"added": [], "known": 2}


async def test_a_list_that_cannot_be_had_imports_nothing(owner: httpx.AsyncClient) -> None:
    await configure(owner, 1)
    answer = await owner.post("/api/providers/acme%2Fa/sync-models")
    assert answer.status_code == 409
    assert "cannot be reached" in answer.json()["error"]["message"]


async def test_a_model_is_tried_at_a_connection_that_is_on(
    owner: httpx.AsyncClient, port: int
) -> None:
    await configure(owner, port)
    answer = (await owner.post("/api/models/test", json={"model": "acme/one"})).json()
    assert (answer["id"], answer["ok"], answer["status"]) == ("acme/a", False, 404)
    for model in ("nobody/one", "acme"):
        refused = await owner.post("/api/models/test", json={"model": model})
        assert refused.status_code == 404
