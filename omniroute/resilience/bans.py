"""Bans: addresses and networks that are refused for a while. Pure: stored bytes in and out.

A ban is a condition that all workers share, under `ban_key` of an address or a network in its usual
text. It ends by its time alone or by being removed; a second ban never makes a running one shorter.
"""

from typing import Final

import msgspec
from msgspec import Struct

BAN: Final = "ban"
"""The kind of key: what stands before the colon."""

_REASON_CHARACTERS: Final = 200


class Ban(Struct, array_like=True, gc=False):
    """What is stored. Times are Unix ms."""

    since_ms: int
    until_ms: int
    reason: str = ""
    by_hand: bool = False  # a person's; else a worker's


_decode = msgspec.msgpack.Decoder(Ban).decode
_encode = msgspec.msgpack.Encoder().encode


def ban_key(network: str) -> str:
    """Key of the ban of an address or network, such as "192.0.2.7", "2001:db8::/64"."""
    return f"{BAN}:{network}"


def read(stored: bytes) -> Ban:
    """The ban in `stored`."""
    return _decode(stored)


def after_ban(
    stored: bytes | None, now_ms: int, until_ms: int, reason: str, *, by_hand: bool = False
) -> bytes:
    """What is stored once somebody has been banned until then."""
    known = None if stored is None else _decode(stored)
    if known is not None and known.until_ms >= until_ms and known.until_ms > now_ms:
        return stored or b""
    return _encode(Ban(now_ms, until_ms, reason[:_REASON_CHARACTERS], by_hand))


def is_stale(stored: bytes, now_ms: int, keep_ms: int) -> bool:
    """Has it been over for so long that nobody needs to see it?"""
    return _decode(stored).until_ms + keep_ms <= now_ms
