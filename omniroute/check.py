"""`omniroute check`: is this configuration right, and where would requests go?

Nothing is started, contacted or written. A configuration that is wrong raises ConfigError; what is
valid but cannot be used yet (a missing key, a format not spoken) is told and leaves the status 0.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from omniroute.compiling import compile_snapshot
from omniroute.config import Settings
from omniroute.installation import Installation
from omniroute.providers.pricing import load_prices
from omniroute.providers.registry import ProviderRow, load_registry
from omniroute.resilience.meters import Meter
from omniroute.snapshot import ConnectionView, MemberView, ProviderView, Snapshot


def check(config_file: Path | None, settings: Settings, out: TextIO) -> int:
    """Write the report; returns 0. Raises ConfigError."""
    rows = load_registry()
    snapshot = compile_snapshot(
        settings, rows, (), Installation.ephemeral(Path()), prices=load_prices()
    )
    print(f"configuration  {config_file or 'no file: environment and defaults only'}", file=out)
    server = settings.server
    key = "API key required" if server.require_api_key else "no API key required"
    print(f"gateway        http://{_host(server.host)}:{server.port}  ({key})", file=out)
    print(f"dashboard      http://{_host(server.host)}:{server.dashboard_port}", file=out)
    for part in (_providers, _names, _limits, partial(_quotas, rows), _notes):
        for line in part(snapshot):
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


def _names(snapshot: Snapshot) -> list[str]:
    """Combos with their members in order, then what else stands for a model."""
    lines = []
    for combo in snapshot.combos:
        how = f"{combo.strategy}, tiered" if combo.tiered else combo.strategy
        members = ", ".join(_member(one) for one in combo.members) or "no member that can be used"
        lines.append(f"combo {combo.name} ({how}): {members}")
    for kind, patterns in (("alias", snapshot.aliases), ("route", snapshot.routes)):
        lines += [f"{kind} {one.pattern} -> {one.target}" for one in patterns]
    lines += [
        f"after {', '.join(chain.applies_to)} ({chain.name}): {', '.join(chain.models)}"
        for chain in snapshot.chains
    ]
    return lines


def _member(member: MemberView) -> str:
    name = member.combo or f"{member.provider}/{member.model}"
    return name if member.weight == 1 else f"{name} x{member.weight:g}"


def _limits(snapshot: Snapshot) -> list[str]:
    """Every limit under the key of its meter."""
    meters = [
        *(meter for key in snapshot.keys for meter in key.meters),
        *(meter for connection in snapshot.connections for meter in connection.meters),
        *(budget.meter for budget in snapshot.budgets),
    ]
    return [f"limit {meter.key}: {_amount(meter)}" for meter in meters]


def _amount(meter: Meter) -> str:
    match meter.measure:
        case "usd":
            return f"{meter.limit / 1_000_000:.2f} USD"
        case "gap":
            return f"{meter.limit} ms between two requests"
        case "running":
            return f"{meter.limit} at a time"
        case measure:
            return f"{meter.limit} {measure}"


def _quotas(rows: Sequence[ProviderRow], snapshot: Snapshot) -> list[str]:
    """Where credentials go beside the traffic."""
    if not snapshot.resilience.quota_sync_s:
        return []
    from omniroute.control.quota_sync import LEAST_MS, askings

    every_s = max(snapshot.resilience.quota_sync_s, LEAST_MS / 1000)
    return [
        f"quotas of {asking.connection.id}: asked at {asking.url} every {every_s:g} s"
        for asking in askings(snapshot, {row.id: row for row in rows})
    ]


def _notes(snapshot: Snapshot) -> list[str]:
    """What works only in part, beside the providers that say it themselves."""
    told = {f"{view.id}: {view.needs}" for view in snapshot.providers}
    return [f"note: {problem}" for problem in snapshot.problems if problem not in told]
