"""The client's side: held headers, keepalives, and how streams end."""

import json

import trio

from tests.gateway.chat_material import KEY, chunk, request


async def test_an_error_as_first_event_of_a_stream_is_an_error_status(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk(""))
        await side.event(b'{"error":{"message":"overloaded"}}')
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        answer = await client.answer()
        assert answer.status == 502
        assert b"overloaded" in answer.body


async def test_a_stream_that_breaks_ends_with_error_event_and_terminator(serve_gateway):
    first_is_there = trio.Event()

    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("half"))
        await first_is_there.wait()  # a reset takes what has not been read with it
        await side.send(b'1000\r\ndata: {"id":"c","cho')  # cut inside an event
        side.reset()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        await client.head()
        first = await client.piece()
        assert json.loads(first[6:])["choices"][0]["delta"]["content"] == "half"
        first_is_there.set()
        error, done, rest = (await client.piece()).split(b"\n\n")
        assert "acme/main" in json.loads(error[6:])["error"]["message"]
        assert (done, rest) == (b"data: [DONE]", b"")
        assert await client.piece() == b""
        record = await gateway.record()
        assert (record.status, record.outcome) == (200, "failed")
        assert record.usage_source == "estimated"


async def test_an_error_event_in_mid_stream_is_told_and_recorded_as_failed(serve_gateway):
    first_is_there = trio.Event()

    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("half"))
        await first_is_there.wait()
        await side.event(b'{"error":{"message":"overloaded","type":"server_error"}}')
        await side.gone()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        assert (await client.head()).status == 200
        assert b"half" in await client.piece()
        first_is_there.set()
        ending = await client.piece()
        assert b"overloaded" in ending
        assert ending.endswith(b"data: [DONE]\n\n")
        assert (await gateway.record()).outcome == "failed"


async def test_silence_before_the_first_event_is_bridged_by_keepalives(
    memory_gateway, autojump_clock
):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await trio.sleep(40)
        await side.event(chunk("late"))
        await trio.sleep(1)
        await side.end_stream()

    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        started = trio.current_time()
        await client.post(request(stream=True))
        assert (await client.head()).status == 200
        assert await client.piece() == b": keepalive\n\n"
        assert 14 < trio.current_time() - started < 17
        assert await client.piece() == b": keepalive\n\n"
        piece = await client.piece()
        assert json.loads(piece[6:])["choices"][0]["delta"]["content"] == "late"
        last = await client.piece()
        assert last.startswith(b": x-omniroute-provider: acme")
        assert last.endswith(b"data: [DONE]\n\n")


async def test_http_1_0_gets_a_stream_that_ends_with_the_connection(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("old"))
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        body = request(stream=True)
        await client.send(
            b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer "
            + KEY.encode()
            + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        data = await client.closed()
        assert b"transfer-encoding" not in data
        assert data.endswith(b"data: [DONE]\n\n")
