"""Answers of quota endpoints, as vendors' own tools read them."""

import json
from typing import Any

import pytest

from omniroute.providers.quota_endpoints import READERS, QuotaUnreadable, read_endpoint
from omniroute.providers.registry import QUOTA_READERS, load_registry
from omniroute.resilience.quota import Report
from omniroute.simulator.accounts import Quota, Standing
from omniroute.simulator.quota_endpoints import ENDPOINTS

NOW_S = 1_790_000_000
NOW = NOW_S * 1000
RESET = NOW + 3_600_000  # 2026-09-21T15:13:20Z
ISO = "2026-09-21T15:13:20Z"


def read(reader: str, document: Any) -> dict[str, Report]:
    found = read_endpoint(reader, json.dumps(document).encode(), NOW)
    assert all(report.source == "endpoint" and report.reported_ms == NOW for report in found)
    assert len({report.window for report in found}) == len(found)
    return {report.window: report for report in found}


def shares(found: dict[str, Report]) -> dict[str, tuple[float, int | None]]:
    return {name: (round(report.used, 6), report.resets_ms) for name, report in found.items()}


def test_claude() -> None:
    found = read(
        "claude",
        {
            "five_hour": {"utilization": 42.5, "resets_at": ISO},
            "seven_day": {"utilization": 12, "resets_at": NOW_S + 3600},
            "seven_day_opus": {"utilization": 100, "resets_at": None},
            "seven_day_sonnet": None,
            "extra_usage": {"is_enabled": False},
        },
    )
    assert shares(found) == {"5h": (0.425, RESET), "7d": (0.12, RESET), "7d-opus": (1.0, None)}
    assert found["7d-opus"].model == "opus"


def test_codex() -> None:
    def limit(percent: float, seconds: int, reset_at: int) -> dict[str, Any]:
        return {
            "used_percent": percent,
            "limit_window_seconds": seconds,
            "reset_after_seconds": 3600,
            "reset_at": reset_at,
        }

    found = read(
        "codex",
        {
            "plan_type": "plus",
            "rate_limit": {
                "allowed": True,
                "primary_window": limit(24.5, 18_000, NOW_S + 3600),
                "secondary_window": limit(80, 604_800, 0),
            },
            "additional_rate_limits": [
                {
                    "limit_name": "GPT-5.3-Codex-Spark",
                    "rate_limit": {"primary_window": limit(10, 604_800, NOW_S + 3600)},
                },
                {"limit_name": "empty", "rate_limit": None},
            ],
            "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        },
    )
    assert shares(found) == {
        "5h": (0.245, RESET),
        "7d": (0.8, RESET),
        "7d-gpt-5.3-codex-spark": (0.1, RESET),
    }
    assert found["7d-gpt-5.3-codex-spark"].model == "gpt-5.3-codex-spark"


def test_glm() -> None:
    found = read(
        "glm",
        {
            "code": 200,
            "data": {
                "limits": [
                    {"type": "TIME_LIMIT", "unit": 5, "number": 1, "percentage": 100},
                    {
                        "type": "TOKENS_LIMIT",
                        "unit": 3,
                        "number": 5,
                        "percentage": 16,
                        "nextResetTime": RESET,
                    },
                    {"type": "TOKENS_LIMIT", "unit": 6, "number": 1, "percentage": 0},
                    {
                        "type": "TOKENS_LIMIT",
                        "unit": 1,
                        "number": 1,
                        "usage": 1000,
                        "currentValue": 250,
                    },
                    {"type": "TOKENS_LIMIT", "unit": 99, "number": 1, "percentage": 1},
                ],
                "level": "max",
            },
            "success": True,
        },
    )
    assert shares(found) == {"5h": (0.16, RESET), "7d": (0.0, None), "1d": (0.25, None)}


def test_kimi() -> None:
    found = read(
        "kimi",
        {
            "user": {"membership": {"level": "LEVEL_INTERMEDIATE"}},
            "usage": {"limit": "100", "remaining": "1", "resetTime": ISO},
            "limits": [
                {
                    "window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
                    "detail": {"limit": "200", "used": "200", "resetTime": ISO},
                },
                {"window": {"duration": 1, "timeUnit": "TIME_UNIT_AGE"}, "detail": {}},
            ],
        },
    )
    assert shares(found) == {"7d": (0.99, RESET), "5h": (1.0, RESET)}


def test_minimax_tells_percents_that_remain_or_counts() -> None:
    document: dict[str, Any] = {
        "base_resp": {"status_code": 0, "status_msg": "success"},
        "model_remains": [
            {"model_name": "video", "current_interval_remaining_percent": 0},
            {
                "model_name": "general",
                "end_time": RESET,
                "weekly_end_time": RESET,
                "current_interval_total_count": 0,
                "current_interval_remaining_percent": 75,
                "current_weekly_remaining_percent": 0,
                "current_weekly_status": 1,
            },
        ],
    }
    assert shares(read("minimax", document)) == {"5h": (0.25, RESET), "7d": (1.0, RESET)}
    document["model_remains"][1]["current_weekly_status"] = 3  # not part of the plan
    assert set(read("minimax", document)) == {"5h"}
    counts = {
        "model_name": "MiniMax-M2",
        "end_time": RESET,
        "current_interval_total_count": 200,
        "current_interval_usage_count": 50,
    }
    document["model_remains"] = [counts]
    assert shares(read("minimax", document)) == {"5h": (0.25, RESET)}
    assert shares(read("minimax-coding", document)) == {"5h": (0.75, RESET)}
    with pytest.raises(QuotaUnreadable, match="cookie is missing"):
        read(
            "minimax",
            document | {"base_resp": {"status_code": 1004, "status_msg": "cookie is missing"}},
        )


def test_openrouter() -> None:
    data = {
        "label": "sk",
        "limit": 100.0,
        "limit_remaining": 25.0,
        "usage": 75,
        "limit_reset": None,
    }
    assert shares(read("openrouter", {"data": data})) == {"credits": (0.75, None)}
    assert read("openrouter", {"data": data | {"limit": None, "limit_remaining": None}}) == {}


def test_deepseek() -> None:
    document = {
        "is_available": True,
        "balance_infos": [
            {"currency": "CNY", "total_balance": "110.00"},
            {"currency": "USD", "total_balance": "0.00"},
        ],
    }
    found = read("deepseek", document)["credits"]
    assert (found.used, found.remaining) == (0.0, 110.0)
    assert read("deepseek", document | {"is_available": False})["credits"].used == 1.0


def test_copilot() -> None:
    found = read(
        "copilot",
        {
            "copilot_plan": "individual_pro",
            "quota_reset_date_utc": ISO,
            "quota_snapshots": {
                "chat": {"unlimited": True, "entitlement": 0, "remaining": 0},
                "premium_interactions": {"entitlement": 300, "remaining": 0, "unlimited": False},
            },
        },
    )
    assert shares(found) == {"premium_interactions": (1.0, RESET)}
    assert found["premium_interactions"].model, "premium requests end no account"
    free = read(
        "copilot",
        {
            "copilot_plan": "individual",
            "monthly_quotas": {"chat": 500, "completions": 4000},
            "limited_user_quotas": {"chat": 450},
            "limited_user_reset_date": "2026-09-28",
        },
    )
    assert free["chat"].used == pytest.approx(0.1)
    assert free["chat"].model == ""
    assert free["chat"].resets_ms is not None


def test_nanogpt() -> None:
    document = {
        "active": True,
        "limits": {"weeklyInputTokens": 60_000_000},
        "weeklyInputTokens": {"used": 1, "remaining": 9, "percentUsed": 0.1, "resetAt": RESET},
        "dailyInputTokens": None,
        "dailyImages": {"used": 100, "remaining": 0, "percentUsed": 1, "resetAt": RESET},
    }
    assert shares(read("nanogpt", document)) == {"7d": (0.1, RESET)}
    assert read("nanogpt", document | {"active": False}) == {}


def test_crof() -> None:
    assert read("crof", {"credits": 12.3, "usable_requests": 450})["1d"].used == 0.0
    assert read("crof", {"credits": 12.3, "usable_requests": 0})["1d"].used == 0.0
    assert read("crof", {"credits": 0, "usable_requests": 0})["1d"].used == 1.0
    assert read("crof", {"credits": 0, "usable_requests": None})["credits"].used == 1.0


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("body", [b"<html>503</html>", b"{}", b"[]", b"null", b"", b"\xff"])
def test_an_error_page_is_no_empty_account(reader: str, body: bytes) -> None:
    with pytest.raises(QuotaUnreadable):
        read_endpoint(reader, body, NOW)


def test_the_registry_names_exactly_the_readers_that_there_are() -> None:
    assert set(READERS) == QUOTA_READERS
    used = {row.quota.reader for row in load_registry() if row.quota is not None}
    assert used == QUOTA_READERS


SIMULATED = {
    "/api/oauth/usage": "claude",
    "/backend-api/wham/usage": "codex",
    "/api/monitor/usage/quota/limit": "glm",
    "/coding/v1/usages": "kimi",
    "/v1/token_plan/remains": "minimax",
    "/v1/api/openplatform/coding_plan/remains": "minimax-coding",
    "/api/v1/key": "openrouter",
}


@pytest.mark.parametrize(("path", "reader"), SIMULATED.items())
def test_the_simulators_endpoints_are_understood(path: str, reader: str) -> None:
    standings = [
        Standing(Quota(limit=100, window="5h"), 40, NOW_S + 1800.0, float(NOW_S)),
        Standing(Quota(limit=1000, window="7d"), 250, NOW_S + 7200.0, float(NOW_S)),
    ]
    found = shares(read(reader, ENDPOINTS[path].write(standings)))
    if reader == "openrouter":
        assert found == {"credits": (0.4, None)}
    else:
        assert found == {"5h": (0.4, NOW + 1_800_000), "7d": (0.25, NOW + 7_200_000)}


def test_the_simulated_balance_is_understood() -> None:
    standing = Standing(Quota(limit=5000), 5000, NOW_S + 1.0, float(NOW_S))
    assert read("deepseek", ENDPOINTS["/user/balance"].write([standing]))["credits"].used == 1.0
