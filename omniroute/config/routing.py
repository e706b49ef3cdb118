"""Settings of the way from a name to an answer: combos, aliases, fallback, resilience, cache."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.config.providing import AccountStrategy
from omniroute.config.setting import SECRET, Setting

ComboStrategy = Literal[
    "priority",
    "fill-first",
    "round-robin",
    "random",
    "weighted",
    "least-used",
    "cost-optimized",
    "p2c",
    "lowest-latency",
]


class ComboMember(Setting, frozen=True, kw_only=True):
    """A member of a combo, where its name alone does not say enough."""

    model: Annotated[
        str, Meta(min_length=1, description="`provider/model`, or the name of another combo.")
    ]
    weight: Annotated[float, Meta(ge=0, description="Share with the strategy `weighted`.")] = 1.0


class ComboSettings(Setting, frozen=True, kw_only=True):
    """A named list of models with a strategy; clients ask for it like for a model."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_/.-]{1,100}\Z",
            description="Letters, digits, `_`, `/`, `.`, `-`.",
        ),
    ]
    models: Annotated[
        tuple[str | ComboMember, ...],
        Meta(
            min_length=1,
            description='Members in order: `"provider/model"`, the name of another combo, or '
            "`{ model, weight }`.",
        ),
    ]
    strategy: Annotated[ComboStrategy, Meta(description="Which member is tried first.")] = (
        "priority"
    )
    sticky_limit: Annotated[
        int, Meta(ge=1, le=10000, description="Requests in a row for one member in `round-robin`.")
    ] = 1
    tiered: Annotated[
        bool | None,
        Meta(
            description="Try members tier by tier (subscription, apikey, cheap, free, local), by "
            "`strategy` within each; default: `routing.tiered`."
        ),
    ] = None
    proxy: Annotated[str | None, Meta(description="Proxy for this combo.", extra=SECRET)] = None
    enabled: Annotated[bool, Meta(description="Off: not listed, not served.")] = True


class AliasSettings(Setting, frozen=True, kw_only=True):
    """Another name of a model or combo, looked at before anything but combos."""

    pattern: Annotated[
        str,
        Meta(min_length=1, description="The name; `*` stands for any text, `?` for one character."),
    ]
    target: Annotated[
        str,
        Meta(
            min_length=1,
            description="`provider/model` or a combo; `*` in it is what the first `*` stood for.",
        ),
    ]


class RouteSettings(Setting, frozen=True, kw_only=True):
    """Where names go whose provider is not configured, such as `openai/*` to a reseller."""

    pattern: Annotated[
        str,
        Meta(min_length=1, description="The name; `*` stands for any text, `?` for one character."),
    ]
    target: Annotated[
        str,
        Meta(
            min_length=1,
            description="`provider/model` or a combo; `*` in it is what the first `*` stood for.",
        ),
    ]


class FallbackChainSettings(Setting, frozen=True, kw_only=True):
    """Targets that are tried when everything a name stands for is exhausted."""

    name: Annotated[str, Meta(min_length=1, description="Name of the chain, for logs.")]
    models: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Targets in order: `provider/model` or combos."),
    ]
    applies_to: Annotated[
        tuple[str, ...],
        Meta(description="Names that were asked for, with wildcards."),
    ] = ("*",)
    enabled: Annotated[bool, Meta(description="Off: not used.")] = True


class RoutingSettings(Setting, frozen=True, kw_only=True):
    """How targets are found and chosen."""

    strategy: Annotated[
        AccountStrategy, Meta(description="Which of a provider's connections serves.")
    ] = "fill-first"
    sticky_limit: Annotated[
        int,
        Meta(ge=1, le=10000, description="Requests in a row for one connection in `round-robin`."),
    ] = 3
    sticky_sessions: Annotated[
        bool,
        Meta(
            description="Keep a conversation on the account that served it, while that is healthy: "
            "prompt caches live there."
        ),
    ] = True
    session_ttl_s: Annotated[
        float, Meta(gt=0, description="How long a conversation may rest and keep its account.")
    ] = 1800.0
    tiered: Annotated[
        bool,
        Meta(
            description="Move on through the tiers subscription, apikey, cheap, free, local: "
            "combos try their members in that order, and other names go on to the same model at "
            "providers of later tiers and to `tier_fallbacks`."
        ),
    ] = False
    tier_fallbacks: Annotated[
        tuple[str, ...],
        Meta(description="Models that may stand in for any other, tried by tier if `tiered`."),
    ] = ()
    blocked_providers: Annotated[
        tuple[str, ...], Meta(description="Ids that are neither listed nor served.")
    ] = ()
    assumed_output_tokens: Annotated[
        int,
        Meta(
            ge=1,
            description="Longest answer expected of a model whose cap is not known, when the "
            "request sets none: what budgets reserve.",
        ),
    ] = 32768
    assumed_context_tokens: Annotated[
        int,
        Meta(
            ge=1,
            description="Longest input expected of a model whose window is not known, when the "
            "request refers to content elsewhere (files, links, earlier responses).",
        ),
    ] = 200000


class ResilienceSettings(Setting, frozen=True, kw_only=True):
    """What a failure leads to."""

    breaker_failures: Annotated[
        int, Meta(ge=1, le=1000, description="Failures that open a provider's breaker …")
    ] = 5
    breaker_window_s: Annotated[float, Meta(gt=0, description="… within so long.")] = 60.0
    breaker_reset_s: Annotated[
        float, Meta(gt=0, description="How long it stays open before one request may try again.")
    ] = 30.0
    cooldown_base_s: Annotated[
        float,
        Meta(gt=0, description="First cooldown of a connection; doubles with each failure."),
    ] = 5.0
    cooldown_base_local_s: Annotated[
        float, Meta(gt=0, description="The same for providers of the tier `local`.")
    ] = 2.0
    cooldown_max_s: Annotated[float, Meta(gt=0, description="Longest cooldown without a hint.")] = (
        300.0
    )
    hint_max_s: Annotated[
        float,
        Meta(gt=0, description="Longest wait that a provider's own hint (Retry-After) may impose."),
    ] = 86400.0
    wait_for_cooldown_s: Annotated[
        float,
        Meta(
            ge=0,
            description="When everything cools: how long a request may wait for the first target "
            "to come back; 0 answers at once.",
        ),
    ] = 0.0
    retries: Annotated[
        int,
        Meta(ge=0, le=10, description="Repetitions at the same target after a reset or 5xx."),
    ] = 1
    retry_base_ms: Annotated[
        int, Meta(ge=0, le=60000, description="First pause before one; doubles, with jitter.")
    ] = 250
    retry_budget: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of the traffic that retries may add, so that an outage is not "
            "multiplied.",
        ),
    ] = 0.2
    max_attempts: Annotated[
        int, Meta(ge=1, le=100, description="Most attempts for one request, over all targets.")
    ] = 30
    content_policy_next: Annotated[
        bool,
        Meta(description="Try the next model when one refuses by its content policy."),
    ] = False
    queue_wait_s: Annotated[
        float,
        Meta(ge=0, description="How long a request may wait for a connection at its limits."),
    ] = 30.0
    quota_sync_s: Annotated[
        float,
        Meta(
            ge=0,
            description="How often built-in providers that have a quota endpoint are asked what is "
            "left of each account; sooner after a failure and when a window resets, once a minute "
            "at most; 0 never asks.",
        ),
    ] = 300.0


class CacheSettings(Setting, frozen=True, kw_only=True):
    """Answers that are given again. Entries are encrypted at rest and belong to one key."""

    enabled: Annotated[
        bool, Meta(description="Answer repeated requests at temperature 0 from the cache.")
    ] = True
    ttl_s: Annotated[float, Meta(gt=0, description="How long an answer may be given again.")] = (
        3600.0
    )
    max_mb: Annotated[
        int,
        Meta(ge=1, description="Room for entries, in MiB; the oldest go first. Part of the state."),
    ] = 128
    max_entry_bytes: Annotated[int, Meta(ge=1024, description="Largest answer that is kept.")] = (
        1048576
    )
    shared: Annotated[
        bool, Meta(description="Give answers to other keys, too, not only to the one that asked.")
    ] = False
    semantic: Annotated[
        bool,
        Meta(
            description="Also answer a last question that means the same as an earlier one, all "
            "else equal. Needs the extra `omniroute[semantic]`."
        ),
    ] = False
    semantic_threshold: Annotated[
        float,
        Meta(gt=0, le=1, description="Similarity (cosine) from which questions are the same."),
    ] = 0.75
    idempotency_s: Annotated[
        float,
        Meta(ge=0, description="How long an answer is given again for the same Idempotency-Key."),
    ] = 5.0
