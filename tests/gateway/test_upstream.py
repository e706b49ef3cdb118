"""Upstream connections and their pool."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import hypothesis
import pytest
import trio
import trio.testing
from hypothesis import strategies as st

from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.gateway.upstream import Pool, Upstream
from omniroute.gateway.view import View
from omniroute.installation import Installation
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.dns import DnsCache
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import open_readiness
from omniroute.net.transport import MemoryTransport, Transport, memory_pair
from omniroute.wire.http1 import ProtocolError
from tests.net.proxy_servers import http_proxy, socks_proxy

ORIGIN = Origin("http", "a.example", 80)
OTHER = Origin("http", "b.example", 80)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class FakeConnector(Connector):
    """Connects to memory; remembers the far ends; fails or waits when told."""

    def __init__(self, connect_s: float = 10.0) -> None:
        self.connect_s = connect_s
        self.peers: list[MemoryTransport] = []
        self.near: list[MemoryTransport] = []
        self.origins: list[Origin] = []
        self.remembered: list[Origin] = []
        self.fail: ConnectFailed | None = None
        self.gate: trio.Event | None = None

    async def connect(self, origin: Origin) -> Transport:
        if self.gate is not None:
            await self.gate.wait()
        await trio.lowlevel.checkpoint()
        if self.fail is not None:
            raise self.fail
        near, far = memory_pair()
        self.near.append(near)
        self.peers.append(far)
        self.origins.append(origin)
        return near

    def remember_session(self, origin: Origin, transport: Transport) -> None:
        self.remembered.append(origin)

    def peer_of(self, upstream: Upstream) -> MemoryTransport:
        return self.peers[self.near.index(upstream.transport)]


@pytest.fixture
def connector() -> FakeConnector:
    return FakeConnector()


async def exchange(
    connector: FakeConnector, upstream: Upstream, answer: bytes = OK, *, ends: bool = False
) -> bytes:
    """One whole request and answer."""
    peer = connector.peer_of(upstream)
    await upstream.send(b"POST", b"request")
    assert await peer.recv() == b"request"
    await peer.send(answer)
    if ends:
        peer.close()
    await upstream.head()
    body = b""
    while piece := await upstream.body():
        body += piece
    return body


# --- one connection -----------------------------------------------------------------------------


async def test_answers_follow_one_another_on_one_connection(connector):
    pool = Pool(connector)
    upstream = await pool.acquire(ORIGIN)
    for number in range(3):
        assert await exchange(connector, upstream) == b"ok"
        assert upstream.answered
        assert upstream.exchanges == number + 1
        assert upstream.reusable


async def test_a_body_goes_out_in_parts(connector):
    upstream = await Pool(connector).acquire(ORIGIN)
    await upstream.send(b"POST", b"head")
    await upstream.send_more(b" and rest")
    assert await connector.peers[0].recv() == b"head and rest"


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("before", [0, 2])
async def test_the_end_instead_of_an_answer_is_no_answer(connector, how, before):
    upstream = await Pool(connector).acquire(ORIGIN)
    for _ in range(before):
        await exchange(connector, upstream)
    await upstream.send(b"POST", b"request")
    assert not upstream.answered
    getattr(connector.peers[0], how)()
    with pytest.raises(ConnectionResetError):
        await upstream.head()
    assert not upstream.answered
    assert not upstream.reusable


async def test_one_byte_is_an_answer(connector):
    upstream = await Pool(connector).acquire(ORIGIN)
    await upstream.send(b"POST", b"request")
    await connector.peers[0].send(b"H")
    connector.peers[0].close()
    with pytest.raises(ProtocolError):
        await upstream.head()
    assert upstream.answered


async def test_a_body_that_is_cut_is_an_error(connector):
    upstream = await Pool(connector).acquire(ORIGIN)
    await upstream.send(b"POST", b"request")
    await connector.peers[0].send(OK[:-1])
    connector.peers[0].close()
    await upstream.head()
    assert upstream.answered
    assert await upstream.body() == b"o"
    with pytest.raises(ProtocolError):
        await upstream.body()


# --- what goes back, and what does not ----------------------------------------------------------


async def test_the_one_given_back_last_is_taken_first(connector):
    pool = Pool(connector)
    first, second, third = [await pool.acquire(ORIGIN) for _ in range(3)]
    for upstream in (second, first, third):
        pool.release(upstream)
    assert pool.idle_count == pool.open_count == 3
    assert [await pool.acquire(ORIGIN) for _ in range(3)] == [third, first, second]
    assert pool.idle_count == 0


async def test_origins_do_not_mix(connector):
    pool = Pool(connector)
    upstream = await pool.acquire(ORIGIN)
    pool.release(upstream)
    assert await pool.acquire(OTHER) is not upstream
    assert await pool.acquire(ORIGIN._replace(proxy="http://p:1")) is not upstream
    assert await pool.acquire(ORIGIN._replace(ca_file="/x")) is not upstream
    assert await pool.acquire(ORIGIN) is upstream


async def test_a_fresh_connection_is_fresh(connector):
    pool = Pool(connector)
    idle = await pool.acquire(ORIGIN)
    pool.release(idle)
    assert await pool.acquire(ORIGIN, fresh=True) is not idle
    assert pool.idle_count == 1


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", False),
        (OK + b"HTTP/1.1 200 OK\r\n", False),
        (OK + b"\r\n", False),
        (OK, True),
        (b"HTTP/1.1 204 No Content\r\n\r\nbody?", False),
    ],
    ids=["by-close", "says-close", "http-1.0", "too-much", "stray", "hung-up", "body-of-204"],
)
async def test_what_did_not_end_beyond_doubt_is_closed(connector, answer, ends):
    pool = Pool(connector)
    upstream = await pool.acquire(ORIGIN)
    await exchange(connector, upstream, answer, ends=ends)
    pool.release(upstream)
    assert (pool.idle_count, pool.open_count) == (0, 0)
    assert connector.peers[0].hung_up


async def test_an_unread_answer_is_closed(connector):
    pool = Pool(connector)
    upstream = await pool.acquire(ORIGIN)
    await upstream.send(b"POST", b"request")
    await connector.peers[0].send(OK)
    await upstream.head()
    pool.release(upstream)
    assert (pool.idle_count, pool.open_count) == (0, 0)
    assert connector.peers[0].hung_up


async def test_a_discarded_connection_is_closed(connector):
    pool = Pool(connector)
    pool.discard(await pool.acquire(ORIGIN))
    assert pool.open_count == 0
    assert connector.peers[0].hung_up


async def test_a_session_is_remembered_after_the_first_exchange_only(connector):
    pool = Pool(connector)
    for _ in range(3):
        upstream = await pool.acquire(ORIGIN)
        await exchange(connector, upstream)
        pool.release(upstream)
    assert connector.remembered == [ORIGIN]


# --- idle ---------------------------------------------------------------------------------------


async def test_an_idle_connection_whose_peer_hangs_up_is_closed_at_once(connector):
    pool = Pool(connector)
    kept, lost = [await pool.acquire(ORIGIN) for _ in range(2)]
    pool.release(kept)
    pool.release(lost)
    connector.peer_of(lost).close()
    assert (pool.idle_count, pool.open_count) == (1, 1)
    with pytest.raises(BrokenPipeError):
        await connector.peer_of(lost).send(b"x")
    assert await pool.acquire(ORIGIN) is kept


async def test_a_hangup_in_mid_exchange_is_left_to_its_reader(connector):
    pool = Pool(connector)
    upstream = await pool.acquire(ORIGIN)
    pool.release(upstream)
    upstream = await pool.acquire(ORIGIN)
    connector.peers[0].close()
    assert pool.open_count == 1
    pool.release(upstream)
    assert pool.open_count == 0


async def test_an_idle_connection_that_spoke_unasked_is_never_handed_out(connector):
    pool = Pool(connector)
    good, bad, worse = [await pool.acquire(ORIGIN) for _ in range(3)]
    for upstream in (good, bad, worse):
        pool.release(upstream)
    await connector.peer_of(bad).send(OK)
    await connector.peer_of(worse).send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert await pool.acquire(ORIGIN) is good
    assert pool.open_count == 1
    assert connector.peer_of(bad).hung_up
    assert connector.peer_of(worse).hung_up


async def test_what_is_idle_too_long_is_closed_the_oldest_first(autojump_clock, connector):
    pool = Pool(connector, idle_s=55)
    old, young = [await pool.acquire(ORIGIN) for _ in range(2)]
    pool.release(old)
    await trio.sleep(30)
    pool.release(young)
    pool.expire(trio.current_time())
    assert pool.idle_count == 2
    await trio.sleep(26)
    pool.expire(trio.current_time())
    assert (pool.idle_count, pool.open_count) == (1, 1)
    assert connector.peer_of(old).hung_up
    await trio.sleep(30)
    pool.expire(trio.current_time())
    assert (pool.idle_count, pool.open_count) == (0, 0)


async def test_closing_the_pool_closes_what_is_idle(connector):
    pool = Pool(connector)
    used, *idle = [await pool.acquire(origin) for origin in (ORIGIN, ORIGIN, OTHER)]
    for upstream in idle:
        pool.release(upstream)
    pool.close()
    assert (pool.idle_count, pool.open_count) == (0, 1)
    pool.discard(used)
    assert pool.open_count == 0


# --- bounds and the line ------------------------------------------------------------------------


async def take(pool: Pool, got: list, name, *, fresh: bool = False) -> None:
    try:
        got.append((name, await pool.acquire(ORIGIN, fresh=fresh)))
    except ConnectFailed as error:
        got.append((name, error))


async def in_line(nursery: trio.Nursery, pool: Pool, got: list, *names, **more) -> None:
    for name in names:
        nursery.start_soon(lambda name=name: take(pool, got, name, **more))
        await trio.testing.wait_all_tasks_blocked()


async def test_those_who_wait_are_served_in_order(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "first", "second", "third")
        for name in ("first", "second", "third"):
            pool.release(upstream)
            await trio.testing.wait_all_tasks_blocked()
            assert got.pop() == (name, upstream)
    assert len(connector.peers) == 1


async def test_nobody_overtakes_those_who_wait(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "waiting")
        pool.release(upstream)  # the one who waits has not run yet
        await in_line(nursery, pool, got, "late")
        assert got == [("waiting", upstream)]
        pool.release(upstream)
    assert got[1:] == [("late", upstream)]


async def test_the_place_of_a_closed_connection_goes_to_who_waits(connector):
    pool = Pool(connector, size=2)
    held = [await pool.acquire(ORIGIN) for _ in range(2)]
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "first", "second")
        pool.discard(held[0])
        await trio.testing.wait_all_tasks_blocked()
        assert [name for name, _ in got] == ["first"]
        pool.discard(held[1])
    assert [name for name, _ in got] == ["first", "second"]
    assert pool.open_count == 2
    assert len(connector.peers) == 4


async def test_a_place_is_handed_on_when_connecting_fails(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    connector.fail = ConnectFailed("down")
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "first", "second")
        pool.discard(upstream)
    assert [str(error) for _, error in got] == ["down", "down"]
    assert pool.open_count == 0
    connector.fail = None
    assert await pool.acquire(ORIGIN)


async def test_one_handed_on_that_dies_meanwhile_is_replaced(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "waiting")
        pool.release(upstream)
        connector.peers[0].close()
    assert got[0][1] is not upstream
    assert pool.open_count == 1


async def test_who_wants_a_fresh_one_gets_the_place_of_a_used_one(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    got: list = []
    async with trio.open_nursery() as nursery:
        await in_line(nursery, pool, got, "fresh", fresh=True)
        pool.release(upstream)
    assert got[0][1] is not upstream
    assert connector.peers[0].hung_up
    assert pool.open_count == 1


async def test_a_fresh_one_takes_the_place_of_the_oldest_idle_one(connector):
    pool = Pool(connector, size=2)
    old, young = [await pool.acquire(ORIGIN) for _ in range(2)]
    pool.release(old)
    pool.release(young)
    await pool.acquire(ORIGIN, fresh=True)
    assert connector.peer_of(old).hung_up
    assert not connector.peer_of(young).hung_up
    assert (pool.idle_count, pool.open_count) == (1, 2)


async def test_waiting_has_a_limit_that_says_what_to_do(autojump_clock, connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    with pytest.raises(ConnectFailed, match=r"all 1 connections to a\.example .* 10 s.*pool_size"):
        await pool.acquire(ORIGIN)
    pool.release(upstream)
    assert await pool.acquire(ORIGIN) is upstream


async def test_the_bound_is_per_origin(connector):
    pool = Pool(connector, size=1)
    await pool.acquire(ORIGIN)
    await pool.acquire(OTHER)
    assert pool.open_count == 2


async def test_who_leaves_the_line_is_passed_over(connector):
    pool = Pool(connector, size=1)
    upstream = await pool.acquire(ORIGIN)
    got: list = []
    async with trio.open_nursery() as nursery:
        leaving = trio.CancelScope()

        @nursery.start_soon
        async def leave() -> None:
            with leaving:
                await take(pool, got, "leaving")

        await trio.testing.wait_all_tasks_blocked()
        await in_line(nursery, pool, got, "staying")
        leaving.cancel()
        await trio.testing.wait_all_tasks_blocked()
        pool.release(upstream)
    assert got == [("staying", upstream)]


async def test_who_leaves_at_the_very_moment_of_success_loses_nothing(connector):
    for give in ("release", "discard"):
        pool = Pool(connector, size=1)
        upstream = await pool.acquire(ORIGIN)
        got: list = []
        async with trio.open_nursery() as nursery:
            leaving = trio.CancelScope()

            @nursery.start_soon
            async def leave(pool=pool, got=got, leaving=leaving) -> None:
                with leaving:
                    await take(pool, got, "leaving")

            await trio.testing.wait_all_tasks_blocked()
            getattr(pool, give)(upstream)
            leaving.cancel()
        for _, taken in got:
            pool.discard(taken)
        assert pool.open_count == 0
        with trio.fail_after(1):
            assert await pool.acquire(ORIGIN)


async def test_a_cancelled_connect_gives_its_place_back(connector):
    connector.gate = trio.Event()
    pool = Pool(connector, size=1)
    got: list = []
    async with trio.open_nursery() as nursery:
        leaving = trio.CancelScope()

        @nursery.start_soon
        async def leave() -> None:
            with leaving:
                await pool.acquire(ORIGIN)

        await trio.testing.wait_all_tasks_blocked()
        assert pool.open_count == 1
        await in_line(nursery, pool, got, "next")
        leaving.cancel()
        connector.gate.set()
    assert got[0][0] == "next"
    assert pool.open_count == 1


# --- every path at random -----------------------------------------------------------------------

SIZE = 3
STEPS = st.tuples(
    st.sampled_from(
        [
            "acquire",
            "acquire",
            "acquire fresh",
            "good",
            "good",
            "unfinished",
            "discard",
            "hung up",
            "released, then hung up",
            "idle hangs up",
            "idle speaks",
            "network down",
            "network up",
            "leave the line",
            "time passes",
        ]
    ),
    st.integers(0, 7),
)


class Model:
    """What must hold of a pool after every step, and the steps."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.connector = FakeConnector(connect_s=1e9)
        self.pool = Pool(self.connector, size=SIZE)
        self.nursery = nursery
        self.held: list[Upstream] = []
        self.line: list[int] = []  # who waits, the first one first
        self.served: list[int] = []
        self.scopes: list[trio.CancelScope] = []

    async def task(self, number: int, *, fresh: bool) -> None:
        with self.scopes[number]:
            try:
                self.held.append(await self.pool.acquire(ORIGIN, fresh=fresh))
            except ConnectFailed:
                assert self.connector.fail is not None
            self.served.append(number)

    async def step(self, name: str, pick: int) -> None:
        idle = list(self.pool._idle.get(ORIGIN, ()))
        if name.startswith("acquire"):
            number = len(self.scopes)
            self.scopes.append(trio.CancelScope())
            if len(self.held) == SIZE:
                self.line.append(number)
            self.nursery.start_soon(lambda: self.task(number, fresh=name.endswith("fresh")))
        elif name in ("good", "unfinished", "discard", "hung up", "released, then hung up"):
            if self.held:
                await self.give_back(name, self.held.pop(pick % len(self.held)))
        elif name == "idle hangs up" and idle:
            count = self.pool.open_count
            self.connector.peer_of(idle[pick % len(idle)]).close()
            assert self.pool.open_count == count - 1
        elif name == "idle speaks" and idle:
            await self.connector.peer_of(idle[pick % len(idle)]).send(b"HTTP/1.1 408 X\r\n\r\n")
        elif name.startswith("network"):
            self.connector.fail = ConnectFailed("down") if name == "network down" else None
        elif name == "leave the line" and self.line:
            self.scopes[self.line.pop(pick % len(self.line))].cancel()
        elif name == "time passes":
            await trio.sleep(pick * 10)
            self.pool.expire(trio.current_time())
            oldest_allowed = trio.current_time() - self.pool.idle_s
            assert all(
                each.idle_since >= oldest_allowed for each in self.pool._idle.get(ORIGIN, ())
            )

    async def give_back(self, how: str, upstream: Upstream) -> None:
        peer = self.connector.peer_of(upstream)
        if how == "unfinished":
            await upstream.send(b"POST", b"request")
        elif how == "hung up":
            peer.close()
        elif how != "discard":
            await exchange(self.connector, upstream)
        if how == "discard":
            self.pool.discard(upstream)
        else:
            self.pool.release(upstream)
        if how == "released, then hung up":
            peer.close()

    def check(self) -> None:
        pool = self.pool
        for number in self.served:
            if self.line and number >= self.line[0]:
                assert number == self.line.pop(0)  # nobody overtakes
        self.served.clear()
        idle = pool._idle.get(ORIGIN, ())
        really_open = [near for near in self.connector.near if not near._closed]
        assert len(really_open) == pool.open_count == len(self.held) + pool.idle_count <= SIZE
        assert not any(upstream in idle for upstream in self.held)
        assert not any(upstream.transport.hung_up for upstream in idle)
        if self.line:
            assert len(self.held) == SIZE
            assert len(pool._waiting[ORIGIN]) == len(self.line)
        else:
            assert not pool._waiting
        if not pool.open_count:
            assert not pool._open
            assert not pool._idle


@hypothesis.given(st.lists(STEPS, max_size=60))
def test_the_counts_are_right_after_every_step(steps):
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            model = Model(nursery)
            for name, pick in steps:
                await model.step(name, pick)
                await trio.testing.wait_all_tasks_blocked()
                model.check()
            model.pool.close()
            model.held.reverse()
            while model.held:
                model.pool.discard(model.held.pop())
                await trio.testing.wait_all_tasks_blocked()
            assert model.pool.open_count == 0
            assert not model.pool._waiting

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


# --- real sockets: proxies apart, and nothing left open -----------------------------------------


@asynccontextmanager
async def real_pool() -> AsyncIterator[Pool]:
    async def resolve(host: str, port: int) -> list[tuple[int, str]]:
        await trio.lowlevel.checkpoint()
        return [(socket.AF_INET, "127.0.0.1")]

    readiness = open_readiness()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        await trio.testing.wait_all_tasks_blocked()
        before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        pool = Pool(Connector(readiness, dns=DnsCache(60, resolve)))
        yield pool
        pool.close()
        assert pool.open_count == 0
        await trio.testing.wait_all_tasks_blocked()
        if sys.platform == "linux":
            assert len(os.listdir("/proc/self/fd")) == before
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def answering() -> AsyncIterator[int]:
    """An upstream that tells each connection how many requests came before on it."""

    async def serve(stream: trio.SocketStream) -> None:
        count = 0
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some(65536):
                body = b"%d" % count
                count += 1
                await stream.send_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
                )

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def ask(pool: Pool, origin: Origin) -> tuple[Upstream, bytes]:
    upstream = await pool.acquire(origin)
    await upstream.send(b"POST", b"POST / HTTP/1.1\r\n\r\n")
    await upstream.head()
    body = b""
    while piece := await upstream.body():
        body += piece
    return upstream, body


def targets_of(tmp_path, port: int, proxies: list[str | None]):
    """The targets of one provider whose connections differ in nothing but their proxy."""
    file = tmp_path / "omniroute.toml"
    text = f"""
    [[providers]]
    id = "acme"
    format = "openai"
    base_url = "http://upstream.example:{port}/v1"
    """
    for number, proxy in enumerate(proxies):
        text += f"""
        [[connections]]
        provider = "acme"
        name = "c{number}"
        api_key = "sk-same-key-for-all"
        priority = {number}
        {f'proxy = "{proxy}"' if proxy else ""}
        """
    file.write_text(text)
    file.chmod(0o600)
    installation = Installation.ephemeral(tmp_path)
    snapshot = compile_snapshot(load({}, {}, file, tmp_path), (), (), installation)
    return View(1, snapshot, installation, EnvironmentProxies({})).targets["acme"]


async def test_connections_of_one_provider_with_different_proxies_never_share_a_socket(tmp_path):
    async with (
        answering() as port,
        http_proxy() as one,
        http_proxy() as two,
        socks_proxy() as three,
        real_pool() as pool,
    ):
        proxies = [one.url("http"), two.url("http"), three.url("socks5"), one.url("http", "me:x")]
        targets = targets_of(tmp_path, port, proxies)
        assert [target.origin.proxy for target in targets] == proxies
        for expected in (b"0", b"1", b"2"):
            held = [await ask(pool, target.origin) for target in targets]
            assert [body for _, body in held] == [expected] * 4
            assert len({upstream.transport.sock for upstream, _ in held}) == 4
            for upstream, _ in held:
                pool.release(upstream)
            # Idle ones of all kinds lie there now, and each finds its own again in any order.
            for target in targets[::-1]:
                upstream = await pool.acquire(target.origin)
                assert upstream.origin.proxy == target.origin.proxy
                pool.release(upstream)
        assert [len(proxy.peers) for proxy in (one, two, three)] == [2, 1, 1]
        assert one.targets == [("upstream.example", port)] * 2


async def test_no_descriptor_is_left_whatever_becomes_of_connections():
    async with answering() as port, real_pool() as pool:
        origin = Origin("http", "upstream.example", port, allow_private=True)
        for _ in range(3):
            held = [(await ask(pool, origin))[0] for _ in range(4)]
            pool.release(held[0])
            pool.discard(held[1])
            pool.release(held[2])
            held[3].close()
            pool.discard(held[3])
        with pytest.raises(ConnectFailed):
            await pool.acquire(origin._replace(allow_private=False))


async def test_an_idle_socket_that_its_peer_closes_is_closed_without_being_asked_for():
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(OK)
        async with stream:
            await leave.wait()

    async with trio.open_nursery() as nursery, real_pool() as pool:
        leave = trio.Event()
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        upstream, _ = await ask(pool, Origin("http", "a.example", port, allow_private=True))
        pool.release(upstream)
        assert pool.idle_count == 1
        leave.set()
        with trio.fail_after(5):
            while pool.open_count:  # noqa: ASYNC110 - the packet arrives when it does
                await trio.sleep(0.001)
        assert upstream.transport.sock.fileno() == -1
        nursery.cancel_scope.cancel()
