"""What one worker finds out, the others skip; what is well again, all find out; and who is at fault
alone marks nobody."""

import pytest
import trio

from tests.gateway.accounts_material import (
    Accounts,
    account,
    after,
    ask,
    combo,
    fails,
    post,
    provider,
    says,
    second_worker,
    told,
    until,
)

SPARE = account("acme", "spare", "priority = 2")
BETA = provider("beta") + combo("both", "acme/plain", "beta/plain")
QUICK = "[resilience]\nretries = 0\nbreaker_failures = 2\nbreaker_reset_s = 30\n"


def conditions(harness) -> list[str]:
    return sorted(harness.state.conditions.read()[1])


async def test_an_account_that_one_worker_found_throttled_the_other_skips(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(429))
    async with (
        memory_gateway(upstream, provider=SPARE) as first,
        second_worker(first) as second,
    ):
        await ask(first)
        assert conditions(first) == ["cooldown:acme/main"]
        assert told(await ask(second)) == "acme/spare"
        assert upstream.asked == ["acme/main plain", "acme/spare plain", "acme/spare plain"]


async def test_a_success_clears_a_cooldown_and_its_level_for_all(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", fails(429), fails(429), says("well"), fails(429))
    async with memory_gateway(upstream) as first, second_worker(first) as second:
        for wait_s in (6, 11):  # the second cooldown is twice as long
            assert (await ask(first)).status == 429
            assert (await ask(second)).status == 503
            await trio.sleep(wait_s)
        assert told(await ask(second)) == "well"
        assert conditions(first) == []
        assert (await ask(first)).headers["retry-after"] == "5"  # it begins anew


async def test_a_stream_from_before_a_failure_proves_nothing_of_now(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", after(3, says("slow")), fails(429))
    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        await post(client, "acme/plain")
        await trio.sleep(1)
        await ask(gateway)
        assert told(await client.answer()) == "slow"
        assert conditions(gateway) == ["cooldown:acme/main"]


async def test_a_model_that_is_gone_rests_alone_from_its_second_failure_on(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("acme/main plain", fails(404, "no such model", code="model_not_found"))
    async with memory_gateway(upstream) as gateway:
        for _ in range(2):
            assert (await ask(gateway)).status == 404
        assert (await ask(gateway)).status == 503
        assert conditions(gateway) == ["target:acme plain"]
        assert told(await ask(gateway, "acme/other")) == "acme/main"


async def test_where_models_are_limited_each_on_its_own_only_that_one_is_locked_out(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("acme/main plain", fails(429))
    quirk = 'quirks = ["limits-per-model"]'
    async with memory_gateway(upstream, provider=quirk) as gateway:
        await ask(gateway)
        assert conditions(gateway) == ["lockout:acme/main plain"]
        assert (await ask(gateway)).status == 503
        assert told(await ask(gateway, "acme/other")) == "acme/main"


async def test_a_model_that_no_list_names_is_locked_out_too_but_not_without_bound(
    memory_gateway, autojump_clock, monkeypatch
):
    monkeypatch.setattr("omniroute.gateway.health.UNLISTED_MOST", 8)
    upstream = Accounts(acme_main=fails(429))
    quirk = 'quirks = ["limits-per-model"]'
    async with memory_gateway(upstream, provider=quirk) as gateway:
        await ask(gateway, "acme/unlisted")
        assert (await ask(gateway, "acme/unlisted")).status == 503
        for number in range(10):
            await ask(gateway, f"acme/made-up-{number}")
        assert len(conditions(gateway)) == 8
        await ask(gateway)  # one that is listed has its place all the same
        assert "lockout:acme/main plain" in conditions(gateway)


async def test_bad_requests_of_clients_mark_nobody(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(400, "wrong"))
    async with memory_gateway(upstream, more=QUICK) as gateway:
        for _ in range(20):
            assert (await ask(gateway)).status == 400
        assert conditions(gateway) == []
    assert len(upstream.asked) == 20


async def begins_and_pauses(side) -> None:
    await side.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    await side.send(b"content-length: 500\r\n\r\n{")
    await trio.sleep(3600)


async def refuses_and_pauses(side) -> None:
    await side.send(b"HTTP/1.1 503 Busy\r\ncontent-length: 500\r\n\r\n{")
    await trio.sleep(3600)


@pytest.mark.parametrize(
    "act", [after(3600, says()), begins_and_pauses, refuses_and_pauses], ids=["head", "body", "no"]
)
async def test_a_client_whose_connection_breaks_is_no_fault_of_the_upstream(
    memory_gateway, autojump_clock, monkeypatch, act
):
    async def broken(_):
        raise BrokenPipeError("the client is gone")

    upstream = Accounts(acme_main=act)
    async with memory_gateway(upstream, more=QUICK, provider=SPARE) as gateway:
        monkeypatch.setattr("omniroute.gateway.reply.Reply.keepalive", broken)
        client = await gateway.client()
        await post(client, "acme/plain", stream=True)
        await trio.sleep(20)
        assert (await gateway.record()).outcome == "cancelled"
        assert conditions(gateway) == []
        assert upstream.asked == ["acme/main plain"]


async def test_throttling_never_opens_the_breaker(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429))
    more = f"{QUICK}cooldown_base_s = 0.001\ncooldown_max_s = 0.001\n"
    async with memory_gateway(upstream, more=more) as gateway:
        for _ in range(20):
            assert (await ask(gateway)).status == 429
            await trio.sleep(0.1)
        assert conditions(gateway) == ["cooldown:acme/main"]


# --- the breaker ----------------------------------------------------------------------------------


async def test_a_provider_that_fails_is_left_alone_by_all_workers(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(500))
    async with memory_gateway(upstream, more=QUICK + BETA) as first, second_worker(first) as second:
        await ask(first, "both")
        await ask(second, "both")
        asked = len(upstream.asked)
        assert told(await ask(first, "both")) == "beta/main"
        assert told(await ask(second, "both")) == "beta/main"
        assert upstream.asked[asked:] == ["beta/main plain"] * 2
        answer = await ask(second)
        assert answer.status == 503
        assert "the breaker of acme is open" in told(answer)
        assert 29 <= int(answer.headers["retry-after"]) <= 30


async def test_a_breaker_that_opens_keeps_the_request_itself_from_other_accounts(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(500), acme_spare=fails(500))
    third = account("acme", "third", "priority = 3")
    async with memory_gateway(upstream, provider=SPARE + third, more=QUICK) as gateway:
        assert (await ask(gateway)).status == 500
        assert upstream.asked == ["acme/main plain", "acme/spare plain"]


async def test_half_open_lets_one_request_of_all_workers_through(memory_gateway, autojump_clock):
    release = trio.Event()
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), fails(500), until(release, says("well")), says("again"))
    async with memory_gateway(upstream, more=QUICK + BETA) as first, second_worker(first) as second:
        for _ in range(2):
            await ask(first)
        await trio.sleep(31)
        probe = await first.client()
        await post(probe, "both")
        await trio.sleep(0.1)
        for worker in (first, second, second):
            assert told(await ask(worker, "both")) == "beta/main"
        answer = await ask(second)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert upstream.asked.count("acme/main plain") == 3
        release.set()
        assert told(await probe.answer()) == "well"
        assert conditions(first) == []
        assert told(await ask(second, "both")) == "again"


async def test_who_may_wait_for_a_cooldown_waits_for_the_probe(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), fails(500), after(1, says("well")), says("again"))
    more = f"{QUICK}wait_for_cooldown_s = 10\n"
    async with memory_gateway(upstream, more=more) as gateway:
        await ask(gateway)
        await trio.sleep(1)
        first, second = await gateway.client(), await gateway.client()
        assert (await ask(gateway)).status == 500
        await trio.sleep(31)
        await post(first, "acme/plain")
        await trio.sleep(0.1)
        await post(second, "acme/plain")
        assert told(await first.answer()) == "well"
        assert told(await second.answer()) == "again"


async def test_a_probe_that_fails_is_not_repeated_and_opens_for_twice_as_long(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(500))
    more = QUICK.replace("retries = 0", "retries = 2")
    async with memory_gateway(upstream, more=more) as gateway:
        assert (await ask(gateway)).status == 500
        assert len(upstream.asked) == 2  # the repetition opened it
        await trio.sleep(31)
        assert (await ask(gateway)).status == 500
        assert len(upstream.asked) == 3
        answer = await ask(gateway)
        assert (answer.status, len(upstream.asked)) == (503, 3)
        assert 59 <= int(answer.headers["retry-after"]) <= 60


async def test_a_probe_that_may_not_be_repeated_frees_its_place(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("beta/main", fails(500), fails(500), fails(529), says("well"))
    more = QUICK.replace("retries = 0", "retries = 1\nretry_budget = 0")
    async with memory_gateway(upstream, more=more + provider("beta", limits="rpm = 9")) as gateway:
        for _ in range(2):
            await ask(gateway, "beta/plain")
        await trio.sleep(31)
        assert (await ask(gateway, "beta/plain")).status == 529
        assert told(await ask(gateway, "beta/plain")) == "well"


async def test_a_probe_that_comes_to_nothing_frees_its_place(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), fails(500), after(3600, says()), says("well"))
    async with memory_gateway(upstream, more=QUICK) as gateway:
        for _ in range(2):
            await ask(gateway)
        await trio.sleep(31)
        probe = await gateway.client()
        await post(probe, "acme/plain")
        await trio.sleep(1)
        await probe.stream.aclose()
        await trio.sleep(1)
        assert told(await ask(gateway)) == "well"


async def test_a_request_that_cannot_be_read_frees_the_place_of_the_probe(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), fails(500), says("well"))
    think = 'quirks = ["think-tags"]'
    async with memory_gateway(upstream, more=QUICK, provider=think) as gateway:
        for _ in range(2):
            await ask(gateway)
        await trio.sleep(31)
        assert (await ask(gateway, messages=[{"role": "user", "content": 7}])).status == 400
        assert told(await ask(gateway)) == "well"


async def test_counting_tokens_here_says_nothing_of_an_account(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(500))
    async with memory_gateway(upstream, more=QUICK) as gateway:
        for _ in range(2):
            await ask(gateway)
        await trio.sleep(31)
        client = await gateway.client()
        body = b'{"model":"acme/plain","messages":[{"role":"user","content":"hi"}]}'
        await client.post(body, path="/v1/messages/count_tokens")
        assert (await client.answer()).status == 200
        assert conditions(gateway) == ["breaker:acme"]
        assert gateway.gateway.gauges.account("acme/main").latency_ms is None


async def test_a_repetition_that_helps_clears_what_the_first_try_marked(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), says("well"))
    async with memory_gateway(upstream) as gateway:
        assert told(await ask(gateway)) == "well"
        assert conditions(gateway) == []


# --- reported quotas ------------------------------------------------------------------------------


def reporting(used: float, resets_in_s: int) -> bytes:
    resets = 1_900_000_000 + int(trio.current_time()) + resets_in_s
    name = b"anthropic-ratelimit-unified-5h"
    return b"%b-utilization: %.2f\r\n%b-reset: %d\r\n" % (name, used, name, resets)


async def test_an_account_that_reports_its_end_is_skipped_by_all_until_it_resets(
    memory_gateway, autojump_clock
):
    upstream = Accounts()

    async def last_one(side):
        await says("last", extra=reporting(1.0, 600))(side)

    upstream.tell("acme/main", last_one, says("renewed"))
    async with (
        memory_gateway(upstream, provider=SPARE) as first,
        second_worker(first) as second,
    ):
        assert told(await ask(first)) == "last"
        assert told(await ask(second)) == "acme/spare"
        assert told(await ask(first)) == "acme/spare"
        await trio.sleep(601)
        assert told(await ask(second)) == "renewed"


async def test_a_threshold_spares_the_rest_of_a_quota(memory_gateway, autojump_clock):
    upstream = Accounts()

    async def nearly(side):
        await says("nearly", extra=reporting(0.91, 7200))(side)

    careful = account("beta", "careful", "quota_threshold = 0.9\npriority = 1")
    upstream.tell("beta/careful", nearly)
    more = provider("beta", "spare").replace("priority = 0", "priority = 2") + careful
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "beta/plain")) == "nearly"
        assert told(await ask(gateway, "beta/plain")) == "beta/spare"


async def test_when_all_are_used_up_the_answer_says_until_when(memory_gateway, autojump_clock):
    upstream = Accounts()

    async def last_one(side):
        await says("last", extra=reporting(1.0, 600))(side)

    upstream.tell("acme/main", last_one)
    async with memory_gateway(upstream) as gateway:
        await ask(gateway)
        answer = await ask(gateway)
        assert answer.status == 503
        assert 599 <= int(answer.headers["retry-after"]) <= 600
        assert "its quota is used up" in told(answer)
