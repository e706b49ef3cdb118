"""The answers of the shared state in LMDB; `answers` says what they promise and how they look.

As everywhere in the state, each write is one short transaction: what removes many entries does so
in cuts of `_CUT`. A reader that only waits (`claim` while another is at work) opens no write
transaction at all, so that polling costs nobody the lock.

The limit is that of the caller, and never more than `ceiling_bytes`: counters and records live in
the same map, and the cache is what gives way. When there is no room all the same, an answer is not
kept.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

import lmdb

from omniroute.state import answers as layout
from omniroute.state.answers import (
    CLAIM,
    ENTRY,
    EXPIRY,
    KEY_BYTES,
    LEASE_MS,
    LOW_WATER,
    NEIGHBOUR,
    NEIGHBOURS_MAX,
    PIECE,
    TOTALS,
    USED,
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
from omniroute.state.interface import StateError

if TYPE_CHECKING:
    from lmdb import Cursor, Transaction, _Database

    _Txn: TypeAlias = Transaction[bytes]
    _Cursor: TypeAlias = Cursor[bytes]

_CUT: Final = 64  # entries removed by one transaction: some 0.5 ms of small ones
_CUT_BYTES: Final = 4 << 20  # of their footprints: large ones have many pages to give back
_ROUNDS: Final = 4  # of cuts by which a writer makes room before it gives up
_NO_ROOM_CODES: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
_END: Final = b"\xff" * 8
_BEHIND_USED: Final = bytes((USED[0] + 1,))


class LmdbAnswers:
    """`Answers` in one named database of an environment.

    `alive` says whether the process of an incarnation (the first 8 bytes of an owner) still runs.
    """

    def __init__(
        self,
        environment: lmdb.Environment,
        database: "_Database",
        *,
        ceiling_bytes: int,
        alive: Callable[[bytes], bool],
    ) -> None:
        self._environment = environment
        self._database = database
        self._ceiling_bytes = ceiling_bytes
        self._alive = alive

    # --- asking ---------------------------------------------------------------------------------

    def claim(self, key: bytes, owner: bytes, now_ms: int, tag: bytes = b"") -> Claimed:
        with self._reading("look for an answer") as txn:
            there = _live_entry(txn, key, now_ms) is not None
            row = None if there else txn.get(CLAIM + key)
        if row is not None:
            holder, until_ms, its_tag = layout.unpack_claim(row)
            if holder != owner and until_ms > now_ms and self._alive(holder[:8]):
                return Theirs(holder, its_tag)
        try:
            with self._writing("claim an answer") as txn:
                if (found := _use(txn, key, now_ms)) is not None:
                    return found
                current = txn.get(CLAIM + key)
                if current != row and current is not None:  # another was faster
                    holder, until_ms, its_tag = layout.unpack_claim(current)
                    if holder != owner and until_ms > now_ms:
                        return Theirs(holder, its_tag)
                if row is None and not tag:
                    sums = _Sums(txn)
                    sums.misses += 1
                    sums.write(txn)
                txn.put(CLAIM + key, layout.pack_claim(owner, now_ms + LEASE_MS, tag))
        except _NoRoom:
            pass  # nobody will wait for this answer; it is made all the same
        return Mine()

    def take(self, key: bytes, now_ms: int) -> Found | None:
        with self._reading("look for an answer") as txn:
            if _live_entry(txn, key, now_ms) is None:
                return None
        try:
            with self._writing("take an answer") as txn:
                return _use(txn, key, now_ms)
        except _NoRoom:
            with self._reading("read an answer") as txn:
                entry = _live_entry(txn, key, now_ms)
                return None if entry is None else _found(txn, key, entry)

    # --- keeping --------------------------------------------------------------------------------

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
        model = layout.shown_model(model)
        room = min(limit_bytes, self._ceiling_bytes)
        needed = layout.footprint(len(blob), len(model.encode()) + len(tag))
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
        try:
            for _ in range(_ROUNDS if needed <= room and expires_ms > now_ms else 0):
                with self._writing("keep an answer") as txn:
                    sums = _Sums(txn)
                    _remove(txn, key, sums)
                    if has_room := _make_room(txn, room - needed, now_ms, sums):
                        _insert(txn, key, entry, blob, sums)
                        _end_claim(txn, key, owner)
                    sums.write(txn)
                if has_room:
                    return True
        except _NoRoom:
            pass
        self.abandon(key, owner)
        return False

    def abandon(self, key: bytes, owner: bytes) -> None:
        with contextlib.suppress(_NoRoom), self._writing("abandon a claim") as txn:
            _end_claim(txn, key, owner)  # without room it ends with its lease

    def forget(self, key: bytes) -> bool:
        try:
            with self._writing("remove an answer") as txn:
                sums = _Sums(txn)
                removed = _remove(txn, key, sums)
                sums.write(txn)
                return removed
        except _NoRoom:
            return False  # it goes with the next eviction, or when it expires

    # --- upkeep ---------------------------------------------------------------------------------

    def evict(self, now_ms: int, limit_bytes: int) -> int:
        room = int(min(limit_bytes, self._ceiling_bytes) * LOW_WATER)
        before = evicted = self.stats().entries
        done = False
        with contextlib.suppress(_NoRoom):
            while not done:
                with self._writing("evict answers") as txn:
                    sums = _Sums(txn)
                    done = _make_room(txn, room, now_ms, sums)
                    sums.write(txn)
                    evicted = sums.entries
            self._end_dead_claims(now_ms)
        return before - evicted

    def _end_dead_claims(self, now_ms: int) -> None:
        with self._reading("read the claims") as txn:
            claims = [
                (key, layout.unpack_claim(row)) for key, row in _rows(txn, CLAIM, values=True)
            ]
        alive: dict[bytes, bool] = {}
        dead = []
        for row_key, (owner, until_ms, _) in claims:
            process = owner[:8]
            if process not in alive:
                alive[process] = self._alive(process)
            if until_ms <= now_ms or not alive[process]:
                dead.append((row_key[1:], owner))
        for start in range(0, len(dead), _CUT):
            with self._writing("end claims of the dead") as txn:
                for key, owner in dead[start : start + _CUT]:
                    _end_claim(txn, key, owner)

    def purge(self, *, before_ms: int | None = None, model: str | None = None) -> int:
        purged, last = 0, ENTRY
        shown = None if model is None else layout.shown_model(model)
        while True:
            with self._reading("look for answers to purge") as txn:
                batch = list(islice(_rows(txn, ENTRY, after=last, values=True), 4 * _CUT))
            if not batch:
                return purged
            last = batch[-1][0]
            doomed = [
                row_key[1:]
                for row_key, row in batch
                if _is_meant(layout.unpack_entry(row), before_ms, shown)
            ]
            for start in range(0, len(doomed), _CUT):
                with self._writing("purge answers") as txn:
                    sums = _Sums(txn)
                    cut = doomed[start : start + _CUT]
                    purged += sum(_remove(txn, key, sums) for key in cut)
                    sums.write(txn)

    def listing(self, limit: int, now_ms: int) -> list[Listed]:
        listed: list[Listed] = []
        with self._reading("list the answers") as txn:
            cursor = txn.cursor()
            there = _last_before(cursor, _BEHIND_USED)
            while there and cursor.key()[:1] == USED and len(listed) < limit:
                key = layout.split_ordered(cursor.key())[1]
                entry = _live_entry(txn, key, now_ms)
                if entry is not None and not entry.tag:
                    listed.append(
                        Listed(
                            key,
                            entry.model,
                            entry.size,
                            entry.created_ms,
                            entry.used_ms,
                            entry.expires_ms,
                            entry.hits,
                        )
                    )
                there = cursor.prev()
        return listed

    def stats(self) -> AnswerStats:
        with self._reading("read the figures of the cache") as txn:
            return AnswerStats(*layout.unpack_totals(txn.get(TOTALS)))

    # --- neighbours -----------------------------------------------------------------------------

    def neighbours(self, bucket: bytes, now_ms: int) -> list[Neighbour]:
        with self._reading("read neighbours") as txn:
            rows = _rows(txn, NEIGHBOUR + bucket, values=True)
            found = [layout.unpack_neighbour(row) for _, row in rows]
        return [neighbour for neighbour in found if neighbour.expires_ms > now_ms]

    def remember(self, bucket: bytes, neighbour: Neighbour) -> bool:
        row = layout.pack_neighbour(neighbour)
        try:
            with self._writing("remember a neighbour") as txn:
                sums = _Sums(txn)
                _forget_neighbour(txn, neighbour.key, sums)
                stored = txn.get(ENTRY + neighbour.key)
                if stored is None:
                    return False
                number = _last_number(txn, bucket) + 1
                _drop_oldest(txn, bucket, number, sums)
                place = NEIGHBOUR + bucket + number.to_bytes(8, "big")
                txn.put(place, row)
                entry = layout.unpack_entry(stored)
                _replace(txn, neighbour.key, entry, place, 2 * len(row), sums)
                sums.write(txn)
        except _NoRoom:
            return False
        return True

    # --- transactions ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator["_Txn"]:
        try:
            with self._environment.begin(self._database, write=True) as txn:
                yield txn
        except lmdb.Error as error:
            if isinstance(error, lmdb.MapFullError) or error.code in _NO_ROOM_CODES:
                raise _NoRoom from error
            raise StateError(f"the shared state cannot {what}: {error}") from error

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator["_Txn"]:
        try:
            with self._environment.begin(self._database) as txn:
                yield txn
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot {what}: {error}") from error


class _NoRoom(Exception):
    """The map or the disk is full; nothing of the transaction was done."""


def _rows(
    txn: "_Txn", prefix: bytes, *, after: bytes = b"", values: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """The rows whose key begins so, in order; those behind `after`. Values only when asked for."""
    cursor = txn.cursor()
    there = cursor.set_range(after or prefix)
    if there and after and cursor.key() == after:
        there = cursor.next()
    while there and (key := cursor.key()).startswith(prefix):
        yield key, cursor.value() if values else b""
        there = cursor.next()


def _last_before(cursor: "_Cursor", bound: bytes) -> bool:
    return cursor.prev() if cursor.set_range(bound) else cursor.last()


class _Sums:
    """The totals while a transaction changes them; to be written once, before it ends."""

    __slots__ = ("bytes", "entries", "evicted", "hits", "misses")

    def __init__(self, txn: "_Txn") -> None:
        totals = layout.unpack_totals(txn.get(TOTALS))
        self.entries, self.bytes, self.hits, self.misses, self.evicted = totals

    def write(self, txn: "_Txn") -> None:
        totals = Totals(self.entries, self.bytes, self.hits, self.misses, self.evicted)
        txn.put(TOTALS, layout.pack_totals(totals))


def _live_entry(txn: "_Txn", key: bytes, now_ms: int) -> Entry | None:
    row = txn.get(ENTRY + key)
    if row is None:
        return None
    entry = layout.unpack_entry(row)
    return entry if entry.expires_ms > now_ms else None


def _found(txn: "_Txn", key: bytes, entry: Entry) -> Found:
    blob = b"".join(piece for _, piece in _rows(txn, PIECE + key, values=True))
    return Found(blob, entry.created_ms, entry.tag)


def _use(txn: "_Txn", key: bytes, now_ms: int) -> Found | None:
    """The answer, if it is there, with its use noted."""
    entry = _live_entry(txn, key, now_ms)
    if entry is None:
        return None
    found = _found(txn, key, entry)
    used_ms = max(now_ms, entry.used_ms)
    if used_ms != entry.used_ms:
        txn.delete(layout.ordered(USED, entry.used_ms, key))
        txn.put(layout.ordered(USED, used_ms, key), b"")
    if not entry.tag:
        sums = _Sums(txn)
        sums.hits += 1
        sums.write(txn)
    txn.put(ENTRY + key, layout.pack_entry(entry._replace(used_ms=used_ms, hits=entry.hits + 1)))
    return found


def _insert(txn: "_Txn", key: bytes, entry: Entry, blob: bytes, sums: _Sums) -> None:
    txn.put(ENTRY + key, layout.pack_entry(entry))
    txn.put(layout.ordered(USED, entry.used_ms, key), b"")
    txn.put(layout.ordered(EXPIRY, entry.expires_ms, key), b"")
    for row_key, piece in layout.pieces(key, blob):
        txn.put(row_key, piece)
    sums.entries += 1
    sums.bytes += entry.footprint


def _remove(txn: "_Txn", key: bytes, sums: _Sums) -> bool:
    """An entry with all its rows; False when it is not there."""
    row = txn.get(ENTRY + key)
    if row is None:
        return False
    entry = layout.unpack_entry(row)
    txn.delete(ENTRY + key)
    txn.delete(layout.ordered(USED, entry.used_ms, key))
    txn.delete(layout.ordered(EXPIRY, entry.expires_ms, key))
    for row_key in [row_key for row_key, _ in _rows(txn, PIECE + key)]:
        txn.delete(row_key)
    if entry.neighbour:
        txn.delete(entry.neighbour)
    sums.entries -= 1
    sums.bytes -= entry.footprint
    return True


def _make_room(txn: "_Txn", room: int, now_ms: int, sums: _Sums) -> bool:
    """Removes what is expired and what is beyond `room`, at most a cut; is all of it done?"""
    removed, least_bytes = 0, sums.bytes - _CUT_BYTES
    cursor = txn.cursor()
    for order in (EXPIRY, USED):
        # The first row of the order is looked up anew each time: the one before it is gone.
        while (order == EXPIRY or sums.bytes > room) and cursor.set_range(order):
            row_key = cursor.key()
            if row_key[:1] != order:
                break
            time_ms, key = layout.split_ordered(row_key)
            if order == EXPIRY and time_ms > now_ms:
                break
            if removed == _CUT or sums.bytes <= least_bytes:
                return False
            _remove(txn, key, sums)
            removed += 1
            sums.evicted += order == USED
    return sums.bytes <= room


def _end_claim(txn: "_Txn", key: bytes, owner: bytes) -> None:
    row = txn.get(CLAIM + key)
    if row is not None and layout.unpack_claim(row)[0] == owner:
        txn.delete(CLAIM + key)


def _is_meant(entry: Entry, before_ms: int | None, model: str | None) -> bool:
    return (before_ms is None or entry.created_ms < before_ms) and (
        model is None or entry.model == model
    )


def _last_number(txn: "_Txn", bucket: bytes) -> int:
    """The number of the bucket's newest neighbour; 0 when it has none."""
    cursor = txn.cursor()
    there = _last_before(cursor, NEIGHBOUR + bucket + _END)
    if not there or not (key := cursor.key()).startswith(NEIGHBOUR + bucket):
        return 0
    return int.from_bytes(key[1 + KEY_BYTES :], "big")


def _drop_oldest(txn: "_Txn", bucket: bytes, number: int, sums: _Sums) -> None:
    """Numbers follow each other, so the one that must go for `number` is known without counting."""
    place = NEIGHBOUR + bucket + max(0, number - NEIGHBOURS_MAX).to_bytes(8, "big")
    row = txn.get(place)
    if row is not None:
        _forget_neighbour(txn, layout.unpack_neighbour(row).key, sums)


def _forget_neighbour(txn: "_Txn", key: bytes, sums: _Sums) -> None:
    """The neighbour of an entry, if it has one."""
    stored = txn.get(ENTRY + key)
    if stored is None:
        return
    entry = layout.unpack_entry(stored)
    if entry.neighbour:
        row = txn.get(entry.neighbour) or b""
        txn.delete(entry.neighbour)
        _replace(txn, key, entry, b"", -2 * len(row), sums)


def _replace(
    txn: "_Txn", key: bytes, entry: Entry, neighbour: bytes, grown: int, sums: _Sums
) -> None:
    changed = entry._replace(neighbour=neighbour, footprint=entry.footprint + grown)
    txn.put(ENTRY + key, layout.pack_entry(changed))
    sums.bytes += grown
