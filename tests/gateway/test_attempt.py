"""One attempt at one target: asking, judging refusals, relaying, giving up."""

import json

import trio

from tests.gateway.chat_material import chunk, request


async def test_an_upstream_error_keeps_its_status_and_names_the_connection(serve_gateway):
    async def upstream(side):
        await side.request()
        error = {"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}
        await side.answer(json.dumps(error).encode(), 429, b"retry-after: 7\r\n")

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        error = json.loads(answer.body)["error"]
        assert answer.status == 429
        assert answer.headers["retry-after"] == "7"
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert "acme/main" in error["message"]
        assert "slow down" in error["message"]
        assert (await gateway.record()).outcome == "failed"


async def test_a_request_that_dies_on_a_stale_connection_is_sent_again(serve_gateway):
    connections = []

    async def upstream(side):
        connections.append(side)
        number = len(connections)
        await side.request()
        await side.answer(b'{"n":%d,"choices":[{"text":"ok"}]}' % number)
        if number == 1:
            await side.request()  # takes the second request, then dies without a word
            side.reset()
        else:
            await side.request()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        assert (await client.answer()).body == b'{"n":1,"choices":[{"text":"ok"}]}'
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"n":2,"choices":[{"text":"ok"}]}')
        assert answer.headers["x-omniroute-attempts"] == "1"


async def test_a_request_that_dies_after_part_of_an_answer_is_not_sent_again(serve_gateway):
    requests = []

    async def upstream(side):
        requests.append(await side.request())
        await side.send(b"HTTP/1.1 200 OK\r\ncontent-le")
        side.reset()

    async with serve_gateway(upstream, more="[resilience]\nretries = 0") as gateway:
        client = await gateway.client()
        await client.post(request())
        assert (await client.answer()).status == 502
    assert len(requests) == 1


async def test_an_upstream_that_stays_silent_is_given_up(memory_gateway, autojump_clock):
    async def upstream(side):
        await side.request()
        await side.gone()

    async with memory_gateway(upstream, more="[upstream]\nfirst_byte_s = 30") as gateway:
        client = await gateway.client()
        started = trio.current_time()
        await client.post(request())
        answer = await client.answer()
        assert answer.status == 504
        assert 30 <= trio.current_time() - started < 32
        assert (await gateway.record()).status == 504


async def test_an_encoded_answer_is_undone(serve_gateway):
    import gzip

    plain = b'{"id":"x","usage":{"prompt_tokens":1,"completion_tokens":1}}'

    async def upstream(side):
        head, _ = await side.request()
        assert b"accept-encoding: identity" in head.lower()
        await side.answer(gzip.compress(plain), extra=b"content-encoding: gzip\r\n")

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert answer.body == plain
        assert "content-encoding" not in answer.headers


async def test_a_slow_client_slows_the_upstream(memory_gateway, autojump_clock):
    taken = 0

    async def upstream(side):
        nonlocal taken
        await side.request()
        await side.start_stream()
        for _ in range(100):
            await side.event(chunk("x" * 20_000))
            taken += 1
        await side.end_stream()

    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        await trio.sleep(5)
        assert 0 < taken < 20  # the windows of both legs, not the whole stream
        answer = await client.answer()
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert taken == 100
