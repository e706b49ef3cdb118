"""What happens to connections: cuts, resets, stalls, and the end of the simulator itself."""

from functools import partial
from typing import Any

import httpx
import pytest
import trio

from omniroute.simulator.server import listen, serve

WAIT_S = 10


def raw_request(model: bytes) -> bytes:
    body = b'{"model":"%s","messages":[{"role":"user","content":"x"}]}' % model
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


@pytest.mark.parametrize("model", ["cut", "reset"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_answer_ends_without_its_terminator(
    simulator: Any, model: str, stream: bool
) -> None:
    async with simulator() as it:
        received = b""
        answer = await it.client.send(it.request(model, stream), stream=True)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):  # noqa: PT012
            async for chunk in answer.aiter_raw():
                received += chunk
        await answer.aclose()
        assert b"[DONE]" not in received
        await it.idle()
        assert it.stats.cut == 1


async def test_what_came_before_a_cut_arrives(simulator: Any) -> None:
    async with simulator() as it:
        stream = await trio.open_tcp_stream("127.0.0.1", it.port)
        await stream.send_all(raw_request(b"cut"))
        received = b"".join([bytes(data) async for data in stream])
        await stream.aclose()
        assert b'"object":"chat.completion"' in received
        assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("model", ["cut-head", "reset-head"])
async def test_a_cut_head_ends_before_a_byte_and_others_are_served_on(
    simulator: Any, model: str
) -> None:
    async with simulator() as it:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await it.ask(model)
        await it.idle()
        assert it.stats.cut == 1
        assert (await it.ask("plain")).status_code == 200


async def test_a_reset_is_told_from_an_orderly_end(simulator: Any) -> None:
    async with simulator() as it:
        for model, end in ((b"cut-head", "closed"), (b"reset-head", "reset")):
            stream = await trio.open_tcp_stream("127.0.0.1", it.port)
            await stream.send_all(raw_request(model))
            try:
                seen = "closed" if await stream.receive_some(1) == b"" else "a byte"
            except trio.BrokenResourceError:
                seen = "reset"
            await stream.aclose()
            assert seen == end


async def test_a_stalled_answer_is_given_up_when_its_client_leaves(simulator: Any) -> None:
    async with simulator() as it:
        stream = await trio.open_tcp_stream("127.0.0.1", it.port)
        await stream.send_all(raw_request(b"stall"))
        assert (await stream.receive_some(65536)).startswith(b"HTTP/1.1 200")
        assert it.stats.running == 1
        await stream.aclose()
        await it.idle()
        assert (it.stats.disconnected, it.stats.finished) == (1, 0)


async def test_bytewise_and_crlf_arrive_as_written(simulator: Any) -> None:
    async with simulator() as it:
        answer = await it.ask("empty+bytewise+crlf", stream=True)
        assert answer.text.endswith("data: [DONE]\r\n\r\n")
        assert "\n" not in answer.text.replace("\r\n", "")


async def test_a_connection_carries_one_request_after_the_other(simulator: Any) -> None:
    async with simulator() as it:
        stream = await trio.open_tcp_stream("127.0.0.1", it.port)
        for model, status in ((b"plain", b"200"), (b"error-500", b"500"), (b"think", b"200")):
            await stream.send_all(raw_request(model))
            received = b""
            # An error has a length and ends its JSON, an answer ends its last chunk.
            while not received.endswith((b"\r\n0\r\n\r\n", b"}}")):
                received += await stream.receive_some(65536)
            assert received.startswith(b"HTTP/1.1 " + status)
        await stream.aclose()
        await it.idle()
        assert it.stats.finished == 3


async def test_shutting_down_lets_go_of_stalled_answers() -> None:
    stop = trio.Event()
    sock = listen(0)
    port = sock.getsockname()[1]
    with trio.fail_after(WAIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, sock, shutdown=stop.wait))
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(raw_request(b"stall"))
            assert (await stream.receive_some(65536)).startswith(b"HTTP/1.1 200")
            stop.set()
        await stream.aclose()
