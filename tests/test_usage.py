"""Usage keeps its invariants whatever an upstream reports."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from omniroute.usage import NO_USAGE, Usage, estimate_usage

COUNTS = st.integers(-1000, 1000)
ANY = st.builds(
    Usage,
    input_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    cache_write_tokens=COUNTS,
    output_tokens=COUNTS,
    reasoning_tokens=COUNTS,
)


def test_the_parts_of_the_input_add_up():
    usage = Usage(100, 30, 20, 50, 10)
    assert usage.uncached_tokens == 50
    assert usage.total_tokens == 150


def test_nothing_is_nothing():
    assert Usage(0, 0, 0, 0, 0) == NO_USAGE
    assert NO_USAGE.total_tokens == NO_USAGE.uncached_tokens == 0


@given(ANY)
def test_what_is_clamped_keeps_every_invariant(usage):
    kept = usage.clamped()
    assert all(count >= 0 for count in msgspec.structs.astuple(kept))
    assert kept.uncached_tokens >= 0
    assert kept.reasoning_tokens <= kept.output_tokens
    assert kept.clamped() == kept


@given(ANY)
def test_what_keeps_them_already_is_not_changed(usage):
    kept = usage.clamped()
    possible = (
        min(msgspec.structs.astuple(usage)) >= 0
        and usage.uncached_tokens >= 0
        and usage.reasoning_tokens <= usage.output_tokens
    )
    assert (kept == usage) is possible


def test_usage_survives_its_way_through_the_outbox():
    usage = Usage(100, 30, 20, 50, 10)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(usage), type=Usage) == usage


def test_an_estimate_is_four_to_a_token_rounded_up():
    assert estimate_usage(0, 0) == NO_USAGE
    assert estimate_usage(9, 1) == Usage(input_tokens=3, output_tokens=1)
