"""The audit log is read by pages, and says who changed what."""

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.store.interface import AuditEntry


@pytest.fixture
def entries(services: Services) -> list[int]:
    """Ids of seven entries, oldest first."""
    return [
        services.store.audit.add(
            AuditEntry(
                at_ms=1000 + number,
                actor="local token" if number % 2 else "session a",
                action="combos.replace",
                route="PUT /api/combos/{id}",
                entity=f"combo/{number}",
                after='{"name":"x"}',
                address="10.0.0.1",
            )
        )
        for number in range(7)
    ]


async def test_pages_give_each_entry_once_latest_first(
    owner: httpx.AsyncClient, entries: list[int]
) -> None:
    seen: list[int] = []
    query = "limit=3"
    while True:
        page = (await owner.get(f"/api/compliance/audit-log?{query}")).json()
        seen += [entry["id"] for entry in page["entries"]]
        if page["next"] is None:
            break
        query = f"limit=3&before={page['next']}"
    assert seen == entries[::-1]


async def test_filters(owner: httpx.AsyncClient, entries: list[int]) -> None:
    for query, count in (
        ("actor=local token", 3),
        ("action=combos.", 7),
        ("action=keys.", 0),
        ("entity=combo/3", 1),
        ("address=10.0.0.1", 7),
        ("since_ms=1002&until_ms=1004", 2),
    ):
        page = (await owner.get(f"/api/compliance/audit-log?{query}")).json()
        assert len(page["entries"]) == count, query


async def test_before_and_after_are_json(owner: httpx.AsyncClient, entries: list[int]) -> None:
    (entry,) = (await owner.get("/api/compliance/audit-log?limit=1")).json()["entries"]
    assert entry["before"] is None
    assert entry["after"] == {"name": "x"}
