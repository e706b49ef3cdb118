"""Addresses are banned for a while over the API, and let in again."""

import httpx
import pytest

from tests.control.conftest import TurnedClock

PATH = "/api/settings/ip-filter/bans"


async def test_a_ban_holds_until_its_end(owner: httpx.AsyncClient, clock: TurnedClock) -> None:
    wish = {"address": "192.0.2.7", "durationS": 60, "reason": "noise"}
    (made,) = (await owner.post(PATH, json=wish)).json()["bans"]
    assert (made["address"], made["reason"], made["byHand"]) == ("192.0.2.7", "noise", True)
    assert made["untilMs"] - made["sinceMs"] == 60_000
    clock.now_s += 61
    assert (await owner.get(PATH)).json() == {"bans": []}


async def test_a_ban_is_ended(owner: httpx.AsyncClient) -> None:
    await owner.post(PATH, json={"address": "2001:DB8::/32"})
    ended = await owner.delete(PATH, params={"address": "2001:db8::/32"})
    assert ended.json() == {"bans": []}
    assert (await owner.delete(PATH, params={"address": "192.0.2.7"})).status_code == 404


@pytest.mark.parametrize("address", ["nobody", "1.2.3.4/99"])
async def test_what_is_no_address_is_refused(owner: httpx.AsyncClient, address: str) -> None:
    answer = await owner.post(PATH, json={"address": address})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "address"
