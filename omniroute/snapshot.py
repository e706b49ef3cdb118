"""The compiled configuration: one immutable value that a worker reads and never computes on.

`omniroute.compiling` makes it; this module holds its shapes and how it is stored. What is switched
off in the configuration is absent, what works only in part is told in `ProviderView.needs` and
`Snapshot.problems`.

`encode` seals the whole snapshot for the shared memory: proxy URLs and fixed headers can hold
passwords, too, and none may lie there in clear. Credentials of connections stay ciphertext after
`decode` as well, until the moment one is used.
"""

import msgspec
from msgspec import Struct

from omniroute.config import (
    AddressLimitSettings,
    CacheSettings,
    CaptureSettings,
    InjectionGuardSettings,
    IpFilterSettings,
    LimitSettings,
    PromptSettings,
    ResilienceSettings,
    RoutingSettings,
    ScheduleSettings,
    ServerSettings,
    ThinkingSettings,
    UpstreamSettings,
)
from omniroute.config.guarding import GuardMode
from omniroute.installation import Installation
from omniroute.providers.pricing import PriceRow
from omniroute.resilience.meters import Meter


class ModelView(Struct, frozen=True):
    """A model that is known to exist. Unknown numbers are None."""

    id: str
    name: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None


class ProviderView(Struct, frozen=True, kw_only=True):
    """A provider ready to be called, unless `needs` says what is missing."""

    id: str
    prefixes: tuple[str, ...]  # what may stand before the slash; the id comes first
    name: str
    format: str
    base_url: str  # root, "" when not known
    url: str  # chat endpoint; `{model}` and `{method}` are filled in per request
    tier: str
    auth_header: str = ""  # lower case; "" when no credential is wanted
    auth_value: str = ""  # holds `{credential}` once
    headers: tuple[tuple[str, str], ...] = ()  # lower-case names
    models: tuple[ModelView, ...] = ()
    models_off: tuple[str, ...] = ()  # ids that are refused, whether or not it is restricted
    restrict: bool = False
    proxy: str | None = None
    needs: str = ""  # a sentence; "" means usable
    quirks: tuple[str, ...] = ()
    declared: bool = False  # by the configuration file
    allow_private: bool = False
    ca_file: str | None = None
    strategy: str = "fill-first"  # among its connections
    sticky_limit: int = 3


class ConnectionView(Struct, frozen=True, kw_only=True):
    """One account or key of a provider. `url` is the chat endpoint through this connection."""

    id: str  # "acme/main"
    provider: str
    name: str
    url: str
    secret: bytes = b""  # ciphertext of the credential, b"" without one
    base_url: str | None = None
    proxy: str | None = None
    priority: int = 1
    allow_private: bool = False  # the provider's, or because its own base_url names such a host
    meters: tuple[Meter, ...] = ()  # rpm, gap, running, quotas
    queue_wait_s: float = 30.0
    quota_threshold: float = 1.0  # for what the provider reports; it is part of the meters' limits


class KeyView(Struct, frozen=True):
    """An API key that clients may present, known by its digest only."""

    id: str  # "file/laptop" when the configuration file declares it
    name: str
    digest: bytes
    enabled: bool = True
    models: tuple[str, ...] = ()  # wildcards; empty: all
    connections: tuple[str, ...] = ()  # wildcards over "provider/name"; empty: all
    meters: tuple[Meter, ...] = ()  # rpm, tpm, running, budgets
    schedule: ScheduleSettings | None = None
    expires_ms: int | None = None  # Unix time from which it is refused
    cache: bool | None = None
    system_prompt: PromptSettings | None = None
    thinking: ThinkingSettings | None = None
    ip_allowlist: tuple[str, ...] = ()  # addresses and networks; empty: from everywhere
    injection_guard: GuardMode | None = None
    capture: bool | None = None


class MemberView(Struct, frozen=True):
    """One member of a combo: a model of a provider, or another combo (`combo` is set)."""

    provider: str = ""
    model: str = ""
    combo: str = ""
    weight: float = 1.0


class ComboView(Struct, frozen=True, kw_only=True):
    """A combo that can be asked for. No combo reaches itself."""

    name: str
    members: tuple[MemberView, ...]
    strategy: str = "priority"
    sticky_limit: int = 1
    tiered: bool = False
    proxy: str | None = None


class PatternView(Struct, frozen=True):
    """A name or pattern (`*`, `?`) and the name that stands for it; `*` there is what `*` took."""

    pattern: str
    target: str


class ChainView(Struct, frozen=True):
    """A fallback chain: names tried in order when a name that fits `applies_to` is exhausted."""

    name: str
    applies_to: tuple[str, ...]
    models: tuple[str, ...]


class BudgetView(Struct, frozen=True):
    """A budget of a tier or a provider; the other one is ""."""

    tier: str
    provider: str
    meter: Meter


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know about the configuration."""

    server: ServerSettings
    limits: LimitSettings
    upstream: UpstreamSettings
    routing: RoutingSettings = RoutingSettings()
    resilience: ResilienceSettings = ResilienceSettings()
    cache: CacheSettings = CacheSettings()
    system_prompt: PromptSettings = PromptSettings()
    thinking: ThinkingSettings = ThinkingSettings()
    ip_filter: IpFilterSettings = IpFilterSettings()
    address_limit: AddressLimitSettings = AddressLimitSettings()
    injection_guard: InjectionGuardSettings = InjectionGuardSettings()
    capture: CaptureSettings = CaptureSettings()
    providers: tuple[ProviderView, ...] = ()
    connections: tuple[ConnectionView, ...] = ()
    keys: tuple[KeyView, ...] = ()
    combos: tuple[ComboView, ...] = ()
    aliases: tuple[PatternView, ...] = ()
    routes: tuple[PatternView, ...] = ()
    chains: tuple[ChainView, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    prices: tuple[PriceRow, ...] = ()  # the first that fits holds
    instance_id: str = ""
    problems: tuple[str, ...] = ()


class SnapshotError(Exception):
    """A stored snapshot that cannot be read: damaged, or written by another version."""


def encode(snapshot: Snapshot, installation: Installation) -> bytes:
    """The sealed bytes for the shared memory."""
    return installation.encrypt(msgspec.msgpack.encode(snapshot))


def decode(blob: bytes, installation: Installation) -> Snapshot:
    """What `encode` was given. Raises InstallationError or SnapshotError."""
    try:
        return msgspec.msgpack.decode(installation.decrypt(blob), type=Snapshot)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"the stored configuration does not fit this version: {error}") from (
            error
        )
