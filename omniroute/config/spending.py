"""Settings of who may spend what: windows of time, budgets, schedules, client keys."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.config.guarding import GuardMode
from omniroute.config.setting import SECRET, AtLeastOne, Setting, Tier

Measure = Literal["requests", "tokens", "usd"]
Period = Literal["daily", "weekly", "monthly"]
WindowName = Literal["5h", "daily", "weekly", "monthly"]
WindowKind = Literal["rolling", "fixed", "session"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ThinkingMode = Literal["passthrough", "auto", "custom", "adaptive"]

TIME = r"^([01]\d|2[0-3]):[0-5]\d\Z"


class BudgetSettings(Setting, frozen=True, kw_only=True):
    """So many USD in a period. Reserved before a request, settled after it; never passed."""

    usd: Annotated[float, Meta(ge=0, le=1_000_000_000, description="The limit.")]
    period: Annotated[Period, Meta(description="Weeks begin on Monday, months on the 1st.")] = (
        "monthly"
    )
    reset: Annotated[
        str, Meta(pattern=TIME, description="Local time at which the period resets.")
    ] = "00:00"
    timezone: Annotated[str, Meta(description="Whose local time, such as `Europe/Berlin`.")] = "UTC"


class SharedBudgetSettings(Setting, frozen=True, kw_only=True):
    """A budget of a tier or of a provider. When it ends, requests fall back to other targets."""

    tier: Annotated[Tier | None, Meta(description="The tier it is of …")] = None
    provider: Annotated[str | None, Meta(description="… or the provider; one of the two.")] = None
    usd: Annotated[float, Meta(ge=0, le=1_000_000_000, description="The limit.")]
    period: Annotated[Period, Meta(description="Weeks begin on Monday, months on the 1st.")] = (
        "monthly"
    )
    reset: Annotated[
        str, Meta(pattern=TIME, description="Local time at which the period resets.")
    ] = "00:00"
    timezone: Annotated[str, Meta(description="Whose local time, such as `Europe/Berlin`.")] = "UTC"


class ScheduleSettings(Setting, frozen=True, kw_only=True):
    """When a key may be used. `start` after `end` reaches over midnight."""

    days: Annotated[tuple[Day, ...], Meta(description="Days on which a span begins.")] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    )
    start: Annotated[str, Meta(pattern=TIME, description="Local time.")] = "00:00"
    end: Annotated[
        str, Meta(pattern=TIME, description="Local time; the same as `start`: all day.")
    ] = "00:00"
    timezone: Annotated[str, Meta(description="Whose local time, such as `Europe/Berlin`.")] = "UTC"


class PromptSettings(Setting, frozen=True, kw_only=True):
    """Text laid around the system prompt of every request."""

    prefix: Annotated[str, Meta(description="Before the client's own system prompt.")] = ""
    suffix: Annotated[str, Meta(description="After it.")] = ""


class ThinkingSettings(Setting, frozen=True, kw_only=True):
    """How much models may think."""

    mode: Annotated[
        ThinkingMode,
        Meta(
            description="`passthrough`: as the client asks. `auto`: the model decides, whatever "
            "the client asks. `custom`: always `budget_tokens`. `adaptive`: `budget_tokens` times "
            "1, plus 0.5 beyond 10 messages, 0.5 beyond 3 tools, 0.3 for a last text beyond 2000 "
            "characters."
        ),
    ] = "passthrough"
    budget_tokens: Annotated[
        int, Meta(ge=0, le=1000000, description="For `custom` and `adaptive`; 0 is none.")
    ] = 10240


class KeySettings(Setting, frozen=True, kw_only=True):
    """One API key that clients present to the gateway."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z",
            description="Name under which requests are recorded.",
        ),
    ]
    key: Annotated[
        str,
        Meta(
            description="The key, at least 8 printable characters without spaces. Best as "
            "`env:NAME` or `file:PATH`.",
            extra=SECRET,
        ),
    ]
    enabled: Annotated[bool, Meta(description="Off: refused.")] = True
    models: Annotated[
        tuple[str, ...],
        Meta(
            description="Names it may ask for, with wildcards: `acme/*`, `coding`; empty: all. "
            "Combos and aliases count by their own name or by each target."
        ),
    ] = ()
    connections: Annotated[
        tuple[str, ...],
        Meta(description="Accounts it may use, with wildcards: `acme/main`, `cc/*`; empty: all."),
    ] = ()
    budget: Annotated[
        tuple[BudgetSettings, ...] | BudgetSettings,
        Meta(description='One or several budgets: `{ usd = 50.0, period = "monthly" }`.'),
    ] = ()
    rpm: Annotated[AtLeastOne | None, Meta(description="Requests in any 60 seconds.")] = None
    tpm: Annotated[AtLeastOne | None, Meta(description="Tokens in any 60 seconds.")] = None
    max_concurrent: Annotated[
        AtLeastOne | None, Meta(description="Requests at a time, over all workers.")
    ] = None
    schedule: Annotated[
        ScheduleSettings | None,
        Meta(description="When it may be used: `{ days, start, end, timezone }`."),
    ] = None
    expires: Annotated[
        str,
        Meta(
            description="Date or time (ISO 8601) from which it is refused, such as `2027-01-31` or "
            "`2027-01-31T18:00:00+01:00`."
        ),
    ] = ""
    cache: Annotated[
        bool | None,
        Meta(
            description="Answer repeated requests of this key from the cache: true at any "
            "temperature, false never; default: those at temperature 0."
        ),
    ] = None
    system_prompt: Annotated[
        PromptSettings | None,
        Meta(description="`{ prefix, suffix }`, in place of `[system_prompt]`."),
    ] = None
    thinking: Annotated[
        ThinkingSettings | None,
        Meta(description="`{ mode, budget_tokens }`, in place of `[thinking]`."),
    ] = None
    ip_allowlist: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses and networks from which it may be used, such as `192.0.2.7`, "
            "`10.0.0.0/8`; empty: all."
        ),
    ] = ()
    injection_guard: Annotated[
        GuardMode | None, Meta(description="In place of `injection_guard.mode`.")
    ] = None
    capture: Annotated[bool | None, Meta(description="In place of `capture.enabled`.")] = None

    def budgets(self) -> tuple[BudgetSettings, ...]:
        """The budgets as a list, also where the file has one table."""
        return (self.budget,) if isinstance(self.budget, BudgetSettings) else self.budget
