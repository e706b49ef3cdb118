"""The snapshot as a worker needs it: everything that can be computed once is computed here.

A `View` is immutable once built; a new snapshot makes a new one, and requests under way keep the
one they began with. Per connection it holds the very bytes with which a request head begins,
credential included, so that nothing is assembled header by header while a request waits.
"""

import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from omniroute import __version__
from omniroute.config import (
    CaptureSettings,
    InjectionGuardSettings,
    PromptSettings,
    ThinkingSettings,
)
from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import ModelEntry, TargetModel
from omniroute.formats.quirks import SANITISE
from omniroute.formats.table import DIALECTS
from omniroute.formats.translate import TRANSLATED_QUIRKS
from omniroute.gateway.answers import header_value
from omniroute.gateway.edits import edits_of
from omniroute.gateway.injection import InjectionGuard
from omniroute.installation import Installation, InstallationError
from omniroute.net.connector import Origin
from omniroute.net.destination import origin_of, unsendable
from omniroute.net.networks import NetworkSet
from omniroute.net.proxies import EnvironmentProxies
from omniroute.providers.pricing import PriceBook
from omniroute.resilience.cooldown import cooldown_key
from omniroute.resilience.meters import Meter
from omniroute.resilience.schedule import Schedule
from omniroute.resilience.verdict import LIMITS_PER_MODEL
from omniroute.routing.patterns import Allowed
from omniroute.routing.resolve import Names, Route
from omniroute.snapshot import ConnectionView, KeyView, ProviderView, Snapshot, SnapshotError
from omniroute.wire.http1 import request_line

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

# What a client may say to an upstream of its own format beside the body. Everything else of the
# client's headers ends here: credentials, cookies and addresses are not the upstream's business.
FORWARDED_HEADERS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "openai": (b"openai-beta",),
    "openai-responses": (b"openai-beta",),
    "claude": (b"anthropic-beta",),
}


_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))


# Headers of requests to upstreams that hold nothing secret; all others may.
_OPEN_FIELDS: Final = frozenset(
    (
        "host",
        "accept",
        "accept-encoding",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "openai-beta",
        "user-agent",
    )
)
_LEAST_SECRET: Final = 8  # bytes; anything shorter is no credential but a word
_REDACTED: Final = b"[redacted]"

NO_PROMPT: Final = PromptSettings()
AS_ASKED: Final = ThinkingSettings()
NO_GUARD: Final = InjectionGuardSettings()
NO_CAPTURE: Final = CaptureSettings()


class Principal:
    """Who asks: one key, or everybody where no key is required."""

    __slots__ = (
        "_enabled",
        "_expires_ms",
        "_schedule",
        "cache",
        "captures",
        "connections",
        "edits",
        "guard",
        "id",
        "limited",
        "meters",
        "models",
        "name",
        "networks",
        "prompt",
        "thinking",
    )

    def __init__(
        self,
        key: KeyView,
        prompt: PromptSettings = NO_PROMPT,
        thinking: ThinkingSettings = AS_ASKED,
        guard: InjectionGuardSettings = NO_GUARD,
        capture: CaptureSettings = NO_CAPTURE,
    ) -> None:
        """All but `key` hold where the key says nothing of its own."""
        self.id = key.id
        self.name = key.name
        self.meters: tuple[Meter, ...] = key.meters
        self.models = Allowed(key.models) if key.models else None  # None: all
        self.connections = Allowed(key.connections) if key.connections else None
        self.cache = key.cache
        prompt = prompt if key.system_prompt is None else key.system_prompt
        self.prompt = prompt if prompt.prefix or prompt.suffix else None
        thinking = thinking if key.thinking is None else key.thinking
        self.thinking = thinking if thinking.mode != "passthrough" else None
        self.edits = edits_of(self.prompt, self.thinking)
        mode = guard.mode if key.injection_guard is None else key.injection_guard
        self.guard = None if mode == "off" else InjectionGuard(mode, guard.block_from)
        self.captures = capture.enabled if key.capture is None else key.capture
        self.networks = NetworkSet(key.ip_allowlist) if key.ip_allowlist else None  # None: all
        self._enabled = key.enabled
        self._expires_ms = key.expires_ms
        self._schedule = Schedule(key.schedule) if key.schedule is not None else None
        self.limited = not key.enabled or key.expires_ms is not None or key.schedule is not None

    def check(self, now_ms: int) -> None:
        """GatewayError when the key is not to be used now. Asked only where `limited`."""
        if not self._enabled:
            raise GatewayError(
                ErrorKind.KEY_DISABLED, f"The API key {self.name!r} is switched off."
            )
        if self._expires_ms is not None and now_ms >= self._expires_ms:
            raise GatewayError(ErrorKind.KEY_EXPIRED, f"The API key {self.name!r} has expired.")
        if self._schedule is not None and (opens_ms := self._schedule.opens_ms(now_ms)) > now_ms:
            raise GatewayError(
                ErrorKind.OUTSIDE_SCHEDULE,
                f"The API key {self.name!r} may be used {self._schedule.told} only.",
                retry_after_s=(opens_ms - now_ms) / 1000,
            )


class Target:
    """One connection of one provider, ready to be sent to."""

    __slots__ = (
        "_auth_header",
        "_head",
        "_headers",
        "_path",
        "_told",
        "auth",
        "connection_id",
        "context_tokens",
        "cooldown_key",
        "format",
        "limits_per_model",
        "max_output_tokens",
        "meters",
        "origin",
        "own_way",
        "passes_through",
        "priority",
        "provider_id",
        "proxied",
        "proxy_level",
        "queue_wait_s",
        "quirks",
        "quota_threshold",
        "sanitises",
        "tier",
    )

    def __init__(
        self,
        provider: ProviderView,
        connection: ConnectionView,
        origin: Origin,
        path: str,
        headers: bytes,
        shared_meters: tuple[Meter, ...] = (),
    ) -> None:
        """`shared_meters`: budgets of its provider and its tier."""
        self.provider_id = provider.id
        self.tier = provider.tier
        self.meters = connection.meters + shared_meters
        self.queue_wait_s = connection.queue_wait_s
        self.quota_threshold = connection.quota_threshold
        self.auth = _auth(provider)
        self._auth_header = provider.auth_header
        self.limits_per_model = LIMITS_PER_MODEL in provider.quirks
        self.own_way = connection.base_url is not None or connection.proxy is not None
        self.proxied = connection.proxy is not None  # by its own: no combo's proxy is nearer
        # Whose its proxy is, "" for one that it shares with those that have none of their own.
        self.proxy_level = "connection" if self.proxied else "provider" if provider.proxy else ""
        self.cooldown_key = cooldown_key(connection.id)
        self.format = provider.format
        self.quirks = frozenset(provider.quirks)
        # May the bytes of a client of the same format go on as they are?
        self.passes_through = not TRANSLATED_QUIRKS & self.quirks
        self.sanitises = SANITISE in self.quirks  # and are its answers cleaned when they do?
        self.max_output_tokens = {model.id: model.max_output_tokens for model in provider.models}
        self.context_tokens = {model.id: model.context_tokens for model in provider.models}
        self.connection_id = connection.id
        self.priority = connection.priority
        self.origin = origin
        self._told = {name: _told(provider.id, name) for name in self.max_output_tokens}
        self._headers = headers  # every header line that does not change between requests
        self._path = path
        # In most dialects the path does not depend on the model, and the head never changes.
        self._head = b"" if "{" in path else self._begin(path)

    def head(self, model: str, *, stream: bool) -> bytes:
        """Request line and unchanging headers of a chat request for a model."""
        if self._head:
            return self._head
        return self._begin(DIALECTS[self.format].upstream_path(self._path, model, stream=stream))

    def told(self, model: str) -> bytes:
        """The header lines by which a client is told that this target answered."""
        return self._told.get(model) or _told(self.provider_id, model)

    def counting_head(self, model: str) -> bytes:
        """The same for counting the tokens of a request, in formats that can."""
        return self._begin(DIALECTS[self.format].counting_path(self._path, model))

    def _begin(self, path: str) -> bytes:
        return request_line(b"POST", path.encode("ascii")) + self._headers

    def credentials(self) -> list[bytes]:
        """What of its headers is secret, to be taken out of what is shown to people."""
        lines = self._headers.decode("latin-1").split("\r\n")
        return [
            value.rpartition(" ")[2].encode("latin-1")  # it stands behind a scheme: `Bearer …`
            for name, _, value in (line.partition(": ") for line in lines)
            if name and (name == self._auth_header or name.lower() not in _OPEN_FIELDS)
        ]

    def unsaid(self, text: bytes) -> bytes:
        """What an upstream said, without the credentials that it was sent: some repeat them."""
        for secret in self.credentials():
            if len(secret) >= _LEAST_SECRET:
                text = text.replace(secret, _REDACTED)
        return text

    def model(self, name: str) -> TargetModel:
        """A model of this target, as an encoder needs to know it."""
        return TargetModel(name, self.max_output_tokens.get(name), self.quirks)

    def __repr__(self) -> str:
        return f"Target({self.connection_id!r})"  # never the headers: they hold the credential


class View:
    """All that serving needs, from one snapshot. SnapshotError when that cannot be used."""

    def __init__(
        self,
        version: int,
        snapshot: Snapshot,
        installation: Installation,
        environment_proxies: EnvironmentProxies,
    ) -> None:
        self.version = version
        self.server = snapshot.server
        self.limits = snapshot.limits
        self.upstream = snapshot.upstream
        self.instance_token = f"omniroute-{snapshot.instance_id}".encode("ascii")
        self.routing = snapshot.routing
        self.resilience = snapshot.resilience
        self.cache = snapshot.cache
        self.ip_filter = snapshot.ip_filter
        self.address_limit = snapshot.address_limit
        self.capture = snapshot.capture
        for_all = (
            snapshot.system_prompt,
            snapshot.thinking,
            snapshot.injection_guard,
            snapshot.capture,
        )
        self.principals = {key.digest: Principal(key, *for_all) for key in snapshot.keys}
        self.anonymous = Principal(KeyView("", "anonymous", b""), *for_all)
        self.names = Names.of(snapshot)
        self.combos = {combo.name for combo in snapshot.combos}
        tiers = {provider.id: provider.tier for provider in snapshot.providers}
        self.prices = PriceBook(snapshot.prices, tiers)
        self.targets: dict[str, tuple[Target, ...]] = {}
        self.models: dict[str, ModelEntry] = {}
        providers = {provider.id: provider for provider in snapshot.providers}
        self._fill_first = frozenset(
            provider.id for provider in snapshot.providers if provider.strategy == "fill-first"
        )
        self._origins: dict[tuple[Origin, str], Origin] = {}
        for connection in sorted(snapshot.connections, key=lambda each: each.priority):
            provider = providers[connection.provider]
            if provider.needs:
                continue
            shared = tuple(
                budget.meter
                for budget in snapshot.budgets
                if provider.id == budget.provider or provider.tier == budget.tier
            )
            target = _target(
                provider, connection, snapshot, installation, environment_proxies, shared
            )
            self.targets[provider.id] = (*self.targets.get(provider.id, ()), target)
        for provider_id in self.targets:
            for model in providers[provider_id].models:
                name = f"{provider_id}/{model.id}"
                self.models[name] = ModelEntry(
                    id=name,
                    owned_by=provider_id,
                    name=model.name,
                    context_tokens=model.context_tokens,
                    max_output_tokens=model.max_output_tokens,
                )
        for name in sorted(self.combos):
            self.models[name] = ModelEntry(id=name, owned_by="combo", name=name)
        self.hosts = _host_names(snapshot)
        self.cors_origins = frozenset(each.encode() for each in snapshot.server.cors_origins)

    def origin(self, target: Target, proxy: str | None) -> Origin:
        """Where to connect for a target when the combo it is asked through has this proxy."""
        if proxy is None or target.proxied:
            return target.origin
        origin = self._origins.get((target.origin, proxy))
        if origin is None:
            origin = self._origins[target.origin, proxy] = target.origin._replace(proxy=proxy)
        return origin

    def has_choice(self, route: Route) -> bool:
        """Could another account, or another member of a combo, serve this route as well?"""
        sole = route.steps[0].combo.sole
        return sole is None or len(self.targets.get(sole[0][0].provider.id, ())) > 1

    def has_default(self, route: Route) -> bool:
        """Is it clear beforehand which account serves this route while all are well?"""
        sole = route.steps[0].combo.sole
        return sole is not None and sole[0][0].provider.id in self._fill_first

    def is_default(self, target: Target) -> bool:
        """Is this the account of its provider that is chosen while all are well?"""
        return (
            target.provider_id in self._fill_first and self.targets[target.provider_id][0] is target
        )

    def keepalive_s(self, format_: str) -> float:
        """Silence in a stream of a dialect after which its client should hear of us."""
        seconds = self.server.keepalive_s
        if format_ == "openai-responses":
            return min(seconds, self.server.keepalive_responses_s)
        return seconds


def _told(provider: str, model: str) -> bytes:
    return b"x-omniroute-provider: %b\r\nx-omniroute-model: %b\r\n" % (
        provider.encode("ascii"),
        header_value(model),
    )


def _auth(provider: ProviderView) -> str:
    """How its accounts sign in, as verdicts tell it: key | sign-in | local."""
    if provider.tier == "local":
        return "local"
    return "sign-in" if provider.tier == "subscription" else "key"


def _host_names(snapshot: Snapshot) -> frozenset[str]:
    own = {socket.gethostname().lower(), snapshot.server.host.lower()}
    return frozenset(
        LOOPBACK_NAMES | own | {name.lower() for name in snapshot.server.allowed_hosts}
    )


def _target(
    provider: ProviderView,
    connection: ConnectionView,
    snapshot: Snapshot,
    installation: Installation,
    environment_proxies: EnvironmentProxies,
    shared_meters: tuple[Meter, ...],
) -> Target:
    try:
        origin = origin_of(connection.url, provider, connection, snapshot, environment_proxies)
    except ValueError:
        raise SnapshotError(f"the URL of connection {connection.id!r} is not valid") from None
    parts = urlsplit(connection.url)
    host = origin.host
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        authority = f"{authority}:{origin.port}"
    fields: dict[str, str] = {
        "host": authority,
        "user-agent": f"OmniRoute/{__version__}",
        "accept-encoding": "identity",
        "via": f"1.1 omniroute-{snapshot.instance_id}",
    }
    fields.update((name.lower(), value) for name, value in provider.headers)
    if connection.secret and provider.auth_header:
        try:
            credential = installation.decrypt(connection.secret).decode("utf-8")
        except InstallationError as error:
            raise SnapshotError(
                f"the credential of connection {connection.id!r} cannot be decrypted: {error}"
            ) from None
        fields[provider.auth_header] = provider.auth_value.replace("{credential}", credential)
    fields["content-type"] = "application/json"
    if (name := unsendable(fields)) is not None:
        raise SnapshotError(
            f"connection {connection.id!r} cannot send its header {name!r}: it holds "
            "characters that no header may hold"
        )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    path = quote(path, safe=_VISIBLE)
    return Target(provider, connection, origin, path, lines.encode("latin-1"), shared_meters)
