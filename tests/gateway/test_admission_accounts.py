"""Limits of accounts are kept by waiting in line, fair between keys; budgets of providers and tiers
send on at once."""

import pytest
import trio

from tests.gateway.accounts_material import (
    Accounts,
    after,
    ask,
    combo,
    fails,
    key,
    post,
    provider,
    reserved,
    says,
    second_worker,
    told,
    until,
)

# A thousand micro-USD for each token that is generated, nothing for those that are read.
DEAR = '[[pricing]]\nmodel = "acme/plain"\ninput = 0\noutput = 1000\n'
CAP = 100
BOUND = 0.1  # USD that an answer of at most CAP tokens may cost


async def answered(client, order: list[str], name: str) -> None:
    answer = await client.answer()
    order.append(name if answer.status == 200 else f"{name}: {answer.status}")


async def test_requests_wait_for_a_place_and_keys_take_turns(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=after(1, says()))
    more = provider("beta", limits="max_concurrent = 1") + key("many") + key("one")
    order: list[str] = []
    async with (
        memory_gateway(upstream, more=more) as gateway,
        trio.open_nursery() as nursery,
    ):
        for name in ("many", "many", "many", "many", "one"):
            client = await gateway.client()
            await post(client, "beta/plain", key=name)
            nursery.start_soon(answered, client, order, name)
            await trio.sleep(0.01)
    assert order == ["many", "many", "many", "one", "many"]
    gaps = [round(b - a) for a, b in zip(upstream.times, upstream.times[1:], strict=False)]
    assert gaps == [1, 1, 1, 1]  # never two at a time


async def test_a_gap_between_requests_is_kept_by_waiting(memory_gateway, autojump_clock):
    upstream = Accounts()
    async with memory_gateway(upstream, more=provider("beta", limits="min_gap_ms = 2000")) as run:
        for _ in range(3):
            assert (await ask(run, "beta/plain")).status == 200
    gaps = [b - a for a, b in zip(upstream.times, upstream.times[1:], strict=False)]
    assert all(2 <= gap < 2.1 for gap in gaps)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_rate_is_kept_by_waiting_also_longer_than_a_keepalive(
    memory_gateway, autojump_clock, stream
):
    upstream = Accounts()
    limits = "rpm = 1\nqueue_wait_s = 100"
    async with memory_gateway(upstream, more=provider("beta", limits=limits)) as gateway:
        await ask(gateway, "beta/plain")
        answer = await ask(gateway, "beta/plain", stream=stream)
        assert (answer.status, told(answer)) == (200, "beta/main")
        assert 60 <= upstream.times[1] - upstream.times[0] <= 66
        assert answer.body.count(b": keepalive") == (4 if stream else 0)
        record = gateway.records()[1]
        assert 60e6 <= record.queue_us <= 66e6
        assert record.overhead_us < 1e6


async def test_who_waited_long_enough_goes_on_to_the_next(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=after(60, says()))
    limits = "max_concurrent = 1\nqueue_wait_s = 5"
    more = provider("beta", limits=limits) + combo("both", "beta/plain", "acme/plain")
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "both")
        await trio.sleep(0.1)
        began = trio.current_time()
        assert told(await ask(gateway, "both")) == "acme/main"
        assert 5 <= trio.current_time() - began < 5.1
        answer = await ask(gateway, "beta/plain")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "all its places stayed taken for 5 s" in told(answer)


async def test_a_place_at_another_account_is_taken_rather_than_waited_for(
    memory_gateway, autojump_clock
):
    upstream = Accounts(beta_one=after(60, says()))
    more = provider("beta", "one", "two", limits="max_concurrent = 1")
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "beta/plain")
        await trio.sleep(0.1)
        assert told(await ask(gateway, "beta/plain")) == "beta/two"


async def test_who_has_to_wait_stands_in_the_shortest_line(memory_gateway, autojump_clock):
    upstream = Accounts(beta_one=after(10, says("one")), beta_two=after(10, says("two")))
    more = provider("beta", "one", "two", limits="max_concurrent = 1")
    order: list[str] = []
    async with (
        memory_gateway(upstream, more=more) as gateway,
        trio.open_nursery() as nursery,
    ):
        for number in range(4):
            client = await gateway.client()
            await post(client, "beta/plain")
            nursery.start_soon(answered, client, order, str(number))
            await trio.sleep(0.1)
        began = trio.current_time()
        nursery.start_soon(trio.sleep, 0)
    assert trio.current_time() - began < 21
    assert sorted(upstream.asked) == ["beta/one plain"] * 2 + ["beta/two plain"] * 2


async def test_who_stands_first_takes_a_place_that_comes_free_elsewhere(
    memory_gateway, autojump_clock
):
    upstream = Accounts(beta_one=after(60, says("one")))
    upstream.tell("beta/two", after(2, says("two")))
    more = provider("beta", "one", "two", limits="max_concurrent = 1\nqueue_wait_s = 20")
    order: list[str] = []
    async with (
        memory_gateway(upstream, more=more) as gateway,
        trio.open_nursery() as nursery,
    ):
        began = trio.current_time()
        for number in range(6):
            client = await gateway.client()
            await post(client, "beta/plain")
            nursery.start_soon(answered, client, order, str(number))
            await trio.sleep(0.01)
    assert sorted(order) == ["0", "1", "2", "3", "4", "5"]  # nobody gave up
    assert upstream.asked.count("beta/one plain") == 1
    assert max(upstream.times) - began < 9
    assert reserved(gateway) == {}


async def test_who_waited_and_was_refused_waits_for_the_other_account(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("beta/one", after(1, says("one")), fails(429))
    upstream.tell("beta/two", after(5, says("two")))
    more = provider("beta", "one", "two", limits="max_concurrent = 1")
    async with memory_gateway(upstream, more=more) as gateway:
        running = [await gateway.client() for _ in range(2)]
        for client in running:
            await post(client, "beta/plain")
            await trio.sleep(0.01)
        assert told(await ask(gateway, "beta/plain")) == "two"
        assert [each[5:8] for each in upstream.asked] == ["one", "two", "one", "two"]


async def test_a_failure_from_a_line_leaves_the_model_of_the_line_only(
    memory_gateway, autojump_clock
):
    too_long = fails(400, "too long", code="context_length_exceeded")
    upstream = Accounts(acme_one=fails(429))
    upstream.tell("beta/main", after(1, says()), too_long)
    more = (
        provider("beta", limits="max_concurrent = 1")
        + provider("gamma", "one", "two")
        + combo("both", "beta/plain", "gamma/plain")
    )
    upstream.tell("gamma/one", fails(429))
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "both")
        await trio.sleep(0.1)
        assert told(await ask(gateway, "both")) == "gamma/two"
        assert upstream.asked[1:] == ["beta/main plain", "gamma/one plain", "gamma/two plain"]


# --- of providers and tiers -----------------------------------------------------------------------


@pytest.mark.parametrize("of", ['provider = "acme"', 'tier = "apikey"'])
async def test_a_budget_of_a_provider_or_tier_sends_on_at_once(memory_gateway, autojump_clock, of):
    release = trio.Event()
    upstream = Accounts(acme_main=until(release, says(tokens=CAP)))
    more = (
        DEAR
        + f"[[budgets]]\n{of}\nusd = {1.5 * BOUND}\n"
        + provider("gratis", more='tier = "free"')
        + combo("thrifty", "acme/plain", "gratis/plain")
    )
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "thrifty", max_tokens=CAP)
        await trio.sleep(0.1)
        began = trio.current_time()
        assert told(await ask(gateway, "thrifty", max_tokens=CAP)) == "gratis/main"
        assert trio.current_time() - began < 0.1  # money that is reserved is not waited for
        release.set()
        assert told(await client.answer()) == "ok"
        answer = await ask(gateway, max_tokens=CAP)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 3600
        assert reserved(gateway) == {}


async def test_an_account_with_one_place_is_shared_by_two_workers(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=after(1, says()))
    more = provider("beta", limits="max_concurrent = 1")
    order: list[str] = []
    async with (
        memory_gateway(upstream, more=more) as first,
        second_worker(first) as second,
        trio.open_nursery() as nursery,
    ):
        for number, worker in enumerate((first, second, second, first)):
            client = await worker.client()
            await post(client, "beta/plain")
            nursery.start_soon(answered, client, order, str(number))
            await trio.sleep(0.01)
    assert sorted(order) == ["0", "1", "2", "3"]
    assert all(b - a >= 1 for a, b in zip(upstream.times, upstream.times[1:], strict=False))
