"""Each limit of the file is one meter, under a key that says whose it is and what it counts."""

from typing import Any

import pytest

from omniroute.compiling.meters import (
    budget_meter,
    connection_meters,
    key_meters,
    microusd,
    minute_of,
)
from omniroute.config import BudgetSettings, ConnectionSettings, KeySettings, QuotaSettings
from omniroute.resilience.meters import Meter

DAY_MS = 86_400_000


def connection(**settings: Any) -> tuple[Meter, ...]:
    return connection_meters("acme/main", ConnectionSettings(provider="acme", **settings))


def quota(threshold: float = 1.0, **settings: Any) -> Meter:
    (meter,) = connection(quotas=(QuotaSettings(**settings),), quota_threshold=threshold)
    return meter


def test_a_key_has_a_meter_for_each_of_its_limits() -> None:
    budgets = (
        BudgetSettings(usd=1.5, period="daily", reset="06:30", timezone="Europe/Berlin"),
        BudgetSettings(usd=20),
    )
    key = KeySettings(
        name="laptop", key="sk-12345678", rpm=60, tpm=5000, max_concurrent=3, budget=budgets
    )
    rpm, tpm, running, daily, monthly = key_meters("file/laptop", key)
    assert rpm == Meter(
        key="key/file/laptop/rpm",
        measure="requests",
        kind="rolling",
        limit=60,
        window_ms=60_000,
    )
    assert (tpm.key, tpm.measure, tpm.limit) == ("key/file/laptop/tpm", "tokens", 5000)
    assert (running.key, running.kind, running.limit) == ("key/file/laptop/running", "running", 3)
    assert daily == Meter(
        key="key/file/laptop/usd/daily",
        measure="usd",
        kind="fixed",
        limit=1_500_000,
        period="daily",
        reset_minute=390,
        timezone="Europe/Berlin",
    )
    assert (monthly.key, monthly.limit) == ("key/file/laptop/usd/monthly", 20_000_000)


def test_one_budget_may_stand_without_a_list() -> None:
    key = KeySettings(name="a", key="sk-12345678", budget=BudgetSettings(usd=1))
    assert [meter.key for meter in key_meters("file/a", key)] == ["key/file/a/usd/monthly"]


def test_without_limits_there_is_no_meter() -> None:
    assert key_meters("file/a", KeySettings(name="a", key="sk-12345678")) == ()
    assert connection() == ()


def test_a_connection_has_a_meter_for_each_of_its_limits() -> None:
    rpm, gap, running = connection(rpm=10, min_gap_ms=200, max_concurrent=2)
    assert (rpm.key, rpm.measure, rpm.kind) == ("connection/acme/main/rpm", "requests", "rolling")
    assert gap == Meter(key="connection/acme/main/gap", measure="gap", kind="gap", limit=200)
    assert (running.key, running.measure) == ("connection/acme/main/running", "running")


@pytest.mark.parametrize(
    ("window", "length"),
    [("5h", 18_000_000), ("daily", DAY_MS), ("weekly", 7 * DAY_MS), ("monthly", 30 * DAY_MS)],
)
def test_a_rolling_quota_looks_back_so_long(window: str, length: int) -> None:
    meter = quota(window=window, limit=5)
    assert (meter.kind, meter.window_ms, meter.period) == ("rolling", length, "")


def test_a_session_quota_has_a_length_and_no_calendar() -> None:
    meter = quota(window="5h", limit=5, kind="session", reset="07:00", timezone="Europe/Berlin")
    assert (meter.window_ms, meter.period, meter.reset_minute) == (18_000_000, "", 0)
    assert meter.timezone == "UTC"


def test_a_fixed_quota_has_a_calendar_and_no_length() -> None:
    meter = quota(window="weekly", limit=5, kind="fixed", reset="07:05", timezone="Europe/Berlin")
    assert (meter.window_ms, meter.period, meter.reset_minute) == (0, "weekly", 425)
    assert meter.timezone == "Europe/Berlin"


def test_a_quota_of_another_kind_is_another_meter() -> None:
    keys = {
        quota(window="daily", limit=5, measure=measure, kind=kind).key
        for measure in ("requests", "tokens", "usd")
        for kind in ("rolling", "fixed")
    }
    assert len(keys) == 6
    assert "connection/acme/main/tokens/daily/fixed" in keys


def test_an_account_is_passed_over_from_its_threshold_on() -> None:
    assert quota(0.9, window="daily", limit=100).limit == 90
    assert quota(0.29, window="daily", limit=1_000_000).limit == 290_000
    assert quota(0.5, window="daily", limit=3, measure="usd").limit == 1_500_000
    assert quota(0.01, window="daily", limit=5).limit == 1


def test_a_budget_keeps_its_owner_in_its_key() -> None:
    meter = budget_meter("tier/cheap", BudgetSettings(usd=0, period="weekly"))
    assert (meter.key, meter.limit) == ("tier/cheap/usd/weekly", 0)


def test_units_are_exact() -> None:
    assert microusd(0.1) == 100_000
    assert microusd(1.0000005) in (1_000_000, 1_000_001)
    assert [minute_of(time) for time in ("00:00", "23:59")] == [0, 1439]
