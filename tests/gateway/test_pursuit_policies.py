"""What a key may use: models, accounts, hours; and it is shown no more than that."""

import json

import pytest
import trio

from tests.gateway.accounts_material import (
    Accounts,
    account,
    ask,
    combo,
    fails,
    key,
    provider,
    second_worker,
    told,
)

BETA = provider("beta")
BOTH = BETA + combo("both", "acme/plain", "beta/plain")


async def listed(harness, name: str) -> list[str]:
    client = await harness.client()
    await client.get("/v1/models", key=f"sk-of-{name}")
    return [each["id"] for each in json.loads((await client.answer()).body)["data"]]


async def test_a_key_may_ask_for_its_models_and_no_others(memory_gateway, autojump_clock):
    upstream = Accounts()
    more = BOTH + key("acme-only", 'models = ["acme/*"]')
    async with memory_gateway(upstream, more=more) as gateway:
        assert (await ask(gateway, "acme/other", key="acme-only")).status == 200
        answer = await ask(gateway, "beta/plain", key="acme-only")
        assert answer.status == 403
        assert json.loads(answer.body)["error"]["code"] == "model_not_allowed"
        assert await listed(gateway, "acme-only") == ["acme/plain", "acme/other"]
    assert upstream.asked == ["acme/main other"]


async def test_a_combo_counts_by_its_name_with_all_its_members(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429))
    more = BOTH + key("by-name", 'models = ["both"]')
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "both", key="by-name")) == "beta/main"
        assert (await ask(gateway, "beta/plain", key="by-name")).status == 403
        assert await listed(gateway, "by-name") == ["both"]


async def test_of_a_combo_that_is_not_allowed_the_allowed_members_serve(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    more = (
        BOTH
        + combo("neither", "acme/plain", "acme/other")
        + key("by-target", 'models = ["beta/*"]')
    )
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "both", key="by-target")) == "beta/main"
        answer = await ask(gateway, "neither", key="by-target")
        assert answer.status == 403
        assert "may not use the model 'neither'" in told(answer)
        assert upstream.asked == ["beta/main plain"]


async def test_an_alias_counts_by_its_name_or_by_what_it_stands_for(memory_gateway, autojump_clock):
    upstream = Accounts()
    alias = '[[aliases]]\npattern = "fast"\ntarget = "acme/plain"\n'
    more = alias + key("by-alias", 'models = ["fast"]') + key("by-model", 'models = ["acme/pl*"]')
    async with memory_gateway(upstream, more=more) as gateway:
        for name, model, status in (
            ("by-alias", "fast", 200),
            ("by-alias", "acme/plain", 403),
            ("by-model", "fast", 200),
            ("by-model", "acme/plain", 200),
            ("by-model", "acme/other", 403),
        ):
            assert (await ask(gateway, model, key=name)).status == status, (name, model)


async def test_a_key_uses_only_its_accounts_and_sees_what_they_serve(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    more = (
        BOTH
        + combo("beta-only", "beta/plain")
        + key("spare-only", 'connections = ["acme/sp*"]')
        + key("none-of-these", 'connections = ["gamma/*"]')
    )
    spare = account("acme", "spare", "priority = 2")
    async with memory_gateway(upstream, more=more, provider=spare) as gateway:
        assert told(await ask(gateway, key="spare-only")) == "acme/spare"
        assert told(await ask(gateway, "both", key="spare-only")) == "acme/spare"
        upstream.tell("acme/spare", fails(429))
        assert (await ask(gateway, key="spare-only")).status == 429
        assert set(upstream.asked) == {"acme/spare plain"}
        answer = await ask(gateway, key="none-of-these")
        assert answer.status == 403
        assert "may use no account that serves 'acme/plain'" in told(answer)
        assert await listed(gateway, "spare-only") == ["acme/plain", "acme/other", "both"]
        assert await listed(gateway, "none-of-these") == []
        client = await gateway.client()
        await client.get("/v1/models/acme/plain", key="sk-of-none-of-these")
        assert (await client.answer()).status == 404


async def test_what_is_refused_for_more_than_one_reason_is_still_forbidden(
    memory_gateway, autojump_clock
):
    more = BOTH + key("narrow", 'models = ["acme/*"]\nconnections = ["beta/*"]')
    async with memory_gateway(Accounts(), more=more) as gateway:
        assert (await ask(gateway, "both", key="narrow")).status == 403


async def test_a_conversation_does_not_lead_to_an_account_that_is_not_allowed_any_more(
    memory_gateway, autojump_clock
):
    spare = account("acme", "spare", "priority = 2")
    upstream = Accounts(acme_main=fails(429))
    more = key("spare-only", 'connections = ["acme/spare"]')
    session = "x-session-id: one\r\n"
    async with memory_gateway(upstream, more=more, provider=spare) as gateway:
        assert told(await ask(gateway, key="spare-only", extra=session)) == "acme/spare"
        assert told(await ask(gateway, key="spare-only", extra=session)) == "acme/spare"


# 2030-03-17 17:46:40 UTC, a Sunday: where the clock of these tests begins.


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [
        ("enabled = false", 403, "key_disabled"),
        ('expires = "2030-03-17T17:46:39"', 401, "key_expired"),
        ('expires = "2030-03-17T17:46:45"', 200, None),
        ('schedule = { days = ["mon"] }', 403, "outside_schedule"),
        ('schedule = { start = "17:00", end = "18:00" }', 200, None),
    ],
)
async def test_a_key_holds_at_its_hours_until_it_expires_or_is_switched_off(
    memory_gateway, autojump_clock, limit, status, code
):
    async with memory_gateway(Accounts(), more=key("limited", limit)) as gateway:
        answer = await ask(gateway, key="limited")
        assert answer.status == status
        if code is not None:
            assert json.loads(answer.body)["error"]["code"] == code


async def test_outside_its_hours_a_key_is_told_when_they_begin(memory_gateway, autojump_clock):
    hours = 'schedule = { start = "18:00", end = "19:00" }'
    async with memory_gateway(Accounts(), more=key("evening", hours)) as gateway:
        answer = await ask(gateway, key="evening")
        assert (answer.status, answer.headers["retry-after"]) == (403, "800")
        await trio.sleep(801)
        assert (await ask(gateway, key="evening")).status == 200
        await trio.sleep(3600)
        assert (await ask(gateway, key="evening")).status == 403


async def test_limits_of_a_key_hold_over_all_workers(memory_gateway, autojump_clock):
    async with (
        memory_gateway(Accounts(), more=key("slow", "rpm = 2")) as first,
        second_worker(first) as second,
    ):
        statuses = [(await ask(each, key="slow")).status for each in (first, second, first, second)]
    assert statuses == [200, 200, 429, 429]
