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


async def test_what_an_earlier_attempt_held_is_not_held_in_a_line(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=after(20, says()), gamma_main=fails(429))
    more = (
        ALL.replace(EVERY_LIMIT, "max_concurrent = 1")
        + provider("gamma", limits="max_concurrent = 1")
        + combo("later", "gamma/plain", "beta/plain")
    )
    async with memory_gateway(upstream, more=more) as gateway:
        running, waiting = await gateway.client(), await gateway.client()
        await post(running, "beta/plain")
        await trio.sleep(0.1)
        before = reserved(gateway)
        await post(waiting, "later", key="all")
        await trio.sleep(0.1)
        assert upstream.asked[-1] == "gamma/main plain"
        assert reserved(gateway) == before
        assert told(await waiting.answer()) == "ok"
        assert reserved(gateway) == {}


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


async def test_a_note_names_the_target_that_is_being_asked(
    memory_gateway, autojump_clock, monkeypatch
):
    upstream = Accounts(acme_main=after(2, fails(429)), beta_main=after(100, says()))
    more = provider("beta") + combo("both", "acme/plain", "beta/plain")
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "both")
        for _ in range(3):
            await trio.sleep(1)
            gateway.gateway.note_running()
        monkeypatch.setattr(incarnation, "is_alive", lambda _: False)
        (lost,) = gateway.gateway.limits.reap(gateway.gateway.now_ms())
        assert (lost.connection, lost.attempts) == ("beta/main", 2)


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


async def test_an_account_without_limits_costs_no_reservation(
    memory_gateway, autojump_clock, monkeypatch
):
    def untouched(*_):
        raise AssertionError("no limit is in the way")

    async with memory_gateway(Accounts(), provider=account("acme", "spare")) as gateway:
        for name in ("reserve", "exchange", "release"):
            monkeypatch.setattr(gateway.gateway.limits, name, untouched)
        assert (await ask(gateway)).status == 200
