"""Asking a proxy for a tunnel: HTTP CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

SOCKS is python-socks' work; CONNECT is one request and one head. The name of the target is given to
the proxy as it is, so that the proxy resolves it.
"""

import base64
import socket
from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

from omniroute.net.egress import names_private
from omniroute.net.transport import Transport
from omniroute.wire.http1 import Limits, ProtocolError, ResponseReader

_HEAD_LIMITS: Final = Limits(head_bytes=16384, header_count=100)


class ProxyFailed(Exception):
    """The proxy answered, but not with a tunnel."""


class EnvironmentProxies:
    """Proxies named by the environment: the lowest of the five levels.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case, as curl reads them.
    Hosts that are loopback or private themselves are reached directly.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        def read(name: str) -> str:
            return environment.get(name) or environment.get(name.upper()) or ""

        self._proxies: dict[str, str] = {}
        for scheme in ("http", "https"):
            proxy = read(f"{scheme}_proxy") or read("all_proxy")
            if proxy:
                self._proxies[scheme] = _with_scheme(proxy)
        self._exempt = tuple(
            each.strip().lower().removeprefix("*").removeprefix(".")
            for each in read("no_proxy").split(",")
            if each.strip()
        )
        self._exempt_all = "*" in (each.strip() for each in read("no_proxy").split(","))

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """The proxy for an upstream; None when it is to be reached directly."""
        proxy = self._proxies.get(scheme)
        if proxy is None or self._exempt_all or names_private(host):
            return None
        name = host.lower()
        if any(name == each or name.endswith(f".{each}") for each in self._exempt):
            return None
        return proxy


def _with_scheme(proxy: str) -> str:
    if "://" not in proxy:
        return f"http://{proxy}"
    return proxy.replace("socks5h://", "socks5://", 1)


async def open_tunnel(
    transport: Transport, host: str, port: int, username: str | None, password: str | None
) -> None:
    """Turn `transport`, connected to an HTTP proxy, into a tunnel to host:port."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    if username is not None:
        token = base64.b64encode(f"{username}:{password or ''}".encode()).decode("ascii")
        head += f"Proxy-Authorization: Basic {token}\r\n"
    await transport.send(head.encode("latin-1") + b"\r\n")
    reader = ResponseReader(_HEAD_LIMITS)
    reader.start(b"CONNECT")
    try:
        while (answer := reader.next_response()) is None:
            data = await transport.recv()
            if not data:
                raise ProxyFailed("it closed the connection instead of answering CONNECT")
            reader.feed(data)
    except ProtocolError as error:
        raise ProxyFailed(f"its answer to CONNECT is not HTTP: {error}") from None
    if answer.status == 407:
        raise ProxyFailed("it wants other credentials (407); check user and password in its URL")
    if not 200 <= answer.status < 300:
        raise ProxyFailed(f"it answered CONNECT {authority} with status {answer.status}")
    if reader.buffered_bytes:
        raise ProxyFailed("it sent bytes of its own into the tunnel")


async def open_socks5(
    proxy_addresses: Sequence[str],
    proxy_port: int,
    host: str,
    port: int,
    username: str | None,
    password: str | None,
) -> socket.socket:
    """A socket connected to host:port by way of a SOCKS5 proxy.

    The proxy is given by its addresses, tried in order: names are the connector's business.
    """
    # Imported here: only those who use SOCKS pay for it at start.
    from python_socks import ProxyConnectionError, ProxyError, ProxyType
    from python_socks.async_.trio import Proxy

    unreachable: ProxyConnectionError | None = None
    for address in proxy_addresses:
        proxy = Proxy(
            proxy_type=ProxyType.SOCKS5,
            host=address,
            port=proxy_port,
            username=username,
            password=password,
            rdns=True,
        )
        try:
            # Its own time limit is not wanted: the connector's holds for all steps together.
            opened = await proxy.connect(dest_host=host, dest_port=port, timeout=inf)
        except ProxyConnectionError as error:
            unreachable = error
        except ProxyError as error:
            raise ProxyFailed(str(error)) from None
        except ValueError:
            raise ProxyFailed(
                "RFC 1928 and 1929 do not allow its answer, or user and password of its URL "
                "(at most 255 ASCII characters each)"
            ) from None
        else:
            return socket.socket(fileno=opened.detach())
    raise ProxyFailed(str(unreachable))
