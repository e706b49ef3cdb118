"""From a configured URL to where a connection goes, and what may be said there. Pure.

Workers send their traffic and control asks quota endpoints by the same rules; they are here. Of
five levels the nearest proxy holds: the combo's (which only a request knows), the connection's, the
provider's, the gateway's, the environment's.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from omniroute.net.connector import Origin
from omniroute.net.proxies import EnvironmentProxies
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def origin_of(
    url: str,
    provider: ProviderView,
    connection: ConnectionView,
    snapshot: Snapshot,
    environment_proxies: EnvironmentProxies,
) -> Origin:
    """The origin of a URL that is called on behalf of a connection. ValueError for one that is
    not valid.
    """
    parts = urlsplit(url)
    # Names go on the wire in ASCII, be it to resolvers, in a certificate or as Host.
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = connection.proxy or provider.proxy or snapshot.server.proxy
    if proxy is None:
        proxy = environment_proxies.proxy_for(parts.scheme, host)
    return Origin(
        scheme=parts.scheme,
        host=host,
        port=port,
        proxy=proxy,
        ca_file=provider.ca_file or snapshot.upstream.ca_file,
        allow_private=snapshot.upstream.allow_private or connection.allow_private,
    )


def unsendable(fields: Mapping[str, str]) -> str | None:
    """The name of the first header that holds what no header may hold; None when all are fine.

    Never its value, which may be the credential.
    """
    for name, value in fields.items():
        if _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            return name
    return None
