"""Which names this server answers to, and which pages may talk to it.

A browser on the owner's machine can be led to any address by a page from anywhere: by a name that
resolves to 127.0.0.1 (DNS rebinding), or by a plain cross-site request. So `Host` must be a name
that we have, and `Origin`, when sent, must be this very site. Scripts send no `Origin` and a
proper `Host`, and notice nothing.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class KnownHosts:
    """The names of this server: loopback's, the configured one, and those allowed beside.

    Bound to a wildcard or another machine's view of it, any literal IP address is accepted too:
    the address cannot be known here (translation, several interfaces), and rebinding needs a name.
    """

    def __init__(self, bound_host: str, allowed: Iterable[str]) -> None:
        self._names = _LOOPBACK_NAMES | {bound_host.lower().strip("[]")}
        self._names |= {name.lower().strip("[]") for name in allowed}
        self._literals = bound_host.lower().strip("[]") not in _LOOPBACK_NAMES

    def is_known(self, host_header: str) -> bool:
        """Is this `Host` value (name or address, optional port) one of ours?"""
        name = host_name(host_header)
        if name is None:
            return False
        return name in self._names or (self._literals and _is_address(name))

    def is_same_site(self, origin: str, host_header: str) -> bool:
        """Does this `Origin` name the site that `Host` names? Scheme may differ behind TLS."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.fragment:
            return False
        return parts.netloc.lower() == host_header.lower() and host_name(parts.netloc) is not None


def host_name(host_header: str) -> str | None:
    """The name in a `Host` value (RFC 9110, 7.2), lower case, no brackets; None when malformed."""
    text = host_header.strip()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        if not bracket or not _is_address(name) or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        name, _, port = text.partition(":")
        if not name or not all(c.isascii() and (c.isalnum() or c in "-._") for c in name):
            return None
    if port and not (port.isascii() and port.isdigit()):
        return None
    return name.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
