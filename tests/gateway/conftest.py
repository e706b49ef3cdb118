"""The data plane in this process, a scripted upstream behind it, a raw client before it.

Two ways to run it: over real sockets in real time (`serve_gateway`), for faults of the network; and
over memory with a mock clock (`memory_gateway`), for everything that is about time.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from omniroute.compiling import compile_snapshot
from omniroute.config import Settings, load
from omniroute.gateway.server import Gateway
from omniroute.installation import Installation
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.readiness import open_readiness
from omniroute.net.transport import MemoryTransport, Transport, memory_pair
from omniroute.record import Record
from omniroute.snapshot import encode
from omniroute.state.memory_state import MemoryState

KEY = "sk-test-1234567890"
UPSTREAM_KEY = "sk-upstream-canary-0987654321"


class UpstreamSide:
    """One connection as the scripted upstream sees it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""

    async def request(self) -> tuple[bytes, bytes]:
        """The next request as (head, body); it must have a Content-Length. EOFError at the end."""
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self.buffer) < length:
            await self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return head, body

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError
        self.buffer += data

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, body: bytes, status: int = 200, extra: bytes = b"") -> None:
        await self.send(
            b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
            % (status, len(body), extra, body)
        )

    async def start_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def event(self, data: bytes) -> None:
        raw = b"data: " + data + b"\n\n"
        await self.send(b"%x\r\n%b\r\n" % (len(raw), raw))

    async def end_stream(self) -> None:
        await self.event(b"[DONE]")
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """End with a TCP reset (over memory: with the like)."""
        if isinstance(self.stream, trio.SocketStream):
            self.stream.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
            self.stream.socket.close()
        else:
            self.stream.transport.abort()  # type: ignore[attr-defined]

    async def gone(self) -> None:
        """Return when the gateway has closed this connection."""
        try:
            while await self.stream.receive_some(65536):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


Script = Callable[[UpstreamSide], Awaitable[None]]


class MemoryStream(trio.abc.Stream):
    """A memory transport with Trio's stream interface, for the test's own side."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            return await self.transport.recv()
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self.transport.send(bytes(data))
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.transport.close()
        await trio.lowlevel.checkpoint()


class MemoryConnector(Connector):
    """Connects to scripts instead of the network; counts what it was asked for."""

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(open_readiness())
        self.nursery = nursery
        self.scripts: list[Script | ConnectFailed] = []
        self.origins: list[Origin] = []

    async def connect(self, origin: Origin) -> Transport:
        """Each connection takes the next script; the last one serves all that follow."""
        self.origins.append(origin)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if isinstance(script, ConnectFailed):
            raise script
        ours, theirs = memory_pair()
        self.nursery.start_soon(run_script, script, MemoryStream(theirs))
        return ours


async def run_script(script: Script, stream: trio.abc.Stream) -> None:
    """Run a script on one connection; the gateway leaving early is not the script's fault."""
    try:
        async with stream:
            await script(UpstreamSide(stream))
    except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass


class Answer(msgspec.Struct):
    """What the raw client read of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """A client that sends bytes and reads answers without forgiving anything."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def post(
        self,
        body: bytes,
        *,
        path: str = "/v1/chat/completions",
        key: str | None = KEY,
        extra: str = "",
        host: str = "localhost",
    ) -> None:
        auth = f"authorization: Bearer {key}\r\n" if key is not None else ""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\n{auth}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{extra}\r\n"
        )
        await self.send(head.encode("latin-1") + body)

    async def get(self, path: str, *, key: str | None = KEY, extra: str = "") -> None:
        auth = f"authorization: Bearer {key}\r\n" if key is not None else ""
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{auth}{extra}\r\n"
        await self.send(head.encode("latin-1"))

    async def more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError(f"the gateway closed the connection after {self.buffer!r}")
        self.buffer += data

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        while mark not in self.buffer:
            await self.more()
        taken, found, self.buffer = self.buffer.partition(mark)
        return taken + found

    async def head(self) -> Answer:
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return Answer(int(lines[0].split()[1]), headers, b"")

    async def answer(self) -> Answer:
        """One whole answer, chunked or not."""
        answer = await self.head()
        if "content-length" in answer.headers:
            length = int(answer.headers["content-length"])
            while len(self.buffer) < length:
                await self.more()
            answer.body, self.buffer = self.buffer[:length], self.buffer[length:]
        else:
            while (piece := await self.piece()) != b"":
                answer.body += piece
        return answer

    async def piece(self) -> bytes:
        """The data of the next chunk; b"" for the last one."""
        size = int((await self.until(b"\r\n"))[:-2], 16)
        while len(self.buffer) < size + 2:
            await self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size + 2 :]
        return data

    async def closed(self) -> bytes:
        """Read until the gateway closes; return what came."""
        try:
            while data := await self.stream.receive_some(65536):
                self.buffer += data
        except trio.BrokenResourceError:
            pass
        return self.buffer


class Harness:
    """A gateway under test."""

    def __init__(self, gateway: Gateway, state: MemoryState, connect: "Connect") -> None:
        self.gateway = gateway
        self.state = state
        self._connect = connect

    @property
    def installation(self) -> Installation:
        return self.gateway._installation

    async def client(self) -> RawClient:
        return RawClient(await self._connect())

    def records(self) -> list[Record]:
        """The records settled so far, oldest first."""
        return [msgspec.msgpack.decode(blob, type=Record) for _, blob in self.state.drain(100_000)]

    async def record(self) -> Record:
        """The one record, once it is there."""
        with trio.fail_after(10):
            while not self.records():  # noqa: ASYNC110 - the state has no event to wait for
                await trio.sleep(0.01)
        (record,) = self.records()
        return record


Connect = Callable[[], Awaitable[trio.abc.Stream]]


def settings_for(data_dir: Path, base_url: str, more: str = "", provider: str = "") -> Settings:
    """Settings of a gateway with one provider `acme`, through the real loader."""
    file = data_dir / "omniroute.toml"
    file.write_text(
        f"""
{more}
[[providers]]
id = "acme"
format = "openai"
base_url = "{base_url}"
models = ["plain", "other"]
{provider}
[[connections]]
provider = "acme"
name = "main"
api_key = "{UPSTREAM_KEY}"
[[keys]]
name = "test"
key = "{KEY}"
"""
    )
    file.chmod(0o600)
    return load({}, {}, file, data_dir)


def state_for(settings: Settings, installation: Installation) -> MemoryState:
    state = MemoryState()
    snapshot = compile_snapshot(settings, (), (), installation)
    state.publish_snapshot(encode(snapshot, installation))
    return state


ServeGateway = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture
def serve_gateway(tmp_path: Path) -> ServeGateway:
    """`async with serve_gateway(script, more=…) as harness`: real sockets, real time."""

    @asynccontextmanager
    async def run(
        script: Script | None, *, more: str = "", provider: str = ""
    ) -> AsyncIterator[Harness]:
        async with trio.open_nursery() as nursery:
            upstream = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
            port = upstream.socket.getsockname()[1]

            async def serve_script(stream: trio.SocketStream) -> None:
                assert script is not None
                await run_script(script, stream)

            if script is not None:
                nursery.start_soon(trio.serve_listeners, serve_script, [upstream])
            settings = settings_for(tmp_path, f"http://127.0.0.1:{port}/v1", more, provider)
            installation = Installation.ephemeral(tmp_path)
            state = state_for(settings, installation)
            gateway = Gateway(state, installation, environment={})
            listener = socket.create_server(("127.0.0.1", 0))
            address = listener.getsockname()
            await nursery.start(gateway.serve, listener)

            async def connect() -> trio.abc.Stream:
                return await trio.open_tcp_stream(*address[:2])

            clients: list[trio.abc.Stream] = []

            async def connect_and_keep() -> trio.abc.Stream:
                clients.append(await connect())
                return clients[-1]

            yield Harness(gateway, state, connect_and_keep)
            for client in clients:
                await trio.aclose_forcefully(client)
            await upstream.aclose()
            nursery.cancel_scope.cancel()

    return run


@pytest.fixture
def memory_gateway(tmp_path: Path) -> ServeGateway:
    """`async with memory_gateway(script, …) as harness`: no sockets; use with an autojump clock."""

    @asynccontextmanager
    async def run(
        *scripts: Script | ConnectFailed, more: str = "", provider: str = ""
    ) -> AsyncIterator[Harness]:
        async with trio.open_nursery() as nursery:
            settings = settings_for(tmp_path, "http://127.0.0.1:9/v1", more, provider)
            installation = Installation.ephemeral(tmp_path)
            state = state_for(settings, installation)
            gateway = Gateway(
                state,
                installation,
                environment={},
                clock=trio.current_time,
                wall_ns=lambda: 1_900_000_000_000_000_000 + int(trio.current_time() * 1e9),
            )
            connector = MemoryConnector(nursery)
            connector.scripts = list(scripts)
            await gateway.start(connector)
            nursery.start_soon(gateway.sweep)
            await nursery.start(gateway.flights.run)

            async def connect() -> trio.abc.Stream:
                ours, theirs = memory_pair()
                nursery.start_soon(gateway.serve_connection, theirs, "192.0.2.1")
                return MemoryStream(ours)

            harness = Harness(gateway, state, connect)
            harness.connector = connector  # type: ignore[attr-defined]
            yield harness
            nursery.cancel_scope.cancel()

    return run
