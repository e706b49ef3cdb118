"""Rules of the settings that protect the owner: lists of addresses that mean what they seem to."""

import ipaddress
from collections.abc import Iterator, Sequence

from omniroute.config.errors import ConfigError
from omniroute.config.schema import Origin, Path, Settings

_SUCH_AS = "an address or a network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"


def check_guarding(settings: Settings) -> Iterator[ConfigError]:
    """Every broken rule of address lists."""
    origin = settings.origin
    filter_ = settings.ip_filter
    lists: list[tuple[Path, Sequence[str]]] = [
        (("server", "trusted_proxies"), settings.server.trusted_proxies),
        (("ip_filter", "blacklist"), filter_.blacklist),
        (("ip_filter", "whitelist"), filter_.whitelist),
    ]
    lists += [
        (("keys", index, "ip_allowlist"), key.ip_allowlist)
        for index, key in enumerate(settings.keys)
    ]
    for path, networks in lists:
        yield from _check_networks(origin, path, networks)
    if filter_.mode == "whitelist" and not filter_.whitelist:
        yield origin.problem(
            ("ip_filter", "mode"), "lets nobody in: the whitelist is empty", 'mode = "off"?'
        )


def _check_networks(origin: Origin, path: Path, networks: Sequence[str]) -> Iterator[ConfigError]:
    for place, text in enumerate(networks):
        where = (*path, place)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            yield origin.problem(where, f"{text!r} is no address", _SUCH_AS)
            continue
        host, _, prefix = text.partition("/")
        if prefix and ipaddress.ip_address(host) != network.network_address:
            yield origin.problem(
                where,
                f"{text!r} is an address within a network",
                f"the network is {network}, the address alone {host}",
            )
