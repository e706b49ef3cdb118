"""A conversation stays with the account that served it, as long as that is healthy: there lies its
prompt cache."""

import json

import pytest
import trio

from omniroute.state.interface import StateError
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

THREE = account("acme", "b", "priority = 2") + account("acme", "c", "priority = 3")
IN_TURN = f'strategy = "round-robin"\nsticky_limit = 1\n{THREE}'


def session(name: str) -> str:
    return f"x-session-id: {name}\r\n"


async def served(harness, name: str, times: int = 1, **more) -> list[str]:
    return [told(await ask(harness, extra=session(name), **more)) for _ in range(times)]


async def test_a_conversation_keeps_its_account_while_others_are_spread(
    memory_gateway, autojump_clock
):
    async with memory_gateway(Accounts(), provider=IN_TURN) as gateway:
        first, second = await served(gateway, "one"), await served(gateway, "two")
        assert first != second
        assert await served(gateway, "one", 4) == first * 4
        assert await served(gateway, "two", 4) == second * 4


@pytest.mark.parametrize("header", ["x-session-id", "X_Session_Id", "session_id"])
async def test_the_id_of_a_session_comes_back(memory_gateway, autojump_clock, header):
    async with memory_gateway(Accounts(), provider=THREE) as gateway:
        answer = await ask(gateway, extra=f"{header}: chat-7\r\n")
        assert answer.headers["x-omniroute-session-id"] == "chat-7"
        assert (await gateway.record()).session == "chat-7"


async def test_an_id_in_the_body_holds_and_can_be_sent_as_a_header(memory_gateway, autojump_clock):
    async with memory_gateway(Accounts(), provider=IN_TURN) as gateway:
        answer = await ask(gateway, prompt_cache_key="thread-1")
        again = await ask(gateway, prompt_cache_key="thread-1")
        session_id = answer.headers["x-omniroute-session-id"]
        assert told(again) == told(answer)
        assert again.headers["x-omniroute-session-id"] == session_id
        assert await served(gateway, session_id) == [told(answer)]


async def test_a_conversation_is_known_by_how_it_began(memory_gateway, autojump_clock):
    first = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    later = [*first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and?"}]
    other = [first[0], {"role": "user", "content": "good day"}]
    async with memory_gateway(Accounts(), provider=IN_TURN) as gateway:
        began = await ask(gateway, messages=first)
        told(await ask(gateway, messages=other))
        went_on = await ask(gateway, messages=later)
        assert told(went_on) == told(began)
        assert (await ask(gateway, messages=later)).headers["x-omniroute-provider"] == "acme"


async def test_it_moves_on_a_failure_and_stays_where_it_moved(memory_gateway, autojump_clock):
    upstream = Accounts()
    async with memory_gateway(upstream, provider=THREE) as gateway:
        assert await served(gateway, "one") == ["acme/main"]
        upstream.tell("acme/main", fails(429))
        assert await served(gateway, "one") == ["acme/b"]
        upstream.tell("acme/main")
        await trio.sleep(60)
        assert await served(gateway, "one", 2) == ["acme/b"] * 2
        assert await served(gateway, "two") == ["acme/main"]


async def test_one_that_rested_too_long_begins_anew(memory_gateway, autojump_clock):
    upstream = Accounts()
    more = "[routing]\nsession_ttl_s = 100"
    async with memory_gateway(upstream, provider=THREE, more=more) as gateway:
        upstream.tell("acme/main", fails(429))
        assert await served(gateway, "one") == ["acme/b"]
        upstream.tell("acme/main")
        for _ in range(4):  # as long as it goes on, its time begins anew
            await trio.sleep(60)
            assert await served(gateway, "one") == ["acme/b"]
        await trio.sleep(101)
        assert await served(gateway, "one") == ["acme/main"]


async def test_the_same_id_of_another_key_is_another_conversation(memory_gateway, autojump_clock):
    upstream = Accounts()
    async with memory_gateway(upstream, provider=THREE, more=key("other")) as gateway:
        upstream.tell("acme/main", fails(429))
        assert await served(gateway, "one") == ["acme/b"]
        upstream.tell("acme/main")
        await trio.sleep(60)
        assert await served(gateway, "one", key="other") == ["acme/main"]
        assert await served(gateway, "one") == ["acme/b"]


async def test_all_workers_keep_it(memory_gateway, autojump_clock):
    async with (
        memory_gateway(Accounts(), provider=IN_TURN) as first,
        second_worker(first) as second,
    ):
        await served(second, "elsewhere")  # so that the turns of the two differ
        kept = await served(first, "one")
        assert await served(second, "one", 3) == kept * 3


async def test_members_that_only_spread_requests_keep_it_too(memory_gateway, autojump_clock):
    more = (
        provider("beta")
        + combo("spread", "acme/plain", "beta/plain", more='strategy = "round-robin"')
        + combo("preferred", "acme/plain", "beta/plain")
    )
    upstream = Accounts()
    async with memory_gateway(upstream, more=more) as gateway:
        answer = await ask(gateway, "spread", extra=session("one"))
        for _ in range(3):
            assert told(await ask(gateway, "spread", extra=session("one"))) == told(answer)
        # Where the order says what is preferred, a conversation comes back to it.
        upstream.tell("acme/main", fails(429))
        assert told(await ask(gateway, "preferred", extra=session("two"))) == "beta/main"
        upstream.tell("acme/main")
        await trio.sleep(60)
        assert told(await ask(gateway, "preferred", extra=session("two"))) == "acme/main"


async def test_switched_off_nobody_is_kept_but_the_id_comes_back(memory_gateway, autojump_clock):
    more = "[routing]\nsticky_sessions = false"
    async with memory_gateway(Accounts(), provider=IN_TURN, more=more) as gateway:
        assert len(set(await served(gateway, "one", 3))) == 3
        answer = await ask(gateway, extra=session("one"))
        assert answer.headers["x-omniroute-session-id"] == "one"


async def test_an_account_that_cannot_be_kept_does_not_fail_the_answer(
    memory_gateway, autojump_clock, monkeypatch
):
    def full(*_):
        raise StateError("no room")

    async with memory_gateway(Accounts(), provider=IN_TURN) as gateway:
        monkeypatch.setattr(gateway.state.sessions, "keep", full)
        for stream in (False, True):
            answer = await ask(gateway, extra=session("one"), stream=stream)
            assert answer.status == 200
            assert b"error" not in answer.body


async def test_an_id_of_any_length_and_kind_is_cut_and_made_safe(memory_gateway, autojump_clock):
    async with memory_gateway(Accounts(), provider=THREE) as gateway:
        answer = await ask(gateway, extra=session("\u00fc" * 5000))
        assert answer.status == 200
        assert len(answer.headers["x-omniroute-session-id"]) < 400


async def test_with_one_account_nothing_is_looked_up(memory_gateway, autojump_clock, monkeypatch):
    def untouched(*_):
        raise AssertionError("there is no choice")

    async with memory_gateway(Accounts()) as gateway:
        monkeypatch.setattr(gateway.state.sessions, "account", untouched)
        monkeypatch.setattr(gateway.state.sessions, "keep", untouched)
        assert await served(gateway, "one") == ["acme/main"]


async def test_claude_code_is_known_by_its_session(memory_gateway, autojump_clock):
    asked = {
        "model": "acme/plain",
        "max_tokens": 9,
        "metadata": {"user_id": "user_1_account__session_2f1c"},
        "messages": [{"role": "user", "content": "hi"}],
    }
    async with memory_gateway(Accounts(), provider=IN_TURN) as gateway:
        seen = set()
        for text in ("hi", "there", "again"):
            client = await gateway.client()
            body = {**asked, "messages": [{"role": "user", "content": text}]}
            await client.post(json.dumps(body).encode(), path="/v1/messages")
            answer = await client.answer()
            seen.add((answer.headers["x-omniroute-session-id"], answer.body.split(b"acme/")[1][:1]))
        assert len(seen) == 1
