"""Models are added and hidden over the API; the catalog says what can be asked for."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of


@pytest.fixture(autouse=True)
def connection(services: Services) -> None:
    values = {"provider": "openai", "name": "a", "api_key": "sk-test-1234"}
    editing_of(services).create("connection", values)


async def models(owner: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    (provider,) = (await owner.get("/api/models/catalog")).json()["providers"]
    return {each["id"]: each for each in provider["models"]}


async def test_a_custom_model_is_listed_with_what_is_said_of_it(owner: httpx.AsyncClient) -> None:
    body = {"provider": "openai", "modelId": "x/new", "modelName": "New", "contextTokens": 9}
    assert (await owner.post("/api/provider-models", json=body)).status_code == 201
    made = (await models(owner))["x/new"]
    assert (made["displayName"], made["contextTokens"], made["isCustom"]) == ("New", 9, True)
    gone = await owner.delete("/api/provider-models?provider=openai&model=x/new")
    assert gone.status_code == 204
    assert "x/new" not in await models(owner)


async def test_a_model_is_hidden_and_shown_again(owner: httpx.AsyncClient) -> None:
    known = next(id_ for id_, each in (await models(owner)).items() if not each["isCustom"])
    for is_on in (False, True):
        wish = {"provider": "openai", "modelId": known, "isActive": is_on}
        assert (await owner.patch("/api/provider-models", json=wish)).status_code == 200
        assert (await models(owner))[known]["isActive"] is is_on


async def test_prices_stand_beside_models(owner: httpx.AsyncClient) -> None:
    assert any(each["inputUsd"] for each in (await models(owner)).values())


async def test_combos_and_aliases_are_names_too(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json={"name": "fast", "models": ["openai/one"]})
    await owner.post("/api/aliases", json={"pattern": "old", "target": "fast"})
    catalog = (await owner.get("/api/models/catalog")).json()
    assert (catalog["combos"], catalog["aliases"]) == (["fast"], {"old": "fast"})
