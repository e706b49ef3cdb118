"""The log of connects through proxies: when, by way of whom, to where, and what came of it.

`ProxyWatch` is the worker's connector; what it sees goes by the courier to control. Connections are
kept and used again, so there are far fewer of these than requests. A connect through a proxy
belongs to an account only where no other account goes the same way; else the provider is all that
is told.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from omniroute.logs import redact
from omniroute.net.connector import PROXY_PORTS, ConnectFailed, Connector, Origin
from omniroute.net.transport import Transport
from omniroute.spool import ProxyConnect

if TYPE_CHECKING:
    from omniroute.gateway.courier import Courier
    from omniroute.gateway.view import Target, View

ENTRY_BYTES: Final = 400
ERROR_CHARACTERS: Final = 300

Watch = Callable[[Origin, float, str], None]
"""Told of each connect through a proxy: where to, seconds, why it failed ("": it did not)."""


class ProxyWatch(Connector):
    """A connector that tells of each connect through a proxy."""

    watch: Watch | None = None

    async def connect(self, origin: Origin) -> Transport:
        """As `Connector.connect`."""
        watch = self.watch
        if origin.proxy is None or watch is None:
            return await super().connect(origin)
        began = trio.current_time()
        try:
            transport = await super().connect(origin)
        except ConnectFailed as failed:
            watch(origin, trio.current_time() - began, str(failed))
            raise
        watch(origin, trio.current_time() - began, "")
        return transport


class ProxyLog:
    """What one worker writes down of them."""

    def __init__(
        self, courier: "Courier", now_ms: Callable[[], int], view: Callable[[], "View"]
    ) -> None:
        """`view`: the configuration in force, to find out whose connect it is."""
        self._courier = courier
        self._now_ms = now_ms
        self._view = view

    def note(self, origin: Origin, took_s: float, error: str) -> None:
        """A `Watch`."""
        view = self._view()
        targets = [target for each in view.targets.values() for target in each]
        level, provider, connection = whose(origin, targets, view.server.proxy)
        entry = ProxyConnect(
            at_ms=self._now_ms() - round(took_s * 1000),
            proxy=without_credentials(origin.proxy or ""),
            target=f"[{origin.host}]:{origin.port}"
            if ":" in origin.host
            else (f"{origin.host}:{origin.port}"),
            level=level,
            provider=provider,
            connection=connection,
            outcome="failed" if error else "ok",
            error=redact(error)[:ERROR_CHARACTERS],
            took_us=int(took_s * 1e6),
        )
        self._courier.send(ENTRY_BYTES, lambda: [entry])


def whose(origin: Origin, targets: Iterable["Target"], for_all: str | None) -> tuple[str, str, str]:
    """Level of the proxy, provider, and account, "" where they are not one's alone.

    `for_all`: the proxy of those that have none of their own.
    """
    direct = origin._replace(proxy=None)
    behind = [each for each in targets if each.origin._replace(proxy=None) == direct]
    own = [each for each in behind if each.origin.proxy == origin.proxy]
    users = own or behind  # by a combo's proxy go the accounts that have another one, or none
    if not users:
        return "", "", ""  # the configuration has changed meanwhile
    shared = "global" if origin.proxy == for_all else "environment"
    levels = {each.proxy_level or shared for each in own} or {"combo"}
    providers = {each.provider_id for each in users}
    connections = {each.connection_id for each in users}
    return (
        levels.pop() if len(levels) == 1 else "",
        providers.pop() if len(providers) == 1 else "",
        connections.pop() if len(connections) == 1 else "",
    )


def without_credentials(proxy: str) -> str:
    """scheme://host:port of a proxy's URL; "" for one that cannot be read."""
    try:
        parts = urlsplit(proxy)
        port = parts.port or PROXY_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return ""
    host = parts.hostname or ""
    return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"
