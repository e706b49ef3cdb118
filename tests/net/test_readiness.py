"""Both variants of readiness keep the same promises."""

import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from omniroute.net import readiness as module
from omniroute.net.readiness import PortableReadiness, Readiness, Waiter, open_readiness

VARIANTS = ["portable"] + (["epoll"] if sys.platform == "linux" else [])


@pytest.fixture(params=VARIANTS)
def make(request):
    return PortableReadiness if request.param == "portable" else module.EpollReadiness


@asynccontextmanager
async def running(make) -> AsyncIterator[Readiness]:
    readiness = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        yield readiness
        nursery.cancel_scope.cancel()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    with one, other:
        yield one, other


async def ready(waiter: Waiter) -> None:
    """Until the readiness itself has noticed (an edge may still be in the kernel)."""
    with trio.fail_after(5):
        while not waiter.readable:
            await waiter.wait_readable()


def fill(sock: socket.socket) -> int:
    total = 0
    while True:
        try:
            total += sock.send(bytes(65536))
        except BlockingIOError:
            return total


async def test_a_reader_is_woken_by_data(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready, waiter)
            await trio.testing.wait_all_tasks_blocked()
            pair[1].send(b"x")
        assert pair[0].recv(10) == b"x"
        readiness.remove(waiter)


async def test_data_that_was_there_before_the_socket_was_added_is_noticed(make, pair):
    pair[1].send(b"early")
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        await ready(waiter)
        assert pair[0].recv(10) == b"early"
        readiness.remove(waiter)


async def test_each_new_piece_wakes_again(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        for number in range(20):
            pair[1].send(b"%d" % number)
            await ready(waiter)
            assert pair[0].recv(10) == b"%d" % number
            waiter.readable = False  # what a short read tells the transport
        readiness.remove(waiter)


async def test_a_hangup_is_noted_without_a_reader(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        noticed = trio.Event()
        waiter.on_hangup = noticed.set
        await trio.testing.wait_all_tasks_blocked()
        assert not waiter.hung_up
        pair[1].close()
        with trio.fail_after(5):
            await noticed.wait()
        assert waiter.hung_up
        readiness.remove(waiter)


async def test_a_reset_is_a_hangup(make):
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        client.setblocking(False)
        async with running(make) as readiness:
            waiter = readiness.add(client)
            noticed = trio.Event()
            waiter.on_hangup = noticed.set
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server.close()
            with trio.fail_after(5):
                await noticed.wait()
            readiness.remove(waiter)


async def test_a_hangup_is_told_once(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        told: list[int] = []
        waiter.on_hangup = lambda: told.append(1)
        waiter.note_hangup()
        pair[1].close()
        await ready(waiter)
        waiter.note_hangup()
        assert told == [1]
        readiness.remove(waiter)


async def test_data_behind_which_the_peer_hung_up_can_still_be_read(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        pair[1].send(b"last words")
        pair[1].close()
        await ready(waiter)
        assert pair[0].recv(100) == b"last words"
        assert pair[0].recv(100) == b""
        readiness.remove(waiter)


async def test_interrupt_raises_in_the_waiting_reader_and_loses_nothing(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        seen: list[BaseException] = []

        async def read() -> None:
            try:
                await waiter.wait_readable()
            except TimeoutError as error:
                seen.append(error)
            await waiter.wait_readable()

        reason = TimeoutError("the keepalive is due")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            assert waiter.interrupt(reason) is True
            await trio.testing.wait_all_tasks_blocked()
            assert seen == [reason]
            pair[1].send(b"later")
        assert pair[0].recv(10) == b"later"
        readiness.remove(waiter)


async def test_interrupt_without_a_waiting_reader_is_false_and_raises_nowhere(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        assert waiter.interrupt(TimeoutError()) is False
        pair[1].send(b"x")
        await ready(waiter)
        assert waiter.interrupt(TimeoutError()) is False
        readiness.remove(waiter)


async def test_only_the_first_of_two_interrupts_counts(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        seen: list[str] = []

        async def read() -> None:
            try:
                await waiter.wait_readable()
            except TimeoutError as error:
                seen.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            assert waiter.interrupt(TimeoutError("first")) is True
            assert waiter.interrupt(TimeoutError("second")) is False
        assert seen == ["first"]
        readiness.remove(waiter)


async def test_an_interrupt_does_not_disturb_the_writer(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        queued = fill(pair[0])
        interrupted = trio.Event()
        written = trio.Event()

        async def read() -> None:
            with pytest.raises(TimeoutError):
                await waiter.wait_readable()
            interrupted.set()

        async def write() -> None:
            waiter.writable = False
            await waiter.wait_writable()
            written.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            waiter.interrupt(TimeoutError())
            await interrupted.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert not written.is_set()
            while queued:
                queued -= len(pair[1].recv(queued))
            with trio.fail_after(5):
                await written.wait()
        readiness.remove(waiter)


async def test_removal_wakes_whoever_waits_for_reading_and_for_writing(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        fill(pair[0])
        ended: list[str] = []

        async def wait(name: str) -> None:
            waiter.writable = False
            with pytest.raises(trio.ClosedResourceError):
                await (waiter.wait_readable() if name == "read" else waiter.wait_writable())
            ended.append(name)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, "read")
                nursery.start_soon(wait, "write")
                await trio.testing.wait_all_tasks_blocked()
                readiness.remove(waiter)
                pair[0].close()
        assert sorted(ended) == ["read", "write"]


async def test_a_cancelled_wait_leaves_the_waiter_usable(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        with trio.move_on_after(0.001):
            await waiter.wait_readable()
        assert waiter.interrupt(TimeoutError()) is False
        fill(pair[0])
        waiter.writable = False
        with trio.move_on_after(0.001):
            await waiter.wait_writable()
        pair[1].send(b"x")
        await ready(waiter)
        readiness.remove(waiter)


async def test_unread_bytes_and_the_end_are_known_without_a_reader(make, pair):
    async with running(make) as readiness:
        waiter = readiness.add(pair[0])
        await trio.testing.wait_all_tasks_blocked()
        assert not waiter.has_unread()
        pair[1].send(b"x")
        with trio.fail_after(5):
            while not waiter.has_unread():  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.001)
        readiness.remove(waiter)


async def test_many_sockets_are_told_apart(make):
    count = 600  # more than one poll returns
    pairs = [socket.socketpair() for _ in range(count)]
    got: dict[int, bytes] = {}
    async with running(make) as readiness:
        waiters = []
        for one, other in pairs:
            one.setblocking(False)
            other.setblocking(False)
            waiters.append(readiness.add(one))

        async def read(number: int) -> None:
            await ready(waiters[number])
            got[number] = pairs[number][0].recv(10)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(read, number)
            await trio.testing.wait_all_tasks_blocked()
            for number, (_, other) in enumerate(pairs):
                other.send(b"%d" % number)
        for waiter in waiters:
            readiness.remove(waiter)
    for one, other in pairs:
        one.close()
        other.close()
    assert got == {number: b"%d" % number for number in range(count)}


async def test_a_descriptor_that_is_used_again_belongs_to_the_new_socket(make):
    async with running(make) as readiness:
        one, other = socket.socketpair()
        descriptor = one.fileno()
        old = readiness.add(one)
        readiness.remove(old)
        one.close()
        other.close()
        again, peer = socket.socketpair()
        with again, peer:
            assert again.fileno() == descriptor
            again.setblocking(False)
            new = readiness.add(again)
            peer.send(b"x")
            await ready(new)
            assert not old.readable
            readiness.remove(new)


@pytest.mark.skipif(sys.platform != "linux", reason="epoll")
async def test_the_epoll_descriptor_is_given_back():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        async with running(module.EpollReadiness):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


async def test_this_system_gets_its_best_variant():
    readiness = open_readiness()
    expected = "EpollReadiness" if sys.platform == "linux" else "PortableReadiness"
    assert type(readiness).__name__ == expected
    async with trio.open_nursery() as nursery:  # which closes what it holds
        nursery.start_soon(readiness.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
