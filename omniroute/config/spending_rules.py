"""Rules of limits: windows and budgets, schedules, time zones, expiry, what a key may use."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from omniroute.config.errors import ConfigError
from omniroute.config.providing import QuotaSettings
from omniroute.config.schema import Origin, Path, Settings
from omniroute.config.spending import BudgetSettings, KeySettings, ThinkingSettings

# The windows that each kind can have.
_WINDOWS = {
    "rolling": ("5h", "daily", "weekly", "monthly"),
    "fixed": ("daily", "weekly", "monthly"),
    "session": ("5h",),
}


def check_spending(settings: Settings) -> Iterator[ConfigError]:
    """Every broken rule of quotas, budgets and keys."""
    origin = settings.origin
    for index, connection in enumerate(settings.connections):
        yield from _check_quotas(origin, ("connections", index, "quotas"), connection.quotas)
    yield from _check_shared_budgets(settings)
    for index, key in enumerate(settings.keys):
        yield from _check_key(origin, ("keys", index), key)
    yield from _check_thinking(origin, ("thinking",), settings.thinking)


def _check_quotas(
    origin: Origin, path: Path, quotas: Sequence[QuotaSettings]
) -> Iterator[ConfigError]:
    seen: set[tuple[str, str, str]] = set()
    for place, quota in enumerate(quotas):
        where = (*path, place)
        windows = _WINDOWS[quota.kind]
        if quota.window not in windows:
            yield origin.problem(
                (*where, "window"),
                f"{quota.window!r} is no window of the kind {quota.kind!r}",
                f"those there are: {', '.join(windows)}",
            )
        if quota.measure != "usd" and quota.limit != int(quota.limit):
            yield origin.problem(
                (*where, "limit"), f"{quota.limit} is not a whole number of {quota.measure}"
            )
        same = (quota.measure, quota.window, quota.kind)
        if same in seen:
            yield origin.problem(where, "limits the same as another one of these quotas")
        seen.add(same)
        yield from _check_zone(origin, (*where, "timezone"), quota.timezone)
        for name in ("reset", "timezone"):
            if quota.kind != "fixed" and origin.names((*where, name)):
                yield origin.problem(
                    (*where, name), f"has no effect on the kind {quota.kind!r}", 'kind = "fixed"?'
                )


def _check_shared_budgets(settings: Settings) -> Iterator[ConfigError]:
    origin = settings.origin
    seen: set[tuple[str | None, str | None, str]] = set()
    for index, budget in enumerate(settings.budgets):
        path = ("budgets", index)
        if (budget.tier is None) == (budget.provider is None):
            yield origin.problem(
                path, "is the budget of a tier or of a provider", "give exactly one of the two"
            )
        same = (budget.tier, budget.provider, budget.period)
        if same in seen:
            yield origin.problem(
                (*path, "period"), f"has a {budget.period} budget already", "one for each period"
            )
        seen.add(same)
        yield from _check_zone(origin, (*path, "timezone"), budget.timezone)


def _check_key(origin: Origin, path: Path, key: KeySettings) -> Iterator[ConfigError]:
    yield from _check_budgets(origin, path, key)
    yield from _check_patterns(origin, (*path, "models"), key.models)
    yield from _check_patterns(origin, (*path, "connections"), key.connections)
    for place, pattern in enumerate(key.connections):
        if "/" not in pattern and pattern != "*":
            yield origin.problem(
                (*path, "connections", place),
                f"{pattern!r} names no connection",
                f"all of a provider's: {pattern}/*",
            )
    if key.schedule is not None:
        where = (*path, "schedule")
        if not key.schedule.days:
            yield origin.problem((*where, "days"), "is empty: the key could never be used")
        yield from _check_zone(origin, (*where, "timezone"), key.schedule.timezone)
    yield from _check_expiry(origin, (*path, "expires"), key.expires)
    if key.thinking is not None:
        yield from _check_thinking(origin, (*path, "thinking"), key.thinking)


def _check_budgets(origin: Origin, path: Path, key: KeySettings) -> Iterator[ConfigError]:
    seen: set[str] = set()
    for place, budget in enumerate(key.budgets()):
        one = isinstance(key.budget, BudgetSettings)
        where: Path = (*path, "budget") if one else (*path, "budget", place)
        if budget.period in seen:
            yield origin.problem(
                (*where, "period"),
                f"has a {budget.period} budget already",
                "one for each period",
            )
        seen.add(budget.period)
        yield from _check_zone(origin, (*where, "timezone"), budget.timezone)


def _check_patterns(origin: Origin, path: Path, patterns: Sequence[str]) -> Iterator[ConfigError]:
    for place, pattern in enumerate(patterns):
        if not pattern or pattern != pattern.strip() or not pattern.isprintable():
            yield origin.problem((*path, place), f"{pattern!r} is no name and no pattern")


def _check_expiry(origin: Origin, path: Path, expires: str) -> Iterator[ConfigError]:
    if not expires:
        return
    try:
        datetime.fromisoformat(expires)
    except ValueError:
        yield origin.problem(
            path, f"{expires!r} is neither a date nor a time", "such as 2027-01-31 (ISO 8601)"
        )


def _check_thinking(origin: Origin, path: Path, wish: ThinkingSettings) -> Iterator[ConfigError]:
    where = (*path, "budget_tokens")
    if wish.mode in ("passthrough", "auto") and origin.names(where):
        yield origin.problem(
            where, f"has no effect with the mode {wish.mode!r}", 'it is for "custom" and "adaptive"'
        )


def _check_zone(origin: Origin, path: Path, name: str) -> Iterator[ConfigError]:
    import zoneinfo

    if name == "UTC":  # known without a database of zones
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        from difflib import get_close_matches

        close = get_close_matches(name, sorted(zoneinfo.available_timezones()), n=1)
        hint = f"did you mean {close[0]}?" if close else "such as Europe/Berlin"
        yield origin.problem(path, f"{name!r} is no time zone that this system knows", hint)
