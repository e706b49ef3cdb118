"""What vendors tell about quotas when they are asked: the fields that their clients read."""

import json

import pytest

from omniroute.providers.quota_endpoints import read_endpoint
from omniroute.providers.registry import load_registry
from omniroute.simulator.accounts import Quota, Standing
from omniroute.simulator.quota_endpoints import ENDPOINTS

NOW_S = 1_800_000_000.0
FIVE_HOURS = Standing(Quota(limit=100), 40, NOW_S + 600, NOW_S)
WEEK = Standing(Quota(limit=1000, window="7d"), 1000, NOW_S + 7200, NOW_S)


def told(path: str, *standings: Standing):
    return json.loads(json.dumps(ENDPOINTS[path].write(standings)))


@pytest.mark.parametrize("path", ENDPOINTS)
def test_each_answers_with_and_without_quotas(path):
    assert told(path) != told(path, FIVE_HOURS, WEEK)


def test_claude_tells_percent_and_iso_times():
    answer = told("/api/oauth/usage", WEEK, FIVE_HOURS)
    assert answer["five_hour"]["utilization"] == 40
    assert answer["five_hour"]["resets_at"].startswith("2027-01-15T08:10:00")
    assert answer["seven_day"]["utilization"] == 100
    assert told("/api/oauth/usage")["five_hour"] is None


@pytest.mark.parametrize("path", ["/backend-api/wham/usage", "/wham/usage"])
def test_codex_tells_two_windows_and_whether_one_is_reached(path):
    limits = told(path, WEEK, FIVE_HOURS)["rate_limit"]
    assert limits["primary_window"] == {
        "used_percent": 40,
        "limit_window_seconds": 18000,
        "reset_after_seconds": 600,
        "reset_at": NOW_S + 600,
    }
    assert limits["secondary_window"]["used_percent"] == 100
    assert limits["limit_reached"] is True
    assert told(path, FIVE_HOURS)["rate_limit"]["limit_reached"] is False


def test_gemini_cli_tells_what_is_left_as_a_fraction():
    (bucket,) = told("/v1internal:retrieveUserQuota", FIVE_HOURS)["buckets"]
    assert bucket["remainingFraction"] == pytest.approx(0.6)
    assert bucket["resetTime"].startswith("2027-01-15T08:10:00")


def test_glm_tells_windows_by_unit_and_number_with_times_in_milliseconds():
    limits = told("/api/monitor/usage/quota/limit", FIVE_HOURS, WEEK)["data"]["limits"]
    assert [(one["unit"], one["number"], one["percentage"]) for one in limits] == [
        (3, 5, 40),
        (6, 1, 100),
    ]
    assert limits[0]["nextResetTime"] == (NOW_S + 600) * 1000


def test_kimi_tells_numbers_as_strings_and_the_week_apart():
    answer = told("/coding/v1/usages", FIVE_HOURS, WEEK)
    assert answer["usage"]["remaining"] == "0"
    (limit,) = answer["limits"]
    assert limit["window"] == {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"}
    assert limit["detail"]["used"] == "40"


def test_minimax_counts_what_is_used_at_one_place_and_what_remains_at_the_other():
    (used,) = told("/v1/token_plan/remains", FIVE_HOURS)["model_remains"]
    (left,) = told("/v1/api/openplatform/coding_plan/remains", FIVE_HOURS)["model_remains"]
    assert used["current_interval_usage_count"] == 40
    assert left["current_interval_usage_count"] == 60
    assert used["remains_time"] == 600_000


def read_by_the_gateway() -> dict[str, str]:
    """The path below the host → the reader, of every endpoint that the registry and we know."""
    rows = [row.quota for row in load_registry() if row.quota is not None]
    known = {"/" + row.url.split("/", 3)[3]: row.reader for row in rows}
    return {path: known[path] for path in ENDPOINTS if path in known}


@pytest.mark.parametrize(("path", "reader"), read_by_the_gateway().items())
def test_the_gateway_reads_the_same_numbers(path, reader):
    now_ms = round(NOW_S * 1000)
    body = json.dumps(ENDPOINTS[path].write([FIVE_HOURS, WEEK])).encode()
    reports = {report.window: report for report in read_endpoint(reader, body, now_ms)}
    if "credits" in reports:  # money has no window
        assert reports["credits"].used in (0, pytest.approx(0.4))
        return
    assert reports["5h"].used == pytest.approx(0.4)
    assert reports["5h"].resets_ms == pytest.approx(now_ms + 600_000, abs=1000)
    assert reports["7d"].used == 1
    assert reports["7d"].resets_ms == pytest.approx(now_ms + 7_200_000, abs=1000)


def test_most_endpoints_are_read_by_the_gateway():
    assert len(read_by_the_gateway()) >= 7


def test_openrouter_and_deepseek_tell_money():
    key = told("/api/v1/key", FIVE_HOURS)["data"]
    assert (key["limit"], key["usage"], key["limit_remaining"]) == (0.1, 0.04, 0.06)
    assert told("/user/balance", FIVE_HOURS)["balance_infos"][0]["total_balance"] == "0.06"
    assert told("/user/balance", WEEK)["is_available"] is False
