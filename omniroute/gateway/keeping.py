"""Which answers are given again, to whom, and what is kept of them. Pure.

The rules:

* A chat request is answered from the cache, and its answer kept, at temperature 0, or at any when
  its key is set so or it asks with `X-OmniRoute-Cache: true`. Never when it says
  `X-OmniRoute-No-Cache: true`, when its key is set to never, when caching is off, or when it refers
  to content that is not in it: that may have changed meanwhile.
* Only good answers that have come to their end are kept.
* A request with `Idempotency-Key`, else `X-Request-Id`, is answered as its first sending was, for
  some seconds after that has ended. What a client would rightly send again is not: failures of
  providers and of streams, limits, and whatever else another try may cure.
* Whoever asks is part of every key, so nobody is ever answered with what another was told; the
  exact cache alone is shared where `cache.shared` says so.

What is kept is sealed together with its key, so that bytes moved from one entry to another in the
file open for nobody.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from omniroute.config import CacheSettings

_NO_CACHE: Final = b"x-omniroute-no-cache"
_CACHE: Final = b"x-omniroute-cache"
_YES: Final = frozenset({b"true", b"1", b"yes", b"on"})
# 408 and 425 ask to be repeated, 409 is a conflict of the moment, 429 a limit of the moment.
_WORTH_ANOTHER_TRY: Final = frozenset({408, 409, 425, 429})
_LASTING: Final = b"x-omniroute-"
_OF_THE_MOMENT: Final = (b"x-omniroute-overhead-us:", b"x-omniroute-attempts:")


class KeptBytes(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """An answer as the client got it: for the same request sent again."""

    status: int
    content_type: bytes
    extra: bytes  # header lines that still hold
    streamed: bool
    body: bytes


class KeptMeaning(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """An answer as `formats.replay` keeps it, for any format."""

    extra: bytes
    kept: bytes


class TooLarge(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """In place of an answer that was given and is too large to be given again."""


Kept: TypeAlias = KeptBytes | KeptMeaning | TooLarge

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder(Kept)


def may_take_part(
    settings: CacheSettings,
    key_setting: bool | None,
    fields: Mapping[bytes, bytes],
    temperature: float | None,
) -> bool:
    """Is a closer look worth its while? Asked of every chat request, so it makes nothing."""
    return (
        b"idempotency-key" in fields
        or b"x-request-id" in fields
        or wants_cache(settings, key_setting, fields, temperature, refers=False)
    )


def wants_cache(
    settings: CacheSettings,
    key_setting: bool | None,
    fields: Mapping[bytes, bytes],
    temperature: float | None,
    *,
    refers: bool,
) -> bool:
    """May a chat request be answered from the cache, and its answer be kept?"""
    if not settings.enabled or key_setting is False or refers:
        return False
    wanted = temperature == 0 or key_setting is True
    if not wanted and _CACHE in fields:
        wanted = fields[_CACHE].strip().lower() in _YES
    return wanted and fields.get(_NO_CACHE, b"").lower() not in _YES


def cache_key(settings: CacheSettings, principal_id: str, canonical: bytes) -> bytes:
    """The key of the exact cache, from the canonical bytes of what influences the answer."""
    return _digest(b"cache", b"" if settings.shared else _whose(principal_id), canonical)


def bucket_key(settings: CacheSettings, principal_id: str, rest: bytes) -> bytes:
    """The bucket of questions that differ in their last turn alone; `rest`: all else, canonical."""
    return _digest(b"bucket", b"" if settings.shared else _whose(principal_id), rest)


def idempotency_key(
    settings: CacheSettings, principal_id: str, fields: Mapping[bytes, bytes]
) -> bytes:
    """The key under which a request sent again is recognised; b"" where it cannot be."""
    own = fields.get(b"idempotency-key") or fields.get(b"x-request-id")
    if not own or settings.idempotency_s <= 0:
        return b""
    return _digest(b"idempotency", _whose(principal_id), own)


def request_tag(target: bytes, body: bytes) -> bytes:
    """What was asked: the same key with another of these is a mistake of the client."""
    return _digest(b"request", target, body)


def form_key(*facts: object) -> bytes:
    """Of two requests with the same cache key, whether their answers are the same bytes.

    `facts`: all that shapes an answer beside its content: dialect, stream or not, the model's name
    as asked, usage wanted, …
    """
    return _digest(b"form", *(repr(fact).encode("utf-8", "backslashreplace") for fact in facts))


def is_repeatable(status: int) -> bool:
    """Would the same request be answered so again, as far as anybody knows?"""
    return status < 500 and status not in _WORTH_ANOTHER_TRY


def lasting_headers(extra: bytes) -> bytes:
    """Of an answer's header lines those that still hold when it is given to another request."""
    return b"".join(
        line
        for line in extra.splitlines(keepends=True)
        if line.lower().startswith(_LASTING) and not line.lower().startswith(_OF_THE_MOMENT)
    )


def encode_kept(key: bytes, kept: Kept) -> bytes:
    return key + _encoder.encode(kept)


def decode_kept(key: bytes, blob: bytes) -> Kept:
    """Raises ValueError for what was not kept under this key, or is nothing that is kept."""
    if blob[: len(key)] != key:
        raise ValueError("it was kept under another key")
    try:
        return _decoder.decode(blob[len(key) :])
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def _whose(principal_id: str) -> bytes:
    return b"of " + principal_id.encode("utf-8", "surrogatepass")


def _digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each with its length before it, so that none runs into another."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()
