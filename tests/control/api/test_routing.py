"""Names that stand for others are managed over the API and reach the snapshot."""

import httpx

from omniroute.control.api.services import Services


async def test_aliases_routes_and_chains_act(owner: httpx.AsyncClient, services: Services) -> None:
    await owner.post("/api/combos", json={"name": "fast", "models": ["openai/one"]})
    connection = {"provider": "openai", "name": "a", "apiKey": "sk-test-1234"}
    assert (await owner.post("/api/providers", json=connection)).status_code == 201
    for path, body in (
        ("/api/aliases", {"pattern": "old-*", "target": "fast"}),
        ("/api/model-combo-mappings", {"pattern": "gpt-*", "target": "fast"}),
        ("/api/fallback/chains", {"name": "last", "models": ["fast"], "appliesTo": ["gpt-*"]}),
    ):
        assert (await owner.post(path, json=body)).status_code == 201, path
    snapshot = services.configuration.snapshot
    assert snapshot is not None
    assert [(one.pattern, one.target) for one in snapshot.aliases] == [("old-*", "fast")]
    assert [(one.pattern, one.target) for one in snapshot.routes] == [("gpt-*", "fast")]
    assert [(one.name, one.applies_to) for one in snapshot.chains] == [("last", ("gpt-*",))]


async def test_a_pattern_stands_in_the_path_percent_encoded(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json={"name": "fast", "models": ["openai/one"]})
    await owner.post("/api/aliases", json={"pattern": "a/*?", "target": "fast"})
    assert (await owner.get("/api/aliases/a%2F*%3F")).json()["target"] == "fast"
    assert (await owner.delete("/api/aliases/a%2F*%3F")).status_code == 204


async def test_aliases_are_a_table_of_names_too(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json={"name": "fast", "models": ["openai/one"]})
    for target in ("openai/one", "fast"):
        wish = {"alias": "old", "model": target}
        answer = await owner.put("/api/models/alias", json=wish)
        assert answer.json() == {"aliases": {"old": target}}
    wrong = await owner.put("/api/models/alias", json={"alias": "x", "model": "nothing"})
    assert wrong.status_code == 422
    gone = await owner.delete("/api/settings/model-aliases", params={"alias": "old"})
    assert gone.json() == {"aliases": {}}
