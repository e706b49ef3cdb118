"""One client connection: order, bodies, limits of size and time."""

import gzip
import json
import zlib

import brotli
import pytest
import trio
import zstandard

# Echoed by the upstream: with a choice in it, it passes for an answer.
CHAT = (
    b'{"model":"acme/plain","messages":[{"role":"user","content":"hello"}],'
    b'"choices":[{"text":"hello"}]}'
)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-test-1234567890\r\n"


async def echoes(side):
    while True:
        _, body = await side.request()
        await side.answer(body)


async def error_of(client) -> tuple[int, dict]:
    answer = await client.answer()
    return answer.status, json.loads(answer.body)["error"]


async def test_pipelined_requests_are_answered_in_order(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        for number in range(20):
            await client.post(CHAT.replace(b"hello", b"%d" % number))
        for number in range(20):
            answer = await client.answer()
            assert json.loads(answer.body)["choices"][0]["text"] == str(number)


async def test_a_chunked_body_arrives_whole(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for byte in CHAT:
            await client.send(b"1\r\n%c\r\n" % byte)
        await client.send(b"0\r\n\r\n")
        assert (await client.answer()).body == CHAT.replace(b"acme/plain", b"plain")


async def test_a_client_that_asks_is_told_to_continue(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.send(HEAD + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(CHAT))
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(CHAT)
        assert (await client.answer()).status == 200


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", sorted(ENCODERS))
async def test_an_encoded_body_is_expanded(serve_gateway, coding):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.post(ENCODERS[coding](CHAT), extra=f"content-encoding: {coding}\r\n")
        assert (await client.answer()).body == CHAT.replace(b"acme/plain", b"plain")


@pytest.mark.parametrize("coding", sorted(ENCODERS))
async def test_the_limit_holds_for_the_expanded_body(serve_gateway, coding):
    bomb = ENCODERS[coding](b" " * 5_000_000)
    async with serve_gateway(echoes, more="[limits]\nbody_bytes = 100000") as gateway:
        client = await gateway.client()
        await client.post(bomb, extra=f"content-encoding: {coding}\r\n")
        assert (await error_of(client))[0] == 413


async def test_the_limit_holds_for_the_body_as_sent(serve_gateway):
    async with serve_gateway(echoes, more="[limits]\nbody_bytes = 1024") as gateway:
        client = await gateway.client()
        await client.post(b" " * 1025)
        assert (await error_of(client))[0] == 413
        client = await gateway.client()
        await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        await client.send(b"401\r\n" + b" " * 0x401 + b"\r\n")
        assert (await error_of(client))[0] == 413


async def test_an_unknown_coding_is_refused_by_name(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.post(CHAT, extra="content-encoding: rot13\r\n")
        status, error = await error_of(client)
        assert status == 415
        assert "rot13" in error["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "valid JSON"),
        (b"{", "valid JSON"),
        (b"[]", "not a chat completion request"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"a/b","model":"c/d","messages":[]}', "once"),
        (b'{"model":"a/b","mod\\u0065l":"c/d"}', "once"),
        (b'{"model":"a/b","stream":"yes"}', "stream"),
        (b'{"model":""}', "provider/model"),
    ],
)
async def test_a_wrong_body_is_refused_with_what_is_wrong(serve_gateway, body, says):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.post(body)
        status, error = await error_of(client)
        assert status == 400
        assert says in error["message"]
        assert (await gateway.record()).status == 400


async def test_what_is_not_http_is_answered_and_closed(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")


async def test_an_answer_is_readable_although_the_body_was_not_read(serve_gateway):
    async with serve_gateway(echoes) as gateway:
        client = await gateway.client()
        await client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-length: 500000\r\n\r\n" + b" " * 500_000
        )
        assert (await error_of(client))[0] == 401


async def test_a_client_that_sends_no_head_is_dropped(memory_gateway, autojump_clock):
    async with memory_gateway(echoes) as gateway:
        silent, slow = await gateway.client(), await gateway.client()
        await slow.send(b"POST /v1/chat/comp")
        started = trio.current_time()
        answer = await slow.answer()
        assert answer.status == 408
        assert 15 <= trio.current_time() - started < 17
        assert await silent.closed() == b""
        assert 75 <= trio.current_time() - started < 77


async def test_a_body_that_does_not_come_is_given_up(memory_gateway, autojump_clock):
    async with memory_gateway(echoes, more="[limits]\nbody_s = 20") as gateway:
        client = await gateway.client()
        await client.send(HEAD + b"content-length: 100\r\n\r\n{")
        started = trio.current_time()
        status, error = await error_of(client)
        assert status == 408
        assert "20 s" in error["message"]
        assert 20 <= trio.current_time() - started < 22


async def test_a_kept_connection_may_rest_between_requests(memory_gateway, autojump_clock):
    async with memory_gateway(echoes) as gateway:
        client = await gateway.client()
        for _ in range(3):
            await client.post(CHAT)
            assert (await client.answer()).status == 200
            await trio.sleep(60)
