"""`omniroute doctor`: examines what the gateway stands on, one line each.

A line begins with `ok`, `warn` or `FAIL`; one FAIL makes the exit status 1. Providers are reached
as the gateway does it, through the connector with its proxies, authorities and egress policy; a
connection (with TLS where the URL says so) is opened and closed, and nothing is sent.
"""

import http.client
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from omniroute.compiling import compile_snapshot
from omniroute.config import Settings
from omniroute.installation import Installation, InstallationError
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot

if TYPE_CHECKING:
    from omniroute.net.connector import Connector

CONNECT_S: Final = 5.0
ANSWER_S: Final = 2.0


class Finding(NamedTuple):
    """One line of the report."""

    level: str  # ok | warn | FAIL
    subject: str
    text: str


def doctor(data_dir: Path, settings: Settings, out: TextIO) -> int:
    """Examine, report, and return 1 when something is broken. Raises ConfigError."""
    from omniroute.providers.pricing import load_prices
    from omniroute.providers.registry import load_registry

    snapshot = compile_snapshot(
        settings, load_registry(), (), Installation.ephemeral(data_dir), prices=load_prices()
    )
    broken = False
    for finding in _examine(data_dir, settings, snapshot):
        broken = broken or finding.level == "FAIL"
        print(f"{finding.level:<5} {finding.subject:<14} {finding.text}", file=out, flush=True)
    return 1 if broken else 0


def _examine(data_dir: Path, settings: Settings, snapshot: Snapshot) -> Iterator[Finding]:
    source = settings.origin.file or "no file: environment and defaults only"
    yield Finding("ok", "configuration", source)
    yield examine_data_dir(data_dir)
    server = settings.server
    yield examine_port("gateway port", server.host, server.port)
    yield examine_port("dashboard port", server.host, server.dashboard_port)
    yield examine_speedups()
    yield examine_parser()
    yield from examine_providers(snapshot)


def examine_data_dir(data_dir: Path) -> Finding:
    """Is the directory there, closed to others, writable, and are its keys whole?"""
    subject = "data dir"
    if not data_dir.exists():
        return Finding("ok", subject, f"{data_dir} does not exist yet; the first start makes it")
    mode = stat.S_IMODE(data_dir.stat().st_mode)
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        return Finding("FAIL", subject, f"{data_dir} (mode {mode:04o}) is not writable for you")
    if not (data_dir / "signing.key").exists() and not (data_dir / "omniroute.sqlite").exists():
        return Finding("ok", subject, f"{data_dir} holds no installation yet; the first start does")
    try:
        Installation.open(data_dir, create=False)
    except InstallationError as error:
        return Finding("FAIL", subject, str(error))
    if mode & 0o077:
        return Finding("warn", subject, f"{data_dir} is open to others (mode {mode:04o})")
    free_mb = _free_bytes(data_dir) >> 20
    level = "warn" if free_mb < 512 else "ok"
    return Finding(level, subject, f"{data_dir} (mode {mode:04o}, {free_mb} MiB free)")


def _free_bytes(directory: Path) -> int:
    import shutil

    return shutil.disk_usage(directory).free


def examine_port(subject: str, host: str, port: int) -> Finding:
    """Is the port free, or does a gateway of ours answer on it?"""
    where = f"{host}:{port}"
    if port == 0:
        return Finding("ok", subject, f"{host}, any free port")
    from omniroute.ports import listeners

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if _answers(host, port):
            return Finding("ok", subject, f"{where}: OmniRoute is running here")
        holders = " and ".join(listeners(port))
        taken = f", taken by {holders}" if holders else ""
        return Finding("FAIL", subject, f"{where}: {error.strerror or error}{taken}")
    return Finding("ok", subject, f"{where} is free")


def _answers(host: str, port: int) -> bool:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(name, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # whoever listens there is not us
    finally:
        connection.close()


def examine_speedups() -> Finding:
    """Do the compiled extensions run?"""
    from omniroute import _speedups

    if _speedups.COMPILED:
        return Finding("ok", "extensions", "compiled")
    reason = _speedups.FALLBACK_REASON
    text = f"NOT COMPILED: the slow Python twins run ({reason}); install a compiler and reinstall"
    return Finding("warn", "extensions", text)


def examine_parser() -> Finding:
    """Is the fast HTTP parser there?"""
    import importlib.util

    if importlib.util.find_spec("httptools") is not None:
        return Finding("ok", "http parser", "httptools")
    return Finding("warn", "http parser", "httptools is NOT INSTALLED: the slow h11 parses instead")


def examine_providers(snapshot: Snapshot) -> Iterator[Finding]:
    """Can each connection of each provider be opened? One line a provider and way."""
    if not snapshot.providers:
        yield Finding("warn", "providers", "none is configured")
    for view in snapshot.providers:
        if view.needs:
            yield Finding("warn", view.id, view.needs)
    views = {view.id: view for view in snapshot.providers if not view.needs}
    ways = [(views[one.provider], one) for one in snapshot.connections if one.provider in views]
    if ways:
        import trio

        yield from trio.run(_reach_all, snapshot, ways)


async def _reach_all(
    snapshot: Snapshot, ways: list[tuple[ProviderView, ConnectionView]]
) -> list[Finding]:
    import trio

    from omniroute.net.connector import Connector
    from omniroute.net.readiness import open_readiness

    readiness = open_readiness()
    connector = Connector(
        readiness,
        connect_s=min(CONNECT_S, snapshot.upstream.connect_s),
        default_ca_file=snapshot.upstream.ca_file,
    )
    findings: dict[str, Finding] = {}

    async def reach(view: ProviderView, one: ConnectionView) -> None:
        findings[one.id] = await _reach(connector, snapshot, view, one)

    async with trio.open_nursery() as serving:
        serving.start_soon(readiness.run)
        async with trio.open_nursery() as reaching:
            for view, one in ways:
                reaching.start_soon(reach, view, one)
        serving.cancel_scope.cancel()
    return [findings[one.id] for _, one in ways]


async def _reach(
    connector: "Connector", snapshot: Snapshot, view: ProviderView, one: ConnectionView
) -> Finding:
    import trio

    from omniroute.net.connector import ConnectFailed
    from omniroute.net.destination import origin_of
    from omniroute.net.proxies import EnvironmentProxies

    origin = origin_of(one.url, view, one, snapshot, EnvironmentProxies(os.environ))
    began_s = trio.current_time()
    try:
        transport = await connector.connect(origin)
    except ConnectFailed as failed:
        return Finding("FAIL", one.id, str(failed))
    transport.close()
    took_ms = round((trio.current_time() - began_s) * 1000)
    way = " through its proxy" if origin.proxy else ""
    return Finding("ok", one.id, f"{origin.host}:{origin.port} reached{way} in {took_ms} ms")
