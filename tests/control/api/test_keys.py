"""Client keys over the API: shown once, then known by name, limits and use."""

from urllib.parse import quote

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.record import Record
from omniroute.usage import Usage

KEY = {"name": "laptop", "allowedModels": ["acme/*"], "budget": [{"usd": 5}], "rpm": 9}


async def test_a_key_is_shown_once(owner: httpx.AsyncClient) -> None:
    made = await owner.post("/api/keys", json=KEY)
    assert made.status_code == 201
    text = made.json()["key"]
    assert text.startswith("sk-omni-")
    one = f"/api/keys/{quote(made.json()['id'], safe='')}"
    for path in ("/api/keys", one, "/api/compliance/audit-log", "/api/status"):
        answer = await owner.get(path)
        assert answer.status_code == 200
        assert text not in answer.text
    shown = (await owner.get(one)).json()
    assert shown["allowedModels"] == ["acme/*"]
    assert "key" not in shown


async def test_what_a_key_used_stands_beside_its_limits(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = (await owner.post("/api/keys", json=KEY)).json()
    record = Record(
        id="r1",
        started_ms=services.now_ms(),
        key_id=made["id"],
        usage=Usage(input_tokens=7, output_tokens=3),
        cost_microusd=1_250_000,
    )
    services.state.settle(record)
    (key,) = (await owner.get("/api/keys")).json()["keys"]
    assert key["usageToday"]["requests"] == 1
    assert key["usage30Days"] == {
        "requests": 1,
        "inputTokens": 7,
        "outputTokens": 3,
        "cost_microusd": 1_250_000,
        "costUsd": 1.25,
    }
    assert {limit["measure"]: limit["limit"] for limit in key["limits"]} == {
        "requests": 9,
        "usd": 5_000_000,
    }


async def test_keys_are_changed_rotated_and_revoked(owner: httpx.AsyncClient) -> None:
    made = (await owner.post("/api/keys", json=KEY)).json()
    one = f"/api/keys/{quote(made['id'], safe='')}"
    changed = await owner.patch(one, json={"rpm": None, "isActive": False})
    assert (changed.json()["rpm"], changed.json()["isActive"]) == (None, False)
    late = await owner.patch(one, json={"rpm": 1}, headers={"if-match": f'"{made["version"]}"'})
    assert late.status_code == 412
    rotated = await owner.post(f"{one}/rotate", json={"overlapS": 60})
    assert rotated.json()["key"] not in ("", made["key"])
    assert rotated.json()["previousUntilMs"] is not None
    assert (await owner.delete(one)).status_code == 204
    assert (await owner.get("/api/keys")).json() == {"keys": []}
    (revoked,) = (await owner.get("/api/keys?revoked=true")).json()["keys"]
    assert revoked["revokedMs"] is not None


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"rpm": 0}, "rpm"),
        ({"accessSchedule": {"days": []}}, "accessSchedule.days"),
        ({"allowedConnections": ["acme"]}, "allowedConnections[0]"),
        ({"key": "sk-own-key"}, "key"),
    ],
)
async def test_what_is_wrong_is_told_by_the_field_as_it_was_sent(
    owner: httpx.AsyncClient, more: dict[str, object], field: str
) -> None:
    answer = await owner.post("/api/keys", json=KEY | more)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field
