"""Retention by the owner's settings: each bounds its table, 0 bounds nothing."""

from omniroute.config import RetentionSettings
from omniroute.control.retention import DAY_MS, Retention, bounds
from omniroute.record import Record
from omniroute.store.database import Store
from omniroute.store.interface import AuditEntry
from omniroute.store.trimming import TRIMMED, Keep


def test_every_table_has_its_bounds():
    assert set(bounds(RetentionSettings())) == set(TRIMMED)


def test_nothing_is_no_bound():
    settings = RetentionSettings(requests_days=0, requests_rows=0, audit_days=3, audit_rows=0)
    assert bounds(settings)["requests"] == Keep(None, None)
    assert bounds(settings)["audit"] == Keep(3 * DAY_MS, None)


def test_the_settings_in_force_are_what_counts(tmp_path):
    store = Store.open(tmp_path / "omniroute.sqlite")
    store.insert_records([Record(id=f"r{day}", started_ms=day * DAY_MS) for day in range(10)])
    store.audit.add(AuditEntry(1, "a", "b", "c", "d"))
    settings = [
        RetentionSettings(requests_days=4, requests_rows=2),
        RetentionSettings(requests_days=1),
    ]
    retention = Retention(store, lambda: settings[0], lambda: 10 * DAY_MS)
    retention.run()
    assert store.count_requests() == 2
    assert retention.trimmed["requests"] == 8
    del settings[0]
    retention.run()
    assert store.count_requests() == 1
    assert retention.trimmed == {table: 9 if table == "requests" else 0 for table in TRIMMED}
    store.close()


def test_a_run_that_is_stopped_leaves_the_rest(tmp_path):
    store = Store.open(tmp_path / "omniroute.sqlite")
    store.insert_records([Record(id=f"r{n}", started_ms=0) for n in range(1000)])
    retention = Retention(store, lambda: RetentionSettings(), lambda: 1000 * DAY_MS)
    retention.stop()
    retention.run()
    assert 0 < store.count_requests() < 1000
    store.close()
