"""Limits hold: of keys, of accounts, of providers and tiers; and whatever happens to a request,
nothing of them stays reserved."""

import json

import pytest
import trio

from omniroute.resilience.meters import Reading
from omniroute.state import incarnation
from omniroute.state.interface import StateError
from tests.gateway.accounts_material import (
    Accounts,
    account,
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
    used,
)
from tests.gateway.chat_material import chunk

# A thousand micro-USD for each token that is generated, nothing for those that are read.
DEAR = '[[pricing]]\nmodel = "acme/plain"\ninput = 0\noutput = 1000\n'
CAP = 100
BOUND = 0.1  # USD that an answer of at most CAP tokens may cost


def budget(usd: float) -> str:
    return f'budget = {{ usd = {usd}, period = "monthly" }}'


# --- of a key -------------------------------------------------------------------------------------

DIALECTS = {
    "openai": ("/v1/chat/completions", {"model": "acme/plain", "messages": []}),
    "responses": ("/v1/responses", {"model": "acme/plain", "input": "hi"}),
    "claude": (
        "/v1/messages",
        {"model": "acme/plain", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "gemini": (
        "/v1beta/models/acme/plain:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
}
TOLD_BY = {
    "openai": ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
    "responses": ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
    "claude": ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining"),
    "gemini": (),
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_key_beyond_its_rate_is_told_in_its_dialect(
    memory_gateway, autojump_clock, dialect
):
    path, body = DIALECTS[dialect]
    upstream = Accounts()
    async with memory_gateway(upstream, more=key("slow", "rpm = 2")) as gateway:
        statuses = []
        for _ in range(3):
            client = await gateway.client()
            await client.post(json.dumps(body).encode(), path=path, key="sk-of-slow")
            answer = await client.answer()
            statuses.append(answer.status)
        assert statuses == [200, 200, 429]
        assert 55 <= int(answer.headers["retry-after"]) <= 65
        assert [answer.headers[name] for name in TOLD_BY[dialect]] == ["2", "0"][
            : len(TOLD_BY[dialect])
        ]
        assert "limited to 2 requests in 60 s" in answer.body.decode()
        assert len(upstream.asked) == 2
        await trio.sleep(int(answer.headers["retry-after"]))
        assert (await ask(gateway, key="slow")).status == 200


async def test_a_request_counts_once_at_its_key_however_many_targets_it_tries(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(429), beta_main=fails(429))
    more = (
        provider("beta", limits="rpm = 50")
        + provider("gamma", limits="rpm = 50")
        + combo("all", "acme/plain", "beta/plain", "gamma/plain")
        + key("slow", "rpm = 2")
    )
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "all", key="slow")) == "gamma/main"
        assert used(gateway, "key/file/slow/rpm") == 1
        assert used(gateway, "connection/beta/main/rpm") == 1


async def test_tokens_are_reserved_by_their_bound_and_settled_by_their_count(
    memory_gateway, autojump_clock
):
    release = trio.Event()
    upstream = Accounts(acme_main=until(release, says(tokens=5)))
    async with memory_gateway(upstream, more=key("small", "tpm = 3000")) as gateway:
        client = await gateway.client()
        await post(client, "acme/plain", key="small", max_tokens=1000)
        await trio.sleep(0.1)
        assert 2000 < reserved(gateway)["key/file/small/tpm"] < 2300
        refused = await ask(gateway, key="small", max_tokens=1000)
        assert refused.status == 429
        assert refused.headers["x-ratelimit-limit-tokens"] == "3000"
        assert refused.headers["retry-after"] == "1"  # when the other one may have ended
        release.set()
        assert (await client.answer()).status == 200
        assert reserved(gateway) == {}
        assert used(gateway, "key/file/small/tpm") == 7 + 5
        assert (await ask(gateway, key="small", max_tokens=1000)).status == 200


async def test_a_target_that_takes_less_serves_where_others_take_too_much(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    more = (
        provider("beta")
        + '[[models]]\nprovider = "beta"\nid = "plain"\nmax_output_tokens = 500\n'
        + combo("both", "acme/plain", "beta/plain")
        + key("small", "tpm = 3000")
    )
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "both", key="small")) == "beta/main"


async def test_so_many_requests_of_a_key_at_a_time(memory_gateway, autojump_clock):
    release = trio.Event()
    upstream = Accounts(acme_main=until(release, says()))
    async with memory_gateway(upstream, more=key("two", "max_concurrent = 2")) as gateway:
        running = [await gateway.client() for _ in range(2)]
        for client in running:
            await post(client, "acme/plain", key="two", stream=True)
        await trio.sleep(0.1)
        answer = await ask(gateway, key="two")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert "2 requests at a time" in told(answer)
        release.set()
        for client in running:
            assert (await client.answer()).status == 200
        assert (await ask(gateway, key="two")).status == 200
        assert reserved(gateway) == {}


async def test_a_budget_admits_what_certainly_fits(memory_gateway, autojump_clock):
    release = trio.Event()
    upstream = Accounts(acme_main=until(release, says(tokens=50)))
    more = DEAR + key("frugal", budget(2.5 * BOUND))
    async with memory_gateway(upstream, more=more) as gateway:
        running = [await gateway.client() for _ in range(2)]
        for client in running:
            await post(client, "acme/plain", key="frugal", max_tokens=CAP)
        await trio.sleep(0.1)
        assert reserved(gateway) == {"key/file/frugal/usd/monthly": 200_000}
        answer = await ask(gateway, key="frugal", max_tokens=CAP)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert answer.headers["x-should-retry"] == "false"
        assert json.loads(answer.body)["error"]["code"] == "insufficient_quota"
        release.set()
        for client in running:
            await client.answer()
        assert used(gateway, "key/file/frugal/usd/monthly") == 100_000
        assert (await ask(gateway, key="frugal", max_tokens=CAP)).status == 200
        assert (await ask(gateway, key="frugal", max_tokens=CAP)).status == 200
        answer = await ask(gateway, key="frugal", max_tokens=CAP)
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 3600  # the next month


async def test_free_targets_serve_when_the_budget_is_used_up_or_overdrawn(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=says(tokens=3 * CAP))  # more than was asked for
    more = (
        DEAR
        + provider("gratis", more='tier = "free"')
        + combo("thrifty", "acme/plain", "gratis/plain")
        + key("frugal", budget(BOUND))
    )
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "thrifty", key="frugal", max_tokens=CAP)) == "ok"
        assert used(gateway, "key/file/frugal/usd/monthly") == 300_000
        answer = await ask(gateway, "thrifty", key="frugal", max_tokens=CAP)
        assert told(answer) == "gratis/main"
        assert (await ask(gateway, key="frugal", max_tokens=CAP)).status == 429
        assert reserved(gateway) == {}


async def test_what_is_billed_beyond_the_bound_is_settled_told_and_recorded(
    memory_gateway, autojump_clock, caplog
):
    upstream = Accounts(acme_main=says(tokens=150))
    async with memory_gateway(upstream, more=DEAR + key("frugal", budget(1))) as gateway:
        await ask(gateway, key="frugal", max_tokens=CAP)
        record = await gateway.record()
        assert (record.cost_microusd, record.beyond_microusd) == (150_000, 50_000)
        assert used(gateway, "key/file/frugal/usd/monthly") == 150_000
    assert "more than the most that was expected" in caplog.text


# --- of an account --------------------------------------------------------------------------------


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


# --- no leaks -------------------------------------------------------------------------------------

EVERY_LIMIT = "rpm = 1000\nmax_concurrent = 5"
ALL = (
    DEAR
    + '[[pricing]]\nmodel = "beta/plain"\ninput = 0\noutput = 1000\n'
    + provider("beta", limits=EVERY_LIMIT)
    + combo("both", "beta/plain", "acme/plain")
    + '[[budgets]]\nprovider = "beta"\nusd = 100\n'
    + key("all", f"rpm = 1000\ntpm = 1000000\nmax_concurrent = 5\n{budget(100)}")
)


async def cut(side) -> None:
    await side.start_stream()
    await side.event(chunk("some words"))
    await trio.sleep(1)
    side.reset()


async def test_a_stream_that_is_cut_pays_for_what_came(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=cut)
    async with memory_gateway(upstream, more=ALL) as gateway:
        await ask(gateway, "beta/plain", key="all", stream=True, max_tokens=CAP)
        assert reserved(gateway) == {}
        record = await gateway.record()
        assert record.cost_microusd == used(gateway, "key/file/all/usd/monthly") > 0


@pytest.mark.parametrize("act", [after(100, says()), cut], ids=["silent", "streaming"])
async def test_a_client_that_leaves_gives_everything_back(memory_gateway, autojump_clock, act):
    upstream = Accounts(beta_main=act)
    async with memory_gateway(upstream, more=ALL) as gateway:
        client = await gateway.client()
        await post(client, "beta/plain", key="all", stream=True)
        await trio.sleep(0.5)
        assert len(reserved(gateway)) == 5
        await client.stream.aclose()
        await gateway.record()
        assert reserved(gateway) == {}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_attempts_that_fail_give_everything_back(memory_gateway, autojump_clock, status):
    upstream = Accounts(beta_main=fails(status), acme_main=fails(status))
    async with memory_gateway(upstream, more=ALL) as gateway:
        assert (await ask(gateway, "both", key="all")).status == status
        assert reserved(gateway) == {}
        assert used(gateway, "key/file/all/usd/monthly") == 0
        assert used(gateway, "key/file/all/rpm") == 1


async def test_who_leaves_a_line_leaves_nothing_behind(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=after(20, says()))
    more = ALL.replace(EVERY_LIMIT, "max_concurrent = 1")
    async with memory_gateway(upstream, more=more) as gateway:
        running, waiting = await gateway.client(), await gateway.client()
        for client in (running, waiting):
            await post(client, "beta/plain", key="all")
            await trio.sleep(0.1)
        assert reserved(gateway)["key/file/all/running"] == 1  # who waits holds nothing
        await waiting.stream.aclose()
        await trio.sleep(0.1)
        assert "beta/main" not in gateway.gateway.lines
        assert (await running.answer()).status == 200
        assert reserved(gateway) == {}
        assert len(upstream.asked) == 1


async def test_a_request_that_waits_for_a_cooldown_holds_nothing(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("beta/main", fails(429, extra=b"retry-after: 20\r\n"), says())
    more = f"[resilience]\nwait_for_cooldown_s = 30\n{ALL}"
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "beta/plain", key="all")
        await trio.sleep(5)
        assert reserved(gateway) == {}
        assert (await client.answer()).status == 200
        assert reserved(gateway) == {}
        assert used(gateway, "key/file/all/rpm") == 1


async def test_a_request_that_cannot_be_decoded_holds_nothing(memory_gateway, autojump_clock):
    more = ALL.replace('id = "beta"', 'id = "beta"\nquirks = ["think-tags"]')
    async with memory_gateway(Accounts(), more=more) as gateway:
        answer = await ask(gateway, "beta/plain", key="all", messages=[{"role": "user"}, 7])
        assert answer.status == 400
        assert reserved(gateway) == {}


async def test_a_defect_of_the_gateway_holds_nothing(memory_gateway, autojump_clock, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    async with memory_gateway(Accounts(), more=ALL) as gateway:
        monkeypatch.setattr(gateway.gateway.pool, "acquire", broken)
        client = await gateway.client()
        await post(client, "beta/plain", key="all")
        assert await client.closed() == b""
        assert reserved(gateway) == {}
        assert (await gateway.record()).outcome == "failed"


@pytest.mark.parametrize("when", ["reserve", "exchange"])
async def test_a_limit_that_cannot_be_kept_is_not_passed_over(
    memory_gateway, autojump_clock, monkeypatch, when
):
    def full(*_):
        raise StateError("no room")

    upstream = Accounts(beta_main=fails(429))
    async with memory_gateway(upstream, more=ALL) as gateway:
        monkeypatch.setattr(gateway.gateway.limits, when, full)
        answer = await ask(gateway, "both", key="all")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert len(upstream.asked) == (when == "exchange")
        assert reserved(gateway) == {}


# --- workers --------------------------------------------------------------------------------------


async def test_what_a_worker_that_dies_leaves_is_settled_as_far_as_it_was_noted(
    memory_gateway, autojump_clock, monkeypatch
):
    async def talks(side):
        await side.start_stream()
        await side.event(chunk("word " * 40))
        await trio.sleep(100)

    upstream = Accounts(beta_main=fails(429), acme_main=talks)
    async with memory_gateway(upstream, more=ALL) as gateway:
        client = await gateway.client()
        await post(client, "both", key="all", stream=True)
        await trio.sleep(0.1)
        limits, now_ms = gateway.gateway.limits, gateway.gateway.now_ms()
        gateway.gateway.note_running()
        monkeypatch.setattr(incarnation, "is_alive", lambda _: False)
        (lost,) = limits.reap(now_ms)
        assert (lost.outcome, lost.connection, lost.attempts) == ("worker_lost", "acme/main", 2)
        assert lost.usage.output_tokens >= 40
        assert lost.cost_microusd == used(gateway, "key/file/all/usd/monthly") > 0
        assert reserved(gateway) == {}


async def test_what_was_sent_counts_even_before_the_first_note(
    memory_gateway, autojump_clock, monkeypatch
):
    upstream = Accounts(beta_main=after(100, says()))
    more = ALL.replace("input = 0", "input = 1000")
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "both", key="all")
        await trio.sleep(0.1)
        monkeypatch.setattr(incarnation, "is_alive", lambda _: False)
        (lost,) = gateway.gateway.limits.reap(gateway.gateway.now_ms())
        assert (lost.connection, lost.model) == ("beta/main", "plain")
        assert lost.usage.input_tokens > 0
        assert used(gateway, "key/file/all/usd/monthly") == lost.cost_microusd > 0


async def test_two_workers_never_pass_one_budget(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=after(0.5, says(tokens=CAP)))
    limit = 10 * BOUND
    more = DEAR + key("frugal", budget(limit))
    statuses: list[int] = []
    most = 0

    async def hammer(worker) -> None:
        for _ in range(4):
            answer = await ask(worker, key="frugal", max_tokens=CAP)
            statuses.append(answer.status)

    async def watch(worker, done: trio.Event) -> None:
        nonlocal most
        (meter,) = next(
            principal.meters
            for principal in worker.gateway.view.principals.values()
            if principal.meters
        )
        while not done.is_set():
            reading: Reading = worker.gateway.limits.readings([meter], worker.gateway.now_ms())[0]
            most = max(most, reading.used + reading.reserved)
            await trio.sleep(0.01)

    async with memory_gateway(upstream, more=more) as first, second_worker(first) as second:
        done = trio.Event()
        async with trio.open_nursery() as watching:
            watching.start_soon(watch, first, done)
            async with trio.open_nursery() as nursery:
                for worker in (first, second) * 4:
                    nursery.start_soon(hammer, worker)
            done.set()
        assert statuses.count(200) == 10  # every micro-USD of it was used
        assert set(statuses) == {200, 429}
        assert most == 1_000_000
        assert reserved(first) == {}


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


async def test_an_account_without_limits_costs_no_reservation(
    memory_gateway, autojump_clock, monkeypatch
):
    def untouched(*_):
        raise AssertionError("no limit is in the way")

    async with memory_gateway(Accounts(), provider=account("acme", "spare")) as gateway:
        for name in ("reserve", "exchange", "release"):
            monkeypatch.setattr(gateway.gateway.limits, name, untouched)
        assert (await ask(gateway)).status == 200
