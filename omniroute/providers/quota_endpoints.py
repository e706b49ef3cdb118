"""Read the answers of quota endpoints, one reader for each vendor's shape. Pure: bytes in.

Where an endpoint is and how it is asked stands in the registry (`ProviderRow.quota`), whose
`reader` names one of `READERS`. Few of these endpoints are documented by their vendors; the shapes
are those that the vendors' own tools read. A reader is lenient with what may be absent and raises
`QuotaUnreadable` when the document is not of its shape at all, so that nobody takes an error page
for an empty account.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from omniroute.providers.quotas import window_name
from omniroute.resilience.hints import time_ms
from omniroute.resilience.quota import Report

Reader = Callable[[bytes, int], list[Report]]
_Time = str | float | None
_T = TypeVar("_T")


class QuotaUnreadable(ValueError):
    """The answer of a quota endpoint is not of its shape; the message says how."""


def read_endpoint(reader: str, body: bytes, now_ms: int) -> list[Report]:
    """The reports in an endpoint's answer. Raises `QuotaUnreadable`."""
    try:
        return READERS[reader](body, now_ms)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QuotaUnreadable(f"the quota endpoint's answer is not understood: {error}") from error


def _decoded(shape: type[_T], body: bytes) -> _T:
    return msgspec.json.decode(body, type=shape, strict=False)


def _ms(value: _Time) -> int | None:
    """Unix ms of an RFC 3339 time or of Unix seconds or milliseconds; 0 and nonsense are none."""
    if isinstance(value, str):
        return time_ms(value)
    if not value or value < 0:
        return None
    return round(value if value > 1e11 else value * 1000)


def _report(
    window: str,
    used: float,
    resets_ms: int | None,
    now_ms: int,
    **more: Any,
) -> Report:
    return Report(window, max(0.0, used), resets_ms, now_ms, "endpoint", **more)


# --- Anthropic: GET /api/oauth/usage, as Claude Code's /usage asks it ---


class _ClaudeWindow(Struct):
    utilization: float | None = None  # percent
    resets_at: _Time = None


class _ClaudeUsage(Struct):
    five_hour: _ClaudeWindow | None
    seven_day: _ClaudeWindow | None = None
    seven_day_opus: _ClaudeWindow | None = None
    seven_day_sonnet: _ClaudeWindow | None = None


def _claude(body: bytes, now_ms: int) -> list[Report]:
    usage = _decoded(_ClaudeUsage, body)
    windows = (
        ("5h", "", usage.five_hour),
        ("7d", "", usage.seven_day),
        ("7d-opus", "opus", usage.seven_day_opus),
        ("7d-sonnet", "sonnet", usage.seven_day_sonnet),
    )
    return [
        _report(name, found.utilization / 100, _ms(found.resets_at), now_ms, model=model)
        for name, model, found in windows
        if found is not None and found.utilization is not None
    ]


# --- the ChatGPT backend: GET /backend-api/wham/usage, as Codex's /status asks it ---


class _CodexWindow(Struct):
    used_percent: float
    limit_window_seconds: float | None = None
    reset_at: _Time = None
    reset_after_seconds: float | None = None


class _CodexLimit(Struct):
    primary_window: _CodexWindow | None = None
    secondary_window: _CodexWindow | None = None


class _CodexOther(Struct):
    limit_name: str = ""
    rate_limit: _CodexLimit | None = None


class _CodexUsage(Struct):
    rate_limit: _CodexLimit | None
    additional_rate_limits: list[_CodexOther] | None = None


def _codex(body: bytes, now_ms: int) -> list[Report]:
    usage = _decoded(_CodexUsage, body)
    limits = [("", usage.rate_limit)]
    limits += [
        (other.limit_name.lower(), other.rate_limit)
        for other in usage.additional_rate_limits or ()
        if other.limit_name
    ]
    found = []
    for model, limit in limits:
        if limit is None:
            continue
        windows = (("primary", limit.primary_window), ("secondary", limit.secondary_window))
        for place, window in windows:
            if window is None:
                continue
            resets_ms = _ms(window.reset_at)
            if resets_ms is None and window.reset_after_seconds:
                resets_ms = now_ms + round(window.reset_after_seconds * 1000)
            seconds = window.limit_window_seconds
            name = window_name(seconds) if seconds else place
            name = f"{name}-{model.replace(' ', '-')}" if model else name
            used = window.used_percent / 100
            found.append(_report(name, used, resets_ms, now_ms, model=model))
    return found


# --- z.ai and bigmodel.cn: GET /api/monitor/usage/quota/limit ---


class _GlmLimit(Struct):
    type: str = ""
    unit: int = 0  # see _GLM_UNIT_S
    number: float = 0
    percentage: float | None = None  # used
    usage: float | None = None  # the limit
    currentValue: float | None = None
    remaining: float | None = None
    nextResetTime: _Time = None


class _GlmData(Struct):
    limits: list[_GlmLimit]


class _GlmUsage(Struct):
    data: _GlmData


# Days, hours, days (seen both ways), months, weeks.
_GLM_UNIT_S: Final[Mapping[int, int]] = {
    1: 86400,
    3: 3600,
    4: 86400,
    5: 30 * 86400,
    6: 7 * 86400,
}


def _glm(body: bytes, now_ms: int) -> list[Report]:
    found = []
    for limit in _decoded(_GlmUsage, body).data.limits:
        # TIME_LIMIT counts calls of the tools beside the models and ends no conversation.
        if limit.type == "TIME_LIMIT":
            continue
        used = limit.percentage
        if used is None and limit.usage and limit.currentValue is not None:
            used = 100 * limit.currentValue / limit.usage
        unit_s = _GLM_UNIT_S.get(limit.unit)
        if used is None or unit_s is None or not limit.number:
            continue
        found.append(
            _report(
                window_name(unit_s * limit.number),
                used / 100,
                _ms(limit.nextResetTime),
                now_ms,
                limit=limit.usage,
                remaining=limit.remaining,
            )
        )
    return found


# --- Kimi: GET /coding/v1/usages, as Kimi's own command line asks it ---


class _KimiDetail(Struct):
    limit: float | None = None
    used: float | None = None
    remaining: float | None = None
    resetTime: _Time = None


class _KimiWindow(Struct):
    duration: float = 0
    timeUnit: str = ""


class _KimiLimit(Struct):
    window: _KimiWindow
    detail: _KimiDetail


class _KimiUsage(Struct):
    usage: _KimiDetail | None = None
    limits: list[_KimiLimit] | None = None


_KIMI_UNIT_S: Final[Mapping[str, int]] = {
    "TIME_UNIT_SECOND": 1,
    "TIME_UNIT_MINUTE": 60,
    "TIME_UNIT_HOUR": 3600,
    "TIME_UNIT_DAY": 86400,
    "TIME_UNIT_WEEK": 7 * 86400,
}


def _kimi(body: bytes, now_ms: int) -> list[Report]:
    read = _decoded(_KimiUsage, body)
    if read.usage is None and read.limits is None:
        raise QuotaUnreadable("the quota endpoint's answer tells neither usage nor limits")
    windows = [("7d", read.usage)] if read.usage is not None else []
    for limit in read.limits or ():
        unit_s = _KIMI_UNIT_S.get(limit.window.timeUnit)
        if unit_s is not None and limit.window.duration:
            windows.append((window_name(unit_s * limit.window.duration), limit.detail))
    found = []
    for name, detail in windows:
        used = detail.used
        if used is None and detail.limit is not None and detail.remaining is not None:
            used = detail.limit - detail.remaining
        if used is None or not detail.limit:
            continue
        found.append(
            _report(
                name,
                used / detail.limit,
                _ms(detail.resetTime),
                now_ms,
                limit=detail.limit,
                remaining=detail.remaining,
            )
        )
    return found


# --- MiniMax: GET /v1/token_plan/remains and, older, /v1/api/openplatform/coding_plan/remains.
# Both tell percents of what remains; where they are absent there are counts, and the older
# endpoint's "usage count" is what remains. ---


class _MiniMaxModel(Struct):
    model_name: str = ""
    end_time: _Time = None
    weekly_end_time: _Time = None
    current_interval_remaining_percent: float | None = None
    current_interval_total_count: float = 0
    current_interval_usage_count: float = 0
    current_weekly_remaining_percent: float | None = None
    current_weekly_total_count: float = 0
    current_weekly_usage_count: float = 0
    current_weekly_status: int | None = None


class _MiniMaxState(Struct):
    status_code: int = 0
    status_msg: str = ""


class _MiniMaxUsage(Struct):
    model_remains: list[_MiniMaxModel]
    base_resp: _MiniMaxState | None = None


_MINIMAX_NOT_INCLUDED: Final = 3


def _minimax(body: bytes, now_ms: int, *, counts_remaining: bool = False) -> list[Report]:
    read = _decoded(_MiniMaxUsage, body)
    if read.base_resp is not None and read.base_resp.status_code:
        raise QuotaUnreadable(f"the quota endpoint refused: {read.base_resp.status_msg}")
    # The others are speech, images and video.
    chat = [model for model in read.model_remains if model.model_name == "general"]
    chat += [model for model in read.model_remains if model.model_name.startswith("MiniMax-M")]
    if not chat:
        return []
    model = chat[0]
    windows = [
        (
            "5h",
            model.current_interval_remaining_percent,
            model.current_interval_total_count,
            model.current_interval_usage_count,
            model.end_time,
        )
    ]
    if model.current_weekly_status != _MINIMAX_NOT_INCLUDED:
        windows.append(
            (
                "7d",
                model.current_weekly_remaining_percent,
                model.current_weekly_total_count,
                model.current_weekly_usage_count,
                model.weekly_end_time,
            )
        )
    found = []
    for name, left_percent, total, count, ends in windows:
        if left_percent is not None:
            used = 1 - left_percent / 100
        elif total:
            used = 1 - count / total if counts_remaining else count / total
        else:
            continue
        found.append(_report(name, used, _ms(ends), now_ms, limit=total or None))
    return found


# --- OpenRouter: GET /api/v1/key; API reference, "Get current API key" ---


class _OpenRouterData(Struct):
    limit: float | None
    limit_remaining: float | None = None


class _OpenRouterKey(Struct):
    data: _OpenRouterData


def _openrouter(body: bytes, now_ms: int) -> list[Report]:
    data = _decoded(_OpenRouterKey, body).data
    if not data.limit or data.limit_remaining is None:
        return []  # a key without a limit of its own
    used = 1 - data.limit_remaining / data.limit
    return [
        _report("credits", used, None, now_ms, limit=data.limit, remaining=data.limit_remaining)
    ]


# --- DeepSeek: GET /user/balance; API reference, "Get User Balance" ---


class _DeepSeekBalance(Struct):
    currency: str
    total_balance: float


class _DeepSeekAccount(Struct):
    is_available: bool
    balance_infos: list[_DeepSeekBalance] = []


def _deepseek(body: bytes, now_ms: int) -> list[Report]:
    account = _decoded(_DeepSeekAccount, body)
    remaining = max((info.total_balance for info in account.balance_infos), default=None)
    used = 0.0 if account.is_available else 1.0
    return [_report("credits", used, None, now_ms, remaining=remaining)]


# --- GitHub Copilot: GET /copilot_internal/user, as its editors ask it ---


class _CopilotQuota(Struct):
    entitlement: float = 0
    remaining: float = 0
    percent_remaining: float | None = None
    unlimited: bool = False


class _CopilotUser(Struct):
    copilot_plan: str
    quota_snapshots: dict[str, _CopilotQuota] | None = None
    quota_reset_date_utc: str | None = None
    quota_reset_date: str | None = None
    monthly_quotas: dict[str, float] | None = None  # of free accounts
    limited_user_quotas: dict[str, float] | None = None  # what is left of them
    limited_user_reset_date: str | None = None


def _copilot(body: bytes, now_ms: int) -> list[Report]:
    user = _decoded(_CopilotUser, body)
    date = user.quota_reset_date_utc or user.quota_reset_date or user.limited_user_reset_date
    resets_ms = _ms(date)
    found = []
    for name in ("chat", "premium_interactions"):
        quota = (user.quota_snapshots or {}).get(name)
        limit = (user.monthly_quotas or {}).get(name)
        if quota is not None and not quota.unlimited and quota.entitlement:
            used = 1 - quota.remaining / quota.entitlement
            limit, left = quota.entitlement, quota.remaining
        elif limit:
            left = (user.limited_user_quotas or {}).get(name, limit)
            used = 1 - left / limit
        else:
            continue
        # Premium requests are for some models only, and which is nowhere said: told, not acted on.
        model = "" if name == "chat" else name
        found.append(
            _report(name, used, resets_ms, now_ms, limit=limit, remaining=left, model=model)
        )
    return found


# --- NanoGPT: GET /api/subscription/v1/usage ---


class _NanoWindow(Struct):
    percentUsed: float | None = None  # a share, in spite of its name
    remaining: float | None = None
    resetAt: _Time = None


class _NanoUsage(Struct):
    active: bool
    dailyInputTokens: _NanoWindow | None = None
    weeklyInputTokens: _NanoWindow | None = None
    daily: _NanoWindow | None = None
    monthly: _NanoWindow | None = None


def _nanogpt(body: bytes, now_ms: int) -> list[Report]:
    usage = _decoded(_NanoUsage, body)
    if not usage.active:
        return []  # without a subscription it is paid from a balance
    windows = (
        ("1d", usage.dailyInputTokens or usage.daily),
        ("7d", usage.weeklyInputTokens),
        ("30d", usage.monthly),
    )
    return [
        _report(name, window.percentUsed, _ms(window.resetAt), now_ms, remaining=window.remaining)
        for name, window in windows
        if window is not None and window.percentUsed is not None
    ]


# --- CrofAI: GET /usage_api/ ---


class _CrofUsage(Struct):
    credits: float
    usable_requests: float | None = None


def _crof(body: bytes, now_ms: int) -> list[Report]:
    usage = _decoded(_CrofUsage, body)
    requests = usage.usable_requests
    # Requests of the day first, then credits: only without either is the account used up.
    used = 1.0 if usage.credits <= 0 and not requests else 0.0
    remaining = usage.credits if requests is None else requests
    window = "credits" if requests is None else "1d"
    return [_report(window, used, None, now_ms, remaining=remaining)]


READERS: Final[Mapping[str, Reader]] = {
    "claude": _claude,
    "codex": _codex,
    "copilot": _copilot,
    "crof": _crof,
    "deepseek": _deepseek,
    "glm": _glm,
    "kimi": _kimi,
    "minimax": _minimax,
    "minimax-coding": partial(_minimax, counts_remaining=True),
    "nanogpt": _nanogpt,
    "openrouter": _openrouter,
}
"""By the name that rows of the registry call them."""
