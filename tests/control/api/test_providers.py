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


async def configurer(owner: httpx.AsyncClient) -> dict[str, str]:
    """Headers of one who may configure, but not everything."""
    wish = {"name": "configurer", "scopes": ["read", "write"]}
    made = (await owner.post("/api/auth/keys", json=wish)).json()
    return {"authorization": f"Bearer {made['key']}"}


ELSEWHERE = "http://127.0.0.1:10/v1"
NODE_OF_OPENAI = {"id": "openai", "baseUrl": ELSEWHERE}


@pytest.mark.parametrize(
    ("method", "path", "change"),
    [
        ("PATCH", "/api/providers/openai%2Fa", {"baseUrl": ELSEWHERE}),
        ("PATCH", "/api/providers/openai%2Fa", {"baseUrl": ELSEWHERE, "apiKey": "[secret]"}),
        ("PUT", "/api/providers/openai%2Fa", {"proxy": "http://127.0.0.1:10"}),
        ("PATCH", "/api/providers/openai%2Fa", {"provider": "mine"}),
        ("POST", "/api/provider-nodes", NODE_OF_OPENAI),
        ("POST", "/api/provider-nodes", {"id": "openai", "proxy": "http://127.0.0.1:10"}),
        ("POST", "/api/provider-nodes", {"id": "openai", "headers": {"x-to": "me"}}),
        ("POST", "/api/provider-nodes", {"id": "openai", "authHeader": "x-mine"}),
        ("PATCH", "/api/provider-nodes/mine", {"baseUrl": ELSEWHERE}),
        ("POST", "/api/providers", {"provider": "mine", "name": "b", "baseUrl": ELSEWHERE}),
        ("POST", "/api/providers/validate", {"provider": "mine", "baseUrl": ELSEWHERE}),
        ("PUT", "/api/settings/server", {"proxy": "http://127.0.0.1:10"}),
        ("PUT", "/api/settings/proxy", {"level": "global", "proxy": "http://127.0.0.1:10"}),
        (
            "PUT",
            "/api/settings/proxy",
            {"level": "connection", "id": "openai/a", "proxy": "http://127.0.0.1:10"},
        ),
        (
            "POST",
            "/api/combos",
            {"name": "x", "models": ["openai/x"], "proxy": "http://127.0.0.1:10"},
        ),
    ],
)
async def test_who_does_not_know_a_secret_cannot_have_it_sent_elsewhere(
    owner: httpx.AsyncClient,
    services: Services,
    method: str,
    path: str,
    change: dict[str, Any],
) -> None:
    connection = CONNECTION | {"apiKey": f"{CANARY}-of-openai"}
    for made in (("/api/providers", connection), ("/api/provider-nodes", NODE)):
        assert (await owner.post(made[0], json=made[1])).status_code == 201
    version = services.configuration.version
    refused = await owner.request(method, path, json=change, headers=await configurer(owner))
    assert refused.status_code == 403, refused.text
    assert "secret" in refused.json()["error"]["message"]
    assert CANARY not in refused.text
    assert services.configuration.version == version


@pytest.mark.parametrize("file", [__file__, "/nowhere"])
async def test_who_may_only_configure_cannot_ask_which_files_there_are(
    owner: httpx.AsyncClient, file: str
) -> None:
    wish = NODE | {"caFile": file}
    headers = await configurer(owner)
    refused = await owner.post("/api/provider-nodes", json=wish, headers=headers)
    assert refused.status_code == 403


async def test_who_gives_the_secret_or_may_do_everything_sends_it_where_they_like(
    owner: httpx.AsyncClient,
) -> None:
    await owner.post("/api/providers", json=CONNECTION)
    headers = await configurer(owner)
    change = {"baseUrl": ELSEWHERE, "apiKey": CANARY}
    by_key = await owner.patch("/api/providers/openai%2Fa", json=change, headers=headers)
    assert (by_key.status_code, by_key.json()["baseUrl"]) == (200, ELSEWHERE)
    by_owner = await owner.patch("/api/providers/openai%2Fa", json={"baseUrl": None})
    assert (by_owner.status_code, by_owner.json()["baseUrl"]) == (200, None)


async def test_who_may_configure_does_all_that_moves_no_secret(owner: httpx.AsyncClient) -> None:
    headers = await configurer(owner)
    made = await owner.post("/api/provider-nodes", json=NODE, headers=headers)
    assert made.status_code == 201, made.text
    own = CONNECTION | {"provider": "mine"}
    assert (await owner.post("/api/providers", json=own, headers=headers)).status_code == 201
    change = {"priority": 3, "isActive": False, "apiKey": "[secret]"}
    answer = await owner.patch("/api/providers/mine%2Fa", json=change, headers=headers)
    assert (answer.status_code, answer.json()["priority"]) == (200, 3)
