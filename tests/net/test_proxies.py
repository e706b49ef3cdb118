"""Tunnels by way of proxies, and the proxies that the environment names."""

import re
import socket

import pytest
import trio
import trio.testing

from omniroute.net.proxies import EnvironmentProxies, ProxyFailed, open_socks5, open_tunnel
from omniroute.net.transport import memory_pair
from tests.net.proxy_servers import socks_proxy

# --- HTTP CONNECT -------------------------------------------------------------------------------


async def tunnel(answer: bytes, *, pieces: int = 1, host="api.example", user=None, password=None):
    """Ask for a tunnel; return what the proxy was sent."""
    ours, theirs = memory_pair()
    sent = b""

    async def proxy() -> None:
        nonlocal sent
        while b"\r\n\r\n" not in sent:
            sent += await theirs.recv()
        size = -(-len(answer) // pieces) or 1
        for start in range(0, len(answer), size):
            await theirs.send(answer[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        theirs.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(proxy)
        try:
            await open_tunnel(ours, host, 443, user, password)
        finally:
            ours.close()
            nursery.cancel_scope.cancel()
    return sent


async def refused(answer: bytes, **more) -> str:
    with pytest.RaisesGroup(ProxyFailed, flatten_subgroups=True) as caught:
        await tunnel(answer, **more)
    return str(caught.value.exceptions[0])


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 3, len(ESTABLISHED)])
async def test_a_tunnel_opens_however_the_answer_is_cut(pieces):
    sent = await tunnel(ESTABLISHED, pieces=pieces)
    assert sent == b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"


async def test_credentials_are_sent_as_basic():
    sent = await tunnel(ESTABLISHED, user="me", password="pä:ss")
    assert b"\r\nProxy-Authorization: Basic bWU6cMOkOnNz\r\n" in sent


async def test_a_user_without_a_password_is_sent_too():
    sent = await tunnel(ESTABLISHED, user="token")
    assert b"Basic dG9rZW46\r\n" in sent


async def test_an_ipv6_target_stands_in_brackets():
    sent = await tunnel(ESTABLISHED, host="2001:db8::1")
    assert sent.startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")


async def test_lengths_in_the_answer_mean_nothing_and_interim_answers_are_passed_over():
    await tunnel(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Authenticate\r\ncontent-length: 4\r\n\r\nnope", "credentials"),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", "with status 403"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n", "with status 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is not HTTP"),
        (b"\x05\x00\x00\x01" * 10, "not HTTP|closed the connection"),
        (b"", "closed the connection instead of answering"),
        (b"HTTP/1.1 200 Conn", "closed the connection instead of answering"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 40000 + b"\r\n\r\n", "is not HTTP"),
        (ESTABLISHED + b"\x16\x03\x03", "bytes of its own"),
    ],
)
async def test_what_is_no_tunnel_is_told_apart(answer, reason):
    assert re.search(reason, await refused(answer))


# --- SOCKS5 -------------------------------------------------------------------------------------


async def echo_server(nursery: trio.Nursery) -> int:
    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    listeners = await nursery.start(trio.serve_tcp, echo, 0)
    return listeners[0].socket.getsockname()[1]


async def through_socks(proxy, user=None, password=None, addresses=("127.0.0.1",), host=None):
    async with trio.open_nursery() as nursery:
        port = await echo_server(nursery)
        target = host or "api.example"
        sock = await open_socks5(addresses, proxy.port, target, port, user, password)
        with sock:
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
            await stream.send_all(b"hello")
            answer = await stream.receive_some(100)
            await stream.aclose()
        nursery.cancel_scope.cancel()
    return answer, port


async def test_socks_carries_bytes_and_the_name_is_left_to_the_proxy():
    async with socks_proxy() as proxy:
        answer, port = await through_socks(proxy)
        assert answer == b"hello"
        assert proxy.targets == [("api.example", port)]


async def test_socks_with_credentials():
    async with socks_proxy(credentials=("me", "secret")) as proxy:
        answer, _ = await through_socks(proxy, "me", "secret")
        assert answer == b"hello"


@pytest.mark.parametrize("credentials", [("me", "wrong"), (None, None)])
async def test_socks_with_wrong_or_without_credentials(credentials):
    async with socks_proxy(credentials=("me", "secret")) as proxy:
        with pytest.raises(ProxyFailed, match=r"(?i)auth"):
            await open_socks5(["127.0.0.1"], proxy.port, "api.example", 443, *credentials)


@pytest.mark.parametrize("credentials", [("mé", "secret"), ("me", "x" * 300)])
async def test_credentials_that_socks_cannot_carry_are_told_without_repeating_them(credentials):
    async with socks_proxy(credentials=("me", "secret")) as proxy:
        with pytest.raises(ProxyFailed, match="ASCII") as caught:
            await open_socks5(["127.0.0.1"], proxy.port, "api.example", 443, *credentials)
    assert credentials[1] not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "reason"), [(2, "not allowed"), (4, "unreachable"), (99, "0X63")]
)
async def test_a_refusal_of_socks_is_told(reply, reason):
    async with socks_proxy(reply=reply) as proxy:
        with pytest.raises(ProxyFailed, match=reason):
            await open_socks5(["127.0.0.1"], proxy.port, "api.example", 443, None, None)


@pytest.mark.parametrize("greeting", [b"", b"\x05", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_what_is_no_socks_is_told(greeting):
    async with socks_proxy(greeting=greeting) as proxy:
        with pytest.raises(ProxyFailed):
            await open_socks5(["127.0.0.1"], proxy.port, "api.example", 443, None, None)


async def test_the_next_address_of_a_socks_proxy_is_tried():
    async with socks_proxy() as proxy:
        answer, _ = await through_socks(proxy, addresses=("127.0.0.9", "127.0.0.1"))
        assert answer == b"hello"


async def test_a_socks_proxy_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProxyFailed, match=r"127\.0\.0\.1"):
        await open_socks5(["127.0.0.1"], port, "api.example", 443, None, None)


async def test_a_cancelled_socks_handshake_leaves_no_socket(autojump_clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with trio.move_on_after(5) as scope:
            await open_socks5(["127.0.0.1"], silent.getsockname()[1], "a.example", 443, None, None)
        assert scope.cancelled_caught


# --- the environment ----------------------------------------------------------------------------


def environment(no_proxy: str = "", **names: str) -> EnvironmentProxies:
    return EnvironmentProxies({**names, **({"no_proxy": no_proxy} if no_proxy else {})})


@pytest.mark.parametrize(
    ("names", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"https_proxy": "http://p:1"}, "https", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "http", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"}, "https", "http://q:2"),
        ({"http_proxy": "http://p:1"}, "http", "http://p:1"),
        ({"all_proxy": "socks5://p:1"}, "https", "socks5://p:1"),
        ({"ALL_PROXY": "http://a:1", "http_proxy": "http://p:1"}, "http", "http://p:1"),
        ({"ALL_PROXY": "http://a:1", "http_proxy": "http://p:1"}, "https", "http://a:1"),
        ({"https_proxy": "p:3128"}, "https", "http://p:3128"),
        ({"https_proxy": "socks5h://p:1"}, "https", "socks5://p:1"),
        ({"https_proxy": ""}, "https", None),
    ],
)
def test_the_variables_are_read_as_curl_reads_them(names, scheme, expected):
    assert EnvironmentProxies(names).proxy_for(scheme, "api.example.com") == expected


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("example.com", "example.com", True),
        ("example.com", "api.example.com", True),
        ("example.com", "notexample.com", False),
        (".example.com", "api.example.com", True),
        ("*.example.com", "api.example.com", True),
        ("EXAMPLE.com", "api.Example.COM", True),
        ("other.org, example.com ,", "example.com", True),
        ("*", "anything.example", True),
        ("other.org", "example.com", False),
        (",", "example.com", False),
        ("203.0.113.7", "203.0.113.7", True),
    ],
)
def test_hosts_that_are_exempt_are_reached_directly(no_proxy, host, direct):
    proxies = environment(no_proxy, https_proxy="http://p:1")
    assert (proxies.proxy_for("https", host) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "10.0.0.5", "192.168.1.9"])
def test_private_hosts_are_reached_directly(host):
    assert environment(all_proxy="http://p:1").proxy_for("http", host) is None
