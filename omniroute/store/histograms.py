"""Mergeable histograms of durations: one integer each, whose 32-bit digits are counts.

Bucket i counts the values that `bucket_of` maps to i: exact up to 15, above that eight buckets to
each power of two, so a value is known to 12.5 % and a percentile, which is interpolated inside its
bucket, mostly to a few. Merging is adding the integers, which is as fast as anything can be here; a
count would have to pass 2^32 in one histogram to reach its neighbour.

Stored as bytes: the number of the first bucket in use (two bytes), then the digits from there,
little endian. Durations of a slice lie close together, so that is short. b"" counts nothing.
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
    return _store(sum(count << _DIGIT_BITS * bucket for bucket, count in counts.items()))


def merged(blobs: Iterable[bytes]) -> int:
    """The sum of stored histograms, as one integer for `percentiles`."""
    return sum(map(_load, blobs))


def add_blobs(one: bytes, other: bytes) -> bytes:
    """The stored form of the sum of two stored ones."""
    return _store(_load(one) + _load(other))


def total(histogram: int) -> int:
    """How many values were counted."""
    return sum(_digits(histogram))


def percentiles(histogram: int, wanted: Iterable[float]) -> list[int]:
    """The values below which these shares (0 to 1) of all lie; 0 each when there are none.

    Inside a bucket values are taken as spread evenly.
    """
    digits = _digits(histogram)
    counted = list(accumulate(digits))
    found = []
    for share in wanted:
        if not counted:
            found.append(0)
            continue
        rank = share * counted[-1]
        bucket = bisect_left(counted, max(rank, 1))
        first, beyond = bounds_of(bucket)
        part = 1 - (counted[bucket] - rank) / digits[bucket]
        found.append(first + int((beyond - 1 - first) * max(0.0, part)))
    return found


def _load(blob: bytes) -> int:
    first = int.from_bytes(blob[:_HEAD_BYTES], "little")
    return int.from_bytes(blob[_HEAD_BYTES:], "little") << first * _DIGIT_BITS


def _store(histogram: int) -> bytes:
    if not histogram:
        return b""
    first = ((histogram & -histogram).bit_length() - 1) // _DIGIT_BITS
    digits = histogram >> first * _DIGIT_BITS
    return first.to_bytes(_HEAD_BYTES, "little") + digits.to_bytes(
        (digits.bit_length() + 7) // 8, "little"
    )


def _digits(histogram: int) -> tuple[int, ...]:
    digits = -(-histogram.bit_length() // _DIGIT_BITS)
    return struct.unpack(f"<{digits}I", histogram.to_bytes(digits * _DIGIT_BYTES, "little"))
