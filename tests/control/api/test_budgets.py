"""Budgets over the API: set in either way of saying it, told with what is left."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of


@pytest.fixture
async def key(owner: httpx.AsyncClient) -> str:
    return str((await owner.post("/api/keys", json={"name": "laptop"})).json()["id"])


async def limits(owner: httpx.AsyncClient, key: str) -> dict[str, float]:
    answer = await owner.get("/api/usage/budget", params={"apiKeyId": key})
    return {each["period"]: each["limitUsd"] for each in answer.json()["budgets"]}


async def test_a_keys_limits_are_set_one_by_one(owner: httpx.AsyncClient, key: str) -> None:
    for body in (
        {"apiKeyId": key, "dailyLimitUsd": 1.5, "monthlyLimitUsd": 20, "resetTime": "06:00"},
        {"apiKeyId": key, "monthlyLimitUsd": 30},
        {"keyId": key, "limit": 9, "period": "weekly"},
    ):
        assert (await owner.post("/api/usage/budget", json=body)).status_code == 200
    assert await limits(owner, key) == {"daily": 1.5, "weekly": 9.0, "monthly": 30.0}
    await owner.post("/api/usage/budget", json={"apiKeyId": key, "dailyLimitUsd": None})
    assert await limits(owner, key) == {"weekly": 9.0, "monthly": 30.0}


async def test_what_is_left_is_told(owner: httpx.AsyncClient, key: str) -> None:
    await owner.post("/api/usage/budget", json={"apiKeyId": key, "dailyLimitUsd": 2})
    (budget,) = (await owner.get("/api/usage/budget")).json()["budgets"]
    assert (budget["owner"], budget["name"]) == ("key", "laptop")
    assert (budget["usedUsd"], budget["leftUsd"], budget["limit_microusd"]) == (0, 2, 2_000_000)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"dailyLimitUsd": 1}, 422),
        ({"apiKeyId": "stored/nothing", "dailyLimitUsd": 1}, 404),
        ({"apiKeyId": "x", "dailyLimitUsd": -1}, 422),
        ({"apiKeyId": "x", "resetTime": "25:00"}, 422),
    ],
)
async def test_what_cannot_be_is_refused(
    owner: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    assert (await owner.post("/api/usage/budget", json=body)).status_code == status


async def test_tiers_and_providers_have_budgets_of_their_own(
    owner: httpx.AsyncClient, services: Services
) -> None:
    editing_of(services).create(
        "connection", {"provider": "openai", "name": "a", "api_key": "sk-test-1234"}
    )
    tier = await owner.post("/api/budgets", json={"tier": "cheap", "usd": 3, "period": "daily"})
    assert (tier.status_code, tier.json()["id"]) == (201, "tier/cheap/daily")
    await owner.post("/api/budgets", json={"provider": "openai", "usd": 4})
    both = await owner.post("/api/budgets", json={"tier": "cheap", "provider": "x", "usd": 4})
    assert both.status_code == 422
    told = (await owner.get("/api/usage/budget")).json()["budgets"]
    assert {(each["owner"], each["ownerId"], each["limitUsd"]) for each in told} == {
        ("tier", "cheap", 3.0),
        ("provider", "openai", 4.0),
    }
