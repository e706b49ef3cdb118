"""Settings of who answers: providers, their connections and models, prices."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.config.setting import (
    FILE,
    SECRET,
    AtLeastOne,
    Format,
    NotNegative,
    Rate,
    Setting,
    Tier,
)
from omniroute.config.spending import Measure, WindowKind, WindowName

AccountStrategy = Literal[
    "fill-first", "round-robin", "p2c", "random", "least-used", "cost-optimized"
]


class ProviderSettings(Setting, frozen=True, kw_only=True):
    """One provider. A built-in id needs only what differs; a new id is a custom provider."""

    id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z",
            description="The prefix in model names: `acme` for `acme/some-model`. Small letters, "
            "digits, `.`, `_`, `-`.",
        ),
    ]
    format: Annotated[
        Format | None,
        Meta(description="Wire format the provider speaks. Required for a custom provider."),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Root as the vendor's SDK takes it: `…/v1` for openai and "
            "openai-responses, the bare root for claude and gemini. A full endpoint is recognised. "
            "Required for a custom provider."
        ),
    ] = None
    tier: Annotated[
        Tier | None, Meta(description="What using it costs. A custom provider is `apikey`.")
    ] = None
    models: Annotated[
        tuple[str, ...] | None,
        Meta(description="Models listed by `/v1/models`, in place of the built-in list."),
    ] = None
    restrict: Annotated[bool, Meta(description="Refuse models that are not listed.")] = False
    enabled: Annotated[
        bool, Meta(description="Off: its models are neither listed nor used, by nobody.")
    ] = True
    strategy: Annotated[
        AccountStrategy | None,
        Meta(description="Which of its connections serves; default: `routing.strategy`."),
    ] = None
    sticky_limit: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None,
        Meta(
            description="Requests in a row that `round-robin` gives one connection; default: "
            "`routing.sticky_limit`.",
        ),
    ] = None
    proxy: Annotated[str | None, Meta(description="Proxy for this provider.", extra=SECRET)] = None
    allow_private: Annotated[
        bool,
        Meta(
            description="Let its host name resolve to a loopback or private address. Not needed "
            "where `base_url` itself holds such an address or `localhost`."
        ),
    ] = False
    ca_file: Annotated[
        str | None,
        Meta(description="PEM file of authorities trusted for this provider.", extra=FILE),
    ] = None
    headers: Annotated[
        dict[str, str],
        Meta(description="Headers sent with every request, over the built-in ones.", extra=SECRET),
    ] = {}
    auth_header: Annotated[
        str | None,
        Meta(description="Header that carries the credential, such as `x-api-key`."),
    ] = None
    auth_value: Annotated[
        str | None,
        Meta(
            description="Value of that header around `{credential}`. Default: "
            "`Bearer {credential}` for `authorization`, else the bare credential."
        ),
    ] = None
    quirks: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="How the service departs from its format, in place of what is built in "
            '(`[]`: not at all). Such as `"think-tags"`, `"system-to-user"`, `"sanitise"`; all of '
            "them: [Quirks](providers.md#quirks)."
        ),
    ] = None


class QuotaSettings(Setting, frozen=True, kw_only=True):
    """What an account may use in one window of time."""

    window: Annotated[WindowName, Meta(description="Length of the window.")]
    limit: Annotated[
        float, Meta(gt=0, le=1_000_000_000_000, description="How much, in the unit of `measure`.")
    ]
    measure: Annotated[Measure, Meta(description="What is counted.")] = "requests"
    kind: Annotated[
        WindowKind,
        Meta(
            description="`rolling` looks back from now, `fixed` resets at `reset`, `session` "
            "begins with the first request after the last one ended (Claude's 5 hours)."
        ),
    ] = "rolling"
    reset: Annotated[
        str,
        Meta(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z",
            description="Local time at which a `fixed` window resets.",
        ),
    ] = "00:00"
    timezone: Annotated[str, Meta(description="Whose local time, such as `Europe/Berlin`.")] = "UTC"


class ConnectionSettings(Setting, frozen=True, kw_only=True):
    """One account or key of a provider; a provider may have several."""

    provider: Annotated[str, Meta(min_length=1, description="Id or short prefix of the provider.")]
    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z",
            description="Name of the connection, unique within its provider.",
        ),
    ] = "main"
    api_key: Annotated[
        str,
        Meta(description="The credential. Best as `env:NAME` or `file:PATH`.", extra=SECRET),
    ] = ""
    base_url: Annotated[
        str | None, Meta(description="Root for this connection, in place of the provider's.")
    ] = None
    proxy: Annotated[str | None, Meta(description="Proxy for this connection.", extra=SECRET)] = (
        None
    )
    priority: Annotated[
        int, Meta(ge=0, le=1000000, description="Lower numbers are used first.")
    ] = 1
    enabled: Annotated[bool, Meta(description="Off: never used.")] = True
    max_concurrent: Annotated[
        AtLeastOne | None, Meta(description="Requests at a time, over all workers.")
    ] = None
    rpm: Annotated[AtLeastOne | None, Meta(description="Requests in any 60 seconds.")] = None
    min_gap_ms: Annotated[
        int, Meta(ge=0, le=600000, description="Least time between two requests.")
    ] = 0
    queue_wait_s: Annotated[
        NotNegative | None,
        Meta(
            description="How long a request may wait for a place here when the limits above are "
            "reached; default: `resilience.queue_wait_s`.",
        ),
    ] = None
    quotas: Annotated[
        tuple[QuotaSettings, ...],
        Meta(description="What the account may use in a window of time."),
    ] = ()
    quota_threshold: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Share of a quota, counted here or reported by the provider, from which "
            "the account is passed over until the window resets.",
        ),
    ] = 1.0


class ModelSettings(Setting, frozen=True, kw_only=True):
    """One model added to a provider's list, or one of them changed or switched off."""

    provider: Annotated[str, Meta(min_length=1, description="Id or short prefix of the provider.")]
    id: Annotated[str, Meta(min_length=1, description="The provider's own name of the model.")]
    name: Annotated[str, Meta(description="Name for people.")] = ""
    context_tokens: Annotated[
        AtLeastOne | None, Meta(description="Tokens of the context window.")
    ] = None
    max_output_tokens: Annotated[
        AtLeastOne | None,
        Meta(description="Most tokens of one answer; what budgets reserve by default."),
    ] = None
    enabled: Annotated[bool, Meta(description="Off: neither listed nor served.")] = True


class PriceSettings(Setting, frozen=True, kw_only=True):
    """What models cost, in USD per million tokens. The first match holds; the rest is built in."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="`provider/model`, with wildcards `*` and `?`: `acme/*`, `*/gpt-5*`. "
            "Without a price here, providers of the tiers subscription, free and local cost "
            "nothing.",
        ),
    ]
    input: Annotated[float, Meta(ge=0, le=1_000_000, description="Input tokens.")]
    output: Annotated[float, Meta(ge=0, le=1_000_000, description="Output tokens.")]
    cached_input: Annotated[
        Rate | None, Meta(description="Input read from a prompt cache; default: `input`.")
    ] = None
    cache_write: Annotated[
        Rate | None, Meta(description="Input written to a prompt cache; default: `input`.")
    ] = None
    reasoning: Annotated[
        Rate | None, Meta(description="Hidden reasoning tokens; default: `output`.")
    ] = None
