"""Addresses as numbers, and sets of networks that tell at once whether an address is in them. Pure.

An IPv4 address inside an IPv6 one (`::ffff:192.0.2.7`) is the IPv4 address, both when it is looked
for and when it is listed: a socket that serves both families shows IPv4 clients so. A look-up costs
one look into a dictionary for each different length of prefix, whatever the number of networks.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_BITS: Final = {4: 32, 6: 128}
MOST_HOPS: Final = 32  # of X-Forwarded-For that are looked at
_MAPPED: Final = 0xFFFF  # what stands before the IPv4 address in an IPv6 one (RFC 4291 2.5.5.2)


class Address(NamedTuple):
    """An address: its version and its value as a number."""

    version: int
    value: int

    @property
    def is_loopback(self) -> bool:
        """Does it stay on this machine?"""
        return self.value >> 24 == 127 if self.version == 4 else self.value == 1


def parse(text: str) -> Address | None:
    """The address that a text is; None for anything else. A zone (`%eth0`) is left out."""
    if ":" not in text:
        try:
            return Address(4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big"))
        except (OSError, ValueError):
            return None
    try:
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    value = int.from_bytes(packed, "big")
    if value >> 32 == _MAPPED:
        return Address(4, value & 0xFFFFFFFF)
    return Address(6, value)


def told(address: Address, bits: int | None = None) -> str:
    """The usual text of an address, or of the network of its first `bits` bits."""
    whole = _BITS[address.version]
    length = whole if bits is None else bits
    value = address.value >> (whole - length) << (whole - length)
    kind = ipaddress.IPv4Address if address.version == 4 else ipaddress.IPv6Address
    return str(kind(value)) if length == whole else f"{kind(value)}/{length}"


def usual(text: str) -> str:
    """The usual text of an address or a network, the same for all ways to write it. ValueError."""
    version, bits, value = _read(text)
    return told(Address(version, value), bits)


def _read(text: str) -> tuple[int, int, int]:
    """Version, length of the prefix and value of a network, or of an address as one of its own."""
    network = ipaddress.ip_network(text, strict=False)
    bits, value = network.prefixlen, int(network.network_address)
    if network.version == 6 and value >> 32 == _MAPPED and bits >= 96:
        return 4, bits - 96, value & 0xFFFFFFFF
    return network.version, bits, value


class NetworkSet:
    """Networks, fixed once built. ValueError for a text that is none."""

    __slots__ = ("_lengths",)

    def __init__(self, networks: Iterable[str]) -> None:
        kept: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}
        for text in networks:
            version, bits, value = _read(text)
            shift = _BITS[version] - bits
            kept[version].setdefault(shift, {})[value >> shift] = text
        # The most particular network is found first.
        self._lengths = {version: tuple(sorted(by.items())) for version, by in kept.items()}

    def __bool__(self) -> bool:
        return any(self._lengths.values())

    def __contains__(self, address: Address) -> bool:
        value = address.value
        return any(value >> shift in known for shift, known in self._lengths[address.version])

    def around(self, address: Address) -> Iterator[str]:
        """The networks that hold an address, as they were given, the narrowest first."""
        for shift, known in self._lengths[address.version]:
            found = known.get(address.value >> shift)
            if found is not None:
                yield found


def client_behind(peer: Address, forwarded_for: bytes, trusted: NetworkSet) -> Address:
    """Whose request a peer brings: the last address in the chain that no trusted proxy has.

    `forwarded_for` is the value of X-Forwarded-For, b"" without one. Each proxy vouches for the
    address it appends and for nothing before it, so what a client writes there itself is not
    believed. A peer that is no trusted proxy is the client.
    """
    client = peer
    hops = forwarded_for.rsplit(b",", MOST_HOPS)[-MOST_HOPS:]
    while client in trusted and hops:
        found = parse(_without_port(hops.pop().strip().decode("latin-1")))
        if found is None:
            break
        client = found
    return client


def _without_port(hop: str) -> str:
    """`192.0.2.7:4711` and `[2001:db8::1]:4711` without brackets and port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
