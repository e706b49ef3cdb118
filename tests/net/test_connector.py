"""The one way out: policy, happy eyeballs, TLS, proxies, and nothing left behind."""

import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from omniroute.net import connector as module
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.dns import DnsCache
from omniroute.net.readiness import open_readiness
from omniroute.net.transport import TlsTransport
from tests.net.certificates import Authority
from tests.net.proxy_servers import http_proxy, socks_proxy

V4, V6 = socket.AF_INET, socket.AF_INET6


class Names:
    """A resolver that knows what the test tells it; lists of lists change each time."""

    def __init__(self, **known: list) -> None:
        self.known = {name.replace("_", "."): answer for name, answer in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[tuple[int, str]]:
        self.asked.append(host)
        await trio.lowlevel.checkpoint()
        if host not in self.known:
            raise socket.gaierror(-2, "Name or service not known")
        answer = self.known[host]
        if isinstance(answer[0], list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return [(V6 if ":" in address else V4, address) for address in answer]


@asynccontextmanager
async def connecting(names: Names | None = None, **settings) -> AsyncIterator[Connector]:
    """A connector; descriptors are counted, so that every test also is one for leaks."""
    readiness = open_readiness()
    dns = DnsCache(60, names or Names())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        await trio.testing.wait_all_tasks_blocked()
        before = open_descriptors()
        yield Connector(readiness, dns=dns, **settings)
        await trio.testing.wait_all_tasks_blocked()
        assert open_descriptors() == before
        nursery.cancel_scope.cancel()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


class Server:
    """Echoes; remembers where connections came from, and how many are open."""

    def __init__(self) -> None:
        self.port = 0
        self.peers: list[str] = []
        self.open = 0


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None, host="127.0.0.1") -> AsyncIterator[Server]:
    server = Server()
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    server.port = listener.socket.getsockname()[1]

    async def echo(tcp: trio.SocketStream) -> None:
        server.peers.append(tcp.socket.getsockname()[0])
        server.open += 1
        stream: trio.abc.Stream = tcp
        if context is not None:
            stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        try:
            while data := await stream.receive_some(65536):
                await stream.send_all(data)
        except (trio.BrokenResourceError, ConnectionError):
            pass
        finally:
            server.open -= 1
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, echo, [listener])
        yield server
        with trio.fail_after(5):
            while server.open:  # noqa: ASYNC110 - the peers' closing arrives when it does
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()


def http(host: str, port: int, **more) -> Origin:
    return Origin("http", host, port, **{"allow_private": True, **more})


def https(host: str, port: int, authority: Authority, **more) -> Origin:
    return Origin(
        "https", host, port, **{"allow_private": True, "ca_file": str(authority.file), **more}
    )


async def echoes(transport, text: bytes = b"hello") -> bool:
    await transport.send(text)
    with trio.fail_after(5):
        return await transport.recv() == text


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


# --- policy -------------------------------------------------------------------------------------


async def test_a_name_leads_to_its_address():
    names = Names(upstream_example=["127.0.0.1"])
    async with serving() as server, connecting(names) as connector:
        transport = await connector.connect(http("upstream.example", server.port))
        assert await echoes(transport)
        transport.close()


async def test_a_name_that_means_a_private_address_is_refused():
    names = Names(evil_example=["127.0.0.1"])
    async with serving() as server, connecting(names) as connector:
        origin = http("evil.example", server.port, allow_private=False)
        with pytest.raises(ConnectFailed, match=r"127.0.0.1 is a loopback address") as caught:
            await connector.connect(origin)
        assert caught.value.refused_by_policy
        assert server.peers == []


@pytest.mark.parametrize("allow_private", [True, False])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "0.0.0.0", "::", "::ffff:169.254.169.254", "0xA9FEA9FE"],
)
async def test_a_forbidden_literal_is_refused_without_asking_anybody(host, allow_private):
    names = Names()
    async with connecting(names) as connector:
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(http(host, 80, allow_private=allow_private))
        assert caught.value.refused_by_policy
        assert names.asked == []


async def test_only_the_addresses_that_may_be_are_tried(monkeypatch):
    tried = watch_attempts(monkeypatch, {})
    names = Names(mixed_example=["10.0.0.1", "1.1.1.1", "169.254.169.254", "2606:4700::1"])
    async with connecting(names) as connector:
        with pytest.raises(ConnectFailed):
            await connector.connect(http("mixed.example", 80, allow_private=False))
    assert tried == ["1.1.1.1", "2606:4700::1"]


async def test_a_name_that_changes_its_answer_is_connected_to_where_it_was_judged(monkeypatch):
    tried = watch_attempts(monkeypatch, {})
    names = Names(rebinding_example=[["1.1.1.1"], ["127.0.0.1"]])
    async with serving() as server, connecting(names) as connector:
        origin = http("rebinding.example", server.port, allow_private=False)
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(origin)
        assert not caught.value.refused_by_policy
        assert names.asked == ["rebinding.example"]
        assert tried == ["1.1.1.1"]
        with pytest.raises(ConnectFailed, match="loopback") as caught:  # asked and judged anew
            await connector.connect(origin)
        assert caught.value.refused_by_policy
        assert tried == ["1.1.1.1"]
        assert server.peers == []


async def test_a_name_nobody_knows_is_told():
    async with connecting() as connector:
        with pytest.raises(ConnectFailed, match=r"cannot resolve nobody\.example") as caught:
            await connector.connect(http("nobody.example", 80))
        assert not caught.value.refused_by_policy


# --- happy eyeballs -----------------------------------------------------------------------------


def watch_attempts(monkeypatch, delays: dict[str, float], real: str | None = None) -> list[str]:
    """Replace the network: addresses in `delays` connect after so long, all others refuse."""
    tried: list[str] = []
    opened: list[socket.socket] = []

    async def connect_one(family: int, address: str, port: int) -> socket.socket:
        tried.append(address)
        await trio.lowlevel.checkpoint()
        if address not in delays:
            raise ConnectionRefusedError(111, f"{address}: Connection refused")
        await trio.sleep(delays[address])
        sock, other = socket.socketpair()
        other.close()
        opened.append(sock)
        return sock

    monkeypatch.setattr(module, "_connect_one", connect_one)
    return tried


FOUR = [(V6, "a"), (V6, "b"), (V4, "c"), (V4, "d")]


async def test_families_alternate_beginning_with_the_resolvers_choice():
    assert [address for _, address in module._interleave(FOUR)] == ["a", "c", "b", "d"]
    assert [address for _, address in module._interleave(FOUR[::-1])] == ["d", "b", "c", "a"]
    assert module._interleave(FOUR[:1]) == FOUR[:1]


async def test_a_refused_address_is_followed_at_once_by_the_next(monkeypatch, autojump_clock):
    tried = watch_attempts(monkeypatch, {"d": 0.0})
    began = trio.current_time()
    (await module._happy_eyeballs(FOUR, 80)).close()
    assert tried == ["a", "b", "c", "d"]
    assert trio.current_time() == began


async def test_a_silent_address_is_passed_after_a_quarter_of_a_second(monkeypatch, autojump_clock):
    tried = watch_attempts(monkeypatch, {"a": 1e9, "b": 0.1, "c": 0.0})
    began = trio.current_time()
    (await module._happy_eyeballs(FOUR, 80)).close()
    assert tried == ["a", "b"]
    assert trio.current_time() - began == pytest.approx(module.ATTEMPT_DELAY_S + 0.1)


async def test_the_first_to_connect_wins_however_late_it_began(monkeypatch, autojump_clock):
    tried = watch_attempts(monkeypatch, {"a": 0.6, "b": 0.5, "c": 0.01, "d": 0.0})
    began = trio.current_time()
    (await module._happy_eyeballs(FOUR, 80)).close()
    assert tried == ["a", "b", "c"]
    assert trio.current_time() - began == pytest.approx(0.51)


async def test_those_who_connect_at_the_same_moment_are_closed_but_one(monkeypatch, autojump_clock):
    watch_attempts(monkeypatch, {"a": 0.5, "b": 0.25, "c": 0.0, "d": 0.0})
    before = open_descriptors()
    sock = await module._happy_eyeballs(FOUR, 80)
    assert open_descriptors() == before + 1
    sock.close()


async def test_when_every_address_refuses_the_first_reason_is_told(monkeypatch):
    watch_attempts(monkeypatch, {})
    names = Names(down_example=[["1.1.1.1", "1.0.0.1"], ["1.1.1.2"]])
    async with connecting(names) as connector:
        for address in ("1.1.1.1", "1.1.1.2"):  # and the name is asked for anew
            with pytest.raises(
                ConnectFailed, match=f"down.example:80: {re.escape(address)}: Connection refused"
            ):
                await connector.connect(http("down.example", 80))


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127/8 answers only there")
async def test_a_refusing_address_costs_nothing_but_the_next_try():
    names = Names(half_example=["127.0.0.7", "127.0.0.8"])
    async with serving(host="127.0.0.8") as server, connecting(names) as connector:
        transport = await connector.connect(http("half.example", server.port))
        assert await echoes(transport)
        transport.close()
        assert server.peers == ["127.0.0.8"]


@asynccontextmanager
async def black_hole(host: str, port: int = 0) -> AsyncIterator[int]:
    """A port where connections are neither taken nor refused: its backlog is full."""
    sockets = []
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            sockets.append(sock)
        yield listener.getsockname()[1]
        for sock in sockets:
            sock.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops only there")
async def test_a_black_hole_is_passed_and_its_socket_closed():
    async with serving(host="127.0.0.8") as server, black_hole("127.0.0.7", server.port):
        names = Names(half_example=["127.0.0.7", "127.0.0.8"])
        async with connecting(names) as connector:
            transport = await connector.connect(http("half.example", server.port))
            assert await echoes(transport)
            transport.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops only there")
@pytest.mark.parametrize("addresses", [["127.0.0.7"], ["127.0.0.7", "127.0.0.7"]])
async def test_the_time_limit_names_what_took_so_long(addresses, autojump_clock):
    names = Names(slow_example=addresses)
    async with black_hole("127.0.0.7") as port, connecting(names, connect_s=7) as connector:
        began = trio.current_time()
        with pytest.raises(
            ConnectFailed, match=r"connecting to slow\.example took longer than 7 s"
        ):
            await connector.connect(http("slow.example", port))
        assert trio.current_time() - began == pytest.approx(7)


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops only there")
async def test_a_cancelled_attempt_leaves_nothing(autojump_clock):
    names = Names(slow_example=["127.0.0.7", "127.0.0.7"])
    async with black_hole("127.0.0.7") as port, connecting(names) as connector:
        with trio.move_on_after(1) as scope:
            await connector.connect(http("slow.example", port))
        assert scope.cancelled_caught


# --- local sockets ------------------------------------------------------------------------------


async def test_a_local_socket_is_connected_to(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        async with connecting() as connector:
            transport = await connector.connect(Origin("unix", str(path), 0))
            peer, _ = listener.accept()
            with peer:
                peer.send(b"hello")
                assert await transport.recv() == b"hello"
            transport.close()


async def test_a_local_socket_nobody_listens_at_is_told(tmp_path):
    async with connecting() as connector:
        with pytest.raises(ConnectFailed, match="no process answers at the local socket"):
            await connector.connect(Origin("unix", str(tmp_path / "nothing"), 0))


# --- TLS ----------------------------------------------------------------------------------------


async def test_a_certificate_of_the_configured_authority_is_accepted(authority):
    names = Names(upstream_example=["127.0.0.1"])
    context = authority.server_context("upstream.example")
    async with serving(context) as server, connecting(names) as connector:
        transport = await connector.connect(https("upstream.example", server.port, authority))
        assert isinstance(transport, TlsTransport)
        assert transport.tls.version() in ("TLSv1.2", "TLSv1.3")
        assert await echoes(transport)
        transport.close()


async def test_a_certificate_for_an_address_is_accepted(authority):
    context = authority.server_context("127.0.0.1")
    names = Names(**{"127_0_0_1": ["127.0.0.1"]})
    async with serving(context) as server, connecting(names) as connector:
        transport = await connector.connect(https("127.0.0.1", server.port, authority))
        assert await echoes(transport)
        transport.close()


async def test_the_default_authority_serves_where_a_provider_names_none(authority):
    names = Names(upstream_example=["127.0.0.1"])
    context = authority.server_context("upstream.example")
    settings = {"default_ca_file": str(authority.file)}
    async with serving(context) as server, connecting(names, **settings) as connector:
        origin = https("upstream.example", server.port, authority, ca_file=None)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        transport.close()


@pytest.mark.parametrize(
    ("server_name", "ca", "reason"),
    [
        ("other.example", True, "Hostname mismatch"),
        ("upstream.example", False, "unable to get local issuer|self.signed"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted_is_told(authority, server_name, ca, reason):
    names = Names(upstream_example=["127.0.0.1"])
    context = authority.server_context(server_name)
    async with serving(context) as server, connecting(names) as connector:
        origin = https("upstream.example", server.port, authority)
        if not ca:
            origin = origin._replace(ca_file=None)
        with pytest.raises(
            ConnectFailed, match=f"certificate of upstream.example was not accepted: .*({reason})"
        ):
            await connector.connect(origin)


async def test_a_server_without_tls_is_told():
    names = Names(upstream_example=["127.0.0.1"])
    async with serving() as server, connecting(names) as connector:
        with pytest.raises(ConnectFailed, match=r"TLS with upstream.example failed"):
            await connector.connect(http("upstream.example", server.port)._replace(scheme="https"))


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_told_and_leaves_nothing(content, tmp_path):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    names = Names(upstream_example=["127.0.0.1"])
    async with serving() as server, connecting(names) as connector:
        origin = Origin(
            "https", "upstream.example", server.port, ca_file=str(file), allow_private=True
        )
        with pytest.raises(ConnectFailed, match="the CA file"):
            await connector.connect(origin)


async def test_a_name_no_certificate_can_have_is_told_and_leaves_nothing():
    host = ".upstream.example"
    names = Names()
    names.known[host] = ["127.0.0.1"]
    async with serving() as server, connecting(names) as connector:
        with pytest.raises(ConnectFailed, match=r"TLS with .upstream.example failed"):
            await connector.connect(Origin("https", host, server.port, allow_private=True))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_second_connection_resumes_the_session_of_the_first(authority, version):
    names = Names(upstream_example=["127.0.0.1"])
    context = authority.server_context("upstream.example")
    context.minimum_version = context.maximum_version = version
    async with serving(context) as server, connecting(names) as connector:
        origin = https("upstream.example", server.port, authority)
        reused = []
        for _ in range(3):
            transport = await connector.connect(origin)
            assert await echoes(transport)
            reused.append(transport.tls.session_reused)
            connector.remember_session(origin, transport)
            transport.close()
        assert reused == [False, True, True]


async def test_another_origin_does_not_resume_the_session(authority):
    names = Names(upstream_example=["127.0.0.1"], second_example=["127.0.0.1"])
    context = authority.server_context("upstream.example", "second.example")
    async with serving(context) as server, connecting(names) as connector:
        origin = https("upstream.example", server.port, authority)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        connector.remember_session(origin, transport)
        transport.close()
        second = await connector.connect(origin._replace(host="second.example"))
        assert await echoes(second)
        assert not second.tls.session_reused
        second.close()


async def test_the_sessions_kept_are_bounded(authority, monkeypatch):
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    names = Names(upstream_example=["127.0.0.1"])
    context = authority.server_context("upstream.example")
    async with serving(context) as server, connecting(names) as connector:
        origin = https("upstream.example", server.port, authority)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        for number in range(5):
            connector.remember_session(origin._replace(port=number), transport)
        assert len(connector._sessions) == 2
        transport.close()


async def test_a_plain_transport_has_no_session_to_remember():
    names = Names(upstream_example=["127.0.0.1"])
    async with serving() as server, connecting(names) as connector:
        origin = http("upstream.example", server.port)
        transport = await connector.connect(origin)
        connector.remember_session(origin, transport)
        transport.close()


# --- proxies ------------------------------------------------------------------------------------

LOCAL = Names(**{"127_0_0_1": ["127.0.0.1"], "localhost": ["127.0.0.1"]})


async def test_an_http_proxy_opens_the_way():
    async with serving() as server, http_proxy() as proxy, connecting(LOCAL) as connector:
        origin = http("upstream.example", server.port, proxy=proxy.url("http"), allow_private=False)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        transport.close()
        assert proxy.targets == [("upstream.example", server.port)]  # the proxy resolves


async def test_an_http_proxy_with_credentials():
    async with (
        serving() as server,
        http_proxy(credentials="me:s@cret") as proxy,
        connecting(LOCAL) as connector,
    ):
        origin = http("upstream.example", server.port, proxy=proxy.url("http", "me:s%40cret"))
        transport = await connector.connect(origin)
        assert await echoes(transport)
        transport.close()
        for credentials in ("", "me:wrong"):
            refused = origin._replace(proxy=proxy.url("http", credentials))
            with pytest.raises(ConnectFailed, match="407") as caught:
                await connector.connect(refused)
            assert "wrong" not in str(caught.value)


async def test_tls_goes_through_the_tunnel_to_the_upstream(authority):
    context = authority.server_context("upstream.example")
    async with serving(context) as server, http_proxy() as proxy, connecting(LOCAL) as connector:
        origin = https("upstream.example", server.port, authority, proxy=proxy.url("http"))
        for expected in (False, True):
            transport = await connector.connect(origin)
            assert await echoes(transport)
            assert transport.tls.session_reused is expected
            connector.remember_session(origin, transport)
            transport.close()


async def test_a_proxy_behind_tls_carries_tls_within_tls(authority):
    context = authority.server_context("upstream.example")
    proxy_context = authority.server_context("localhost")
    async with (
        serving(context) as server,
        http_proxy(context=proxy_context) as proxy,
        connecting(LOCAL) as connector,
    ):
        url = f"https://localhost:{proxy.port}"
        origin = https("upstream.example", server.port, authority, proxy=url)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        transport.close()
        with pytest.raises(ConnectFailed, match=r"certificate of other\.example"):
            await connector.connect(origin._replace(host="other.example"))


async def test_a_proxy_behind_tls_must_be_who_it_says(authority):
    proxy_context = authority.server_context("other.example")
    async with http_proxy(context=proxy_context) as proxy, connecting(LOCAL) as connector:
        url = f"https://localhost:{proxy.port}"
        origin = http("upstream.example", 80, proxy=url, ca_file=str(authority.file))
        with pytest.raises(ConnectFailed, match=r"by way of the proxy localhost:.*not accepted"):
            await connector.connect(origin)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection"),
        (b"garbage\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "status 502"),
    ],
)
async def test_a_proxy_that_opens_no_way_is_told(answer, reason):
    async with http_proxy(answer=answer) as proxy, connecting(LOCAL) as connector:
        origin = http("upstream.example", 80, proxy=proxy.url("http", "me:secret"))
        with pytest.raises(
            ConnectFailed, match=rf"by way of the proxy 127\.0\.0\.1:{proxy.port}: .*{reason}"
        ) as caught:
            await connector.connect(origin)
        assert "secret" not in str(caught.value)
        assert not caught.value.refused_by_policy


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_told(scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with connecting(LOCAL) as connector:
        origin = http("upstream.example", 80, proxy=f"{scheme}://127.0.0.1:{port}")
        with pytest.raises(ConnectFailed, match=f"proxy 127.0.0.1:{port}"):
            await connector.connect(origin)


async def test_a_proxy_that_says_nothing_runs_into_the_time_limit(autojump_clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("http", "https", "socks5"):
            async with connecting(LOCAL, connect_s=3) as connector:
                origin = http("upstream.example", 80, proxy=f"{scheme}://127.0.0.1:{port}")
                with pytest.raises(ConnectFailed, match="took longer than 3 s"):
                    await connector.connect(origin)


async def test_a_socks_proxy_opens_the_way(authority):
    context = authority.server_context("upstream.example")
    async with (
        serving(context) as server,
        socks_proxy(credentials=("me", "s@cret")) as proxy,
        connecting(LOCAL) as connector,
    ):
        url = proxy.url("socks5", "me:s%40cret")
        origin = https("upstream.example", server.port, authority, proxy=url)
        transport = await connector.connect(origin)
        assert await echoes(transport)
        transport.close()
        assert proxy.targets == [("upstream.example", server.port)]


async def test_a_refusal_of_a_socks_proxy_is_told():
    async with socks_proxy(reply=5) as proxy, connecting(LOCAL) as connector:
        origin = http("upstream.example", 80, proxy=proxy.url("socks5"))
        with pytest.raises(ConnectFailed, match=r"by way of the proxy .*refused"):
            await connector.connect(origin)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "2130706433"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_no_proxy_is_asked_for_a_forbidden_address(scheme, host):
    async with connecting(LOCAL) as connector:
        origin = Origin("http", host, 80, proxy=f"{scheme}://127.0.0.1:9")
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(origin)
        assert caught.value.refused_by_policy


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_at_a_metadata_address_is_refused(scheme):
    async with connecting(Names(proxy_example=["169.254.169.254"])) as connector:
        for host in ("169.254.169.254", "proxy.example"):
            origin = http("upstream.example", 80, proxy=f"{scheme}://{host}:80")
            with pytest.raises(ConnectFailed, match="link-local") as caught:
                await connector.connect(origin)
            assert caught.value.refused_by_policy


@pytest.mark.parametrize(
    "url",
    [
        "socks4://me:secret@127.0.0.1:1",
        "http://me:secret@127.0.0.1:port",
        "http://me:secret@:80",
        "http://me:secret@[::1:80",
        "ftp://me:secret@127.0.0.1:21",
    ],
)
async def test_the_url_of_a_proxy_that_means_nothing_is_told_without_its_password(url):
    async with connecting(LOCAL) as connector:
        with pytest.raises(ConnectFailed, match="proxy") as caught:
            await connector.connect(http("upstream.example", 80, proxy=url))
        assert "secret" not in str(caught.value)


def test_the_password_of_a_proxy_does_not_show():
    origin = http("upstream.example", 443, proxy="http://me:secret@proxy.example:8080")
    assert "secret" not in f"{origin!r} {origin}"
    assert "proxy.example:8080" in repr(origin)
    assert "None" in repr(origin._replace(proxy=None))


def test_whatever_makes_connections_differ_makes_origins_differ():
    origin = Origin("https", "a.example", 443)
    changed = [
        origin._replace(scheme="http"),
        origin._replace(host="b.example"),
        origin._replace(port=444),
        origin._replace(proxy="http://p:1"),
        origin._replace(ca_file="/x"),
        origin._replace(allow_private=True),
    ]
    assert len({origin, *changed}) == 7
