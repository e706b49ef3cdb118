"""Which sockets are ready: one edge-triggered epoll per worker, nested in Trio's own loop.

Contract: a socket is added once, when it is opened, and removed when it is closed. From then on its
`Waiter` knows for free whether the socket may be readable or writable and whether the peer has hung
up, without a system call per wait. At most one task waits for reading and one for writing. A
waiting task can be interrupted from outside with an exception (a deadline that passed, a keepalive
that is due) without a cancel scope per request.

Why not `trio.lowlevel.wait_readable`: it re-arms the socket with an epoll_ctl on each wait and
cannot tell of a hang-up while nobody reads; measured on a relay at 64 connections this saves a
quarter of the CPU of a request (docs/adr/0006). Where there is no epoll (macOS, Windows),
`PortableReadiness` gives the same contract over Trio's own waiting and a slow sweep for hang-ups.
"""

import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import outcome
import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule, wait_task_rescheduled

MAX_EVENTS: Final = 512  # per poll; the rest is still there at the next one
HANGUP_SWEEP_S: Final = 0.05  # portable variant only; the contract allows 100 ms


class Waiter:
    """The readiness of one socket, and the tasks that wait for it."""

    __slots__ = (
        "_reader",
        "_writer",
        "hung_up",
        "on_hangup",
        "readable",
        "sock",
        "writable",
    )

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.readable = False
        self.writable = True
        self.hung_up = False
        self.on_hangup: Callable[[], None] | None = None
        self._reader: Task | None = None
        self._writer: Task | None = None

    async def wait_readable(self) -> None:
        """Return when a read may succeed, or raise what `interrupt` was given."""
        while not self.readable:
            self._reader = current_task()
            await wait_task_rescheduled(self._abort_read)

    async def wait_writable(self) -> None:
        """Return when a write may succeed."""
        while not self.writable:
            self._writer = current_task()
            await wait_task_rescheduled(self._abort_write)

    def interrupt(self, reason: BaseException) -> bool:
        """Raise `reason` in the task that waits for reading; False if none does."""
        task = self._reader
        if task is None:
            return False
        self._reader = None
        reschedule(task, outcome.Error(reason))
        return True

    def _abort_read(self, _: RaiseCancelT) -> Abort:
        self._reader = None
        return Abort.SUCCEEDED

    def _abort_write(self, _: RaiseCancelT) -> Abort:
        self._writer = None
        return Abort.SUCCEEDED

    def wake_reader(self) -> None:
        self.readable = True
        task = self._reader
        if task is not None:
            self._reader = None
            reschedule(task)

    def wake_writer(self) -> None:
        self.writable = True
        task = self._writer
        if task is not None:
            self._writer = None
            reschedule(task)

    def has_unread(self) -> bool:
        """Is something (bytes, the end, an error) known to be there to be read?"""
        return self.readable

    def end(self) -> None:
        """The socket is about to be closed: nobody may go on waiting for it."""
        closed = trio.ClosedResourceError("the socket was closed by another task")
        self.interrupt(closed)
        task = self._writer
        if task is not None:
            self._writer = None
            reschedule(task, outcome.Error(closed))

    def note_hangup(self) -> None:
        """The peer will send no more; tell whoever cares, once."""
        if not self.hung_up:
            self.hung_up = True
            if self.on_hangup is not None:
                self.on_hangup()


class Readiness(Protocol):
    """What a socket transport needs of the loop."""

    def add(self, sock: socket.socket) -> Waiter: ...

    def remove(self, waiter: Waiter) -> None: ...

    async def run(self) -> None:
        """Serve events until cancelled; one task per worker."""
        ...


if sys.platform == "linux":
    _IN = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _OUT = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
    _GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _WANTED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

    class EpollReadiness:
        """Edge-triggered epoll(7), itself waited for by Trio like any other descriptor."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._waiters: dict[int, Waiter] = {}

        def add(self, sock: socket.socket) -> Waiter:
            waiter = Waiter(sock)
            descriptor = sock.fileno()
            self._waiters[descriptor] = waiter
            self._epoll.register(descriptor, _WANTED)
            return waiter

        def remove(self, waiter: Waiter) -> None:
            # Closing the descriptor takes it out of the epoll set; only our table needs care.
            descriptor = waiter.sock.fileno()
            if self._waiters.get(descriptor) is waiter:
                del self._waiters[descriptor]
            waiter.end()

        async def run(self) -> None:
            # Trio watches our epoll's own descriptor, so its wait ends when one of our sockets is
            # ready. The events are then taken in the hook that Trio calls right after its wait:
            # whoever waited runs in this very turn of the loop, not in the next. What the hook
            # leaves (nothing, as a rule) is taken here; Trio drops a hook that raised, and then
            # this is the place where the same fault ends the worker loudly.
            hook = _AfterWait(self._take)
            trio.lowlevel.add_instrument(hook)
            descriptor = self._epoll.fileno()
            try:
                while True:
                    await trio.lowlevel.wait_readable(descriptor)
                    self._take()
            finally:
                with suppress(KeyError):  # dropped already
                    trio.lowlevel.remove_instrument(hook)
                self._epoll.close()

        def _take(self) -> None:
            waiters = self._waiters
            for descriptor, events in self._epoll.poll(0, MAX_EVENTS):
                waiter = waiters.get(descriptor)
                if waiter is None:
                    continue  # closed between the poll and now
                if events & _IN:
                    waiter.wake_reader()
                    if events & _GONE:
                        waiter.note_hangup()
                if events & _OUT and not waiter.writable:
                    waiter.wake_writer()

    class _AfterWait(trio.abc.Instrument):
        """Calls `take` whenever Trio has waited for input or output."""

        def __init__(self, take: Callable[[], None]) -> None:
            self._take = take

        def after_io_wait(self, timeout: float) -> None:
            self._take()


class PortableWaiter(Waiter):
    """The same contract over Trio's waiting: level-triggered, one system call or more per wait."""

    __slots__ = ("_interruption",)

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._interruption: BaseException | None = None

    async def wait_readable(self) -> None:
        self._reader = current_task()
        try:
            await trio.lowlevel.wait_readable(self.sock)
            self.readable = True
        except trio.ClosedResourceError:
            if self._interruption is None:
                raise
        finally:
            self._reader = None
            reason, self._interruption = self._interruption, None
        if reason is not None:
            raise reason

    async def wait_writable(self) -> None:
        while True:
            try:
                await trio.lowlevel.wait_writable(self.sock)
            except trio.ClosedResourceError:
                if self.sock.fileno() < 0:
                    raise
                continue  # it was the reader who was interrupted
            self.writable = True
            return

    def has_unread(self) -> bool:
        if not self.readable:
            try:
                self.sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError:
                return True  # whoever reads will be told what it is
        return True

    def interrupt(self, reason: BaseException) -> bool:
        if self._reader is None or self._interruption is not None:
            return False
        self._interruption = reason
        # Wakes the waiting task as if the socket were closing; the task then takes the reason.
        trio.lowlevel.notify_closing(self.sock)
        return True


class PortableReadiness:
    """For systems without epoll: hang-ups are found by peeking at the sockets that care."""

    def __init__(self) -> None:
        self._waiters: set[Waiter] = set()

    def add(self, sock: socket.socket) -> Waiter:
        waiter = PortableWaiter(sock)
        self._waiters.add(waiter)
        return waiter

    def remove(self, waiter: Waiter) -> None:
        self._waiters.discard(waiter)
        if waiter.sock.fileno() >= 0:
            trio.lowlevel.notify_closing(waiter.sock)

    async def run(self) -> None:
        while True:
            await trio.sleep(HANGUP_SWEEP_S)
            for waiter in list(self._waiters):
                if waiter.on_hangup is None or waiter.hung_up:
                    continue
                try:
                    gone = waiter.sock.recv(1, socket.MSG_PEEK) == b""
                except (BlockingIOError, InterruptedError):
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    waiter.note_hangup()


def open_readiness() -> Readiness:
    """The best readiness this system has."""
    if sys.platform == "linux":
        return EpollReadiness()
    return PortableReadiness()
