"""Calls off the hot path: real servers on loopback, httpx as their client over our connector."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from omniroute.net.connector import Connector
from omniroute.net.http_client import ConnectorTransport
from omniroute.net.readiness import open_readiness


@asynccontextmanager
async def served(answer: bytes, asked: list[bytes] | None = None) -> AsyncIterator[int]:
    """A server that reads one request and gives one answer, closing behind it."""

    async def serve(stream: trio.SocketStream) -> None:
        data = b""
        while not (b"\r\n\r\n" in data and data.endswith(b"end")) and b"GET" not in data:
            data += await stream.receive_some(65536)
        if asked is not None:
            asked.append(data)
        if answer == b"silence":
            await trio.sleep_forever()
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def client(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
    readiness = open_readiness()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        transport = ConnectorTransport(Connector(readiness), **settings)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport) as http:
            yield http
        nursery.cancel_scope.cancel()


async def test_a_call_arrives_whole_and_its_answer_comes_back() -> None:
    asked: list[bytes] = []
    answer = b'HTTP/1.1 201 Created\r\nx-a: b\r\ncontent-length: 8\r\n\r\n{"a": 1}'
    async with served(answer, asked) as port, client(allow_private=True) as http:
        url = f"http://127.0.0.1:{port}/v1/x?y=z"
        response = await http.post(url, content=b"the end", headers={"authorization": "Bearer k"})
    assert (response.status_code, response.headers["x-a"], response.json()) == (201, "b", {"a": 1})
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x?y=z HTTP/1.1\r\n")
    assert b"authorization: Bearer k" in head
    assert b"host: 127.0.0.1:%d" % port in head
    assert body == b"the end"


async def test_an_address_that_policy_refuses_is_not_called() -> None:
    async with served(b"") as port, client() as http:
        with pytest.raises(httpx.ConnectError, match="does not name"):
            await http.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.ReadError),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b"x" * 999, httpx.ReadError),
        (b"silence", httpx.ReadTimeout),
    ],
)
async def test_what_goes_wrong_is_an_error_of_httpx(
    answer: bytes, error: type[httpx.HTTPError]
) -> None:
    async with (
        served(answer) as port,
        client(allow_private=True, answer_bytes=512, answer_s=0.2) as http,
    ):
        with pytest.raises(error):
            await http.get(f"http://127.0.0.1:{port}/")


async def test_redirects_are_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    async with served(answer) as port, client(allow_private=True) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/")).status_code == 302
