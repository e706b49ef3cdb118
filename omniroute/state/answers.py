"""Answers that are given again: what the shared state promises about them, and how they look there.

Three uses share one table: the exact cache, the collapsing of identical requests under way, and the
replay of a request that a client sends twice. Who calls what: a worker calls `claim` before it asks
an upstream, then `put` or `abandon`; control calls `evict` regularly and serves `listing`, `stats`
and `purge` to people.

Invariants every implementation keeps:

* A key is 32 bytes, a digest of everything that may influence the answer, the principal included
  unless answers are shared: who may see an entry is decided by who can make its key.
* Blobs, vectors and features come sealed, or holding nothing private; they are stored as they come.
* After a `put` or an `evict`, the entries' footprints together are within its limit: the least
  recently used go first, and an answer that needs too much room is not kept. Neighbours count with
  their entry from the next `put` on.
* An entry is complete or not there at all; from `expires_ms` on it is not there.
* A claim belongs to one owner at a time. It ends with `put`, with `abandon`, with its lease (which
  `claim` by the same owner renews), or with the death of the owner's process.
* Want of room is never an error: an answer is then not kept, a claim not held.

An entry with a tag is a replay: it is neither counted among hits and misses nor listed. The tag
tells what was asked, so that the same key with another request can be told apart.

Rows, by the first byte of their keys (numbers big-endian, so that keys sort by them):

| row | key | value |
|---|---|---|
| claim | `c` digest | owner (16 bytes), end of the lease (8), tag |
| entry | `e` digest | see `Entry` |
| pieces of its blob | `b` digest, number (2) | at most `PIECE_BYTES` |
| order of use | `u` time (8) digest | nothing |
| order of expiry | `x` time (8) digest | nothing |
| neighbour | `n` bucket (32) number (8) | see `Neighbour` |
| totals | `t` | see `Totals` |
"""

import struct
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

KEY_BYTES: Final = 32
OWNER_BYTES: Final = 16  # incarnation of the process, and a number of its own
LEASE_MS: Final = 30_000  # renewed by whoever still works on the answer
NEIGHBOURS_MAX: Final = 256  # of one bucket: what a lookup compares with
PAGE_BYTES: Final = 4096
# Four pages with their header: whatever gaps the file has, so many pages in a row are found, where
# the 257 of an answer of 1 MiB would be searched for under the lock that stops all processes.
PIECE_BYTES: Final = 4 * PAGE_BYTES - 16
LOW_WATER: Final = 15 / 16  # `evict` leaves writers some room, so that they need not make it
MODEL_CHARS: Final = 200

CLAIM: Final = b"c"
ENTRY: Final = b"e"
PIECE: Final = b"b"
USED: Final = b"u"
EXPIRY: Final = b"x"
NEIGHBOUR: Final = b"n"
TOTALS: Final = b"t"

_INLINE_BYTES: Final = 1024  # values up to here share pages with others
# In pages that are half full: entry, order and expiry rows; and the row that names a piece's pages.
_ROWS_BYTES: Final = 640
_PIECE_ROW_BYTES: Final = 128


class Mine(NamedTuple):
    """The claim is the caller's, who now owes a `put` or an `abandon`."""


class Theirs(NamedTuple):
    """Another request is being answered under this key."""

    owner: bytes
    tag: bytes


class Found(NamedTuple):
    """The answer is there."""

    blob: bytes
    created_ms: int
    tag: bytes


Claimed: TypeAlias = Mine | Theirs | Found


class Neighbour(NamedTuple):
    """A question that was answered before, for comparing meanings."""

    vector: bytes
    features: bytes
    key: bytes  # of the entry with the answer
    expires_ms: int


class Listed(NamedTuple):
    """An entry as people see it."""

    key: bytes
    model: str
    size: int  # bytes of the blob
    created_ms: int
    used_ms: int
    expires_ms: int
    hits: int


class AnswerStats(NamedTuple):
    """Figures for people. Counts since the state was made, but for the first two."""

    entries: int
    bytes: int  # what they take, as the limit counts it
    hits: int
    misses: int
    evicted: int  # for want of room; neither expired nor purged


class Answers(Protocol):
    """See the module's text. Times are Unix milliseconds. `StateError` for a broken state only."""

    def claim(self, key: bytes, owner: bytes, now_ms: int, tag: bytes = b"") -> Claimed:
        """The answer, or the duty to make it, or who is making it.

        Called again by the owner, renews the lease. Repeated by those who wait: it writes only when
        something changes.
        """

    def take(self, key: bytes, now_ms: int) -> Found | None:
        """The answer, without a claim where there is none; counts as a hit where there is one."""

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
        """Keeps an answer and ends the owner's claim, as one step. False: it was not kept."""

    def abandon(self, key: bytes, owner: bytes) -> None:
        """Ends the owner's claim; whoever waits may take it. Nothing happens if it is another's."""

    def forget(self, key: bytes) -> bool:
        """Removes one entry; False when there is none."""

    def evict(self, now_ms: int, limit_bytes: int) -> int:
        """Removes what is expired or beyond the limit, dead claims too, in short steps.

        Returns how many entries went.
        """

    def purge(self, *, before_ms: int | None = None, model: str | None = None) -> int:
        """Removes entries: all, those made before a time, those of a model. Returns how many."""

    def listing(self, limit: int, now_ms: int) -> list[Listed]:
        """At most so many entries, the last used first."""

    def stats(self) -> AnswerStats: ...

    def neighbours(self, bucket: bytes, now_ms: int) -> list[Neighbour]:
        """What was remembered under a 32-byte bucket, at most `NEIGHBOURS_MAX`, oldest first."""

    def remember(self, bucket: bytes, neighbour: Neighbour) -> bool:
        """Adds a neighbour; with the last place taken, the oldest goes. It goes with its entry.

        One neighbour for an entry: a second replaces it. False when the entry is not there.
        """


class Entry(NamedTuple):
    """The row of an entry: all of it but the blob."""

    created_ms: int
    expires_ms: int
    used_ms: int
    hits: int
    size: int
    footprint: int
    neighbour: bytes  # key of the neighbour's row; b"": none
    tag: bytes
    model: str


class Totals(NamedTuple):
    """The one row of sums, changed with every entry."""

    entries: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0
    evicted: int = 0


_claim = struct.Struct(f">{OWNER_BYTES}sQ")
_totals = struct.Struct("<5Q")
_entries = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, int, bytes, bytes, str])
_neighbours = msgspec.msgpack.Decoder(tuple[bytes, bytes, bytes, int])
_encoder = msgspec.msgpack.Encoder()


def footprint(size: int, beside: int = 0) -> int:
    """Upper bound of the bytes that an entry takes with a blob of `size` and its small rows.

    `beside`: bytes of tag, model and neighbour.
    """
    whole, rest = divmod(size, PIECE_BYTES)
    pages = whole * (PIECE_BYTES + 16 + _PIECE_ROW_BYTES)
    if rest > _INLINE_BYTES:
        pages += -(-(rest + 16) // PAGE_BYTES) * PAGE_BYTES
    else:
        pages += 2 * rest
    return pages + _ROWS_BYTES + 2 * beside


def pack_claim(owner: bytes, until_ms: int, tag: bytes) -> bytes:
    return _claim.pack(owner, until_ms) + tag


def unpack_claim(row: bytes) -> tuple[bytes, int, bytes]:
    """Owner, end of the lease, tag."""
    owner, until_ms = _claim.unpack_from(row)
    return owner, until_ms, row[_claim.size :]


def pack_entry(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def unpack_entry(row: bytes) -> Entry:
    return Entry(*_entries.decode(row))


def pack_neighbour(neighbour: Neighbour) -> bytes:
    return _encoder.encode(neighbour)


def unpack_neighbour(row: bytes) -> Neighbour:
    return Neighbour(*_neighbours.decode(row))


def pack_totals(totals: Totals) -> bytes:
    return _totals.pack(*totals)


def unpack_totals(row: bytes | None) -> Totals:
    return Totals() if row is None else Totals(*_totals.unpack(row))


def ordered(kind: bytes, time_ms: int, key: bytes) -> bytes:
    """The key of a row of order: `USED` or `EXPIRY`."""
    return kind + time_ms.to_bytes(8, "big") + key


def split_ordered(row_key: bytes) -> tuple[int, bytes]:
    """Time and entry's key of a row of order."""
    return int.from_bytes(row_key[1:9], "big"), row_key[9:]


def pieces(key: bytes, blob: bytes) -> list[tuple[bytes, bytes]]:
    """The rows of a blob."""
    return [
        (PIECE + key + number.to_bytes(2, "big"), blob[start : start + PIECE_BYTES])
        for number, start in enumerate(range(0, len(blob), PIECE_BYTES))
    ]


def shown_model(model: str) -> str:
    """A model's name, short enough and encodable whatever a client called it."""
    return model[:MODEL_CHARS].encode("utf-8", "replace").decode()
