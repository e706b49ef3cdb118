"""Cached name resolution for the connector.

Answers live for `ttl_s`, failures for `FAILURE_TTL_S`, so that a name that cannot be resolved is
neither asked for at each request nor given up for long. Requests for the same name while one is
being resolved share it. The cache is bounded; the oldest entry leaves first. `forget` drops a name
whose addresses could all not be reached, because they may have moved.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import trio

FAILURE_TTL_S: Final = 2.0
MAX_NAMES: Final = 1024

Resolve = Callable[[str, int], Awaitable[list[tuple[int, str]]]]


class _Running:
    """A resolution under way. `entry` stays None if it was cancelled."""

    __slots__ = ("done", "entry")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.entry: _Entry | None = None


class _Entry(NamedTuple):
    expires: float
    addresses: tuple[tuple[int, str], ...]  # (family, address text)
    error: str | None


async def system_resolve(host: str, port: int) -> list[tuple[int, str]]:
    """The system's resolver (in a thread), in the order it prefers (RFC 6724)."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((int(family), str(where[0])) for family, _, _, _, where in found))


class DnsCache:
    """name -> addresses, for one worker."""

    def __init__(self, ttl_s: float, resolve: Resolve = system_resolve) -> None:
        self.ttl_s = ttl_s
        self._resolve = resolve
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._running: dict[tuple[str, int], _Running] = {}

    async def addresses(self, host: str, port: int) -> tuple[tuple[int, str], ...]:
        """Addresses of `host`, at least one. Raises OSError when there is none."""
        key = (host, port)
        entry = self._entries.get(key)
        if entry is None or entry.expires <= trio.current_time():
            entry = await self._resolved(key)
        if entry.error is not None:
            raise OSError(entry.error)
        return entry.addresses

    async def _resolved(self, key: tuple[str, int]) -> _Entry:
        """What asking the resolver gave, in this task or in one that is asking already."""
        while (running := self._running.get(key)) is not None:
            await running.done.wait()
            if running.entry is not None:
                return running.entry
        running = self._running[key] = _Running()
        try:
            running.entry = entry = await self._ask(*key)
            self._store(key, entry)
        finally:
            del self._running[key]
            running.done.set()
        return entry

    async def _ask(self, host: str, port: int) -> _Entry:
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            why = error.strerror or str(error)
            return _Entry(trio.current_time() + FAILURE_TTL_S, (), f"cannot resolve {host}: {why}")
        except UnicodeError:
            return _Entry(trio.current_time() + FAILURE_TTL_S, (), f"{host!r} is not a host name")
        if not found:
            return _Entry(trio.current_time() + FAILURE_TTL_S, (), f"{host} has no address")
        return _Entry(trio.current_time() + self.ttl_s, tuple(found), None)

    def _store(self, key: tuple[str, int], entry: _Entry) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= MAX_NAMES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry

    def forget(self, host: str, port: int) -> None:
        self._entries.pop((host, port), None)
