"""The places where vendors tell an account what is left of its quotas, under a mount.

They stand at the vendors' own paths below the mount (`/p/cc/api/oauth/usage`), whatever vendor it
plays, and tell the numbers that its errors and headers are made of. A credential that is refused
gets 401. Sources: the fields that the vendors' own clients and dashboards read; only Anthropic's
rate limits, OpenRouter's `key` and DeepSeek's `balance` are documented as an API.

| path | of |
|---|---|
| `GET /api/oauth/usage` | Claude sign-in accounts |
| `GET /backend-api/wham/usage`, `/wham/usage` | Codex |
| `POST /v1internal:retrieveUserQuota` | Gemini CLI |
| `GET /api/monitor/usage/quota/limit` | GLM |
| `GET /coding/v1/usages` | Kimi |
| `GET /v1/token_plan/remains` | MiniMax |
| `GET /v1/api/openplatform/coding_plan/remains` | MiniMax; "usage" is what remains there |
| `GET /api/v1/key` | OpenRouter, a token or request counted as a thousandth of a dollar |
| `GET /user/balance` | DeepSeek, the same |
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from omniroute.simulator.accounts import Standing

__all__ = ["ENDPOINTS", "QuotaEndpoint"]

Json = dict[str, Any]


class QuotaEndpoint(NamedTuple):
    """What is asked how, and the document that answers it from an account's quotas."""

    method: str
    write: Callable[[Sequence[Standing]], Json]


def _iso(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).isoformat()


def _of(standings: Sequence[Standing], *windows: str) -> Standing | None:
    """The first quota that has one of these windows."""
    return next((each for each in standings if each.quota.window in windows), None)


def _claude(standings: Sequence[Standing]) -> Json:
    def window(standing: Standing | None) -> Json | None:
        if standing is None:
            return None
        used_percent = round(standing.share * 100, 1)
        return {"utilization": used_percent, "resets_at": _iso(standing.resets_at_s)}

    return {
        "five_hour": window(_of(standings, "5h")),
        "seven_day": window(_of(standings, "7d")),
        "seven_day_oauth_apps": None,
        "seven_day_opus": None,
        "seven_day_sonnet": None,
        "extra_usage": {"is_enabled": False, "monthly_limit": None, "used_credits": None},
    }


def _codex(standings: Sequence[Standing]) -> Json:
    def window(standing: Standing | None) -> Json | None:
        if standing is None:
            return None
        return {
            "used_percent": round(standing.share * 100),
            "limit_window_seconds": standing.window_s,
            "reset_after_seconds": standing.resets_in_s,
            "reset_at": round(standing.resets_at_s),
        }

    by_length = sorted(standings, key=lambda standing: standing.window_s)
    primary, secondary = (*by_length, None, None)[:2]
    reached = any(standing.is_exhausted for standing in standings)
    return {
        "plan_type": "plus",
        "rate_limit": {
            "allowed": not reached,
            "limit_reached": reached,
            "primary_window": window(primary),
            "secondary_window": window(secondary),
        },
        "code_review_rate_limit": None,
        "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
    }


def _gemini_cli(standings: Sequence[Standing]) -> Json:
    buckets = [
        {
            "modelId": "gemini-3-flash-preview",
            "tokenType": standing.quota.measure.upper(),
            "remainingAmount": str(standing.remaining),
            "remainingFraction": 1 - standing.share,
            "resetTime": _iso(standing.resets_at_s),
        }
        for standing in standings
    ]
    return {"buckets": buckets}


# Zhipu numbers the units of its windows: days 1, hours 3, months 5, weeks 6.
_ZHIPU_WINDOWS: Mapping[str, tuple[int, int]] = {
    "5h": (3, 5),
    "daily": (1, 1),
    "monthly": (5, 1),
    "7d": (6, 1),
}


def _zhipu(standings: Sequence[Standing]) -> Json:
    limits = []
    for standing in standings:
        unit, number = _ZHIPU_WINDOWS.get(standing.quota.window, (3, 5))
        limits.append(
            {
                "type": "TOKENS_LIMIT",
                "unit": unit,
                "number": number,
                "usage": standing.quota.limit,
                "currentValue": standing.used,
                "remaining": standing.remaining,
                "percentage": round(standing.share * 100),
                "nextResetTime": round(standing.resets_at_s * 1000),
            }
        )
    data = {"limits": limits, "level": "lite"}
    return {"code": 200, "msg": "Operation successful", "data": data, "success": True}


def _kimi(standings: Sequence[Standing]) -> Json:
    """Numbers come as strings; the week stands apart from the shorter windows."""

    def detail(standing: Standing) -> Json:
        return {
            "limit": str(standing.quota.limit),
            "used": str(standing.used),
            "remaining": str(standing.remaining),
            "resetTime": _iso(standing.resets_at_s),
        }

    week = _of(standings, "7d")
    limits = [
        {
            "window": {"duration": standing.window_s // 60, "timeUnit": "TIME_UNIT_MINUTE"},
            "detail": detail(standing),
        }
        for standing in standings
        if standing is not week
    ]
    usage = {} if week is None else {"usage": detail(week)}
    return {"user": {"membership": {"level": "LEVEL_BASIC"}}, **usage, "limits": limits}


_MINIMAX_OPEN, _MINIMAX_EXHAUSTED, _MINIMAX_NOT_INCLUDED = 1, 2, 3


def _minimax(standings: Sequence[Standing], *, remaining: bool) -> Json:
    def counts(name: str, standing: Standing | None) -> Json:
        if standing is None:
            return {
                f"{name}_status": _MINIMAX_NOT_INCLUDED,
                f"{name}_total_count": 0,
                f"{name}_usage_count": 0,
                f"{name}_remaining_percent": 100,
            }
        return {
            f"{name}_status": _MINIMAX_EXHAUSTED if standing.is_exhausted else _MINIMAX_OPEN,
            f"{name}_total_count": standing.quota.limit,
            f"{name}_usage_count": standing.remaining if remaining else standing.used,
            f"{name}_remaining_percent": round(100 - standing.share * 100),
        }

    def times(prefix: str, standing: Standing | None) -> Json:
        if standing is None:
            return {f"{prefix}start_time": 0, f"{prefix}end_time": 0, f"{prefix}remains_time": 0}
        end_ms = round(standing.resets_at_s * 1000)
        return {
            f"{prefix}start_time": end_ms - standing.window_s * 1000,
            f"{prefix}end_time": end_ms,
            f"{prefix}remains_time": standing.resets_in_s * 1000,
        }

    interval, week = _of(standings, "5h", "minute", "daily"), _of(standings, "7d")
    model = {
        "model_name": "general",
        **times("", interval),
        **counts("current_interval", interval),
        **times("weekly_", week),
        **counts("current_weekly", week),
    }
    return {"model_remains": [model], "base_resp": {"status_code": 0, "status_msg": "success"}}


def _minimax_used(standings: Sequence[Standing]) -> Json:
    return _minimax(standings, remaining=False)


def _minimax_left(standings: Sequence[Standing]) -> Json:
    return _minimax(standings, remaining=True)


def _openrouter(standings: Sequence[Standing]) -> Json:
    first = standings[0] if standings else None
    data = {
        "label": "sk-or-v1-simulated",
        "limit": None if first is None else first.quota.limit / 1000,
        "limit_reset": None if first is None else first.quota.window,
        "limit_remaining": None if first is None else first.remaining / 1000,
        "usage": 0 if first is None else first.used / 1000,
        "is_free_tier": False,
    }
    return {"data": data}


def _deepseek(standings: Sequence[Standing]) -> Json:
    left = standings[0].remaining / 1000 if standings else 100
    balance = {
        "currency": "USD",
        "total_balance": f"{left:.2f}",
        "granted_balance": "0.00",
        "topped_up_balance": f"{left:.2f}",
    }
    return {"is_available": left > 0, "balance_infos": [balance]}


ENDPOINTS: Mapping[str, QuotaEndpoint] = {
    "/api/oauth/usage": QuotaEndpoint("GET", _claude),
    "/backend-api/wham/usage": QuotaEndpoint("GET", _codex),
    "/wham/usage": QuotaEndpoint("GET", _codex),
    "/v1internal:retrieveUserQuota": QuotaEndpoint("POST", _gemini_cli),
    "/api/monitor/usage/quota/limit": QuotaEndpoint("GET", _zhipu),
    "/coding/v1/usages": QuotaEndpoint("GET", _kimi),
    "/v1/token_plan/remains": QuotaEndpoint("GET", _minimax_used),
    "/v1/api/openplatform/coding_plan/remains": QuotaEndpoint("GET", _minimax_left),
    "/api/v1/key": QuotaEndpoint("GET", _openrouter),
    "/user/balance": QuotaEndpoint("GET", _deepseek),
}
