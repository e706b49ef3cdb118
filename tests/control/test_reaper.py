"""What dead workers held is settled, and told in the log with whose requests they were."""

import logging

from omniroute.control.reaper import reap
from omniroute.record import Record
from omniroute.resilience.meters import Meter
from omniroute.state import incarnation
from omniroute.state.interface import Hold
from omniroute.state.memory_state import MemoryState
from omniroute.usage import Usage

USD = Meter(key="k/usd", measure="usd", kind="fixed", limit=100, period="daily")


def test_lost_requests_are_settled_and_logged(monkeypatch, caplog):
    state = MemoryState()
    ticket = state.limits.incarnate() + bytes(8)
    note = Record(id="lost-one", started_ms=5, usage=Usage(3, 0, 0, 4, 0), cost_microusd=9)
    state.limits.reserve(ticket, [Hold(USD, 50)], note, 5)
    with caplog.at_level(logging.WARNING, "omniroute.control"):
        assert reap(state) == 0
        assert not caplog.records
        monkeypatch.setattr(incarnation, "is_alive", lambda blob: False)
        assert reap(state) == 1
    (entry,) = caplog.records
    assert "7 tokens" in entry.getMessage()
    assert entry.__dict__["fields"] == {"requests": ["lost-one"]}
    assert state.stats().outbox_records == 1
