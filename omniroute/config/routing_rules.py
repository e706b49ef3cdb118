"""Rules of names and patterns: combos, aliases, routes, chains, prices, and what they rest on."""

from collections.abc import Iterator, Sequence

from omniroute.config.errors import ConfigError
from omniroute.config.routing import AliasSettings, RouteSettings
from omniroute.config.schema import Origin, Path, Settings

_MIB = 1 << 20


def check_routing(settings: Settings) -> Iterator[ConfigError]:
    """Every broken rule of [routing], [resilience], [cache] and of the lists of names."""
    origin = settings.origin
    yield from _check_combos(settings)
    yield from _check_patterns(origin, "aliases", settings.aliases)
    yield from _check_patterns(origin, "routes", settings.routes)
    yield from _check_hidden_aliases(settings)
    yield from _check_chains(settings)
    yield from _check_names(origin, ("routing", "tier_fallbacks"), settings.routing.tier_fallbacks)
    for index, price in enumerate(settings.pricing):
        path = ("pricing", index, "model")
        yield from _check_name(origin, path, price.model)
        if "/" not in price.model:
            yield origin.problem(
                path, f"{price.model!r} names no provider", f"for all of them: */{price.model}"
            )
    if settings.resilience.cooldown_base_s > settings.resilience.cooldown_max_s:
        yield origin.problem(
            ("resilience", "cooldown_max_s"), "is shorter than cooldown_base_s", "raise it"
        )
    yield from _check_cache(settings)


def _check_combos(settings: Settings) -> Iterator[ConfigError]:
    origin = settings.origin
    names: set[str] = set()
    for index, combo in enumerate(settings.combos):
        path = ("combos", index)
        if combo.name in names:
            yield origin.problem((*path, "name"), f"{combo.name!r} is the name of another combo")
        names.add(combo.name)
        for place, member in enumerate(combo.models):
            name = member if isinstance(member, str) else member.model
            where = (*path, "models", place)
            yield from _check_name(origin, where, name)
            if "*" in name or "?" in name:
                yield origin.problem(
                    where, f"{name!r} is a pattern", "a combo names each of its members"
                )


def _check_patterns(
    origin: Origin, section: str, wishes: Sequence[AliasSettings | RouteSettings]
) -> Iterator[ConfigError]:
    seen: set[str] = set()
    for index, wish in enumerate(wishes):
        path = (section, index)
        yield from _check_name(origin, (*path, "pattern"), wish.pattern)
        yield from _check_name(origin, (*path, "target"), wish.target)
        if wish.pattern.lower() in seen:  # capitals and small letters are the same in patterns
            yield origin.problem(
                (*path, "pattern"), f"{wish.pattern!r} stands here twice", "the first one holds"
            )
        seen.add(wish.pattern.lower())
        if "*" in wish.target and "*" not in wish.pattern:
            yield origin.problem(
                (*path, "target"),
                f"{wish.target!r} holds a * that nothing stands for",
                "the pattern needs one, too",
            )
        if "?" in wish.target:
            yield origin.problem(
                (*path, "target"), f"{wish.target!r} holds a ?", "only * is filled in"
            )
        if wish.target.lower() == wish.pattern.lower():
            yield origin.problem((*path, "target"), f"{wish.target!r} leads to itself")


def _check_hidden_aliases(settings: Settings) -> Iterator[ConfigError]:
    combos = {combo.name for combo in settings.combos if combo.enabled}
    for index, alias in enumerate(settings.aliases):
        if alias.pattern in combos:
            yield settings.origin.problem(
                ("aliases", index, "pattern"),
                f"{alias.pattern!r} is the name of a combo, which comes first",
                "rename one of the two",
            )


def _check_chains(settings: Settings) -> Iterator[ConfigError]:
    origin = settings.origin
    names: set[str] = set()
    for index, chain in enumerate(settings.fallback_chains):
        path = ("fallback_chains", index)
        if chain.name in names:
            yield origin.problem((*path, "name"), f"{chain.name!r} is the name of another chain")
        names.add(chain.name)
        yield from _check_names(origin, (*path, "models"), chain.models)
        yield from _check_names(origin, (*path, "applies_to"), chain.applies_to)
        if not chain.applies_to:
            yield origin.problem(
                (*path, "applies_to"), "is empty: the chain is never used", 'for all: ["*"]'
            )


def _check_cache(settings: Settings) -> Iterator[ConfigError]:
    """Counters and limits live in the same map, so the cache gets half of it at most."""
    path = ("cache", "max_mb")
    need = 2 * settings.cache.max_mb * _MIB
    if need > settings.state.map_bytes and settings.origin.names(path):
        yield settings.origin.problem(
            path,
            f"does not fit: the cache may take half of state.map_bytes "
            f"({settings.state.map_bytes // _MIB} MiB)",
            f"set state.map_bytes to at least {need}",
        )


def _check_names(origin: Origin, path: Path, names: Sequence[str]) -> Iterator[ConfigError]:
    for place, name in enumerate(names):
        yield from _check_name(origin, (*path, place), name)


def _check_name(origin: Origin, path: Path, name: str) -> Iterator[ConfigError]:
    """Names come from requests without spaces around them, so such a one would never fit."""
    if not name or name != name.strip() or not name.isprintable():
        yield origin.problem(path, f"{name!r} is no name of a model")
