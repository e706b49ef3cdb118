"""Prices over the API: the built-in ones, one's own over them, and back."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of


@pytest.fixture(autouse=True)
def connection(services: Services) -> None:
    values = {"provider": "openai", "name": "a", "api_key": "sk-test-1234"}
    editing_of(services).create("connection", values)


async def price(owner: httpx.AsyncClient, model: str) -> Any:
    return (await owner.get("/api/pricing")).json()["pricing"]["openai"][model]


async def listed(owner: httpx.AsyncClient) -> str:
    return str(next(iter((await owner.get("/api/pricing")).json()["pricing"]["openai"])))


async def test_own_prices_hold_over_built_in_ones_until_they_are_reset(
    owner: httpx.AsyncClient,
) -> None:
    model = await listed(owner)
    before = await price(owner, model)
    assert before["source"] == "built in"
    wish = {"prices": {f"openai/{model}": {"input": 1.5, "output": 2.5}}}
    assert (await owner.patch("/api/pricing", json=wish)).status_code == 200
    own = await price(owner, model)
    assert (own["input"], own["output"], own["source"]) == (1.5, 2.5, "own")
    assert own["cachedInput"] == 1.5
    wish["prices"][f"openai/{model}"]["input"] = 3.5
    await owner.patch("/api/pricing", json=wish)
    assert (await price(owner, model))["input"] == 3.5
    assert (await owner.delete(f"/api/pricing?model=openai/{model}")).status_code == 200
    assert await price(owner, model) == before


async def test_all_own_prices_are_reset_together(owner: httpx.AsyncClient) -> None:
    model = await listed(owner)
    prices = {f"openai/{model}": {"input": 1, "output": 2}, "*/x": {"input": 1, "output": 2}}
    await owner.patch("/api/pricing", json={"prices": prices})
    assert len((await owner.get("/api/pricing/rules")).json()["rules"]) == 2
    await owner.delete("/api/pricing")
    assert (await owner.get("/api/pricing/rules")).json() == {"rules": []}


async def test_a_price_needs_a_provider(owner: httpx.AsyncClient) -> None:
    wish = {"prices": {"gpt-x": {"input": 1, "output": 2}}}
    answer = await owner.patch("/api/pricing", json=wish)
    assert answer.status_code == 422
    assert "names no provider" in answer.json()["error"]["message"]


async def test_a_row_that_is_not_there_cannot_be_reset(owner: httpx.AsyncClient) -> None:
    assert (await owner.delete("/api/pricing?model=a/b")).status_code == 404


async def test_the_built_in_prices_can_be_read(owner: httpx.AsyncClient) -> None:
    assert len((await owner.get("/api/pricing/defaults")).json()["rows"]) > 50
