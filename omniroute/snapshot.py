"""The compiled configuration: one immutable value that a worker reads and never computes on.

`compile_snapshot` joins the settings over the registry of built-in providers, encrypts credentials,
digests keys and resolves every URL; what does not fit together is a ConfigError, what works only in
part is told in `ProviderView.needs` and `Snapshot.problems`. It does no I/O.

`encode` seals the whole snapshot for the shared memory: proxy URLs and fixed headers can hold
passwords, too, and none may lie there in clear. Credentials of connections stay ciphertext after
`decode` as well, until the moment one is used.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from omniroute.config import (
    CacheSettings,
    ConfigError,
    ConnectionSettings,
    LimitSettings,
    PromptSettings,
    ProviderSettings,
    ResilienceSettings,
    RoutingSettings,
    ScheduleSettings,
    ServerSettings,
    Settings,
    ThinkingSettings,
    UpstreamSettings,
)
from omniroute.config.urls import endpoint_url, names_private_host, root_url
from omniroute.installation import Installation
from omniroute.providers.pricing import PriceRow
from omniroute.resilience.meters import Meter

if TYPE_CHECKING:  # workers read snapshots and never the registry
    from omniroute.providers.registry import ModelRow, ProviderRow

# The formats that have a codec; the issues that bring further ones add them here.
SPOKEN_FORMATS: Final = frozenset({"openai", "openai-responses", "claude", "gemini"})

DEFAULT_TIER: Final = "apikey"
ANTHROPIC_VERSION: Final = "2023-06-01"

# How a provider is asked that says nothing about it itself: (header, value).
_AUTH_BY_FORMAT: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("authorization", "Bearer {credential}"),
    "openai-responses": ("authorization", "Bearer {credential}"),
    "claude": ("x-api-key", "{credential}"),
    "gemini": ("x-goog-api-key", "{credential}"),
}
_HEADERS_BY_FORMAT: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "claude": (("anthropic-version", ANTHROPIC_VERSION),),
}


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
    quota_threshold: float = 1.0


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


def compile_snapshot(
    settings: Settings,
    registry: "Sequence[ProviderRow]",
    stored_keys: Sequence[KeyView],
    installation: Installation,
    *,
    spoken: frozenset[str] = SPOKEN_FORMATS,
) -> Snapshot:
    """Join settings and registry. Raises ConfigError with every contradiction found.

    `stored_keys` are those that do not come from the file; a key that both know is the file's.
    """
    return _Compilation(settings, registry, installation, spoken).run(stored_keys)


class _Compilation:
    """One run; the object holds what the steps share."""

    def __init__(
        self,
        settings: Settings,
        registry: "Sequence[ProviderRow]",
        installation: Installation,
        spoken: frozenset[str],
    ) -> None:
        self.settings = settings
        self.installation = installation
        self.spoken = spoken
        self.rows = {row.id: row for row in registry}
        self.owners = {prefix: row.id for row in registry for prefix in row.prefixes}
        self.errors: list[ConfigError] = []

    def run(self, stored_keys: Sequence[KeyView]) -> Snapshot:
        declared = self._declared()
        by_provider = self._connections_by_provider(declared)
        providers: list[ProviderView] = []
        connections: list[ConnectionView] = []
        for provider_id in dict.fromkeys((*declared, *by_provider)):
            index, wish = declared.get(provider_id, (-1, ProviderSettings(id=provider_id)))
            own = by_provider.get(provider_id, [])
            view = self._provider(index, wish, [connection for _, connection in own])
            if view is None:
                continue
            providers.append(view)
            connections += self._connections(view, own)
        keys = self._keys(stored_keys)
        if self.errors:
            raise ConfigError.together(self.errors)
        return Snapshot(
            server=self.settings.server,
            limits=self.settings.limits,
            upstream=self.settings.upstream,
            routing=self.settings.routing,
            resilience=self.settings.resilience,
            cache=self.settings.cache,
            system_prompt=self.settings.system_prompt,
            thinking=self.settings.thinking,
            providers=tuple(providers),
            connections=tuple(connections),
            keys=keys,
            instance_id=self.installation.instance_id,
            problems=tuple(f"{view.id}: {view.needs}" for view in providers if view.needs),
        )

    def _refuse(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.errors.append(self.settings.origin.problem(path, message, hint))

    def _declared(self) -> dict[str, tuple[int, ProviderSettings]]:
        """Providers of the file by id, each with its index."""
        declared: dict[str, tuple[int, ProviderSettings]] = {}
        for index, provider in enumerate(self.settings.providers):
            path = ("providers", index, "id")
            owner = self.owners.get(provider.id, provider.id)
            if owner != provider.id and not (provider.format and provider.base_url):
                # A short prefix ("cc") means its built-in provider; with a format and a base URL
                # it is a provider of one's own, and the id then wins over the prefix.
                provider = msgspec.structs.replace(provider, id=owner)
            if provider.id in declared:
                self._refuse(path, f"{provider.id!r} is declared twice")
            else:
                declared[provider.id] = (index, provider)
        return declared

    def _connections_by_provider(
        self, declared: Mapping[str, object]
    ) -> dict[str, list[tuple[int, ConnectionSettings]]]:
        found: dict[str, list[tuple[int, ConnectionSettings]]] = {}
        taken: set[tuple[str, str]] = set()
        for index, connection in enumerate(self.settings.connections):
            name = connection.provider
            provider_id = name if name in declared else self.owners.get(name, "")
            if not provider_id:
                self._refuse(
                    ("connections", index, "provider"),
                    f"{name!r} is no provider",
                    self._similar_provider(name, declared),
                )
                continue
            if (provider_id, connection.name) in taken:
                self._refuse(
                    ("connections", index, "name"),
                    f"{connection.name!r} is the name of another connection of {provider_id}",
                    "give each one a name of its own",
                )
                continue
            taken.add((provider_id, connection.name))
            found.setdefault(provider_id, []).append((index, connection))
        return found

    def _similar_provider(self, name: str, declared: Mapping[str, object]) -> str:
        import difflib

        close = difflib.get_close_matches(name, [*declared, *self.owners], n=1)
        suggestion = f"did you mean {close[0]}? " if close else ""
        return f"{suggestion}a provider of your own is declared under [[providers]]"

    def _provider(
        self, index: int, wish: ProviderSettings, connections: list[ConnectionSettings]
    ) -> ProviderView | None:
        row = self.rows.get(wish.id)
        # A row's endpoint path, headers and way to sign in belong to the row's format.
        of_format = row if row is not None and wish.format in (None, row.format) else None
        format_ = wish.format or (row.format if row else "")
        base_url = wish.base_url or (of_format.base_url if of_format else "")
        if row is None:
            missing = [key for key in ("format", "base_url") if getattr(wish, key) is None]
            for key in missing:
                self._refuse(
                    ("providers", index, key),
                    f"is missing: {wish.id!r} is not a built-in provider, so it must be told",
                    'such as format = "openai" and base_url = "https://api.example.org/v1"',
                )
            if missing:
                return None
        elif of_format is None and not wish.base_url:
            self._refuse(
                ("providers", index, "base_url"),
                f"is missing: {row.name} is built in with the format {row.format!r}, so "
                f"{format_!r} needs its own root",
            )
            return None
        auth_header, auth_value = self._auth(wish, of_format, format_)
        headers = dict(of_format.headers if of_format else _HEADERS_BY_FORMAT.get(format_, ()))
        headers.update((name.lower(), value) for name, value in wish.headers.items())
        if (
            auth_header
            and auth_header in headers
            and any(connection.api_key for connection in connections)
        ):
            self._refuse(
                ("providers", index, "headers"),
                f"holds {auth_header}, which also carries the api_key of a connection",
                "give the credential in one of the two places",
            )
        complete = bool(base_url) and "{" not in base_url
        quirks = of_format.quirks if of_format else ()
        if wish.quirks is not None:
            quirks = self._known_quirks(index, wish.quirks)
        return ProviderView(
            id=wish.id,
            prefixes=row.prefixes if row else (wish.id,),
            name=row.name if row else wish.id,
            format=format_,
            base_url=root_url(format_, base_url) if complete else "",
            url=_endpoint(of_format, format_, base_url) if complete else "",
            tier=wish.tier or (row.tier if row else DEFAULT_TIER),
            auth_header=auth_header,
            auth_value=auth_value,
            headers=tuple(headers.items()),
            models=_models(wish, row),
            restrict=wish.restrict,
            proxy=wish.proxy,
            needs=self._needs(wish, of_format, format_, auth_header in headers, connections),
            quirks=quirks,
            declared=index >= 0,
            allow_private=wish.allow_private
            or self.settings.upstream.allow_private
            or (complete and names_private_host(base_url)),
            ca_file=wish.ca_file,
        )

    def _known_quirks(self, index: int, wished: tuple[str, ...]) -> tuple[str, ...]:
        from omniroute.providers.registry import QUIRKS  # as late as this: see the top

        for place, quirk in enumerate(wished):
            if quirk not in QUIRKS:
                self._refuse(
                    ("providers", index, "quirks", place),
                    f"{quirk!r} is no quirk",
                    f"those there are: {', '.join(sorted(QUIRKS))}",
                )
        return tuple(dict.fromkeys(wished))

    @staticmethod
    def _auth(wish: ProviderSettings, row: "ProviderRow | None", format_: str) -> tuple[str, str]:
        if wish.auth_header is not None or wish.auth_value is not None:
            header = (wish.auth_header or "authorization").lower()
            usual = "Bearer {credential}" if header == "authorization" else "{credential}"
            return header, wish.auth_value or usual
        if row is not None:
            return row.auth_header, row.auth_value
        return _AUTH_BY_FORMAT.get(format_, _AUTH_BY_FORMAT["openai"])

    def _needs(
        self,
        wish: ProviderSettings,
        row: "ProviderRow | None",
        format_: str,
        fixed_credential: bool,
        connections: list[ConnectionSettings],
    ) -> str:
        """What is missing, as a sentence. A provider of one's own may well want no credential."""
        if row is None:
            if format_ in self.spoken:
                return ""
            return f"The wire format {format_!r} of {wish.id} is not supported yet."
        roots = [connection.base_url for connection in connections if connection.base_url]
        return row.missing(
            spoken=self.spoken,
            base_url=wish.base_url or (roots[0] if roots else None),
            has_credential=fixed_credential or any(c.api_key for c in connections),
        )

    def _connections(
        self, view: ProviderView, own: list[tuple[int, ConnectionSettings]]
    ) -> list[ConnectionView]:
        if not own and not view.needs:
            # Nothing to sign in with and nothing missing: a local server, or one of one's own.
            own = [(-1, ConnectionSettings(provider=view.id, name="default"))]
        row = self.rows.get(view.id)
        for index, wish in own:
            # With a root of one's own it may be a server without keys; a sign-in may come later.
            at_vendor = row is not None and wish.base_url is None and view.base_url == row.base_url
            wants_key = row is not None and view.auth_header != "" and not row.sign_in
            if at_vendor and wants_key and not wish.api_key and not self._has_fixed(view):
                self._refuse(
                    ("connections", index, "api_key"),
                    f"is missing: {view.name} wants one",
                    'best as api_key = "env:NAME"',
                )
        return [self._connection(view, wish) for _, wish in own]

    @staticmethod
    def _has_fixed(view: ProviderView) -> bool:
        """Do the fixed headers carry a credential already?"""
        return any(name == view.auth_header for name, _ in view.headers)

    def _connection(self, view: ProviderView, wish: ConnectionSettings) -> ConnectionView:
        row = self.rows.get(view.id)
        of_format = row if row is not None and row.format == view.format else None
        secret = wish.api_key.encode()
        return ConnectionView(
            id=f"{view.id}/{wish.name}",
            provider=view.id,
            name=wish.name,
            url=_endpoint(of_format, view.format, wish.base_url) if wish.base_url else view.url,
            secret=self.installation.encrypt(secret) if secret else b"",
            base_url=root_url(view.format, wish.base_url) if wish.base_url else None,
            proxy=wish.proxy,
            priority=wish.priority,
            allow_private=view.allow_private
            or (wish.base_url is not None and names_private_host(wish.base_url)),
        )

    def _keys(self, stored_keys: Sequence[KeyView]) -> tuple[KeyView, ...]:
        keys: dict[bytes, KeyView] = {}
        for index, key in enumerate(self.settings.keys):
            digest = self.installation.key_digest(key.key.encode())
            if digest in keys:
                self._refuse(("keys", index, "key"), f"is the key of {keys[digest].name!r}, too")
            keys[digest] = KeyView(id=f"file/{key.name}", name=key.name, digest=digest)
        for stored in stored_keys:
            keys.setdefault(stored.digest, stored)
        return tuple(keys.values())


def _endpoint(row: "ProviderRow | None", format_: str, base_url: str) -> str:
    path, query = (row.path, row.query) if row else ("", "")
    return endpoint_url(format_, base_url, path=path, query=query)


def _models(wish: ProviderSettings, row: "ProviderRow | None") -> tuple[ModelView, ...]:
    known: dict[str, ModelRow] = {model.id: model for model in row.models} if row else {}
    ids = tuple(known) if wish.models is None else tuple(dict.fromkeys(wish.models))
    return tuple(
        ModelView(
            id=id_,
            name=known[id_].name or id_,
            context_tokens=known[id_].context_tokens,
            max_output_tokens=known[id_].max_output_tokens,
        )
        if id_ in known
        else ModelView(id_, id_)
        for id_ in ids
    )
