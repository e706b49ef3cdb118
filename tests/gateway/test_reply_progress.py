"""Progress of a stream: for those who ask, every two seconds, the last word before the end."""

import json
from itertools import pairwise

import pytest
import trio

from tests.gateway.accounts_material import Accounts, after, ask, fails, provider, says
from tests.gateway.chat_material import FINISH, USAGE, chunk

WANTED = "x-omniroute-progress: true\r\n"


def progress(body: bytes) -> list[dict]:
    events = [each for each in body.split(b"\n\n") if each.startswith(b"event: progress\n")]
    return [json.loads(each.split(b"data: ")[1]) for each in events]


def talking(seconds: float, pause_s: float):
    async def act(side):
        await side.start_stream()
        end = trio.current_time() + seconds
        while trio.current_time() < end:
            await side.event(chunk("four "))
            await trio.sleep(pause_s)
        await side.event(FINISH)
        await side.event(USAGE.replace(b":3", b":999"))
        await side.end_stream()

    return act


@pytest.mark.parametrize("pause_s", [0.1, 30], ids=["flowing", "pausing"])
async def test_it_is_told_every_two_seconds_while_it_flows_and_while_it_pauses(
    memory_gateway, autojump_clock, pause_s
):
    upstream = Accounts(acme_main=talking(20, pause_s))
    async with memory_gateway(upstream) as gateway:
        events = progress((await ask(gateway, stream=True, extra=WANTED)).body)
    elapsed = [event["elapsed_ms"] for event in events]
    assert all(2000 <= b - a <= 2600 for a, b in pairwise([0, *elapsed[:-1]]))
    assert len(events) >= (9 if pause_s == 0.1 else 12)
    tokens = [event["tokens_generated"] for event in events]
    assert tokens == sorted(tokens)
    assert [event.get("done", False) for event in events] == [False] * (len(events) - 1) + [True]
    assert tokens[-1] == 999  # by the upstream's own count


async def test_the_last_word_stands_before_the_terminator(memory_gateway, autojump_clock):
    async with memory_gateway(Accounts(acme_main=says("short"))) as gateway:
        body = (await ask(gateway, stream=True, extra=WANTED)).body
        assert body.index(b'"done":true') < body.index(b"data: [DONE]")
        assert body.endswith(b"data: [DONE]\n\n")
        assert len(progress(body)) == 1


async def test_nobody_hears_of_it_who_did_not_ask(memory_gateway, autojump_clock):
    upstream = Accounts(acme_main=talking(20, 5))
    async with memory_gateway(upstream) as gateway:
        assert progress((await ask(gateway, stream=True)).body) == []
        answer = await ask(gateway, extra=WANTED, stream=True)
        assert progress(answer.body)
        upstream.tell("acme/main", says("whole"))
        assert json.loads((await ask(gateway, extra=WANTED)).body)["choices"]


@pytest.mark.parametrize(
    ("path", "told"), [("?alt=sse", True), ("", False)], ids=["events", "array"]
)
async def test_a_json_array_has_no_place_for_it(memory_gateway, autojump_clock, path, told):
    upstream = Accounts(acme_main=talking(10, 1))
    asked = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        where = f"/v1beta/models/acme/plain:streamGenerateContent{path}"
        await client.post(json.dumps(asked).encode(), path=where, extra=WANTED)
        body = (await client.answer()).body
        assert bool(progress(body)) is told
        if not told:
            assert isinstance(json.loads(body), list)


async def test_before_the_first_word_there_are_keepalives_and_nothing_else(
    memory_gateway, autojump_clock
):
    upstream = Accounts(acme_main=after(20, fails(429)), beta_main=after(20, talking(5, 1)))
    chain = '[[fallback_chains]]\nname = "c"\nmodels = ["beta/plain"]\n'
    async with memory_gateway(upstream, more=provider("beta") + chain) as gateway:
        body = (await ask(gateway, stream=True, extra=WANTED)).body
        assert body.startswith(b": keepalive\n\n")
        assert b"progress" not in body.split(b"four")[0]
        assert progress(body)[-1]["done"]
