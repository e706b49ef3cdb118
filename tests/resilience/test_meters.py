"""What a finished request counts at a meter."""

import pytest

from omniroute.record import Record
from omniroute.resilience.meters import Meter, measure
from omniroute.usage import Usage


@pytest.mark.parametrize(
    ("what", "counts"), [("requests", 1), ("tokens", 15), ("usd", 70), ("running", 0), ("gap", 0)]
)
def test_what_a_record_counts(what, counts):
    meter = Meter(key="k", measure=what, kind="fixed", limit=1, period="daily")
    record = Record(id="r", started_ms=0, usage=Usage(10, 4, 2, 5, 1), cost_microusd=70)
    assert measure(meter, record) == counts


def test_an_impossible_usage_takes_nothing_away():
    meter = Meter(key="k", measure="tokens", kind="fixed", limit=1, period="daily")
    record = Record(id="r", started_ms=0, usage=Usage(-5), cost_microusd=-1)
    assert measure(meter, record) == 0
