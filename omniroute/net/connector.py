"""The one way out: every outbound connection of the data plane is opened here.

Contract: `connect(origin)` returns a connected (and, for https, verified) transport, or raises
`ConnectFailed` with a sentence that names the step. The egress policy holds for each address; the
connection goes to the very address that was judged. No redirect is ever followed (nothing here
speaks HTTP beyond CONNECT). An `Origin` is all that makes two connections interchangeable: scheme,
host, port, proxy and TLS settings, so the pool may use it as its key.

Happy eyeballs after RFC 8305: families interleaved, a new attempt each 250 ms or as soon as one
fails, the first to connect wins.
"""

import os
import socket
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import trio

from omniroute.net.dns import DnsCache
from omniroute.net.egress import literal, refusal
from omniroute.net.proxies import ProxyFailed, open_socks5, open_tunnel
from omniroute.net.readiness import Readiness
from omniroute.net.transport import SocketTransport, TlsTransport, Transport

ATTEMPT_DELAY_S: Final = 0.25  # RFC 8305 section 5: "Connection Attempt Delay"
MAX_SESSIONS: Final = 256
PROXY_PORTS: Final = {"http": 8080, "https": 443, "socks5": 1080}


class Origin(NamedTuple):
    """Where to connect, and how. Two equal origins may share connections; others never do."""

    scheme: str  # http | https | unix
    host: str  # the path for unix
    port: int
    proxy: str | None = None
    ca_file: str | None = None
    allow_private: bool = False

    def __repr__(self) -> str:
        # The URL of a proxy can hold its password; logs and tracebacks must not.
        proxy = self.proxy and self.proxy.rpartition("@")[2].rpartition("://")[2]
        return f"Origin({self.scheme}://{self.host}:{self.port}, proxy={proxy!r})"


class ConnectFailed(Exception):
    """No connection; `refused_by_policy` when it was not even tried."""

    def __init__(self, message: str, *, refused_by_policy: bool = False) -> None:
        super().__init__(message)
        self.refused_by_policy = refused_by_policy


class Connector:
    """Opens connections for one worker."""

    def __init__(
        self,
        readiness: Readiness,
        *,
        connect_s: float = 10.0,
        write_s: float = 60.0,
        dns: DnsCache | None = None,
        default_ca_file: str | None = None,
    ) -> None:
        self._readiness = readiness
        self.connect_s = connect_s
        self.write_s = write_s
        self.default_ca_file = default_ca_file
        self._dns = dns if dns is not None else DnsCache(60.0)
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._sessions: dict[tuple[Origin, str], ssl.SSLSession] = {}

    async def connect(self, origin: Origin) -> Transport:
        """A fresh connection to `origin`; all steps together take at most `connect_s`."""
        with trio.move_on_after(self.connect_s):
            return await self._connect(origin)
        raise ConnectFailed(f"connecting to {origin.host} took longer than {self.connect_s:g} s")

    async def _connect(self, origin: Origin) -> Transport:
        if origin.scheme == "unix":
            return await self._connect_unix(origin.host)
        transport: Transport
        if origin.proxy is None:
            transport = await self._open(origin.host, origin.port, origin.allow_private)
        else:
            transport = await self._through_proxy(origin, origin.proxy)
        if origin.scheme != "https":
            return transport
        return await self._secure(transport, origin.host, origin, "")

    async def _connect_unix(self, path: str) -> Transport:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(path)  # completes at once or fails: there is no network in between
        except OSError as error:
            sock.close()
            raise ConnectFailed(
                f"no process answers at the local socket: {error.strerror}"
            ) from None
        return SocketTransport(sock, self._readiness, write_limit_s=self.write_s)

    async def _through_proxy(self, origin: Origin, proxy_url: str) -> Transport:
        proxy, host, port = _proxy_parts(proxy_url)
        # The configuration names the proxy itself, so it may be a private address. What the proxy
        # connects to is only ours to judge where it is an address and not a name.
        if (reason := _literal_refusal(origin.host, origin.allow_private)) is not None:
            raise ConnectFailed(reason, refused_by_policy=True)
        username = unquote(proxy.username) if proxy.username else None
        password = unquote(proxy.password) if proxy.password else None
        transport: Transport | None = None
        try:
            if proxy.scheme == "socks5":
                judged = await self._judged(host, port, allow_private=True)
                sock = await open_socks5(
                    [address for _, address in judged],
                    port,
                    origin.host,
                    origin.port,
                    username,
                    password,
                )
                return SocketTransport(sock, self._readiness, write_limit_s=self.write_s)
            transport = await self._open(host, port, allow_private=True)
            if proxy.scheme == "https":
                transport = await self._secure(transport, host, origin, "proxy")
            await open_tunnel(transport, origin.host, origin.port, username, password)
        except (ProxyFailed, ConnectFailed, OSError) as failed:
            if transport is not None:
                transport.close()
            raise ConnectFailed(
                f"by way of the proxy {host}:{port}: {failed}",
                refused_by_policy=isinstance(failed, ConnectFailed) and failed.refused_by_policy,
            ) from None
        except BaseException:
            if transport is not None:
                transport.close()
            raise
        return transport

    async def _open(self, host: str, port: int, allow_private: bool) -> Transport:
        judged = await self._judged(host, port, allow_private)
        try:
            sock = await _happy_eyeballs(_interleave(judged), port)
        except OSError as error:
            self._dns.forget(host, port)
            raise ConnectFailed(f"{host}:{port}: {error.strerror or error}") from None
        return SocketTransport(sock, self._readiness, write_limit_s=self.write_s)

    async def _judged(self, host: str, port: int, allow_private: bool) -> list[tuple[int, str]]:
        """The (family, address) of a host that the policy allows; at least one."""
        if (reason := _literal_refusal(host, allow_private)) is not None:
            raise ConnectFailed(reason, refused_by_policy=True)
        try:
            found = await self._dns.addresses(host, port)
        except OSError as error:
            raise ConnectFailed(str(error)) from None
        allowed: list[tuple[int, str]] = []
        reasons: list[str] = []
        for family, address in found:
            reason = refusal(address, allow_private=allow_private)
            if reason is None:
                allowed.append((family, address))
            else:
                reasons.append(reason)
        if not allowed:
            raise ConnectFailed(f"{host}: {'; '.join(reasons)}", refused_by_policy=True)
        return allowed

    async def _secure(
        self, inner: Transport, hostname: str, origin: Origin, leg: str
    ) -> TlsTransport:
        try:
            context = self._context(origin.ca_file)
            tls = TlsTransport(inner, context, hostname, self._sessions.get((origin, leg)))
            await tls.handshake()
        except ssl.SSLCertVerificationError as error:
            inner.close()
            raise ConnectFailed(
                f"the certificate of {hostname} was not accepted: {error.verify_message}"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name no certificate can have
            inner.close()
            raise ConnectFailed(f"TLS with {hostname} failed: {error}") from None
        except BaseException:
            inner.close()
            raise
        return tls

    def remember_session(self, origin: Origin, transport: Transport) -> None:
        """Keep the session of a connection that has served, so that the next one resumes it.

        TLS 1.3 sends its tickets after the handshake, so this is asked once an answer was read.
        """
        if isinstance(transport, TlsTransport):
            session = transport.tls.session
            if session is not None and session.has_ticket:
                while len(self._sessions) >= MAX_SESSIONS:
                    del self._sessions[next(iter(self._sessions))]
                self._sessions[(origin, "")] = session

    def _context(self, ca_file: str | None) -> ssl.SSLContext:
        ca_file = ca_file or self.default_ca_file
        context = self._contexts.get(ca_file)
        if context is None:
            context = ssl.create_default_context()
            if ca_file is not None:
                try:
                    context.load_verify_locations(ca_file)  # beside the system's own
                except OSError as error:
                    raise ConnectFailed(f"the CA file {ca_file} cannot be used: {error}") from None
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[ca_file] = context
        return context


def _proxy_parts(proxy_url: str) -> tuple[SplitResult, str, int]:
    """A proxy's URL with its host and port. ConnectFailed for one that cannot be used.

    The configuration's are checked when it is loaded, those of the environment only here. The
    message does not repeat the URL, which may hold a password.
    """
    try:
        proxy = urlsplit(proxy_url)
        port = proxy.port or PROXY_PORTS[proxy.scheme]
    except (ValueError, KeyError):
        raise ConnectFailed(
            "the URL of its proxy cannot be used: it must be http://, https:// or socks5:// "
            "with host and port"
        ) from None
    if not proxy.hostname:
        raise ConnectFailed("the URL of its proxy names no host")
    return proxy, proxy.hostname, port


def _literal_refusal(host: str, allow_private: bool) -> str | None:
    """The refusal of a host that is written as an address; None for names and allowed addresses."""
    return None if literal(host) is None else refusal(host, allow_private=allow_private)


def _interleave(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Alternate the families, the resolver's first choice first (RFC 8305 section 4)."""
    first = found[0][0]
    one = [each for each in found if each[0] == first]
    other = [each for each in found if each[0] != first]
    mixed: list[tuple[int, str]] = []
    while one or other:
        if one:
            mixed.append(one.pop(0))
        if other:
            mixed.append(other.pop(0))
    return mixed


async def _connect_one(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        try:
            sock.connect((address, port))
        except (BlockingIOError, InterruptedError):
            await trio.lowlevel.wait_writable(sock)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, f"{address}: {os.strerror(number)}") from None
        except OSError as error:
            raise OSError(error.errno, f"{address}: {error.strerror}") from None
    except BaseException:
        trio.lowlevel.notify_closing(sock)
        sock.close()
        raise
    # Trio's own loop must forget the socket before the worker's readiness takes it over.
    trio.lowlevel.notify_closing(sock)
    return sock


async def _happy_eyeballs(targets: list[tuple[int, str]], port: int) -> socket.socket:
    """The first socket that connects; the others are closed. Raises the first error if none."""
    if len(targets) == 1:
        return await _connect_one(*targets[0], port)
    winners: list[socket.socket] = []
    errors: list[OSError] = []

    async def attempt(
        family: int, address: str, failed: trio.Event, stop: Callable[[], None]
    ) -> None:
        try:
            sock = await _connect_one(family, address, port)
        except OSError as error:
            errors.append(error)
            failed.set()
        else:
            winners.append(sock)
            stop()

    try:
        async with trio.open_nursery() as nursery:
            for family, address in targets:
                failed = trio.Event()
                nursery.start_soon(attempt, family, address, failed, nursery.cancel_scope.cancel)
                with trio.move_on_after(ATTEMPT_DELAY_S):
                    await failed.wait()
    except BaseException:  # cancelled at the very moment of success
        for winner in winners:
            winner.close()
        raise
    for loser in winners[1:]:
        loser.close()
    if winners:
        return winners[0]
    raise errors[0]
