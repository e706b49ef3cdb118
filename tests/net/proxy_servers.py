"""Small real proxies for tests: HTTP CONNECT and SOCKS5, with and without credentials."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio


class ProxyServer:
    """What a proxy saw. `targets` are (host, port) as asked for; `peers` the sockets' addresses."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.targets: list[tuple[str, int]] = []
        self.peers: list[tuple[str, int]] = []

    def url(self, scheme: str, credentials: str = "") -> str:
        return f"{scheme}://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}"


async def _pump(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream) -> None:
    async for data in source:
        await sink.send_all(data)


async def _tunnel(stream: trio.abc.Stream, port: int) -> None:
    """Whatever name was asked for, it lives on this machine."""
    async with (
        await trio.open_tcp_stream("127.0.0.1", port) as onward,
        trio.open_nursery() as nursery,
    ):

        @nursery.start_soon
        async def back() -> None:
            await _pump(onward, stream)
            nursery.cancel_scope.cancel()

        await _pump(stream, onward)
        nursery.cancel_scope.cancel()


Handle = Callable[[ProxyServer, trio.abc.Stream], object]


@asynccontextmanager
async def _serve(handle: Handle, context: ssl.SSLContext | None) -> AsyncIterator[ProxyServer]:
    server = ProxyServer()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server.port = listener.socket.getsockname()[1]

    async def serve_one(tcp: trio.SocketStream) -> None:
        server.peers.append(tcp.socket.getpeername()[:2])
        stream: trio.abc.Stream = tcp
        if context is not None:
            stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        try:
            await handle(server, stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError, ConnectionError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve_one, [listener])
        yield server
        nursery.cancel_scope.cancel()


async def _until(stream: trio.abc.Stream, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        piece = await stream.receive_some(1)  # nothing of the tunnel may be taken
        if not piece:
            raise EOFError
        data += piece
    return data


async def _exactly(stream: trio.abc.Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def http_proxy(
    *,
    credentials: str | None = None,
    answer: bytes | None = None,
    context: ssl.SSLContext | None = None,
):
    """An HTTP proxy that knows CONNECT. `answer` is sent instead of a tunnel, then it closes."""

    async def handle(server: ProxyServer, stream: trio.abc.Stream) -> None:
        head = await _until(stream, b"\r\n\r\n")
        server.heads.append(head)
        target = head.split()[1].decode()
        host, _, port = target.rpartition(":")
        server.targets.append((host, int(port)))
        if answer is not None:
            if answer:
                await stream.send_all(answer)
            return
        if credentials is not None:
            token = base64.b64encode(credentials.encode())
            if b"Proxy-Authorization: Basic " + token + b"\r\n" not in head:
                await stream.send_all(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 4\r\n\r\nnope"
                )
                return
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _tunnel(stream, int(port))

    return _serve(handle, context)


def socks_proxy(
    *, credentials: tuple[str, str] | None = None, reply: int = 0, greeting: bytes | None = None
):
    """A SOCKS5 proxy. `reply` other than 0 is a refusal; `greeting` is sent as the first answer."""

    async def handle(server: ProxyServer, stream: trio.abc.Stream) -> None:
        version, count = await _exactly(stream, 2)
        assert version == 5
        methods = await _exactly(stream, count)
        if greeting is not None:
            if greeting:
                await stream.send_all(greeting)
            return
        if credentials is None:
            await stream.send_all(b"\x05\x00")
        elif 2 not in methods:
            await stream.send_all(b"\x05\xff")
            return
        else:
            await stream.send_all(b"\x05\x02")
            given = []
            await _exactly(stream, 1)
            for _ in range(2):
                (size,) = await _exactly(stream, 1)
                given.append((await _exactly(stream, size)).decode())
            good = tuple(given) == credentials
            await stream.send_all(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        _, command, _, kind = await _exactly(stream, 4)
        assert command == 1
        if kind == 3:
            (size,) = await _exactly(stream, 1)
            host = (await _exactly(stream, size)).decode()
        else:
            host = (await _exactly(stream, 4 if kind == 1 else 16)).hex()
        port = int.from_bytes(await _exactly(stream, 2), "big")
        server.targets.append((host, port))
        await stream.send_all(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not reply:
            await _tunnel(stream, port)

    return _serve(handle, None)
