"""The egress policy: which addresses the gateway may connect to. Pure; `connector.py` applies it.

Requirement (server-side request forgery): a name is resolved once, each address is judged, and the
connection goes to an address that was judged, never to the name again. Never allowed: unspecified,
multicast, link-local (cloud metadata services live there), broadcast and other reserved ranges;
IPv4 addresses inside IPv6 ones are judged as what they are. Loopback and private addresses are
allowed only where the configuration names them: as a literal or `localhost` in a base URL, or by
`allow_private`.
"""

import ipaddress
from typing import Final

# Metadata services that are not in a link-local range (Alibaba Cloud; AWS over IPv6; Oracle's old).
METADATA: Final = frozenset(
    ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the IPv4 address is the tail
_CARRIER_NAT: Final = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598; is_private leaves it out

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
    """Why this address must not be connected to; None if it may be."""
    address = _innermost(ipaddress.ip_address(address_text.partition("%")[0]))
    if address in METADATA:
        return f"{address_text} is a cloud metadata address"
    if address.is_unspecified:
        return f"{address_text} is the unspecified address"
    if address.is_multicast:
        return f"{address_text} is a multicast address"
    if address.is_link_local:
        return f"{address_text} is a link-local address"
    if address.is_loopback or address.is_private or address in _CARRIER_NAT:
        if allow_private:
            return None
        kind = "loopback" if address.is_loopback else "private"
        return f"{address_text} is a {kind} address that the configuration does not name"
    if address.is_reserved or not address.is_global:
        return f"{address_text} is a reserved address"
    return None


def names_private(host: str) -> bool:
    """Does a configured host itself name a loopback or private address?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = _innermost(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address in _CARRIER_NAT
