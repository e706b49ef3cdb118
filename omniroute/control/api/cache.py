"""The cache of answers: figures, entries, purging. Answers themselves are not shown."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid, missing
from omniroute.state.answers import KEY_BYTES

_PAGE: Final = 100
_MOST: Final = 1_000

Time = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]


class Stats(msgspec.Struct, kw_only=True):
    """Counts since the shared state was made. `hit_share` is 0 to 1, null before the first."""

    enabled: bool
    entries: int
    bytes: int
    limit_bytes: int
    hits: int
    misses: int
    hit_share: float | None
    evicted: int


class EntryOut(msgspec.Struct, kw_only=True):
    """One answer. `signature` names it."""

    signature: str
    model: str
    size: int
    created_ms: int
    used_ms: int
    expires_ms: int
    hits: int


class Entries(msgspec.Struct):
    """The last used first."""

    entries: list[EntryOut]


class Cache(msgspec.Struct):
    """Figures, and the entries used last."""

    stats: Stats
    entries: list[EntryOut]


class Listing(msgspec.Struct, forbid_unknown_fields=True):
    """How many entries."""

    limit: Annotated[int, Meta(ge=1, le=_MOST)] = _PAGE


class Purge(msgspec.Struct, forbid_unknown_fields=True):
    """What goes: one entry, those of a model, those made before a time. Empty: all."""

    signature: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=400)] | None = None
    before_ms: Time | None = None


class Purged(msgspec.Struct):
    """How many entries went."""

    removed: int


async def show(call: Call) -> Cache:
    return Cache(await call.blocking(_stats, call), await call.blocking(_entries, call, _PAGE))


async def stats(call: Call) -> Stats:
    return await call.blocking(_stats, call)


async def entries(call: Call) -> Entries:
    return Entries(await call.blocking(_entries, call, call.query.limit))


async def clear(call: Call) -> Purged:
    removed = await call.blocking(call.services.state.answers.purge)
    call.audit("cache", after={"removed": removed})
    return Purged(removed)


async def purge(call: Call) -> Purged:
    query: Purge = call.query
    answers = call.services.state.answers
    if query.signature is None:
        removed = await call.blocking(answers.purge, before_ms=query.before_ms, model=query.model)
    else:
        if query.model is not None or query.before_ms is not None:
            raise invalid("signature", "it names one entry, so give nothing else")
        key = bytes.fromhex(query.signature)
        assert len(key) == KEY_BYTES, "the pattern says so"
        if not await call.blocking(answers.forget, key):
            raise missing("such entry")
        removed = 1
    call.audit("cache", before=query, after={"removed": removed})
    return Purged(removed)


def _stats(call: Call) -> Stats:
    snapshot = call.services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    found = call.services.state.answers.stats()
    asked = found.hits + found.misses
    return Stats(
        enabled=snapshot.cache.enabled,
        entries=found.entries,
        bytes=found.bytes,
        limit_bytes=snapshot.cache.max_mb << 20,
        hits=found.hits,
        misses=found.misses,
        hit_share=found.hits / asked if asked else None,
        evicted=found.evicted,
    )


def _entries(call: Call, limit: int) -> list[EntryOut]:
    return [
        EntryOut(
            signature=entry.key.hex(),
            model=entry.model,
            size=entry.size,
            created_ms=entry.created_ms,
            used_ms=entry.used_ms,
            expires_ms=entry.expires_ms,
            hits=entry.hits,
        )
        for entry in call.services.state.answers.listing(limit, call.services.now_ms())
    ]


ROUTES: Final = (
    Route("GET", "/api/cache", Policy.READ, "The cache: figures and entries.", show, output=Cache),
    Route("DELETE", "/api/cache", Policy.WRITE, "Empty the cache.", clear, output=Purged),
    Route("GET", "/api/cache/stats", Policy.READ, "The cache in figures.", stats, output=Stats),
    Route(
        "GET",
        "/api/cache/entries",
        Policy.READ,
        "The entries of the cache, the last used first.",
        entries,
        query=Listing,
        output=Entries,
    ),
    Route(
        "DELETE",
        "/api/cache/entries",
        Policy.WRITE,
        "Remove one entry, those of a model, or those made before a time.",
        purge,
        query=Purge,
        output=Purged,
        refuses=(404,),
    ),
)
