"""Where each configured secret goes, so that who does not know it cannot have it sent elsewhere.

Whoever may change settings may not see secrets. Yet a changed address, proxy or header of something
that has one would carry it to wherever they like. So a change is looked at as a whole: the pairs of
secret and destination before and after it (`destinations`), whichever setting, name or level made
the difference. A pair that is new must be of a secret that the change itself gives (`moved`).

Secrets are credentials of connections and headers of providers. A destination is all that decides
who reads them: address, proxy, trusted authorities, the header that carries the credential, and the
headers beside it (some services forward to where a header says). Pure.
"""

from collections.abc import Container, Iterator, Mapping, Sequence

import msgspec

from omniroute.config import ConnectionSettings, ProviderSettings, Settings
from omniroute.providers.registry import ProviderRow


class Destination(msgspec.Struct, frozen=True):
    """Who gets to read what is sent there. Holds secrets: never shown."""

    address: str  # a base URL; the provider's id where it is the built-in one
    proxy: str | None  # None: the environment's, if any
    ca_file: str | None
    auth_header: str | None
    auth_value: str | None
    headers: tuple[tuple[str, str], ...]


Destinations = Mapping[tuple[str, Destination], str]
"""Secret and destination, and whose it is: `connection acme/main`."""


def destinations(settings: Settings, registry: Sequence[ProviderRow]) -> Destinations:
    """All pairs of these settings, with those of connections and providers that are off."""
    owners = {prefix: row.id for row in registry for prefix in row.prefixes}
    providers: dict[str, ProviderSettings] = {}
    for provider in settings.providers:
        is_own = provider.format is not None and provider.base_url is not None
        id_ = provider.id if is_own else owners.get(provider.id, provider.id)
        providers.setdefault(id_, provider)
    found: dict[tuple[str, Destination], str] = {}
    for whose, id_, connection in _accounts(settings, providers, owners):
        provider = providers.get(id_) or ProviderSettings(id=id_)
        secrets = [text for text in (connection.api_key, *provider.headers.values()) if text]
        for there in _reached(settings, id_, provider, connection):
            for secret in secrets:
                found.setdefault((secret, there), whose)
    return found


def moved(before: Destinations, after: Destinations, given: Container[str]) -> str:
    """Whose secret would go to where it did not go before, although it is not among those `given`;
    "" when there is none."""
    return next(
        (whose for pair, whose in after.items() if pair not in before and pair[0] not in given),
        "",
    )


def _accounts(
    settings: Settings, providers: Mapping[str, ProviderSettings], owners: Mapping[str, str]
) -> Iterator[tuple[str, str, ConnectionSettings]]:
    """Each connection with its provider's id; of each provider one that has nothing of its own,
    since a connection may yet be added."""
    for id_ in providers:
        yield f"provider {id_}", id_, ConnectionSettings(provider=id_)
    for connection in settings.connections:
        name = connection.provider
        id_ = name if name in providers else owners.get(name, name)
        yield f"connection {id_}/{connection.name}", id_, connection


def _reached(
    settings: Settings, id_: str, provider: ProviderSettings, connection: ConnectionSettings
) -> Iterator[Destination]:
    """By the account's own proxy, and by that of each combo, which any request may be for."""
    usual = connection.proxy or provider.proxy or settings.server.proxy
    combos = (combo.proxy for combo in settings.combos if combo.proxy)
    for proxy in dict.fromkeys((usual, *combos)):
        yield Destination(
            address=connection.base_url or provider.base_url or id_,
            proxy=proxy,
            ca_file=provider.ca_file or settings.upstream.ca_file,
            auth_header=provider.auth_header,
            auth_value=provider.auth_value,
            headers=tuple(sorted(provider.headers.items())),
        )
