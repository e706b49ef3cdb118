"""The bytes of the shared state: keys that never collide, values that can always be written."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.record import Record
from omniroute.state import layout
from omniroute.state.interface import UsageTotals
from omniroute.usage import Usage

DAY = 20_000
counts = st.integers(min_value=0, max_value=1 << 40)


def a_record(**changes: Any) -> Record:
    return Record(**{"id": "r", "started_ms": DAY * layout.DAY_MS + 5, "key_id": "k", **changes})


def test_outbox_keys_rise_while_the_clock_stands_still_or_steps_back():
    times = iter([100, 100, 40, 100, 200])
    keys = layout.OutboxKeys(lambda: next(times))
    made = [keys.next() for _ in range(5)]
    assert made == sorted(set(made))


def test_two_processes_at_the_same_instant_make_different_keys():
    assert layout.OutboxKeys(lambda: 7).next() != layout.OutboxKeys(lambda: 7).next()


def test_a_record_comes_back_as_it_was():
    record = a_record(usage=Usage(10, 2, 1, 5, 3), model="ünïcode", status=200, stream=True)
    assert layout.decode_record(layout.encode_record(record)) == record


def test_a_record_of_an_older_version_lacks_fields_and_is_read_with_their_defaults():
    blob = msgspec.msgpack.encode(["r", 1])
    assert layout.decode_record(blob) == Record(id="r", started_ms=1)


def test_an_oversized_record_is_cut_but_keeps_its_id():
    record = a_record(id="i" * 600, error="e" * 100_000, requested_model="m" * 100_000)
    blob = layout.encode_record(record)
    read = layout.decode_record(blob)
    assert len(blob) <= layout.RECORD_BYTES
    assert read.id == record.id
    assert read.error == "e" * layout.TEXT_CHARS


def test_what_msgpack_cannot_hold_is_tamed_instead_of_failing():
    record = a_record(requested_model="bad \ud800", cost_microusd=1 << 70, usage=Usage(1 << 80))
    read = layout.decode_record(layout.encode_record(record))
    assert read.requested_model == "bad ?"
    assert read.cost_microusd == read.usage.input_tokens == (1 << 63) - 1


@settings(deadline=None)
@given(st.tuples(*[counts] * 6), st.tuples(*[counts] * 6))
def test_adding_a_record_adds_its_counts(old, new):
    record = a_record(usage=Usage(*new[:5]), cost_microusd=new[5])
    stored = layout.pack_counts((3, *old))
    expected = UsageTotals(4, *(a + b for a, b in zip(old, new, strict=True)))
    assert layout.unpack_counts(layout.add_record(stored, record)) == expected
    assert layout.add_counts(stored, layout.record_counts(record)) == layout.add_record(
        stored, record
    )


def test_counters_stop_at_their_maximum_instead_of_failing():
    full = layout.pack_counts([(1 << 63) - 1] * 7)
    assert layout.add_record(full, a_record(usage=Usage(1, 0, 0, 1, 0))) == full


def test_the_usage_key_tells_key_and_day_and_sorts_by_day():
    assert layout.split_usage_key(layout.usage_key("laptop", 20_486)) == ("laptop", 20_486)
    assert layout.usage_key("z", 1) < layout.usage_key("a", 2)


def test_an_overlong_key_id_still_has_a_counter_of_its_own():
    one, other = layout.usage_key("x" * 5000, 1), layout.usage_key("x" * 4999, 1)
    assert one != other
    assert max(len(one), len(other)) <= 511


def test_a_record_counts_for_the_utc_day_in_which_it_started():
    keys = layout.UsageKeys()
    late = a_record(started_ms=(DAY + 1) * layout.DAY_MS - 1)
    early = a_record(started_ms=(DAY + 1) * layout.DAY_MS)
    assert keys.of(late) == layout.usage_key("k", DAY)
    assert keys.of(early) == layout.usage_key("k", DAY + 1)
    assert keys.of(late) == layout.usage_key("k", DAY)


def test_a_clock_before_1970_is_counted_on_its_first_day():
    assert layout.UsageKeys().of(a_record(started_ms=-5)) == layout.usage_key("k", 0)
