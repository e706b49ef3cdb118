"""A meter that nothing is known of gets what its owner used in its window, no more and no less."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import LimitSettings, ServerSettings, UpstreamSettings
from omniroute.control.priming import LONG_SPAN_MS, SHORT_SPAN_MS, owners_of, prime
from omniroute.record import Record
from omniroute.resilience.meters import Meter
from omniroute.snapshot import BudgetView, ConnectionView, KeyView, Snapshot
from omniroute.state.interface import State
from omniroute.state.memory_state import MemoryState
from omniroute.store.interface import UsedRow
from omniroute.usage import Usage

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 10 * 3_600_000

KEY_USD = Meter(key="key/a/usd", measure="usd", kind="fixed", limit=10**9, period="daily")
KEY_RPM = Meter(key="key/a/rpm", measure="requests", kind="rolling", limit=10**9, window_ms=60_000)
KEY_RUNNING = Meter(key="key/a/running", measure="running", kind="running", limit=5)
CONNECTION = Meter(
    key="c/5h", measure="tokens", kind="rolling", limit=10**9, window_ms=5 * 3_600_000
)
TIER = Meter(key="tier/cheap", measure="usd", kind="fixed", limit=10**9, period="monthly")
PROVIDER = Meter(key="provider/acme", measure="usd", kind="fixed", limit=10**9, period="weekly")

SNAPSHOT = Snapshot(
    server=ServerSettings(),
    limits=LimitSettings(),
    upstream=UpstreamSettings(),
    keys=(KeyView("a", "a", b"1", meters=(KEY_USD, KEY_RPM, KEY_RUNNING)), KeyView("b", "b", b"2")),
    connections=(
        ConnectionView(
            id="acme/main", provider="acme", name="main", url="http://x", meters=(CONNECTION,)
        ),
    ),
    budgets=(BudgetView("cheap", "", TIER), BudgetView("", "acme", PROVIDER)),
)


class Past:
    """A history that sums records as the store does."""

    def __init__(self, stored: list[Record], left: list[Record]) -> None:
        self.stored = stored
        self.left = left
        self.opened = 0
        self.asked: list[tuple[int, int]] = []

    @contextlib.contextmanager
    def open(self) -> Iterator["Past"]:
        self.opened += 1
        yield self

    def left_over(self) -> list[Record]:
        return self.left

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]:
        self.asked.append((since_ms, span_ms))
        for record in self.stored:
            from_ms = ended_ms(record) // span_ms * span_ms
            if from_ms >= since_ms // span_ms * span_ms:
                yield UsedRow(
                    record.key_id,
                    record.tier,
                    record.provider,
                    record.connection,
                    from_ms,
                    1,
                    record.usage.total_tokens,
                    record.cost_microusd,
                )


def ended_ms(record: Record) -> int:
    return record.started_ms + record.total_us // 1000


def a_record(ago_ms: int, amount: int = 7, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": "r",
        "started_ms": NOW_MS - ago_ms - 2,
        "total_us": 2_000,
        "key_id": "a",
        "tier": "cheap",
        "provider": "acme",
        "connection": "acme/main",
        "usage": Usage(input_tokens=2 * amount),
        "cost_microusd": amount,
    }
    return Record(**(fields | changes))


def primed(state: State, past: Past, before: Snapshot | None = None) -> dict[str, int]:
    prime(state, SNAPSHOT, before, past.open, NOW_MS)
    meters = list(owners_of(SNAPSHOT))
    return {
        meter.key: reading.used
        for meter, reading in zip(meters, state.limits.readings(meters, NOW_MS), strict=True)
    }


def test_every_configured_meter_has_an_owner():
    assert set(owners_of(SNAPSHOT)) == {
        KEY_USD,
        KEY_RPM,
        KEY_RUNNING,
        CONNECTION,
        TIER,
        PROVIDER,
    }


def test_each_owner_is_told_from_the_others():
    past = Past(
        [
            a_record(1_000),
            a_record(1_000, key_id="b", tier="free"),
            a_record(1_000, connection="acme/other"),
            a_record(1_000, provider="other", connection="other/main"),
        ],
        [],
    )
    assert primed(MemoryState(), past) == {
        "key/a/usd": 21,
        "key/a/rpm": 3,
        "key/a/running": 0,
        "c/5h": 28,
        "tier/cheap": 21,
        "provider/acme": 21,
    }


def test_what_the_history_has_not_got_yet_counts_too():
    used = primed(MemoryState(), Past([a_record(1_000)], [a_record(500)]))
    assert (used["key/a/usd"], used["key/a/rpm"], used["c/5h"]) == (14, 2, 28)


def test_what_was_used_before_the_window_does_not_count():
    hour_ms = 3_600_000
    past = Past([a_record(11 * hour_ms), a_record(6 * hour_ms), a_record(4 * hour_ms)], [])
    used = primed(MemoryState(), past)
    assert used["key/a/usd"] == 14
    assert used["key/a/rpm"] == 0
    assert used["c/5h"] == 14
    assert used["tier/cheap"] == 21


def test_short_windows_are_summed_finely():
    past = Past([a_record(70_000)], [])
    assert primed(MemoryState(), past)["key/a/rpm"] == 0
    assert {span_ms for _, span_ms in past.asked} == {SHORT_SPAN_MS, LONG_SPAN_MS}


def test_the_history_is_opened_only_for_meters_that_nothing_is_known_of():
    state, past = MemoryState(), Past([a_record(1_000)], [])
    first = primed(state, past)
    assert primed(state, past) == first
    assert past.opened == 1


def test_a_limit_that_was_unset_for_a_while_is_primed_when_it_comes_back():
    state = MemoryState()
    primed(state, Past([], []))
    without = msgspec.structs.replace(SNAPSHOT, budgets=())
    used = primed(state, Past([a_record(1_000)], []), before=without)
    assert (used["tier/cheap"], used["provider/acme"], used["key/a/usd"]) == (7, 7, 0)


@pytest.mark.parametrize("meter", [KEY_USD, CONNECTION])
@given(drawn=st.lists(st.tuples(st.integers(0, 12 * 3_600_000), st.integers(1, 50)), max_size=20))
def test_a_primed_meter_knows_at_least_what_was_used_in_its_window(meter, drawn):
    used = primed(MemoryState(), Past([a_record(ago, amount) for ago, amount in drawn], []))
    window_ms = meter.window_ms or NOW_MS % DAY_MS
    factor = 2 if meter.measure == "tokens" else 1
    slack_ms = LONG_SPAN_MS + meter.window_ms // 12
    least = sum(amount for ago, amount in drawn if ago < window_ms) * factor
    most = sum(amount for ago, amount in drawn if ago < window_ms + slack_ms) * factor
    assert least <= used[meter.key] <= most
