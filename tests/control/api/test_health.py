"""How everything is, over HTTP: who is throttled, what is used up and until when, what is wrong."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.configuration import Configuration, Sources
from omniroute.installation import Installation
from omniroute.record import Record
from omniroute.resilience import cooldown, quota
from omniroute.resilience.quota import Report
from omniroute.state.interface import Hold, State
from omniroute.store.database import Store

POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
TEXT = """
[[keys]]
name = "k"
key = "very-secret-key"
rpm = 2

[[providers]]
id = "acme"
format = "openai"
base_url = "https://api.acme.test/v1"

[[connections]]
provider = "acme"
name = "main"
api_key = "SECRETVALUE"
"""


@pytest.fixture
def configuration(
    tmp_path: Path, installation: Installation, state: State, store: Store
) -> Configuration:
    file = tmp_path / "omniroute.toml"
    file.write_text(TEXT)
    sources = Sources({}, file, tmp_path)
    made = Configuration(sources, installation, state, store.client_keys, store.entities.all)
    made.publish()
    return made


async def get(owner: httpx.AsyncClient, path: str) -> Any:
    answer = await owner.get(path)
    assert answer.status_code == 200, answer.text
    assert "SECRET" not in answer.text
    return answer.json()


def use(services: Services, requests: int) -> None:
    """That many requests of the key run now."""
    snapshot = services.configuration.snapshot
    assert snapshot is not None
    [meter] = snapshot.keys[0].meters
    for number in range(requests):
        ticket = number.to_bytes(16, "big")
        note = Record(id=str(number), started_ms=services.now_ms())
        refusal = services.state.limits.reserve(ticket, [Hold(meter, 1)], note, services.now_ms())
        assert refusal is None


@pytest.mark.parametrize("path", ["/api/rate-limits", "/api/usage/utilization"])
async def test_a_limit_shows_what_is_left_and_who_is_throttled(
    owner: httpx.AsyncClient, services: Services, path: str
) -> None:
    use(services, 1)
    told = await get(owner, path)
    [limit] = told["limits"]
    assert (limit["owner_kind"], limit["owner"]) == ("key", "file/k")
    assert (limit["limit"], limit["used"], limit["left"]) == (2, 1, 1)
    assert (limit["is_throttled"], told["throttled"]) == (False, [])


async def test_who_has_nothing_left_is_throttled_until_it_resets(
    owner: httpx.AsyncClient, services: Services
) -> None:
    use(services, 2)
    told = await get(owner, "/api/rate-limits")
    assert told["throttled"] == ["key/file/k/rpm"]
    assert 0 < told["limits"][0]["resets_in_s"] < 120


async def test_quotas_are_told_by_account_with_a_countdown(
    owner: httpx.AsyncClient, services: Services
) -> None:
    now_ms = services.now_ms()
    report = Report("5h", 1.0, now_ms + 90_000, now_ms, "header", limit=50, remaining=0)
    services.state.conditions.change(
        quota.quota_key("acme/main", "5h"), lambda stored: quota.after_report(stored, report)
    )
    [account] = (await get(owner, "/api/usage/quota"))["accounts"]
    assert account["used_up_until_ms"] == now_ms + 90_000
    [window] = account["windows"]
    assert (window["window"], window["resets_in_s"], window["is_used_up"]) == ("5h", 90.0, True)
    assert await get(owner, "/api/usage/acme/main") == account
    assert await get(owner, "/api/usage/acme%2Fmain") == account
    assert (await get(owner, "/api/usage/provider-limits"))["accounts"] == [account]
    assert (await owner.get("/api/usage/acme/other")).status_code == 404


async def test_quotas_are_asked_for_before_their_time(
    owner: httpx.AsyncClient, services: Services
) -> None:
    asked: list[str] = []

    def hurry(connection: str) -> int:
        asked.append(connection)
        return 2 if connection in ("", "acme/main") else 0

    services.hurry_quotas = hurry
    path = "/api/usage/provider-limits"
    answer = await owner.post(path, json={})
    assert (answer.status_code, answer.json()) == (202, {"asked": 2})
    assert (await owner.post(path, json={"connectionId": "acme/main"})).status_code == 202
    assert (await owner.post(path, json={"connectionId": "acme/x"})).status_code == 404
    assert asked == ["", "acme/main", "acme/x"]


async def test_deleting_the_health_forgets_what_is_held_against_anybody_but_no_quota(
    owner: httpx.AsyncClient, services: Services
) -> None:
    conditions, now_ms = services.state.conditions, services.now_ms()
    report = Report("5h", 1.0, now_ms + 90_000, now_ms, "header")

    def fail(stored: bytes | None) -> bytes | None:
        return cooldown.after_failure(stored, now_ms, POLICY, reason="429")

    conditions.change("cooldown:acme/main", fail)
    conditions.change("lockout:acme/main m", fail)
    conditions.change("quota:acme/main 5h", lambda stored: quota.after_report(stored, report))
    assert (await owner.delete("/api/monitoring/health")).json() == {"removed": 2}
    assert set(conditions.read()[1]) == {"quota:acme/main 5h"}


async def test_health_joins_what_processes_do_and_take(
    owner: httpx.AsyncClient, services: Services
) -> None:
    services.status = lambda: {
        "version": "x",
        "workers": [{"worker": 1, "pid": 7, "state": "ready", "inflight": 3}],
        "processes": [
            {"process": "control", "pid": 6, "memory_bytes": 5},
            {"process": "worker-1", "pid": 7, "memory_bytes": 9},
        ],
        "limits": [],
        "problems": ["the disk is full"],
    }
    told = await get(owner, "/api/monitoring/health")
    assert told["status"] == "degraded"
    assert told["processes"][1] == {
        "process": "worker-1",
        "worker": 1,
        "pid": 7,
        "state": "ready",
        "inflight": 3,
        "memory_bytes": 9,
    }
    assert told["system"] == {"version": "x", "problems": ["the disk is full"]}
    active = await get(owner, "/api/logs/active")
    assert (active["inflight"], active["workers"][0]["worker"]) == (3, 1)


async def test_resilience_settings_are_shown_and_changed(owner: httpx.AsyncClient) -> None:
    answer = await owner.patch("/api/resilience", json={"retries": 4})
    assert answer.status_code == 200, answer.text
    assert (await get(owner, "/api/resilience"))["settings"]["retries"]["value"] == 4


@pytest.mark.parametrize("path", ["/api/monitoring/health", "/api/rate-limits", "/api/usage/quota"])
async def test_health_is_closed(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401
