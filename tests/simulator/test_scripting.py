"""Scripts of simulated providers are written, read and taken back over HTTP."""

from typing import Any

import pytest

MOUNTS = "/_simulator/mounts"


async def test_a_script_holds_until_another_is_written(simulator: Any) -> None:
    async with simulator() as it:
        told = await it.script("glm", scenario="error-503")
        assert told["script"]["scenario"] == "error-503"
        assert (await it.at("glm")).status_code == 503
        await it.script("glm")
        assert (await it.at("glm")).status_code == 200


async def test_an_accounts_script_holds_in_place_of_its_providers(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", scenario="error-503")
        await it.script("glm", account="two")
        assert [(await it.at("glm", key=key)).status_code for key in ("one", "two")] == [503, 200]
        await it.client.delete(f"{MOUNTS}/glm/accounts/two")
        assert (await it.at("glm", key="two")).status_code == 503


async def test_quotas_restart_by_a_call(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", quotas=[{"limit": 1, "kind": "credits"}])
        assert [(await it.at("glm")).status_code for _ in range(2)] == [200, 429]
        told = (await it.client.post(f"{MOUNTS}/glm/restart-quotas")).json()
        assert told["accounts"]["one"]["quotas"][0]["used"] == 0
        assert (await it.at("glm")).status_code == 200


async def test_another_script_for_the_provider_leaves_counts_and_other_scripts(
    simulator: Any,
) -> None:
    async with simulator() as it:
        await it.script("glm", account="two", quotas=[{"limit": 1}])
        await it.at("glm", key="two")
        await it.script("glm", quotas=[{"limit": 5}])
        assert (await it.at("glm", key="two")).status_code == 429
        assert (await it.told("glm"))["requests"] == 2


async def test_all_is_told_and_forgotten(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", scenario="error-503")
        await it.at("if")
        assert set((await it.client.get(MOUNTS)).json()) == {"glm", "if"}
        assert (await it.client.delete(MOUNTS)).json() == {}
        assert (await it.at("glm")).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "truncated"),
        (b'{"scenari": "plain"}', "scenari"),
        (b'{"scenario": "gremlins"}', "no scenario"),
        (b'{"share": 2}', "share"),
        (b'{"vendor": "nobody"}', "no vendor"),
        (b'{"quotas": [{"limit": -1}]}', "limit"),
        (b'{"bill": {"output_tokens": -1}}', "output_tokens"),
    ],
)
async def test_a_script_that_makes_no_sense_changes_nothing(
    simulator: Any, body: bytes, says: str
) -> None:
    async with simulator() as it:
        await it.script("glm", scenario="error-503")
        answer = await it.client.put(f"{MOUNTS}/glm", content=body)
        assert answer.status_code == 400
        assert says in answer.json()["error"]
        assert (await it.told("glm"))["script"]["scenario"] == "error-503"


async def test_an_accounts_script_is_checked_alike(simulator: Any) -> None:
    async with simulator() as it:
        answer = await it.client.put(f"{MOUNTS}/glm/accounts/a", json={"vendor": "openai"})
        assert answer.status_code == 400


async def test_there_is_room_for_so_many_providers_and_accounts(simulator: Any) -> None:
    async with simulator() as it:
        for number in range(100):
            await it.script(f"m{number}")
        assert (await it.client.put(f"{MOUNTS}/one-more", json={})).status_code == 400
        assert (await it.client.post(f"{MOUNTS}/one-more/restart-quotas")).status_code == 400
        assert (await it.at("one-more")).status_code == 507
        assert (await it.at("m1")).status_code == 200
