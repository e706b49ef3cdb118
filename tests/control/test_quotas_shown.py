"""Quotas are told for every account, also for those that nobody has reported of."""

from omniroute.control.quotas_shown import account_quotas
from omniroute.resilience import quota
from omniroute.resilience.quota import Report
from omniroute.snapshot import ConnectionView
from tests.control.snapshots import bare_snapshot

NOW_MS = 1_700_000_000_000


def test_accounts_come_with_their_windows_and_thresholds() -> None:
    snapshot = bare_snapshot(
        connections=(
            ConnectionView(id="b/x", provider="b", name="x", url="https://b"),
            ConnectionView(id="a/x", provider="a", name="x", url="https://a", quota_threshold=0.9),
        )
    )
    reports = [
        Report("7d", 0.95, NOW_MS + 3_600_000, NOW_MS, "endpoint"),
        Report("5h", 0.5, NOW_MS - 1, NOW_MS - 18_000_000, "header"),
        Report("7d-big", 1.0, None, NOW_MS, "endpoint", model="big"),
    ]
    table: dict[str, bytes] = {}
    for report in reports:
        stored = quota.after_report(None, report)
        assert stored is not None
        table[quota.quota_key("a/x", report.window)] = stored
    first, second = account_quotas(snapshot, table, NOW_MS)
    assert (first.connection, second.connection, second.windows) == ("a/x", "b/x", [])
    assert first.used_up_until_ms == NOW_MS + 3_600_000
    told = {window.window: (window.is_used_up, window.resets_in_s) for window in first.windows}
    assert told == {"5h": (False, 0.0), "7d": (True, 3600.0), "7d-big": (True, None)}
