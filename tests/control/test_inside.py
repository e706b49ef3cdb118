"""Control asks the data plane on its own port: streamed, with its key; the call ends with it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import trio

from omniroute.control.inside import DataPlane, DataPlaneSilent
from omniroute.control.insider import playground_key
from omniroute.installation import Installation
from omniroute.net.connector import Connector
from omniroute.net.readiness import open_readiness


class Port:
    """A data port that answers piece by piece, as far as it is told."""

    def __init__(self) -> None:
        self.request = b""
        self.pieces: list[bytes] = []
        self.go = trio.Event()
        self.left = trio.Event()
        self.port = 0

    async def answer(self, stream: trio.SocketStream) -> None:
        while b"\r\n\r\n" not in self.request:
            self.request += await stream.receive_some()
        if not self.pieces:
            await stream.aclose()
            return
        for piece in self.pieces:
            await stream.send_all(piece)
            await self.go.wait()
        while await stream.receive_some():
            pass
        self.left.set()


@pytest.fixture
async def port(nursery: trio.Nursery) -> Port:
    made = Port()
    [listening] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    made.port = listening.socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, made.answer, [listening])
    return made


@pytest.fixture
async def data_plane(
    port: Port, installation: Installation, nursery: trio.Nursery
) -> AsyncIterator[Any]:
    readiness = open_readiness()
    nursery.start_soon(readiness.run)
    return DataPlane(f"http://127.0.0.1:{port.port}", Connector(readiness), installation)


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-omniroute-cache: MISS\r\n"
    b"set-cookie: a\r\ntransfer-encoding: chunked\r\n\r\n"
)


async def test_an_answer_comes_piece_by_piece(
    port: Port, data_plane: DataPlane, installation: Installation
) -> None:
    port.pieces = [HEAD + b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]
    answer = await data_plane.post("/v1/chat", b"{}", {"x-more": "1"})
    assert (answer.status, answer.media_type) == (200, "text/event-stream")
    assert answer.headers == {"x-omniroute-cache": "MISS"}
    async with aclosing(answer.pieces) as pieces:  # type: ignore[type-var]
        assert await anext(pieces) == b"one"
        port.go.set()
        assert [piece async for piece in pieces] == [b"two"]
    assert f"authorization: Bearer {playground_key(installation)}".encode() in port.request
    assert b"x-more: 1" in port.request


async def test_who_stops_reading_ends_the_call(port: Port, data_plane: DataPlane) -> None:
    port.pieces = [HEAD + b"3\r\none\r\n"]
    port.go.set()
    answer = await data_plane.post("/v1/chat", b"{}", {})
    async with aclosing(answer.pieces) as pieces:  # type: ignore[type-var]
        assert await anext(pieces) == b"one"
    with trio.fail_after(10):
        await port.left.wait()


async def test_a_port_that_hangs_up_or_is_not_there_is_told(
    port: Port, data_plane: DataPlane, installation: Installation, nursery: trio.Nursery
) -> None:
    with pytest.raises(DataPlaneSilent, match="closed the connection"):
        await data_plane.post("/v1/chat", b"{}", {})
    readiness = open_readiness()
    nursery.start_soon(readiness.run)
    nowhere = DataPlane("http://127.0.0.1:1", Connector(readiness), installation)
    with pytest.raises(DataPlaneSilent, match="cannot be reached"):
        await nowhere.post("/v1/chat", b"{}", {})
