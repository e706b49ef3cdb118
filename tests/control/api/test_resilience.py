"""What is held against accounts is shown, and lifted by whoever may change things."""

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.resetting import KINDS
from omniroute.resilience import breaker, cooldown

POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
KEYS = {"cooldown:acme/main", "cooldown:acme/other", "lockout:acme/main big"}


@pytest.fixture(autouse=True)
def marked(services: Services) -> None:
    for key in KEYS:
        stored = cooldown.after_failure(None, services.now_ms(), POLICY, reason="429")
        services.state.conditions.change(key, lambda _, stored=stored: stored)  # type: ignore[misc]


def left(services: Services) -> set[str]:
    return set(services.state.conditions.read()[1])


async def test_conditions_are_shown_in_parts(owner: httpx.AsyncClient) -> None:
    told = (await owner.get("/api/resilience/conditions")).json()
    assert [entry["subject"] for entry in told["cooldowns"]] == ["acme/main", "acme/other"]
    assert told["lockouts"][0]["ends_in_s"] == 60.0
    assert told["breakers"] == []


async def test_an_empty_wish_forgets_everything(
    owner: httpx.AsyncClient, services: Services
) -> None:
    answer = await owner.post("/api/resilience/reset", json={})
    assert (answer.status_code, answer.json()) == (200, {"removed": 3})
    assert left(services) == set()


@pytest.mark.parametrize(
    ("wish", "gone"),
    [
        ({"kind": "lockout"}, {"lockout:acme/main big"}),
        ({"subject": "acme/other"}, {"cooldown:acme/other"}),
        ({"subject": "acme", "kind": "cooldown"}, {"cooldown:acme/main", "cooldown:acme/other"}),
        ({"detail": "big"}, {"lockout:acme/main big"}),
        ({"kind": breaker.BREAKER}, set()),
    ],
)
async def test_a_wish_forgets_what_fits(
    owner: httpx.AsyncClient, services: Services, wish: dict[str, str], gone: set[str]
) -> None:
    answer = await owner.post("/api/resilience/reset", json=wish)
    assert answer.json() == {"removed": len(gone)}
    assert left(services) == KEYS - gone


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_can_be_named(owner: httpx.AsyncClient, kind: str) -> None:
    assert (await owner.post("/api/resilience/reset", json={"kind": kind})).status_code == 200


async def test_a_kind_that_is_none_is_refused(owner: httpx.AsyncClient, services: Services) -> None:
    answer = await owner.post("/api/resilience/reset", json={"kind": "ban"})
    assert answer.status_code == 422
    assert left(services) == KEYS


async def test_nobody_resets_without_being_allowed_to(
    client: httpx.AsyncClient, services: Services
) -> None:
    assert (await client.post("/api/resilience/reset", json={})).status_code == 401
    assert (await client.get("/api/resilience/conditions")).status_code == 401
    assert left(services) == KEYS
