"""Names are asked for once, and failures are not forever."""

import socket

import pytest
import trio
import trio.testing

from omniroute.net import dns
from omniroute.net.dns import FAILURE_TTL_S, DnsCache, system_resolve

V4 = socket.AF_INET


class Resolver:
    """Answers what it is told, counts, and can be held."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.gate: trio.Event | None = None

    async def __call__(self, host: str, port: int) -> list[tuple[int, str]]:
        self.asked.append(host)
        if self.gate is not None:
            await self.gate.wait()
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [(V4, address) for address in answer]


async def test_an_answer_is_kept_for_its_time(autojump_clock):
    resolver = Resolver(["192.0.2.1"], ["192.0.2.2"])
    cache = DnsCache(60, resolver)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.1"),)
    await trio.sleep(59)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.1"),)
    await trio.sleep(2)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.2"),)
    assert len(resolver.asked) == 2


async def test_a_failure_is_kept_for_a_short_time(autojump_clock):
    resolver = Resolver(socket.gaierror(-2, "Name or service not known"), ["192.0.2.1"])
    cache = DnsCache(60, resolver)
    for _ in range(3):
        with pytest.raises(OSError, match=r"cannot resolve a\.example: Name or service not known"):
            await cache.addresses("a.example", 443)
    assert len(resolver.asked) == 1
    await trio.sleep(FAILURE_TTL_S + 0.1)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.1"),)


@pytest.mark.parametrize(
    ("answer", "message"),
    [([], "has no address"), (UnicodeError("label too long"), "is not a host name")],
)
async def test_what_is_no_answer_is_a_failure(answer, message):
    cache = DnsCache(60, Resolver(answer))
    with pytest.raises(OSError, match=message):
        await cache.addresses("a.example", 443)


async def test_names_and_ports_are_told_apart():
    resolver = Resolver(["192.0.2.1"])
    cache = DnsCache(60, resolver)
    for host, port in [("a.example", 443), ("b.example", 443), ("a.example", 80)]:
        await cache.addresses(host, port)
    assert len(resolver.asked) == 3


@pytest.mark.parametrize("ttl_s", [60, 0])
async def test_those_who_ask_meanwhile_share_one_resolution(ttl_s):
    resolver = Resolver(["192.0.2.1"])
    resolver.gate = trio.Event()
    cache = DnsCache(ttl_s, resolver)
    got = []

    async def ask() -> None:
        got.append(await cache.addresses("a.example", 443))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        resolver.gate.set()
    assert got == [((V4, "192.0.2.1"),)] * 10
    assert len(resolver.asked) == 1


async def test_a_failure_is_shared_too():
    resolver = Resolver(OSError("down"))
    resolver.gate = trio.Event()
    cache = DnsCache(60, resolver)
    failed = []

    async def ask() -> None:
        with pytest.raises(OSError, match="down"):
            await cache.addresses("a.example", 443)
        failed.append(1)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        resolver.gate.set()
    assert len(failed) == 5
    assert len(resolver.asked) == 1


async def test_when_the_one_who_asks_is_cancelled_another_asks():
    resolver = Resolver(["192.0.2.1"])
    resolver.gate = trio.Event()
    cache = DnsCache(60, resolver)
    got = []

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            got.append(await cache.addresses("a.example", 443))

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()
        nursery.start_soon(ask, first)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(ask, trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        resolver.gate.set()
    assert got == [((V4, "192.0.2.1"),)] * 3
    assert len(resolver.asked) == 2


async def test_a_defect_of_the_resolver_wedges_nobody():
    cache = DnsCache(60, Resolver(ZeroDivisionError(), ["192.0.2.1"]))
    with pytest.raises(ZeroDivisionError):
        await cache.addresses("a.example", 443)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.1"),)


async def test_a_time_of_zero_means_asking_each_time():
    resolver = Resolver(["192.0.2.1"])
    cache = DnsCache(0, resolver)
    for _ in range(3):
        assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.1"),)
    assert len(resolver.asked) == 3


async def test_a_forgotten_name_is_asked_for_again():
    resolver = Resolver(["192.0.2.1"], ["192.0.2.2"])
    cache = DnsCache(60, resolver)
    await cache.addresses("a.example", 443)
    cache.forget("a.example", 443)
    cache.forget("never.example", 443)
    assert await cache.addresses("a.example", 443) == ((V4, "192.0.2.2"),)


async def test_the_cache_is_bounded_and_the_oldest_leaves_first(monkeypatch):
    monkeypatch.setattr(dns, "MAX_NAMES", 3)
    resolver = Resolver(["192.0.2.1"])
    cache = DnsCache(60, resolver)
    for number in range(5):
        await cache.addresses(f"{number}.example", 443)
    resolver.asked.clear()
    for number in (4, 3, 2, 0):
        await cache.addresses(f"{number}.example", 443)
    assert resolver.asked == ["0.example"]


async def test_the_system_resolves_localhost_and_literals():
    assert {address for _, address in await system_resolve("localhost", 80)} <= {"127.0.0.1", "::1"}
    assert await system_resolve("192.0.2.7", 80) == [(V4, "192.0.2.7")]
