"""A purge takes away what it names and nothing else, and is in the audit log."""

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.store.interface import ProxyConnect, StoredBody
from tests.control.api.past import remember


@pytest.fixture(autouse=True)
def past(services: Services) -> None:
    remember(services)
    now_ms = services.now_ms()
    body = StoredBody(
        request_id="r01",
        attempt=0,
        side="client",
        direction="request",
        at_ms=now_ms,
        size=1,
        sealed=b"x",
    )
    services.store.bodies.add([body])
    connect = ProxyConnect(
        id=0,
        at_ms=now_ms,
        proxy="http://p:1",
        target="t:1",
        level="global",
        provider="acme",
        connection="acme/main",
        outcome="ok",
        error="",
        took_us=1,
    )
    services.store.proxy_log.add([connect])


async def left(owner: httpx.AsyncClient) -> dict[str, bool]:
    """What is still there to see."""
    answers = {
        "requests": (await owner.get("/api/usage/call-logs")).json()["requests"],
        "bodies": (await owner.get("/api/usage/call-logs/r01/bodies")).json()["bodies"],
        "connects": (await owner.get("/api/usage/proxy-logs")).json()["connects"],
        "sums": (await owner.get("/api/usage/analytics")).json()["rows"],
    }
    return {name: bool(found) for name, found in answers.items()}


@pytest.mark.parametrize(
    ("what", "stays"),
    [
        ("purge-detailed-logs", {"requests", "connects", "sums"}),
        ("purge-call-logs", {"connects", "sums"}),
        ("purge-logs", set()),
    ],
)
async def test_what_is_named_goes_and_the_rest_stays(
    owner: httpx.AsyncClient, services: Services, what: str, stays: set[str]
) -> None:
    answer = await owner.post(f"/api/settings/{what}", json={})
    assert answer.status_code == 200, answer.text
    assert sum(answer.json()["deleted"].values()) > 0
    assert {name for name, is_left in (await left(owner)).items() if is_left} == stays
    trail = (await owner.get("/api/compliance/audit-log")).json()["entries"]
    assert trail[0]["entity"] == "history"
