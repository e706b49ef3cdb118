"""What a failure leads to, end to end: the same target again, the next account, the next model, or
the client; and what it is told in the end."""

import json

import pytest
import trio

from omniroute.net.connector import ConnectFailed
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
    says,
    told,
)
from tests.gateway.chat_material import chunk

SPARE = account("acme", "spare", "priority = 2")
TWO = provider("beta") + combo("both", "acme/plain", "beta/plain")


# --- the same again -------------------------------------------------------------------------------


async def test_a_server_fault_is_repeated_at_the_same_target_after_a_pause(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    upstream.tell("acme/main", fails(500), says("better"))
    more = "[resilience]\nretry_base_ms = 1000"
    async with memory_gateway(upstream, provider=SPARE, more=more) as gateway:
        answer = await ask(gateway)
        assert (answer.status, told(answer)) == (200, "better")
        assert answer.headers["x-omniroute-attempts"] == "2"
        assert upstream.asked == ["acme/main plain"] * 2
        assert 0.5 <= upstream.times[1] - upstream.times[0] <= 1.01


async def test_a_second_fault_goes_on_to_another_account(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(502))
    async with memory_gateway(upstream, provider=SPARE) as gateway:
        assert told(await ask(gateway)) == "acme/spare"
        assert upstream.asked == ["acme/main plain"] * 2 + ["acme/spare plain"]


async def test_a_target_that_asks_for_a_long_pause_is_left_and_rests(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(503, extra=b"retry-after: 20\r\n"))
    async with memory_gateway(upstream, provider=SPARE) as gateway:
        assert told(await ask(gateway)) == "acme/spare"
        assert told(await ask(gateway)) == "acme/spare"
        assert upstream.asked == ["acme/main plain", "acme/spare plain", "acme/spare plain"]
        await trio.sleep(21)
        await ask(gateway)
        assert upstream.asked[3] == "acme/main plain"


async def test_repetitions_stay_within_their_share_of_the_traffic(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(500))
    more = "[resilience]\nretry_budget = 0.2\nretry_base_ms = 0\nbreaker_failures = 1000"
    async with memory_gateway(upstream, more=more) as gateway:
        for _ in range(50):
            await ask(gateway)
    # A fifth of the requests, beside the few that a lone user is always given.
    assert 50 + 10 <= len(upstream.asked) <= 50 + 10 + 4


async def test_other_accounts_of_a_provider_that_fails_are_asked_within_the_same_share(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(500), acme_spare=fails(500))
    more = f"[resilience]\nretries = 0\nbreaker_failures = 1000\n{TWO}"
    async with memory_gateway(upstream, more=more, provider=SPARE) as gateway:
        for _ in range(50):
            assert told(await ask(gateway, "both")) == "beta/main"
        spared = upstream.asked.count("acme/spare plain")
        assert 10 <= spared <= 10 + 4
        upstream.tell("beta/main", fails(429))
        message = told(await ask(gateway, "both"))
        assert "acme/spare: its provider fails for too many requests" in message


async def test_a_budget_of_nothing_repeats_nothing(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(500))
    async with memory_gateway(upstream, more="[resilience]\nretry_budget = 0") as gateway:
        assert (await ask(gateway)).status == 500
    assert len(upstream.asked) == 1


async def test_max_attempts_counts_repetitions(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(500), acme_spare=fails(500), beta_main=fails(500))
    more = f"[resilience]\nmax_attempts = 3\nretries = 1\n{TWO}"
    async with memory_gateway(upstream, more=more, provider=SPARE) as gateway:
        answer = await ask(gateway, "both")
        assert answer.status == 500
        assert answer.headers["x-omniroute-attempts"] == "3"
    assert len(upstream.asked) == 3


async def test_a_repetition_counts_at_the_limits_of_its_account(memory_gateway, autojump_clock):
    upstream = Accounts(beta_main=fails(500))
    more = provider("beta", limits="rpm = 1") + provider("gamma", limits="min_gap_ms = 1500")
    upstream.tell("gamma/main", fails(500), says("in time"))
    async with memory_gateway(upstream, more=more) as gateway:
        assert (await ask(gateway, "beta/plain")).status == 500
        assert upstream.asked == ["beta/main plain"]  # a second request is one too many
        assert told(await ask(gateway, "gamma/plain")) == "in time"
        assert upstream.times[2] - upstream.times[1] >= 1.5


# --- the next account -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 403, 429])
async def test_what_an_account_is_refused_another_is_asked(memory_gateway, autojump_clock, status):
    upstream = Accounts(acme_main=fails(status))
    async with memory_gateway(upstream, provider=SPARE) as gateway:
        assert told(await ask(gateway)) == "acme/spare"
        assert upstream.asked == ["acme/main plain", "acme/spare plain"]
        assert told(await ask(gateway)) == "acme/spare"
        assert len(upstream.asked) == 3  # the first rests: nobody else has to find out


async def test_a_retry_after_is_honoured_to_the_second(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", fails(429, extra=b"retry-after: 40\r\n"), says("back"))
    async with memory_gateway(upstream, provider=SPARE) as gateway:
        await ask(gateway)
        await trio.sleep(38)
        assert told(await ask(gateway)) == "acme/spare"
        await trio.sleep(3)
        assert told(await ask(gateway)) == "back"


async def test_a_timeout_is_not_repeated_where_it_may_still_run(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=after(3600, says()))
    more = "[upstream]\nfirst_byte_s = 10"
    async with memory_gateway(upstream, more=more, provider=SPARE) as gateway:
        assert told(await ask(gateway)) == "acme/spare"
        assert upstream.asked == ["acme/main plain", "acme/spare plain"]


# --- the next model -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        fails(400, "maximum context length is 100 tokens", code="context_length_exceeded"),
        fails(404, "The model `plain` does not exist", code="model_not_found"),
        fails(413),
    ],
    ids=["context", "gone", "large"],
)
async def test_what_a_model_cannot_do_no_other_account_is_asked_for(
    memory_gateway, autojump_clock, act
):
    upstream = Accounts(acme_main=act)
    async with memory_gateway(upstream, provider=SPARE, more=TWO) as gateway:
        assert told(await ask(gateway, "both")) == "beta/main"
        assert upstream.asked == ["acme/main plain", "beta/main plain"]


async def test_no_connection_leaves_the_provider(memory_gateway, autojump_clock):
    upstream = Accounts()
    more = f"[resilience]\nretries = 0\n{TWO}"
    scripts = (ConnectFailed("connection refused"), upstream)
    async with memory_gateway(*scripts, provider=SPARE, more=more) as gateway:
        assert told(await ask(gateway, "both")) == "beta/main"


POLICY = fails(400, "rejected by our safety system", code="content_policy_violation")


async def test_a_refusal_by_content_policy_is_told_unless_configured(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=POLICY)
    async with memory_gateway(upstream, more=TWO) as gateway:
        answer = await ask(gateway, "both")
        assert (answer.status, upstream.asked) == (400, ["acme/main plain"])
    more = f"[resilience]\ncontent_policy_next = true\n{TWO}"
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "both")) == "beta/main"


async def test_what_a_format_cannot_carry_another_member_is_asked(memory_gateway, autojump_clock):
    upstream = Accounts()
    more = (
        '[[providers]]\nid = "claude-like"\nformat = "claude"\nbase_url = "http://127.0.0.1:9"\n'
        'models = ["plain"]\n'
        + account("claude-like", "main")
        + combo("pair", "claude-like/plain", "acme/plain")
    )
    heard = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    async with memory_gateway(upstream, more=more) as gateway:
        answer = await ask(gateway, "pair", messages=[{"role": "user", "content": [heard]}])
        assert (answer.status, told(answer)) == (200, "acme/main")
        assert upstream.asked == ["acme/main plain"]


# --- the client -----------------------------------------------------------------------------------


async def test_a_bad_request_is_told_at_once_and_marks_nobody(memory_gateway, autojump_clock):
    upstream = Accounts()
    upstream.tell("acme/main", fails(400, "messages: expected an array"), says("fine"))
    async with memory_gateway(upstream, provider=SPARE, more=TWO) as gateway:
        answer = await ask(gateway, "both")
        assert answer.status == 400
        assert "expected an array" in told(answer)
        assert upstream.asked == ["acme/main plain"]
        assert gateway.state.conditions.read()[1] == {}
        assert told(await ask(gateway, "both")) == "fine"


async def test_the_last_error_names_every_target_and_when_to_come_back(
    memory_gateway, autojump_clock
):
    upstream = Accounts(
        acme_main=fails(429, "slow down", extra=b"retry-after: 30\r\n"),
        acme_spare=fails(429, "me too", extra=b"retry-after: 12\r\n"),
        beta_main=fails(429, "and I"),
    )
    async with memory_gateway(upstream, provider=SPARE, more=TWO) as gateway:
        answer = await ask(gateway, "both")
        assert answer.status == 429
        message = told(answer)
        for said in ("acme/main", "slow down", "acme/spare", "me too", "beta/main", "and I"):
            assert said in message
        # The cooldown that no hint told of ends first.
        assert 4 <= int(answer.headers["retry-after"]) <= 5
        answer = await ask(gateway, "both")  # all rest: nobody is asked
        assert answer.status == 503
        for target in ("acme/main", "acme/spare", "beta/main"):
            assert target in told(answer)
        assert 4 <= int(answer.headers["retry-after"]) <= 5
        assert len(upstream.asked) == 3


async def test_a_stand_in_does_not_blame_the_request_for_what_will_pass(
    memory_gateway, autojump_clock
):
    upstream = Accounts(
        acme_main=fails(429, "slow down", extra=b"retry-after: 9\r\n"),
        beta_main=fails(400, "too long", code="context_length_exceeded"),
    )
    async with memory_gateway(upstream, more=TWO) as gateway:
        answer = await ask(gateway, "both")
        assert (answer.status, answer.headers["retry-after"]) == (429, "9")
        assert "too long" in told(answer)


async def test_what_every_target_would_say_is_told_with_its_own_status(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=fails(429, "slow down"), beta_main=fails(400, "wrong type"))
    async with memory_gateway(upstream, more=TWO + provider("gamma")) as gateway:
        answer = await ask(gateway, "both")
        assert (answer.status, answer.headers.get("retry-after")) == (400, None)
        assert "slow down" in told(answer)
        assert "wrong type" in told(answer)


async def test_the_record_tells_every_target_that_was_tried(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429, "slow"))
    async with memory_gateway(upstream, more=TWO) as gateway:
        await ask(gateway, "both")
        record = await gateway.record()
        assert [(each.connection, each.status) for each in record.tried] == [("acme/main", 429)]
        assert (record.connection, record.attempts, record.combo) == ("beta/main", 2, "both")


# --- nothing twice --------------------------------------------------------------------------------


async def stops_in_the_middle(side) -> None:
    await side.start_stream()
    await side.event(chunk("half"))
    await trio.sleep(1)  # so that the client has it: a reset takes along what was not read
    side.reset()


async def stops_before_the_first_word(side) -> None:
    await side.start_stream()
    await side.event(chunk(""))
    await trio.sleep(1)
    side.reset()


async def test_nothing_is_repeated_after_the_first_generated_event(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=stops_in_the_middle)
    async with memory_gateway(upstream, provider=SPARE, more=TWO) as gateway:
        answer = await ask(gateway, "both", stream=True)
        assert answer.status == 200
        assert b'"half"' in answer.body
        assert b'"error"' in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert upstream.asked == ["acme/main plain"]
        assert (await gateway.record()).outcome == "failed"


async def begins_at_length(side) -> None:
    await side.start_stream()
    for _ in range(10):
        await side.event(chunk("", padding="x" * 10_000))
    await trio.sleep(1)
    side.reset()


async def test_nothing_is_repeated_when_a_long_beginning_was_passed_on(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=begins_at_length)
    async with memory_gateway(upstream, more=TWO) as gateway:
        answer = await ask(gateway, "both", stream=True)
        assert answer.status == 200
        assert b'"error"' in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert upstream.asked == ["acme/main plain"]


async def test_a_stream_that_breaks_before_its_first_word_is_replaced_unseen(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=stops_before_the_first_word)
    more = f"[resilience]\nretries = 0\n{TWO}"
    async with memory_gateway(upstream, more=more) as gateway:
        answer = await ask(gateway, "both", stream=True)
        assert (answer.status, told(answer)) == (200, "beta/main")
        assert b"error" not in answer.body
        assert answer.headers["x-omniroute-provider"] == "beta"


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
async def test_fallback_behind_a_keepalive_is_told_in_a_closing_comment(
    memory_gateway, autojump_clock, whole
):
    async def answers_whole(side):
        side.streams = False
        await says("rescued")(side)

    upstream = Accounts(
        acme_main=after(20, fails(500)), beta_main=answers_whole if whole else says("rescued")
    )
    more = f"[resilience]\nretries = 0\n{TWO}"
    async with memory_gateway(upstream, more=more) as gateway:
        answer = await ask(gateway, "both", stream=True)
        assert answer.body.startswith(b": keepalive\n\n")
        assert told(answer) == "rescued"
        assert b": x-omniroute-provider: beta; x-omniroute-model: plain" in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_total_failure_behind_a_keepalive_is_an_error_event_that_costs_nothing(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=after(20, fails(429)), beta_main=fails(429))
    pricing = '[[pricing]]\nmodel = "*/plain"\ninput = 100\noutput = 100\n'
    async with memory_gateway(upstream, more=TWO + pricing) as gateway:
        answer = await ask(gateway, "both", stream=True)
        assert answer.status == 200
        (error,) = [line for line in answer.body.split(b"\n") if b'"error"' in line]
        assert "beta/main" in json.loads(error[6:])["error"]["message"]
        assert answer.body.endswith(b"data: [DONE]\n\n")
        record = await gateway.record()
        assert (record.outcome, record.cost_microusd) == ("failed", 0)


async def test_a_client_that_leaves_while_all_wait_ends_the_search(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429, extra=b"retry-after: 50\r\n"))
    more = "[resilience]\nwait_for_cooldown_s = 60"
    async with memory_gateway(upstream, more=more) as gateway:
        client = await gateway.client()
        await post(client, "acme/plain")
        await trio.sleep(5)
        await client.stream.aclose()
        assert (await gateway.record()).outcome == "cancelled"
        await trio.sleep(60)
        assert len(upstream.asked) == 1


# --- waiting for a cooldown to end ----------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_may_wait_until_the_first_target_is_back(
    memory_gateway, autojump_clock, stream
):
    upstream = Accounts(beta_main=fails(429, extra=b"retry-after: 90\r\n"))
    upstream.tell("acme/main", fails(429, extra=b"retry-after: 20\r\n"), says("back"))
    more = f"[resilience]\nwait_for_cooldown_s = 30\n{TWO}"
    async with memory_gateway(upstream, more=more) as gateway:
        began = trio.current_time()
        answer = await ask(gateway, "both", stream=stream)
        assert (answer.status, told(answer)) == (200, "back")
        assert 20 <= trio.current_time() - began < 22
        assert answer.body.startswith(b": keepalive") is stream
        assert upstream.asked == ["acme/main plain", "beta/main plain", "acme/main plain"]


async def test_waiting_has_a_limit_over_all_waits_of_a_request(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429, extra=b"retry-after: 20\r\n"))
    more = "[resilience]\nwait_for_cooldown_s = 30"
    async with memory_gateway(upstream, more=more) as gateway:
        began = trio.current_time()
        answer = await ask(gateway)
        assert answer.status == 429
        assert trio.current_time() - began < 31
        assert upstream.times[-1] - upstream.times[0] >= 20
        assert len(upstream.asked) == 2


async def test_what_comes_back_too_late_is_not_waited_for(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429, extra=b"retry-after: 31\r\n"))
    more = "[resilience]\nwait_for_cooldown_s = 30"
    async with memory_gateway(upstream, more=more) as gateway:
        began = trio.current_time()
        answer = await ask(gateway)
        assert (answer.status, answer.headers["retry-after"]) == (429, "31")
        assert trio.current_time() - began < 1


# --- the order ------------------------------------------------------------------------------------


async def test_nested_combos_are_pursued_by_their_own_strategies(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429), beta_main=fails(429))
    more = (
        provider("beta")
        + provider("gamma")
        + provider("delta")
        + combo("inner", "beta/plain", "gamma/plain", more='strategy = "round-robin"')
        + combo("outer", "acme/plain", "inner", "delta/plain")
    )
    async with memory_gateway(upstream, more=more) as gateway:
        assert told(await ask(gateway, "outer")) == "gamma/main"
        assert [each.split("/")[0] for each in upstream.asked] == ["acme", "beta", "gamma"]


CHAIN = '[[fallback_chains]]\nname = "rescue"\nmodels = ["beta/plain"]\napplies_to = ["acme/*"]\n'


async def test_a_fallback_chain_follows_an_exhausted_plan(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429))
    async with memory_gateway(upstream, more=provider("beta") + CHAIN) as gateway:
        assert told(await ask(gateway)) == "beta/main"


async def test_a_chain_does_not_widen_what_a_key_may_use(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=fails(429))
    more = provider("beta") + CHAIN + key("narrow", 'models = ["acme/*"]')
    async with memory_gateway(upstream, more=more) as gateway:
        answer = await ask(gateway, key="narrow")
        assert answer.status == 429
        assert "may not use this model" in told(answer)
        assert upstream.asked == ["acme/main plain"]


async def test_tiers_follow_one_another_as_each_is_exhausted(memory_gateway, autojump_clock):
    upstream = Accounts()
    tiers = [provider(tier, more=f'tier = "{tier}"') for tier in ("subscription", "cheap", "free")]
    names = ("free/plain", "cheap/plain", "subscription/plain")
    more = "".join(tiers) + combo("saving", *names, more="tiered = true")
    async with memory_gateway(upstream, more=more) as gateway:
        seen = []
        for tier in ("subscription", "cheap", "free"):
            seen.append(told(await ask(gateway, "saving")))
            upstream.tell(f"{tier}/main", fails(429, "quota", extra=b"retry-after: 600\r\n"))
        assert seen == ["subscription/main", "cheap/main", "free/main"]
        upstream.tell("subscription/main", says("back"))
        await trio.sleep(601)
        assert told(await ask(gateway, "saving")) == "back"
