"""Connections and providers are managed over the API, with how they are right now."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.resilience import cooldown

CANARY = "sk-canary-in-the-coal-mine"
CONNECTION = {"provider": "openai", "name": "a", "apiKey": CANARY, "maxConcurrent": 3}
NODE = {
    "id": "mine",
    "format": "openai",
    "baseUrl": "http://127.0.0.1:9/v1",
    "models": ["one"],
    "headers": {"X-Token": CANARY},
}


async def listed(owner: httpx.AsyncClient) -> dict[str, Any]:
    (only,) = (await owner.get("/api/providers")).json()["connections"]
    return dict(only)


async def test_a_connection_is_used_at_once_and_its_key_never_shown(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = await owner.post("/api/providers", json=CONNECTION)
    assert made.status_code == 201
    assert (made.json()["apiKey"], made.json()["hasCredential"]) == ("[secret]", True)
    snapshot = services.configuration.snapshot
    assert snapshot is not None
    (view,) = snapshot.connections
    assert services.installation.decrypt(view.secret).decode() == CANARY
    for path in ("/api/providers", "/api/compliance/audit-log", "/api/status"):
        assert CANARY not in (await owner.get(path)).text


async def test_another_credential_replaces_the_old_one(
    owner: httpx.AsyncClient, services: Services
) -> None:
    await owner.post("/api/providers", json=CONNECTION)
    await owner.patch("/api/providers/openai%2Fa", json={"apiKey": "sk-another-one"})
    snapshot = services.configuration.snapshot
    assert snapshot is not None
    assert services.installation.decrypt(snapshot.connections[0].secret) == b"sk-another-one"


async def test_its_limits_are_told(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/providers", json=CONNECTION)
    (limit,) = (await listed(owner))["limits"]
    assert (limit["measure"], limit["limit"], limit["used"]) == ("running", 3, 0)


async def test_the_state_is_the_first_reason_why_it_is_not_used(
    owner: httpx.AsyncClient, services: Services
) -> None:
    await owner.post("/api/providers", json=CONNECTION)
    assert (await listed(owner))["state"] == "usable"
    policy = cooldown.Policy(60.0, 300.0, 86400.0)
    stored = cooldown.after_failure(None, services.now_ms(), policy, reason="429")
    services.state.conditions.change("cooldown:openai/a", lambda _: stored)
    cooling = await listed(owner)
    assert cooling["state"] == "cooling"
    assert "rests for another" in cooling["conditions"][0]["text"]
    await owner.patch("/api/providers/openai%2Fa", json={"isActive": False})
    assert (await listed(owner))["state"] == "off"


async def test_a_whole_provider_is_switched(owner: httpx.AsyncClient, services: Services) -> None:
    await owner.post("/api/providers", json=CONNECTION)
    for is_on in (False, True, False):
        answer = await owner.patch("/api/providers/catalog/openai", json={"isActive": is_on})
        assert answer.json()["isActive"] is is_on
        assert services.configuration.snapshot is not None
        assert bool(services.configuration.snapshot.connections) is is_on
    assert (await listed(owner))["state"] == "blocked"
    unknown = await owner.patch("/api/providers/catalog/nobody", json={"isActive": True})
    assert unknown.status_code == 404


async def test_the_catalog_holds_built_in_and_own_providers(owner: httpx.AsyncClient) -> None:
    assert (await owner.post("/api/provider-nodes", json=NODE)).status_code == 201
    known = {
        each["id"]: each for each in (await owner.get("/api/providers/catalog")).json()["providers"]
    }
    assert (known["mine"]["builtIn"], known["mine"]["isUsable"]) == (False, True)
    assert (known["claude"]["builtIn"], known["claude"]["isUsable"]) == (True, False)


async def test_the_values_of_a_nodes_headers_are_secrets(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = await owner.post("/api/provider-nodes", json=NODE)
    assert made.json()["headers"] == {"X-Token": "[secret]"}
    shown = {"headers": made.json()["headers"] | {"X-More": "1"}}
    await owner.patch("/api/provider-nodes/mine", json=shown)
    assert services.configuration.snapshot is not None
    (view,) = services.configuration.snapshot.providers
    assert dict(view.headers) == {"x-token": CANARY, "x-more": "1"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"baseUrl": "ftp://x"}, "baseUrl"),
        ({"format": None}, "format"),
        ({"headers": {"host": "x"}}, "headers.host"),
        ({"id": "Not An Id"}, "id"),
    ],
)
async def test_what_is_wrong_with_a_node_is_told(
    owner: httpx.AsyncClient, more: dict[str, Any], field: str
) -> None:
    answer = await owner.post("/api/provider-nodes", json=NODE | more)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field
