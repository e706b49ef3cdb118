"""Requests that are the same, through the whole pipeline: one call, every client's form."""

import json

import msgspec
import pytest
import trio

from omniroute.gateway.sharing import Meanings
from omniroute.similarity.embedding import load
from omniroute.snapshot import ComboView, MemberView, decode, encode
from tests.gateway.chat_material import FINISH, USAGE, chunk, request

OTHER_KEY = "sk-test-other-0987654321"
TWO_KEYS = f'[[keys]]\nname = "other"\nkey = "{OTHER_KEY}"\n'


def answer(text):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


class Provider:
    """Answers each request with its number; a stream with usage, as it was asked for."""

    def __init__(self):
        self.calls = 0
        self.go = trio.Event()
        self.go.set()

    async def __call__(self, side):
        while True:
            _, body = await side.request()
            self.calls += 1
            text = f"answer {self.calls}"
            if json.loads(body).get("stream"):
                await side.start_stream()
                await side.event(chunk(text))
                await self.go.wait()
                await side.event(FINISH)
                await side.event(USAGE)
                await side.end_stream()
            else:
                await self.go.wait()
                await side.answer(answer(text))


def content(told):
    return json.loads(told.body)["choices"][0]["message"]["content"]


async def ask(gateway, body, **options):
    client = await gateway.client()
    await client.post(body, **options)
    return await client.answer()


async def test_an_answer_is_given_again_in_every_form_and_costs_once(
    memory_gateway, autojump_clock
):
    provider = Provider()
    async with memory_gateway(provider) as gateway:
        first = await ask(gateway, request(temperature=0, stream=True))
        assert first.headers["x-omniroute-cache"] == "miss"
        again = await ask(gateway, request(temperature=0))
        assert content(again) == "answer 1"
        assert again.headers["x-omniroute-cache"] == "hit"
        assert again.headers["x-omniroute-provider"] == "acme"
        claude = json.dumps(
            {
                "model": "acme/plain",
                "max_tokens": 50,
                "temperature": 0,
                "messages": [{"role": "user", "content": "hi"}],
            }
        ).encode()
        told = await ask(gateway, claude, path="/v1/messages")  # another bound: another question
        assert json.loads(told.body)["content"][0]["text"] == "answer 2"
        openai = await ask(gateway, request(temperature=0, max_completion_tokens=50, stream=True))
        assert b"answer 2" in openai.body
        assert provider.calls == 2
        records = gateway.records()
        assert [record.cache for record in records] == ["miss", "hit", "miss", "hit"]
        assert [record.usage.output_tokens for record in records] == [3, 0, 3, 0]
        assert json.loads(again.body)["usage"]["completion_tokens"] == 3


async def test_identical_requests_under_way_are_one_call(memory_gateway, autojump_clock):
    provider = Provider()
    provider.go = trio.Event()
    async with memory_gateway(provider) as gateway:
        clients = [await gateway.client() for _ in range(3)]
        for client in clients:
            await client.post(request(temperature=0, stream=True))
        for client in clients:
            await client.head()
            assert b"answer 1" in await client.piece()
        await clients[0].stream.aclose()
        await trio.sleep(0.1)
        provider.go.set()
        for client in clients[1:]:
            data = b""
            while piece := await client.piece():
                data += piece
            assert data.endswith(b"data: [DONE]\n\n")
        assert provider.calls == 1
        await trio.sleep(0.1)
        # The call's record is that of who began it, though it had left.
        costs = {record.cache: record.usage.output_tokens for record in gateway.records()}
        assert costs == {"miss": 3, "collapsed": 0}


async def test_no_key_gets_what_another_was_told(memory_gateway, autojump_clock):
    provider = Provider()
    async with memory_gateway(provider, more=TWO_KEYS) as gateway:
        extra = "idempotency-key: same\r\n"
        mine = await ask(gateway, request(temperature=0), extra=extra)
        theirs = await ask(gateway, request(temperature=0), extra=extra, key=OTHER_KEY)
        assert [content(mine), content(theirs)] == ["answer 1", "answer 2"]


async def test_what_is_sent_twice_is_done_once_and_only_if_it_is_the_same(
    memory_gateway, autojump_clock
):
    provider = Provider()
    async with memory_gateway(provider) as gateway:
        extra = "idempotency-key: k\r\n"
        first = await ask(gateway, request(), extra=extra)
        second = await ask(gateway, request(), extra=extra)
        assert second.body == first.body
        other = await ask(gateway, request(seed=1), extra=extra)
        assert other.status == 422
        assert provider.calls == 1


async def test_who_asks_for_none_of_it_gets_none(memory_gateway, autojump_clock):
    provider = Provider()
    async with memory_gateway(provider) as gateway:
        for extra in ("", "x-omniroute-no-cache: true\r\n"):
            told = [
                await ask(gateway, request(temperature=0 if extra else 1), extra=extra)
                for _ in range(2)
            ]
            assert len({content(each) for each in told}) == 2
            assert all("x-omniroute-cache" not in each.headers for each in told)
        assert provider.calls == 4


async def test_a_question_in_other_words_is_answered_from_the_cache_where_that_is_on(
    memory_gateway, autojump_clock
):
    pytest.importorskip("wordllama", reason="no wheel of the extra for this machine")
    provider = Provider()
    async with memory_gateway(provider, more="[cache]\nsemantic = true\n") as gateway:
        gateway.gateway.meanings = Meanings(
            load(),
            gateway.state.answers,
            gateway.gateway._installation,
            gateway.gateway.now_ms,
        )
        asked = [{"role": "user", "content": "How do I sort a list in Python?"}]
        meant = [{"role": "user", "content": "How can I sort a list in Python?"}]
        other = [{"role": "user", "content": "How do I sort a list in Ruby?"}]
        first = await ask(gateway, request(temperature=0, messages=asked))
        assert first.headers["x-omniroute-cache"] == "miss"
        again = await ask(gateway, request(temperature=0, messages=meant))
        assert again.headers["x-omniroute-cache"] == "semantic-hit"
        assert content(again) == content(first)
        apart = await ask(gateway, request(temperature=0, messages=other))
        assert apart.headers["x-omniroute-cache"] == "miss"


async def test_a_hit_counts_at_the_requests_of_its_key(memory_gateway, autojump_clock):
    key = f'[[keys]]\nname = "few"\nkey = "{OTHER_KEY}"\nrpm = 2\n'
    async with memory_gateway(Provider(), more=key) as gateway:
        told = [await ask(gateway, request(temperature=0), key=OTHER_KEY) for _ in range(3)]
        assert [each.status for each in told] == [200, 200, 429]
        assert told[1].headers["x-omniroute-cache"] == "hit"
        assert int(told[2].headers["retry-after"]) > 0


async def test_a_changed_combo_is_another_question(memory_gateway, autojump_clock):
    provider = Provider()
    settings = '[[combos]]\nname = "c"\nmodels = ["acme/plain"]\n'
    async with memory_gateway(provider, more=settings) as gateway:
        assert content(await ask(gateway, request("c", temperature=0))) == "answer 1"
        assert content(await ask(gateway, request("c", temperature=0))) == "answer 1"
        installation = gateway.gateway._installation
        snapshot = decode(gateway.state.read_snapshot(), installation)
        combo = ComboView(name="c", members=(MemberView("acme", "other"),))
        changed = msgspec.structs.replace(snapshot, combos=(combo,))
        gateway.state.publish_snapshot(encode(changed, installation))
        assert content(await ask(gateway, request("c", temperature=0))) == "answer 2"
