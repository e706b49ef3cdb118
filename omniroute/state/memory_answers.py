"""The answers of the shared state in the memory of one process: for tests of the data plane.

Keeps what `answers` promises, with plain dictionaries; footprints are those of the real one.
"""

from collections.abc import Callable

from omniroute.state import answers as layout
from omniroute.state.answers import (
    LEASE_MS,
    LOW_WATER,
    NEIGHBOURS_MAX,
    AnswerStats,
    Claimed,
    Entry,
    Found,
    Listed,
    Mine,
    Neighbour,
    Theirs,
    Totals,
)


class MemoryAnswers:
    """`Answers`. `alive` says whether the process of an incarnation still runs."""

    def __init__(
        self,
        *,
        ceiling_bytes: int = 1 << 30,
        alive: Callable[[bytes], bool] = lambda incarnation: True,
    ) -> None:
        self._ceiling_bytes = ceiling_bytes
        self._alive = alive
        self._claims: dict[bytes, tuple[bytes, int, bytes]] = {}
        self._entries: dict[bytes, tuple[Entry, bytes]] = {}
        self._buckets: dict[bytes, dict[bytes, Neighbour]] = {}  # by the entry's key
        self._totals = Totals()

    def claim(self, key: bytes, owner: bytes, now_ms: int, tag: bytes = b"") -> Claimed:
        if (found := self.take(key, now_ms)) is not None:
            return found
        claim = self._claims.get(key)
        if claim is not None:
            holder, until_ms, its_tag = claim
            if holder != owner and until_ms > now_ms and self._alive(holder[:8]):
                return Theirs(holder, its_tag)
        elif not tag:
            self._count(misses=1)
        self._claims[key] = (owner, now_ms + LEASE_MS, tag)
        return Mine()

    def take(self, key: bytes, now_ms: int) -> Found | None:
        entry, blob = self._entries.get(key, (None, b""))
        if entry is None or entry.expires_ms <= now_ms:
            return None
        used = entry._replace(used_ms=max(now_ms, entry.used_ms), hits=entry.hits + 1)
        self._entries[key] = (used, blob)
        if not entry.tag:
            self._count(hits=1)
        return Found(blob, entry.created_ms, entry.tag)

    def put(
        self,
        key: bytes,
        owner: bytes,
        blob: bytes,
        *,
        now_ms: int,
        expires_ms: int,
        limit_bytes: int,
        model: str = "",
        tag: bytes = b"",
    ) -> bool:
        self.abandon(key, owner)
        model = layout.shown_model(model)
        room = min(limit_bytes, self._ceiling_bytes)
        needed = layout.footprint(len(blob), len(model.encode()) + len(tag))
        if needed > room or expires_ms <= now_ms:
            return False
        self._remove(key)
        self._make_room(room - needed, now_ms)
        entry = Entry(
            created_ms=now_ms,
            expires_ms=expires_ms,
            used_ms=now_ms,
            hits=0,
            size=len(blob),
            footprint=needed,
            neighbour=b"",
            tag=tag,
            model=model,
        )
        self._entries[key] = (entry, bytes(blob))
        self._count(entries=1, bytes=needed)
        return True

    def abandon(self, key: bytes, owner: bytes) -> None:
        if key in self._claims and self._claims[key][0] == owner:
            del self._claims[key]

    def forget(self, key: bytes) -> bool:
        return self._remove(key)

    def evict(self, now_ms: int, limit_bytes: int) -> int:
        before = len(self._entries)
        self._make_room(int(min(limit_bytes, self._ceiling_bytes) * LOW_WATER), now_ms)
        for key, (owner, until_ms, _) in list(self._claims.items()):
            if until_ms <= now_ms or not self._alive(owner[:8]):
                del self._claims[key]
        return before - len(self._entries)

    def purge(self, *, before_ms: int | None = None, model: str | None = None) -> int:
        shown = None if model is None else layout.shown_model(model)
        doomed = [
            key
            for key, (entry, _) in self._entries.items()
            if (before_ms is None or entry.created_ms < before_ms)
            and (shown is None or entry.model == shown)
        ]
        return sum(map(self._remove, doomed))

    def listing(self, limit: int, now_ms: int) -> list[Listed]:
        latest = sorted(
            ((entry.used_ms, key) for key, (entry, _) in self._entries.items()), reverse=True
        )
        listed = []
        for used_ms, key in latest:
            entry = self._entries[key][0]
            if entry.expires_ms > now_ms and not entry.tag:
                times = entry.created_ms, used_ms, entry.expires_ms
                listed.append(Listed(key, entry.model, entry.size, *times, entry.hits))
        return listed[:limit]

    def stats(self) -> AnswerStats:
        return AnswerStats(*self._totals)

    def neighbours(self, bucket: bytes, now_ms: int) -> list[Neighbour]:
        kept = self._buckets.get(bucket, {}).values()
        return [neighbour for neighbour in kept if neighbour.expires_ms > now_ms]

    def remember(self, bucket: bytes, neighbour: Neighbour) -> bool:
        key = neighbour.key
        self._forget_neighbour(key)
        if key not in self._entries:
            return False
        kept = self._buckets.setdefault(bucket, {})
        if len(kept) == NEIGHBOURS_MAX:
            self._forget_neighbour(next(iter(kept)))
        kept[key] = neighbour
        self._resize(key, bucket, 2 * len(layout.pack_neighbour(neighbour)))
        return True

    def _forget_neighbour(self, key: bytes) -> None:
        if key not in self._entries:
            return
        bucket = self._entries[key][0].neighbour
        if bucket:
            neighbour = self._buckets[bucket].pop(key)
            self._resize(key, b"", -2 * len(layout.pack_neighbour(neighbour)))

    def _resize(self, key: bytes, neighbour: bytes, grown: int) -> None:
        entry, blob = self._entries[key]
        changed = entry._replace(neighbour=neighbour, footprint=entry.footprint + grown)
        self._entries[key] = (changed, blob)
        self._count(bytes=grown)

    def _count(self, **changes: int) -> None:
        summed = {name: getattr(self._totals, name) + change for name, change in changes.items()}
        self._totals = self._totals._replace(**summed)

    def _remove(self, key: bytes) -> bool:
        if key not in self._entries:
            return False
        self._forget_neighbour(key)
        entry, _ = self._entries.pop(key)
        self._count(entries=-1, bytes=-entry.footprint)
        return True

    def _make_room(self, room: int, now_ms: int) -> None:
        for key in [key for key, (entry, _) in self._entries.items() if entry.expires_ms <= now_ms]:
            self._remove(key)
        for _, key in sorted((entry.used_ms, key) for key, (entry, _) in self._entries.items()):
            if self._totals.bytes <= room:
                return
            self._remove(key)
            self._count(evicted=1)
