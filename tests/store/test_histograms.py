"""Histograms: merging is exact, a percentile is near the true one, stored forms are short."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from omniroute.store.histograms import (
    add_blobs,
    bounds_of,
    bucket_of,
    merged,
    pack,
    percentiles,
    total,
)

DURATIONS = st.integers(0, (1 << 48) - 1)


def packed(values: list[int]) -> bytes:
    return pack(Counter(map(bucket_of, values)))


@given(DURATIONS)
def test_a_value_lies_in_its_bucket_and_is_known_to_an_eighth(value):
    first, beyond = bounds_of(bucket_of(value))
    assert first <= value < beyond
    assert beyond - first <= max(1, first // 8)


def test_buckets_follow_each_other_without_gaps():
    bounds = [bounds_of(bucket) for bucket in range(300)]
    assert [beyond for _, beyond in bounds[:-1]] == [first for first, _ in bounds[1:]]
    assert [bucket_of(first) for first, _ in bounds] == list(range(300))


def test_what_is_beyond_all_bounds_counts_at_the_end():
    assert bucket_of(-5) == bucket_of(0) == 0
    assert bucket_of(1 << 70) == bucket_of((1 << 48) - 1)


@given(st.lists(DURATIONS, max_size=30), st.lists(DURATIONS, max_size=30))
def test_merging_is_counting_all(one, other):
    both = packed(one + other)
    assert add_blobs(packed(one), packed(other)) == both
    assert merged([packed(one), packed(other)]) == both
    assert total(both) == len(one) + len(other)


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values, share):
    (found,) = percentiles(packed(values), [share])
    rank = max(1, -int(-share * len(values) // 1))
    first, beyond = bounds_of(bucket_of(sorted(values)[rank - 1]))
    assert first <= found < beyond


def test_nothing_has_no_percentiles():
    assert percentiles(merged([]), (0.5, 0.99)) == [0, 0]
    assert packed([]) == b""
    assert add_blobs(b"", b"") == b""


def test_equal_values_take_few_bytes():
    assert len(packed([1_000_000] * 1000)) < 8
    assert len(packed([900_000, 1_100_000])) < 32
