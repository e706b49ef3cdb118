"""`omniroute check`: is this configuration right, and where would requests go?

Nothing is started, contacted or written. A configuration that is wrong raises ConfigError; what is
valid but cannot be used yet (a missing key, a format not spoken) is told and leaves the status 0.
"""

from pathlib import Path
from typing import TextIO

from omniroute.compiling import compile_snapshot
from omniroute.config import Settings
from omniroute.installation import Installation
from omniroute.providers.pricing import load_prices
from omniroute.providers.registry import load_registry
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot


def check(config_file: Path | None, settings: Settings, out: TextIO) -> int:
    """Write the report; returns 0. Raises ConfigError."""
    snapshot = compile_snapshot(
        settings, load_registry(), (), Installation.ephemeral(Path()), prices=load_prices()
    )
    print(f"configuration  {config_file or 'no file: environment and defaults only'}", file=out)
    server = settings.server
    key = "API key required" if server.require_api_key else "no API key required"
    print(f"gateway        http://{_host(server.host)}:{server.port}  ({key})", file=out)
    print(f"dashboard      http://{_host(server.host)}:{server.dashboard_port}", file=out)
    for line in _providers(snapshot):
        print(line, file=out)
    return 0


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _providers(snapshot: Snapshot) -> list[str]:
    if not snapshot.providers:
        return ["no provider is configured: add [[providers]] or [[connections]]"]
    width = max(len(view.id) for view in snapshot.providers)
    lines = []
    for view in snapshot.providers:
        own = [one for one in snapshot.connections if one.provider == view.id]
        lines.append(
            f"{view.id:<{width}}  {view.format:<16}  {view.url or '-'}  {_state(view, own)}"
        )
        lines += [
            f"{'':<{width}}  through {one.name}: {one.url}" for one in own if one.url != view.url
        ]
    return lines


def _state(view: ProviderView, own: list[ConnectionView]) -> str:
    if view.needs:
        return f"NOT USABLE: {view.needs}"
    names = ", ".join(one.name for one in own)
    return f"{len(own)} connection{'' if len(own) == 1 else 's'}: {names}"
