"""Mergeable histograms of durations: an integer whose 32-bit digits are counts, as bytes.

Bucket i counts the values that `bucket_of` maps to i: exact up to 15, above that eight buckets to
each power of two, so a value is known to 12.5 % and a percentile, which is interpolated inside its
bucket, mostly to a few. Merging is adding the integers, which is as fast as anything can be here; a
count would have to pass 2^32 in one histogram to reach its neighbour.

Stored as bytes: the number of the first bucket in use (two bytes), then the digits from there, as
one number, both big endian. Durations of a slice lie close together, so that is short. b"" counts
nothing.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

_DIGIT_BITS = 32
_DIGIT_BYTES = _DIGIT_BITS // 8
_HEAD_BYTES = 2
_SUB_BITS = 3  # 2^3 buckets to a power of two
_LONGEST = (1 << 48) - 1  # nine years in µs; what is beyond counts as that


def bucket_of(value: int) -> int:
    """The bucket of a value; negative ones count as 0."""
    if value < 1 << _SUB_BITS:
        return max(value, 0)
    shift = min(value, _LONGEST).bit_length() - _SUB_BITS - 1
    return (shift << _SUB_BITS) + (min(value, _LONGEST) >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The least value of the bucket, and the least of the next one."""
    if bucket < 2 << _SUB_BITS:
        return bucket, bucket + 1
    shift = (bucket >> _SUB_BITS) - 1
    first = (bucket & (1 << _SUB_BITS) - 1 | 1 << _SUB_BITS) << shift
    return first, first + (1 << shift)


def pack(counts: Mapping[int, int]) -> bytes:
    """The stored form of counts by bucket."""
    return _store(0, sum(count << _DIGIT_BITS * bucket for bucket, count in counts.items()))


def merged(blobs: Iterable[bytes]) -> bytes:
    """The sum of stored histograms, stored."""
    # Those that begin alike are added without leaving C; there may be many.
    alike: dict[bytes, list[bytes]] = {}
    for blob in blobs:
        head = blob[:_HEAD_BYTES]
        if (digits := alike.get(head)) is None:
            alike[head] = [blob[_HEAD_BYTES:]]
        else:
            digits.append(blob[_HEAD_BYTES:])
    firsts = {
        int.from_bytes(head): sum(map(int.from_bytes, digits))
        for head, digits in alike.items()
        if head  # none of those without any value
    }
    least = min(firsts, default=0)
    return _store(
        least, sum(digits << (first - least) * _DIGIT_BITS for first, digits in firsts.items())
    )


def add_blobs(one: bytes, other: bytes) -> bytes:
    """The sum of two."""
    return merged((one, other))


def total(blob: bytes) -> int:
    """How many values were counted."""
    return sum(_digits(blob))


def percentiles(blob: bytes, wanted: Iterable[float]) -> list[int]:
    """The values below which these shares (0 to 1) of all lie; 0 each when there are none.

    Inside a bucket values are taken as spread evenly.
    """
    digits = _digits(blob)
    if not digits:
        return [0 for _ in wanted]
    counted = list(accumulate(digits))
    found = []
    for share in wanted:
        rank = max(share * counted[-1], 1)
        place = bisect_left(counted, rank)
        first, beyond = bounds_of(_first(blob) + place)
        part = 1 - (counted[place] - rank) / digits[place]
        found.append(first + int((beyond - 1 - first) * part))
    return found


def _first(blob: bytes) -> int:
    return int.from_bytes(blob[:_HEAD_BYTES])


def _store(first: int, digits: int) -> bytes:
    """Of the digits from the bucket `first` on."""
    if not digits:
        return b""
    empty = ((digits & -digits).bit_length() - 1) // _DIGIT_BITS
    digits >>= empty * _DIGIT_BITS
    return (first + empty).to_bytes(_HEAD_BYTES) + digits.to_bytes((digits.bit_length() + 7) // 8)


def _digits(blob: bytes) -> tuple[int, ...]:
    """The counts from the first bucket in use on."""
    packed = blob[_HEAD_BYTES:]
    digits = -(-len(packed) // _DIGIT_BYTES)
    return struct.unpack(f">{digits}I", packed.rjust(digits * _DIGIT_BYTES, b"\0"))[::-1]
