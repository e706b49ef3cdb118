"""The egress policy: which addresses the gateway may connect to. Pure; `connector.py` applies it.

Requirement (server-side request forgery): a name is resolved once, each address is judged, and the
connection goes to an address that was judged, never to the name again. Never allowed: unspecified,
multicast, link-local (cloud metadata services live there), broadcast and other reserved ranges;
IPv4 addresses inside IPv6 ones are judged as what they are. Loopback and private addresses are
allowed only where the configuration names them: as a literal or `localhost` in a base URL, or by
`allow_private`.

The ranges that `allow_private` opens are listed here, because `ipaddress.is_private` means another
thing (whatever is not global: documentation, broadcast and 0.0.0.0/8, too) and changes with the
version of Python.
"""

import ipaddress
import re
import socket
from typing import Final

# Metadata services that are not in a link-local range: Alibaba Cloud, Oracle Cloud (old, IPv6),
# AWS and Google Cloud over IPv6, Azure's platform address.
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "100.100.100.200",
        "192.0.0.192",
        "fd00:c1::a9fe:a9fe",
        "fd00:ec2::254",
        "fd20:ce::254",
        "168.63.129.16",
    )
)
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598: carriers and overlay networks
        "198.18.0.0/15",  # RFC 2544; tunnels hand these out for names they catch
        "fc00::/7",  # RFC 4193
        "fec0::/10",  # site-local, deprecated by RFC 3879, still routed inside sites
    )
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the IPv4 address is the tail
_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")  # all that IANA has given out for unicast
_LEGACY_V4: Final = re.compile(r"[0-9A-Fa-fx.]+", re.IGNORECASE)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def literal(host: str) -> Address | None:
    """The address that a host is written as, if it is none of a name's.

    Resolvers also read the forms of inet_aton (`127.1`, `0x7f000001`, `2130706433`), so they are
    addresses, too.
    """
    bare = host.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    if _LEGACY_V4.fullmatch(bare) is not None:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    return None


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if int(address) >> 32 == 0 and int(address) > 1:
            return ipaddress.IPv4Address(int(address))  # ::a.b.c.d, deprecated but still routed
    return address


def refusal(address_text: str, *, allow_private: bool) -> str | None:
    """Why this address must not be connected to; None if it may be. ValueError for a name."""
    read = literal(address_text)
    if read is None:
        raise ValueError(f"{address_text!r} is not an address")
    address = _innermost(read)
    if address in METADATA:
        return f"{address_text} is a cloud metadata address"
    if address.is_unspecified:
        return f"{address_text} is the unspecified address"
    if address.is_multicast:
        return f"{address_text} is a multicast address"
    if address.is_link_local:
        return f"{address_text} is a link-local address"
    if _is_private(address):
        if allow_private:
            return None
        kind = "loopback" if address.is_loopback else "private"
        return f"{address_text} is a {kind} address that the configuration does not name"
    if not address.is_global or address.is_reserved or not _is_assigned(address):
        return f"{address_text} is a reserved address"
    return None


def names_private(host: str) -> bool:
    """Does a configured host itself name a loopback or private address?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = literal(host)
    return address is not None and _is_private(_innermost(address))


def _is_private(address: Address) -> bool:
    return any(address in network for network in _PRIVATE)


def _is_assigned(address: Address) -> bool:
    return address.version == 4 or address in _GLOBAL_V6
