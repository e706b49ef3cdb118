"""Transports: over sockets with both kinds of readiness, over TLS, and over memory."""

import os
import socket
import ssl
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from omniroute.net import readiness as readiness_module
from omniroute.net import transport as module
from omniroute.net.readiness import PortableReadiness, Readiness
from omniroute.net.transport import SocketTransport, TlsTransport, memory_pair
from tests.net.certificates import Authority

VARIANTS = ["portable"] + (["epoll"] if sys.platform == "linux" else [])
BIG = bytes(range(256)) * 16384  # 4 MiB, more than any socket buffers


@asynccontextmanager
async def running(variant: str) -> AsyncIterator[Readiness]:
    make = PortableReadiness if variant == "portable" else readiness_module.EpollReadiness
    readiness: Readiness = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        yield readiness
        nursery.cancel_scope.cancel()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


Pair = AbstractAsyncContextManager[tuple[SocketTransport, socket.socket]]


@pytest.fixture(params=[f"{kind}-{variant}" for kind in ("unix", "tcp") for variant in VARIANTS])
def connect(request):
    """`async with connect() as (transport, peer)`: a transport and a plain socket."""
    kind, variant = request.param.split("-")

    @asynccontextmanager
    async def open_pair(write_limit_s: float = 60.0) -> AsyncIterator:
        one, other = socket.socketpair() if kind == "unix" else tcp_pair()
        with one, other:
            other.setblocking(False)
            async with running(variant) as readiness:
                transport = SocketTransport(one, readiness, write_limit_s=write_limit_s)
                transport_peer = trio.socket.from_stdlib_socket(other)
                yield transport, transport_peer
                transport.close()
                transport_peer.close()

    open_pair.is_tcp = kind == "tcp"
    return open_pair


async def read_all(sock, size: int) -> bytes:
    data = bytearray()
    with trio.fail_after(10):
        while len(data) < size:
            data += await sock.recv(65536)
    return bytes(data)


# --- sockets ------------------------------------------------------------------------------------


async def test_bytes_go_both_ways(connect):
    async with connect() as (transport, peer):
        await transport.send(b"question")
        assert await peer.recv(100) == b"question"
        await peer.send(b"answer")
        assert await transport.recv() == b"answer"


async def test_what_a_slow_reader_takes_in_parts_arrives_whole(connect):
    async with connect() as (transport, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.send, BIG)
            received = bytearray()
            while len(received) < len(BIG):
                received += await peer.recv(50_000)
        assert received == BIG


async def test_a_lot_is_received_in_order(connect):
    async with connect() as (transport, peer):

        async def send() -> None:
            rest = memoryview(BIG)
            while rest:
                rest = rest[await peer.send(rest) :]

        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(received) < len(BIG):
                received += await transport.recv()
        assert received == BIG


async def test_sending_goes_on_while_receiving_waits(connect):
    async with connect() as (transport, peer):
        got = []

        async def receive() -> None:
            got.append(await transport.recv())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(transport.send, BIG)
            assert await read_all(peer, len(BIG)) == BIG
            await peer.send(b"done")
        assert got == [b"done"]


async def test_a_peer_that_takes_nothing_ends_the_send(connect, autojump_clock):
    async with connect(write_limit_s=30) as (transport, _):
        began = trio.current_time()
        with pytest.raises(TimeoutError, match="took no bytes for 30 s"):
            await transport.send(BIG)
        assert trio.current_time() - began >= 30


async def test_the_write_limit_begins_anew_with_each_progress(connect, autojump_clock):
    async with connect(write_limit_s=30) as (transport, peer):
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.send, BIG)
            received = 0
            while received < len(BIG):
                await trio.sleep(25)
                try:
                    while received < len(BIG):
                        received += len(peer._sock.recv(1 << 20))
                except BlockingIOError:
                    pass
        assert trio.current_time() - began >= 50


async def test_a_flood_of_input_lets_other_tasks_run(connect, monkeypatch):
    monkeypatch.setattr(module, "RECV_BYTES", 16)
    async with connect() as (transport, peer):
        size = 16 * module.GREEDY_READS * 20
        await peer.send(bytes(size))
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            received = 0
            while received < size:
                received += len(await transport.recv())
            nursery.cancel_scope.cancel()
        assert turns >= 15


async def test_the_end_is_empty_bytes_and_stays(connect):
    async with connect() as (transport, peer):
        await peer.send(b"last")
        peer.close()
        assert await transport.recv() == b"last"
        with trio.fail_after(5):
            assert await transport.recv() == b""
            assert await transport.recv() == b""


async def test_a_hangup_is_known_without_reading(connect):
    async with connect() as (transport, peer):
        noticed = trio.Event()
        transport.on_hangup(noticed.set)
        await trio.testing.wait_all_tasks_blocked()
        assert not transport.hung_up
        assert not transport.has_unread
        peer.close()
        with trio.fail_after(5):
            await noticed.wait()
        assert transport.hung_up
        assert transport.has_unread


async def test_a_callback_taken_back_is_not_called(connect):
    async with connect() as (transport, peer):
        transport.on_hangup(lambda: pytest.fail("called"))
        transport.on_hangup(None)
        peer.close()
        await transport.wait()
        assert await transport.recv() == b""


async def test_unread_bytes_are_known(connect):
    async with connect() as (transport, peer):
        await peer.send(b"unasked")
        with trio.fail_after(5):
            while not transport.has_unread:  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.001)
        assert await transport.recv() == b"unasked"
        await trio.testing.wait_all_tasks_blocked()
        assert not transport.has_unread


async def test_wait_returns_when_there_is_something_and_takes_nothing(connect):
    async with connect() as (transport, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.wait)
            await trio.testing.wait_all_tasks_blocked()
            await peer.send(b"x")
        assert await transport.recv() == b"x"


async def test_an_interrupted_receive_raises_and_loses_nothing(connect):
    async with connect() as (transport, peer):
        got = []

        async def receive() -> None:
            with pytest.raises(KeyError):
                await transport.recv()
            got.append(await transport.recv())

        assert transport.interrupt(KeyError()) is False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            assert transport.interrupt(KeyError()) is True
            await peer.send(b"still here")
        assert got == [b"still here"]


async def test_closing_is_idempotent_and_ends_whoever_waits(connect):
    async with connect() as (transport, _):

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await transport.recv()

        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await transport.send(BIG)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                transport.close()
                transport.close()
                transport.abort()


async def test_the_peers_death_is_an_oserror_for_the_sender(connect):
    async with connect() as (transport, peer):
        peer.close()
        with pytest.raises(OSError, match=r"(?i)pipe|reset"):
            await transport.send(BIG)


async def test_a_reset_is_an_oserror_for_the_receiver():
    for variant in VARIANTS:
        one, other = tcp_pair()
        async with running(variant) as readiness:
            transport = SocketTransport(one, readiness)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.close()
            with trio.fail_after(5), pytest.raises(ConnectionResetError):
                await transport.recv()
            transport.close()


async def test_abort_resets_the_peer_and_close_does_not():
    for method, expected in (("abort", ConnectionResetError), ("close", None)):
        one, other = tcp_pair()
        async with running(VARIANTS[-1]) as readiness:
            transport = SocketTransport(one, readiness)
            getattr(transport, method)()
        with other:
            other.settimeout(5)
            if expected is None:
                assert other.recv(1) == b""
            else:
                with pytest.raises(expected):
                    other.recv(1)


async def test_small_packets_are_not_held_back():
    one, other = tcp_pair()
    async with running(VARIANTS[-1]) as readiness:
        transport = SocketTransport(one, readiness)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not one.getblocking()
        transport.close()
        other.close()


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server_context(authority):
    return authority.server_context("upstream.example")


@pytest.fixture
def client_context(authority):
    context = ssl.create_default_context(cafile=authority.file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@asynccontextmanager
async def tls_pair(client_context, server_context, name="upstream.example") -> AsyncIterator:
    """(our transport before its handshake, Trio's stream of the server, its raw socket)."""
    one, other = socket.socketpair()
    async with running(VARIANTS[-1]) as readiness:
        inner = SocketTransport(one, readiness)
        raw = trio.SocketStream(trio.socket.from_stdlib_socket(other))
        server = trio.SSLStream(raw, server_context, server_side=True)
        try:
            yield TlsTransport(inner, client_context, name), server, raw
        finally:
            inner.close()
            await trio.aclose_forcefully(raw)


async def shake(transport: TlsTransport, server: trio.SSLStream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        await transport.handshake()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_carries_bytes_both_ways(client_context, server_context, version):
    client_context.maximum_version = client_context.minimum_version = version
    async with tls_pair(client_context, server_context) as (transport, server, _):
        await shake(transport, server)
        assert transport.tls.version() == version.name.replace("_", ".")
        await transport.send(b"question")
        assert await server.receive_some(100) == b"question"
        await server.send_all(b"answer")
        assert await transport.recv() == b"answer"


async def test_tls_carries_much(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, server, _):
        await shake(transport, server)

        async def echo() -> None:
            received = bytearray()
            while len(received) < len(BIG):
                received += await server.receive_some(65536)
            await server.send_all(received)

        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            await transport.send(BIG)
            while len(received) < len(BIG):
                received += await transport.recv()
        assert received == BIG


async def version_or_error(client_context, server_context, name="upstream.example"):
    """What comes of a handshake: the version of TLS, or the error that refused it."""
    outcome: list[str | OSError | None] = []
    async with (
        tls_pair(client_context, server_context, name) as (transport, server, raw),
        trio.open_nursery() as nursery,
    ):

        @nursery.start_soon
        async def serve() -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await server.do_handshake()
                await server.receive_some(1)
            await trio.aclose_forcefully(raw)

        try:
            await transport.handshake()
        except OSError as error:
            outcome.append(error)
        else:
            outcome.append(transport.tls.version())
        transport.close()
    return outcome[0]


@pytest.mark.parametrize("name", ["other.example", "upstream.example.org", "example", "127.0.0.1"])
async def test_a_certificate_for_another_name_is_refused(client_context, server_context, name):
    error = await version_or_error(client_context, server_context, name)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "mismatch" in str(error)


async def test_a_certificate_of_an_unknown_authority_is_refused(client_context, tmp_path):
    stranger = Authority(tmp_path).server_context("upstream.example")
    error = await version_or_error(client_context, stranger)
    assert isinstance(error, ssl.SSLCertVerificationError)


async def test_an_expired_certificate_is_refused(client_context, authority):
    expired = authority.server_context("upstream.example", days=-1)
    error = await version_or_error(client_context, expired)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "expired" in str(error)


async def test_tls_1_1_is_refused(client_context, authority):
    old = authority.server_context("upstream.example")
    lenient = ssl.create_default_context(cafile=authority.file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for context in (old, lenient):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    if await version_or_error(lenient, old) != "TLSv1.1":
        pytest.skip("this OpenSSL does not speak it at all")
    assert isinstance(await version_or_error(client_context, old), OSError)


async def test_what_is_no_tls_is_an_oserror(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, _, raw):
        await raw.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await transport.handshake()


async def test_a_peer_that_ends_in_the_handshake_is_told_so(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, _, raw):
        await raw.send_eof()
        with pytest.raises(ConnectionResetError, match="during the TLS handshake"):
            await transport.handshake()


async def test_the_end_of_tls_is_empty_bytes_tidy_or_not(client_context, server_context):
    for tidy in (True, False):
        async with tls_pair(client_context, server_context) as (transport, server, raw):
            await shake(transport, server)
            await server.send_all(b"last")
            if tidy:
                await server.aclose()
            else:
                await trio.aclose_forcefully(raw)
            assert await transport.recv() == b"last"
            assert await transport.recv() == b""
            assert await transport.recv() == b""
            assert transport.hung_up
            assert transport.has_unread
            with trio.fail_after(5):
                await transport.wait()


async def test_a_close_notify_is_the_end_though_the_socket_stays_open(
    client_context, server_context
):
    async with tls_pair(client_context, server_context) as (transport, server, raw):
        await shake(transport, server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.unwrap)
            assert await transport.recv() == b""
            assert transport.hung_up
            assert transport.has_unread
            assert raw.socket.fileno() >= 0
            nursery.cancel_scope.cancel()


async def test_an_interrupt_reaches_through_tls(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, server, _):
        await shake(transport, server)
        got = []

        async def receive() -> None:
            with pytest.raises(KeyError):
                await transport.recv()
            got.append(await transport.recv())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            assert transport.interrupt(KeyError())
            await server.send_all(b"still here")
        assert got == [b"still here"]


async def test_a_hangup_is_known_through_tls(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, server, raw):
        await shake(transport, server)
        noticed = trio.Event()
        transport.on_hangup(noticed.set)
        await trio.aclose_forcefully(raw)
        with trio.fail_after(5):
            await noticed.wait()
        assert transport.hung_up


async def test_records_of_two_tasks_are_not_cut_into_each_other(client_context, server_context):
    async with tls_pair(client_context, server_context) as (transport, server, _):
        await shake(transport, server)
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.send, b"a" * len(BIG))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(transport.send, b"b" * 100_000)  # as a receiver's answer would be
            while len(received) < len(BIG) + 100_000:
                received += await server.receive_some(65536)
        assert received.count(b"b") == 100_000


# --- memory -------------------------------------------------------------------------------------


async def test_memory_carries_bytes_both_ways():
    one, other = memory_pair()
    await one.send(b"question")
    assert other.has_unread
    assert await other.recv() == b"question"
    assert not other.has_unread
    await other.send(b"answer")
    assert await one.recv() == b"answer"


async def test_memory_holds_a_sender_back_beyond_its_window():
    one, other = memory_pair(window_bytes=10)
    sent = trio.Event()

    async def send() -> None:
        await one.send(bytes(25))
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert len(await other.recv()) == 10
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        assert len(await other.recv()) == 10
        await trio.testing.wait_all_tasks_blocked()
        assert sent.is_set()
        assert len(await other.recv()) == 5


async def test_memory_ends_tidily_after_what_was_sent():
    one, other = memory_pair()
    told = []
    other.on_hangup(lambda: told.append(1))
    await one.send(b"last")
    one.close()
    one.close()
    assert told == [1]
    assert other.hung_up
    assert await other.recv() == b"last"
    assert await other.recv() == b""
    with pytest.raises(BrokenPipeError):
        await other.send(b"x")


async def test_memory_abort_is_a_reset():
    one, other = memory_pair()
    await one.send(b"lost")
    one.abort()
    with pytest.raises(ConnectionResetError):
        await other.recv()


async def test_memory_can_be_interrupted():
    one, other = memory_pair()
    got = []

    async def receive() -> None:
        with pytest.raises(KeyError):
            await other.recv()
        got.append(await other.recv())

    assert other.interrupt(KeyError()) is False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        assert other.interrupt(KeyError()) is True
        await trio.testing.wait_all_tasks_blocked()
        await one.send(b"still here")
    assert got == [b"still here"]


async def test_memory_closed_by_another_task_ends_the_wait():
    one, _ = memory_pair()

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await one.recv()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        one.close()
    with pytest.raises(trio.ClosedResourceError):
        await one.recv()


async def test_memory_wakes_a_sender_whose_peer_leaves():
    one, other = memory_pair(window_bytes=4)

    async def send() -> None:
        with pytest.raises(BrokenPipeError):
            await one.send(bytes(100))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        other.close()


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors by /proc")
async def test_no_transport_leaves_a_descriptor_open(client_context, server_context):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        async with tls_pair(client_context, server_context) as (transport, server, _):
            await shake(transport, server)
    assert len(os.listdir("/proc/self/fd")) == before
