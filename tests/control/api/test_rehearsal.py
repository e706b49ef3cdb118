"""The simulator by one call: a provider that answers, once; another's name is not taken."""

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.rehearsal import PROVIDER


@pytest.mark.processes
async def test_one_call_adds_it_and_a_second_changes_nothing(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = await owner.post("/api/simulator", json={})
    assert made.json() == {"provider": PROVIDER, "model": f"{PROVIDER}/plain"}
    pid = services.rehearsal.pid
    assert pid is not None
    again = await owner.post("/api/simulator", json={})
    assert again.status_code == made.status_code == 200
    assert services.rehearsal.pid == pid
    known = (await owner.get("/api/providers/catalog")).json()["providers"]
    (shown,) = (each for each in known if each["id"] == PROVIDER)
    assert shown["isUsable"]
    entries = (await owner.get("/api/compliance/audit-log")).json()["entries"]
    assert [each["after"]["is_new"] for each in entries] == [False, True]


async def test_a_provider_of_that_name_that_is_somebody_elses_stays(
    owner: httpx.AsyncClient, services: Services
) -> None:
    wish = {"id": PROVIDER, "format": "openai", "baseUrl": "https://models.example/v1"}
    assert (await owner.post("/api/provider-nodes", json=wish)).status_code == 201
    refused = await owner.post("/api/simulator", json={})
    assert refused.status_code == 409
    assert services.rehearsal.pid is None
