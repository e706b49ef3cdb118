"""What vendors say about quotas: the errors when one is used up, and the headers of every answer.

One `Vendor` each, in a table; which one a mount plays is chosen by its script, else by its name,
else by the format it is asked in. The bodies follow what the services really send, as documented or
as reported by their users:

- anthropic: API reference, "Errors" and "Rate limits"; the `unified` headers are those that sign-in
  accounts get, times in Unix seconds, utilization from 0 to 1;
- openai: guide "Rate limits", "Error codes"; durations such as `1m30s`;
- codex: `usage_limit_reached` and `x-codex-*` as the open-source client reads them, without
  Retry-After;
- google: `google.rpc.QuotaFailure` and `RetryInfo` in the error's details;
- zhipu: docs.z.ai "Error codes" 1302, 1113, 1308, 1310; local time of Beijing in the text alone;
- minimax: `rate_limit_error` with the reset in the text;
- openrouter: 402 for credits, `X-RateLimit-*` with milliseconds;
- dashscope: 403 `AllocationQuota.FreeTierOnly` when a free tier is used up.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from omniroute.simulator.accounts import Standing

__all__ = ["FORMAT_VENDORS", "MOUNT_VENDORS", "VENDORS", "Told", "Vendor"]

Json = dict[str, Any]
_BEIJING = timezone(timedelta(hours=8))


class Told(NamedTuple):
    """An error answer."""

    status: int
    body: Json
    headers: Mapping[str, str] = {}


class Vendor(NamedTuple):
    """How one vendor puts it. `headers` go with every answer, error answers included."""

    quota: Callable[[Standing], Told]
    rate: Callable[[Standing], Told]
    credits: Callable[[Standing], Told]
    headers: Callable[[Sequence[Standing]], dict[str, str]]

    def told(self, standing: Standing) -> Told:
        """The error answer for a quota that is used up."""
        say: Callable[[Standing], Told] = getattr(self, standing.quota.kind)
        return say(standing)


def _retry_after(standing: Standing) -> dict[str, str]:
    return {"retry-after": str(standing.resets_in_s)}


def _duration(seconds: int) -> str:
    """As OpenAI and Go write it: `45s`, `1m30s`, `2h0m5s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"


def _iso(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _no_headers(standings: Sequence[Standing]) -> dict[str, str]:
    return {}


# Anthropic

_CLAIMS = {"5h": "five_hour", "7d": "seven_day"}


def _anthropic_error(status: int, kind: str, message: str, headers: Mapping[str, str]) -> Told:
    error = {"type": kind, "message": message}
    body = {"type": "error", "error": error, "request_id": "req_simulated"}
    return Told(status, body, headers)


def _anthropic_limited(standing: Standing) -> Told:
    message = "This request would exceed your account's rate limit. Please try again later."
    headers = _retry_after(standing)
    if standing.quota.window in _CLAIMS:
        headers["anthropic-ratelimit-unified-status"] = "rejected"
        headers[f"anthropic-ratelimit-unified-{standing.quota.window}-status"] = "rejected"
    return _anthropic_error(429, "rate_limit_error", message, headers)


def _anthropic_credits(standing: Standing) -> Told:
    message = (
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits."
    )
    return _anthropic_error(400, "invalid_request_error", message, {})


def _anthropic_headers(standings: Sequence[Standing]) -> dict[str, str]:
    headers: dict[str, str] = {}
    claims = [standing for standing in standings if standing.quota.window in _CLAIMS]
    for standing in standings:
        if standing in claims:
            stem = f"anthropic-ratelimit-unified-{standing.quota.window}"
            headers[f"{stem}-status"] = _anthropic_status(standing)
            headers[f"{stem}-reset"] = str(round(standing.resets_at_s))
            headers[f"{stem}-utilization"] = f"{standing.share:.4g}"
        else:
            stem = f"anthropic-ratelimit-{standing.quota.measure}"
            headers[f"{stem}-limit"] = str(standing.quota.limit)
            headers[f"{stem}-remaining"] = str(standing.remaining)
            headers[f"{stem}-reset"] = _iso(standing.resets_at_s)
    if claims:
        tightest = max(claims, key=lambda standing: (standing.share, standing.window_s))
        headers["anthropic-ratelimit-unified-status"] = _anthropic_status(tightest)
        headers["anthropic-ratelimit-unified-reset"] = str(round(tightest.resets_at_s))
        claim = _CLAIMS[tightest.quota.window]
        headers["anthropic-ratelimit-unified-representative-claim"] = claim
    return headers


def _anthropic_status(standing: Standing) -> str:
    """Of an answer that was given; the one that is refused says so beside."""
    return "allowed_warning" if standing.share >= 0.9 else "allowed"


# OpenAI


def _openai_error(status: int, kind: str, code: str, message: str, headers: Any = None) -> Told:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Told(status, {"error": error}, headers or {})


def _openai_quota(standing: Standing) -> Told:
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors."
    )
    return _openai_error(429, "insufficient_quota", "insufficient_quota", message)


def _openai_rate(standing: Standing) -> Told:
    measure = standing.quota.measure
    message = (
        f"Rate limit reached for the model in organization org-simulated on {measure} per "
        f"{standing.quota.window}: Limit {standing.quota.limit}, Used {standing.used}, "
        f"Requested 1. Please try again in {_duration(standing.resets_in_s)}."
    )
    return _openai_error(429, measure, "rate_limit_exceeded", message, _retry_after(standing))


def _openai_headers(standings: Sequence[Standing]) -> dict[str, str]:
    headers = {}
    for standing in standings:
        measure = standing.quota.measure
        headers[f"x-ratelimit-limit-{measure}"] = str(standing.quota.limit)
        headers[f"x-ratelimit-remaining-{measure}"] = str(standing.remaining)
        headers[f"x-ratelimit-reset-{measure}"] = _duration(standing.resets_in_s)
    return headers


# Codex


def _codex_quota(standing: Standing) -> Told:
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": round(standing.resets_at_s),
        "resets_in_seconds": standing.resets_in_s,
    }
    return Told(429, {"error": error})


def _codex_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """The shorter window is the primary one."""
    headers = {"x-codex-plan-type": "plus"} if standings else {}
    by_length = sorted(standings, key=lambda standing: standing.window_s)
    for name, standing in zip(("primary", "secondary"), by_length, strict=False):
        stem = f"x-codex-{name}"
        headers[f"{stem}-used-percent"] = f"{standing.share * 100:.4g}"
        headers[f"{stem}-window-minutes"] = str(standing.window_s // 60)
        headers[f"{stem}-reset-after-seconds"] = str(standing.resets_in_s)
        headers[f"{stem}-reset-at"] = str(round(standing.resets_at_s))
    return headers


# Google

_RPC = "type.googleapis.com/google.rpc"


def _google_quota(standing: Standing) -> Told:
    per = "Minute" if standing.quota.window == "minute" else "Day"
    metric = (
        f"generativelanguage.googleapis.com/generate_content_free_tier_{standing.quota.measure}"
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": f"GenerateRequestsPer{per}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global"},
        "quotaValue": str(standing.quota.limit),
    }
    error = {
        "code": 429,
        "message": (
            "You exceeded your current quota, please check your plan and billing details. For more "
            "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
            f"\n* Quota exceeded for metric: {metric}, limit: {standing.quota.limit}"
            f"\nPlease retry in {standing.resets_in_s}s."
        ),
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": f"{_RPC}.QuotaFailure", "violations": [violation]},
            {"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{standing.resets_in_s}s"},
        ],
    }
    return Told(429, {"error": error})


def _google_credits(standing: Standing) -> Told:
    message = "This API method requires billing to be enabled."
    info = {"@type": f"{_RPC}.ErrorInfo", "reason": "BILLING_DISABLED", "domain": "googleapis.com"}
    error = {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": [info]}
    return Told(403, {"error": error})


# Zhipu (GLM)


def _zhipu_error(status: int, code: int, message: str) -> Told:
    return Told(status, {"error": {"code": str(code), "message": message}})


def _zhipu_quota(standing: Standing) -> Told:
    moment = datetime.fromtimestamp(standing.resets_at_s, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    if standing.quota.window == "5h":
        text = f"Usage limit reached for 5 hour. Your limit will reset at {moment}"
        return _zhipu_error(429, 1308, text)
    text = f"Weekly/Monthly Limit Exhausted. Your limit will reset at {moment}"
    return _zhipu_error(429, 1310, text)


def _zhipu_rate(standing: Standing) -> Told:
    return _zhipu_error(429, 1302, "Rate limit reached for requests")


def _zhipu_credits(standing: Standing) -> Told:
    text = "Insufficient balance or no resource package. Please recharge."
    return _zhipu_error(429, 1113, text)


# MiniMax


def _minimax_quota(standing: Standing) -> Told:
    window = "5-hour" if standing.quota.window == "5h" else standing.quota.window
    message = (
        f"usage limit exceeded, {window} usage limit reached for Token Plan Starter "
        f"({standing.used}/{standing.quota.limit} used), resets at {_iso(standing.resets_at_s)} "
        "(2056)"
    )
    return _anthropic_error(429, "rate_limit_error", message, {})


def _minimax_credits(standing: Standing) -> Told:
    return _anthropic_error(402, "billing_error", "insufficient balance (1008)", {})


# OpenRouter


def _openrouter_rate(standing: Standing) -> Told:
    metadata = {"headers": _openrouter_headers([standing])}
    message = f"Rate limit exceeded: free-models-per-{standing.quota.window}"
    return Told(429, {"error": {"message": message, "code": 429, "metadata": metadata}})


def _openrouter_credits(standing: Standing) -> Told:
    message = "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
    return Told(402, {"error": {"message": message, "code": 402}})


def _openrouter_headers(standings: Sequence[Standing]) -> dict[str, str]:
    headers = {}
    for standing in standings:
        headers["X-RateLimit-Limit"] = str(standing.quota.limit)
        headers["X-RateLimit-Remaining"] = str(standing.remaining)
        headers["X-RateLimit-Reset"] = str(round(standing.resets_at_s * 1000))
    return headers


# DashScope (Qwen)


def _dashscope_quota(standing: Standing) -> Told:
    message = (
        "The free tier of the model has been exhausted. If you wish to continue access the model "
        'on a paid basis, please disable the "use free tier only" mode in the management console.'
    )
    code = "AllocationQuota.FreeTierOnly"
    return _openai_error(403, code, code, message)


def _dashscope_rate(standing: Standing) -> Told:
    message = "Requests rate limit exceeded, please try again later."
    return _openai_error(429, "limit_requests", "limit_requests", message)


def _dashscope_credits(standing: Standing) -> Told:
    message = "Access denied, please make sure your account is in good standing."
    return _openai_error(400, "Arrearage", "Arrearage", message)


VENDORS: Mapping[str, Vendor] = {
    "anthropic": Vendor(
        _anthropic_limited, _anthropic_limited, _anthropic_credits, _anthropic_headers
    ),
    "openai": Vendor(_openai_quota, _openai_rate, _openai_quota, _openai_headers),
    "codex": Vendor(_codex_quota, _openai_rate, _openai_quota, _codex_headers),
    "google": Vendor(_google_quota, _google_quota, _google_credits, _no_headers),
    "zhipu": Vendor(_zhipu_quota, _zhipu_rate, _zhipu_credits, _no_headers),
    "minimax": Vendor(_minimax_quota, _minimax_quota, _minimax_credits, _no_headers),
    "openrouter": Vendor(
        _openrouter_rate, _openrouter_rate, _openrouter_credits, _openrouter_headers
    ),
    "dashscope": Vendor(_dashscope_quota, _dashscope_rate, _dashscope_credits, _no_headers),
}

# The vendor behind the names under which mounts are usually asked for.
MOUNT_VENDORS: Mapping[str, str] = {
    "cc": "anthropic",
    "cx": "codex",
    "gc": "google",
    "gemini": "google",
    "glm": "zhipu",
    "minimax": "minimax",
    "openrouter": "openrouter",
    "qw": "dashscope",
}

FORMAT_VENDORS: Mapping[str, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    "claude": "anthropic",
    "gemini": "google",
}
