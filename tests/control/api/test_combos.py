"""Combos are managed over the API; how, is tested for all things alike."""

import httpx


async def test_a_combo_of_combos_needs_its_members(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json={"name": "inner", "models": ["openai/one"]})
    await owner.post("/api/combos", json={"name": "outer", "models": ["inner"]})
    refused = await owner.delete("/api/combos/inner")
    assert refused.status_code == 409
    assert "outer" in refused.json()["error"]["message"]


async def test_combos_cannot_lead_back_to_themselves(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json={"name": "a", "models": ["openai/one"]})
    await owner.post("/api/combos", json={"name": "b", "models": ["a"]})
    refused = await owner.patch("/api/combos/a", json={"models": ["b"]})
    assert refused.status_code in (409, 422)
    assert "lead back" in refused.json()["error"]["message"]
