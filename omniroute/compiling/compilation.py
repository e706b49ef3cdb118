"""The steps of a compilation, and the snapshot that comes of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from omniroute.compiling.connections import ConnectionCompiler
from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.compiling.keys import IssuedKey, compile_keys
from omniroute.compiling.meters import budget_meter
from omniroute.compiling.names import NameCompiler
from omniroute.compiling.prices import compile_prices, note_unpriced
from omniroute.compiling.providers import SPOKEN_FORMATS, ProviderCompiler
from omniroute.config import CacheSettings, Settings
from omniroute.installation import Installation
from omniroute.providers.pricing import PriceRow
from omniroute.snapshot import BudgetView, KeyView, ProviderView, Snapshot

if TYPE_CHECKING:
    from omniroute.providers.registry import ProviderRow

_MIB: Final = 1 << 20


def compile_snapshot(
    settings: Settings,
    registry: "Sequence[ProviderRow]",
    stored_keys: Sequence[IssuedKey],
    installation: Installation,
    *,
    prices: Sequence[PriceRow] = (),
    spoken: frozenset[str] = SPOKEN_FORMATS,
) -> Snapshot:
    """Join settings, registry and prices. Raises ConfigError with every contradiction found.

    `stored_keys` says by what the stored ones among `settings.keys` are known.
    `prices` are the built-in ones (`load_prices`).
    """
    findings = Findings(settings.origin)
    directory = Directory(settings, registry, findings)
    provider_compiler = ProviderCompiler(settings, directory, spoken, findings)
    connection_compiler = ConnectionCompiler(settings, directory, installation, findings)
    made = (provider_compiler.view(id_) for id_ in directory.configured())
    providers = tuple(view for view in made if view is not None)
    connections = tuple(
        connection for view in providers for connection in connection_compiler.views(view)
    )
    for view in providers:
        if view.needs:
            findings.note(f"{view.id}: {view.needs}")
    names = NameCompiler(settings, directory, providers, findings)
    combos, chains = names.combos(), names.chains()
    aliases, routes, routing = names.aliases(), names.routes(), names.routing()
    keys = compile_keys(settings, stored_keys, directory, installation, findings)
    budgets = tuple(_budgets(settings, directory, providers))
    rows = compile_prices(settings.pricing, prices, directory, providers)
    if _counts_usd(keys, budgets):
        note_unpriced(rows, providers, findings)
    return Snapshot(
        server=settings.server,
        limits=settings.limits,
        upstream=settings.upstream,
        routing=routing,
        resilience=settings.resilience,
        cache=_fitted(settings.cache, settings.state.map_bytes),
        system_prompt=settings.system_prompt,
        thinking=settings.thinking,
        ip_filter=settings.ip_filter,
        address_limit=settings.address_limit,
        injection_guard=settings.injection_guard,
        capture=settings.capture,
        providers=providers,
        connections=connections,
        keys=keys,
        combos=combos,
        aliases=aliases,
        routes=routes,
        chains=chains,
        budgets=budgets,
        prices=rows,
        instance_id=installation.instance_id,
        problems=findings.notes(),
    )


def _budgets(
    settings: Settings, directory: Directory, providers: Sequence[ProviderView]
) -> Iterator[BudgetView]:
    """Budgets of tiers, and of the providers that are in use."""
    in_use = {view.id for view in providers}
    for index, budget in enumerate(settings.budgets):
        if budget.provider is None:
            tier = budget.tier or ""
            yield BudgetView(tier, "", budget_meter(f"tier/{tier}", budget))
            continue
        provider = directory.require(budget.provider, ("budgets", index, "provider"))
        if provider in in_use:
            yield BudgetView("", provider, budget_meter(f"provider/{provider}", budget))


def _counts_usd(keys: Sequence[KeyView], budgets: Sequence[BudgetView]) -> bool:
    return bool(budgets) or any(meter.measure == "usd" for key in keys for meter in key.meters)


def _fitted(cache: CacheSettings, map_bytes: int) -> CacheSettings:
    """The cache takes half of the state's map at most, so that counters always have room."""
    most = max(1, map_bytes // 2 // _MIB)
    return msgspec.structs.replace(cache, max_mb=min(cache.max_mb, most))
