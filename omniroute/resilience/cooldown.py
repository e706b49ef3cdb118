"""Cooldowns: who rests until when, and how long the next time. Pure: stored bytes in and out.

One record serves three kinds of subjects, told apart by the key under which it is stored: a
connection, a model at a connection (lockout), a model at a provider (failing target).

* A failure that comes while a cooldown runs is a duplicate of the one that began it, from a request
  that was under way: it never raises the level, and only a later hint makes the rest longer.
* The level stays until a success, however long ago the cooldown ended: else an account that fails
  again and again would be asked every few seconds.
* A duration doubles with each level and is capped; a hint of the provider takes its place, and is
  capped for itself. So nobody is lost for ever by one odd answer.
* A success counts only if its request began after the failure: a long stream from before proves
  nothing of now.
"""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.resilience.verdict import Mark

CONNECTION: Final = "cooldown"
LOCKOUT: Final = "lockout"
TARGET: Final = "target"
"""Kinds of keys: what stands before the colon."""

_LEVEL_MAX: Final = 40
_MODEL_CHARACTERS: Final = 200
_REASON_CHARACTERS: Final = 200


def cooldown_key(connection: str) -> str:
    """Key of a connection's cooldown; `connection` is its id, such as "acme/main"."""
    return f"{CONNECTION}:{connection}"


def lockout_key(connection: str, model: str) -> str:
    """Key of a model at a connection."""
    return f"{LOCKOUT}:{connection} {_short(model)}"


def target_key(provider: str, model: str) -> str:
    """Key of a model at a provider."""
    return f"{TARGET}:{provider} {_short(model)}"


def _short(model: str) -> str:
    """Names of models come from clients, and the store bounds its keys."""
    if len(model) <= _MODEL_CHARACTERS and model.isascii():
        return model
    digest = hashlib.sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{model[:32].encode('ascii', 'replace').decode()}~{digest}"


class Policy(Struct, frozen=True):
    """How long. `free`: so many failures since the last success only count and cool nobody."""

    base_s: float
    max_s: float
    hint_max_s: float
    free: int = 0


# The first and the greatest rest after marks that time alone seldom heals, as multiples of the
# longest usual cooldown: with its default of 300 s, 5 minutes to an hour for a used-up account, 10
# minutes to 6 hours for a refused credential. Then one request finds out whether things changed.
_LONG: Final[dict[Mark, tuple[int, int]]] = {Mark.EXHAUSTED: (1, 12), Mark.DEAD: (2, 72)}
_LEAST_OF_ROW_MAX: Final = 12


def policy_of(
    mark: Mark, *, base_s: float, max_s: float, hint_max_s: float, least_s: float = 0.0
) -> Policy:
    """The policy of a mark, out of the settings (`resilience.cooldown_base_s` or `…_local_s`,
    `cooldown_max_s`, `hint_max_s`) and the row's own first duration (`Judgement.base_s`).

    A failing target is skipped from its second failure on: one may be chance, and a model that is
    the only one of its kind would be missed.
    """
    first, last = base_s, max_s
    if mark in _LONG:
        first, last = (max_s * times for times in _LONG[mark])
    if least_s:
        first = min(least_s, max_s * _LEAST_OF_ROW_MAX)
    return Policy(first, max(first, last), hint_max_s, 1 if mark is Mark.TARGET else 0)


class Cooldown(Struct, array_like=True, gc=False):
    """What is stored. Times are Unix ms."""

    failures: int  # since the last success; 1 and more
    marked_ms: int  # the last one that counted
    until_ms: int
    reason: str = ""
    hinted: bool = False  # the provider itself said how long


_decode = msgspec.msgpack.Decoder(Cooldown).decode
_encode = msgspec.msgpack.Encoder().encode


def read(stored: bytes) -> Cooldown:
    """The record in `stored`."""
    return _decode(stored)


def after_failure(
    stored: bytes | None,
    now_ms: int,
    policy: Policy,
    hint_s: float | None = None,
    reason: str = "",
) -> bytes:
    """The record after a failure; `stored` itself when this was a duplicate that says no more."""
    hinted = hint_s is not None and hint_s > 0
    hint_ms = round(min(hint_s or 0.0, policy.hint_max_s) * 1000)
    if stored is not None:
        known = _decode(stored)
        if known.until_ms > now_ms:
            if not hinted or now_ms + hint_ms <= known.until_ms:
                return stored
            known.until_ms = now_ms + hint_ms
            known.hinted = True
            return _encode(known)
    failures = 1 if stored is None else known.failures + 1
    level = failures - 1 - policy.free
    if hinted:
        rest_ms = hint_ms
    elif level < 0:
        rest_ms = 0
    else:
        rest_ms = round(min(policy.base_s * 2 ** min(level, _LEVEL_MAX), policy.max_s) * 1000)
    return _encode(
        Cooldown(failures, now_ms, now_ms + rest_ms, reason[:_REASON_CHARACTERS], hinted)
    )


def after_success(stored: bytes | None, began_ms: int) -> bytes | None:
    """None, which removes the record, unless the request began before the failure it tells of."""
    if stored is None or _decode(stored).marked_ms <= began_ms:
        return None
    return stored


def is_stale(stored: bytes, now_ms: int, keep_ms: int) -> bool:
    """Whether the record has lain there for `keep_ms` since it ended and may be removed."""
    return _decode(stored).until_ms + keep_ms <= now_ms
