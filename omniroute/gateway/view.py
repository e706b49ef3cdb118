"""The snapshot as a worker needs it: everything that can be computed once is computed here.

A `View` is immutable once built; a new snapshot makes a new one, and requests under way keep the
one they began with. Per connection it holds the very bytes with which a request head begins,
credential included, so that nothing is assembled header by header while a request waits.
"""

import re
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from omniroute import __version__
from omniroute.formats.base import ModelEntry, TargetModel
from omniroute.formats.quirks import SANITISE
from omniroute.formats.table import DIALECTS
from omniroute.formats.translate import TRANSLATED_QUIRKS
from omniroute.installation import Installation, InstallationError
from omniroute.net.connector import Origin
from omniroute.net.proxies import EnvironmentProxies
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot, SnapshotError
from omniroute.wire.http1 import request_line

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

# What a client may say to an upstream of its own format beside the body. Everything else of the
# client's headers ends here: credentials, cookies and addresses are not the upstream's business.
FORWARDED_HEADERS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "openai": (b"openai-beta",),
    "openai-responses": (b"openai-beta",),
    "claude": (b"anthropic-beta",),
}


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))


class Principal:
    """Who asks: one key, or everybody where no key is required."""

    __slots__ = ("id", "name")

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name


ANONYMOUS: Final = Principal("", "anonymous")


class Target:
    """One connection of one provider, ready to be sent to."""

    __slots__ = (
        "_head",
        "_headers",
        "_path",
        "connection_id",
        "format",
        "max_output_tokens",
        "origin",
        "passes_through",
        "priority",
        "provider_id",
        "quirks",
        "sanitises",
    )

    def __init__(
        self,
        provider: ProviderView,
        connection: ConnectionView,
        origin: Origin,
        path: str,
        headers: bytes,
    ) -> None:
        self.provider_id = provider.id
        self.format = provider.format
        self.quirks = frozenset(provider.quirks)
        # May the bytes of a client of the same format go on as they are?
        self.passes_through = not TRANSLATED_QUIRKS & self.quirks
        self.sanitises = SANITISE in self.quirks  # and are its answers cleaned when they do?
        self.max_output_tokens = {model.id: model.max_output_tokens for model in provider.models}
        self.connection_id = connection.id
        self.priority = connection.priority
        self.origin = origin
        self._headers = headers  # every header line that does not change between requests
        self._path = path
        # In most dialects the path does not depend on the model, and the head never changes.
        self._head = b"" if "{" in path else self._begin(path)

    def head(self, model: str, *, stream: bool) -> bytes:
        """Request line and unchanging headers of a chat request for a model."""
        if self._head:
            return self._head
        return self._begin(DIALECTS[self.format].upstream_path(self._path, model, stream=stream))

    def counting_head(self, model: str) -> bytes:
        """The same for counting the tokens of a request, in formats that can."""
        return self._begin(DIALECTS[self.format].counting_path(self._path, model))

    def _begin(self, path: str) -> bytes:
        return request_line(b"POST", path.encode("ascii")) + self._headers

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
        self.principals = {key.digest: Principal(key.id, key.name) for key in snapshot.keys}
        self.prefixes: dict[str, ProviderView] = {}
        self.targets: dict[str, tuple[Target, ...]] = {}
        self.models: dict[str, ModelEntry] = {}
        providers = {provider.id: provider for provider in snapshot.providers}
        for provider in snapshot.providers:
            for prefix in provider.prefixes:
                self.prefixes.setdefault(prefix, provider)
        for provider in snapshot.providers:
            self.prefixes[provider.id] = provider  # an id wins over another's prefix
        for connection in sorted(snapshot.connections, key=lambda each: each.priority):
            provider = providers[connection.provider]
            if provider.needs:
                continue
            target = _target(provider, connection, snapshot, installation, environment_proxies)
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
        self.hosts = _host_names(snapshot)
        self.cors_origins = frozenset(each.encode() for each in snapshot.server.cors_origins)


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
) -> Target:
    try:
        parts = urlsplit(connection.url)
        # Names go on the wire in ASCII, be it to resolvers, in a certificate or as Host.
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise SnapshotError(f"the URL of connection {connection.id!r} is not valid") from None
    proxy = connection.proxy or provider.proxy or snapshot.server.proxy
    if proxy is None:
        proxy = environment_proxies.proxy_for(parts.scheme, host)
    origin = Origin(
        scheme=parts.scheme,
        host=host,
        port=port,
        proxy=proxy,
        ca_file=provider.ca_file or snapshot.upstream.ca_file,
        allow_private=snapshot.upstream.allow_private or connection.allow_private,
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        authority = f"{authority}:{port}"
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
    for name, value in fields.items():
        # Told without the value: it may be the credential.
        if _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise SnapshotError(
                f"connection {connection.id!r} cannot send its header {name!r}: it holds "
                "characters that no header may hold"
            )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    path = quote(path, safe=_VISIBLE)
    return Target(provider, connection, origin, path, lines.encode("latin-1"))
