"""A lockout is shown and lifted alone, or with all of its account."""

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.resilience import cooldown

POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
KEYS = {"cooldown:acme/main", "lockout:acme/main big", "lockout:acme/main small", "target:acme big"}


@pytest.fixture(autouse=True)
def marked(services: Services) -> None:
    now_ms = services.now_ms()
    for key in KEYS:
        services.state.conditions.change(
            key, lambda _: cooldown.after_failure(None, now_ms, POLICY, reason="429")
        )


async def test_what_rests_is_shown(client: httpx.AsyncClient, owner: httpx.AsyncClient) -> None:
    told = (await owner.get("/api/policies")).json()
    assert [each["detail"] for each in told["lockouts"]] == ["big", "small"]
    assert [each["subject"] for each in told["targets"]] == ["acme"]
    assert [each["subject"] for each in told["cooldowns"]] == ["acme/main"]
    assert (await client.get("/api/policies")).status_code == 401


@pytest.mark.parametrize(
    ("identifier", "gone"),
    [
        ("acme/main big", {"lockout:acme/main big"}),
        ("acme/main", KEYS - {"target:acme big"}),
        ("acme big", {"lockout:acme/main big", "target:acme big"}),
        ("acme", KEYS),
    ],
)
async def test_what_is_named_is_lifted(
    owner: httpx.AsyncClient, services: Services, identifier: str, gone: set[str]
) -> None:
    body = {"action": "unlock", "identifier": identifier}
    answer = await owner.post("/api/policies", json=body)
    assert answer.json() == {"removed": len(gone)}
    assert set(services.state.conditions.read()[1]) == KEYS - gone


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "unlock", "identifier": "nobody"}, 404),
        ({"action": "unlock", "identifier": " "}, 404),
        ({"action": "lock", "identifier": "acme"}, 422),
        ({"identifier": "acme"}, 422),
    ],
)
async def test_what_is_not_there_is_not_lifted(
    owner: httpx.AsyncClient, services: Services, body: dict[str, str], status: int
) -> None:
    assert (await owner.post("/api/policies", json=body)).status_code == status
    assert set(services.state.conditions.read()[1]) == KEYS
