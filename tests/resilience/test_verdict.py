"""What a failed attempt means: an example for every row, and the rules above the rows."""

import json
from typing import Any

import httpx
import pytest

from omniroute.formats.table import DIALECTS
from omniroute.resilience.hints import retry_hint_s
from omniroute.resilience.verdict import (
    TABLE,
    Failed,
    Failure,
    Mark,
    Verdict,
    judge,
)
from omniroute.resilience.wording import STATUS_OF_WORD
from omniroute.simulator.accounts import Quota, Standing
from omniroute.simulator.app import create_app
from omniroute.simulator.vendors import VENDORS

NOW_MS = 1_790_000_000_000


def answered(status: int, format: str, body: Any, **facts: Any) -> Failed:
    """An error answer as the gateway makes a `Failed` of it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = DIALECTS[format].upstream_error(raw)
    return Failed(
        status=status,
        type=said.type or "",
        code=said.code or "",
        message=said.message,
        body=raw,
        **facts,
    )


def openai(status: int, message: str, type: str = "", code: str = "", **facts: Any) -> Failed:
    error = {"message": message, "type": type, "param": None, "code": code or None}
    return answered(status, "openai", {"error": error}, **facts)


def claude(status: int, type: str, message: str, **facts: Any) -> Failed:
    body = {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_1"}
    return answered(status, "claude", body, **facts)


def gemini(status: int, name: str, message: str, *details: Any, **facts: Any) -> Failed:
    error = {"code": status, "message": message, "status": name, "details": list(details)}
    return answered(status, "gemini", {"error": error}, **facts)


RPC = "type.googleapis.com/google.rpc"
GEMINI_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)


def gemini_429(per: str, **facts: Any) -> Failed:
    violation = {"quotaId": f"GenerateRequestsPer{per}PerProjectPerModel-FreeTier"}
    return gemini(
        429,
        "RESOURCE_EXHAUSTED",
        GEMINI_QUOTA,
        {"@type": f"{RPC}.QuotaFailure", "violations": [violation]},
        {"@type": f"{RPC}.RetryInfo", "retryDelay": "34s"},
        **facts,
    )


# Row -> failures that it is for.
EXAMPLES: dict[str, list[Failed]] = {
    "egress-refused": [Failed(failure=Failure.EGRESS)],
    "no-connection-on-its-own-way": [Failed(failure=Failure.CONNECT, own_way=True)],
    "no-connection": [Failed(failure=Failure.CONNECT)],
    "broken": [Failed(failure=Failure.BROKEN)],
    "timeout": [Failed(failure=Failure.TIMEOUT)],
    "unreadable": [Failed(failure=Failure.UNREADABLE)],
    "account-gone": [
        openai(401, "Your account is not active.", "invalid_request_error", "account_deactivated"),
        claude(403, "permission_error", "This organization has been disabled."),
        openai(403, "Your account has been suspended."),
    ],
    "credential-refused": [
        openai(
            401, "Incorrect API key provided: sk-x.", "invalid_request_error", "invalid_api_key"
        ),
        claude(401, "authentication_error", "invalid x-api-key"),
        gemini(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            {"@type": f"{RPC}.ErrorInfo", "reason": "API_KEY_INVALID"},
        ),
    ],
    "region-refused": [
        gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        openai(403, "Country not supported", code="unsupported_country_region_territory"),
    ],
    "unauthorised": [Failed(status=401), openai(401, "Unauthorized")],
    "cannot-afford": [
        openai(
            402,
            "This request requires more credits, or fewer max_tokens. You requested up to 65536 "
            "tokens, but can only afford 2331.",
            code="402",
        )
    ],
    "credits-gone": [
        openai(429, GEMINI_QUOTA, "insufficient_quota", "insufficient_quota"),
        claude(400, "invalid_request_error", "Your credit balance is too low to access the API."),
        openai(402, "Insufficient credits. Add more", code="402"),
        claude(400, "invalid_request_error", "You have reached your specified API usage limits."),
        openai(429, "Insufficient balance or no resource package. Please recharge.", code="1113"),
    ],
    "payment-required": [Failed(status=402)],
    "stored-elsewhere": [
        openai(400, "Previous response with id 'resp_1' not found.", "invalid_request_error"),
        openai(404, "x", "invalid_request_error", "previous_response_not_found"),
    ],
    "context-too-long": [
        openai(400, "too long", "invalid_request_error", "context_length_exceeded"),
        openai(400, "This model's maximum context length is 8192 tokens.", "BadRequestError"),
        claude(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        gemini(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed.",
        ),
    ],
    "too-large": [claude(413, "request_too_large", "Request exceeds the maximum size")],
    "content-policy": [
        openai(400, "Your prompt was flagged.", "invalid_request_error", "content_filter"),
        openai(403, "Your input was flagged by moderation"),
        openai(400, "The response was filtered by Azure's content management policy."),
        claude(400, "invalid_request_error", "Output blocked by content filtering policy"),
    ],
    "free-tier-of-model-used-up": [
        openai(403, "x", "AllocationQuota.FreeTierOnly", "AllocationQuota.FreeTierOnly")
    ],
    "used-up-for-the-day-per-model": [gemini_429("Day", limits_per_model=True)],
    "used-up-for-the-day": [
        openai(429, "Rate limit reached on requests per day (RPD): Limit 1000", "requests"),
        openai(429, "Rate limit exceeded: free-models-per-day"),
        openai(403, "Daily limit reached, try again tomorrow"),
    ],
    "used-up": [
        openai(429, "The usage limit has been reached", "usage_limit_reached"),
        openai(429, "Usage limit reached for 5 hour.", code="1308"),
        openai(429, "Weekly/Monthly Limit Exhausted.", code="1310"),
    ],
    "rate-limited-per-model": [gemini_429("Minute", limits_per_model=True)],
    "rate-limited": [
        openai(429, "Rate limit reached for gpt-5", "tokens", "rate_limit_exceeded"),
        claude(429, "rate_limit_error", "This request would exceed your account's rate limit."),
        Failed(status=429),
        # Google words a limit per minute like OpenAI an empty account.
        gemini_429("Minute"),
    ],
    "rate-limited-as-forbidden": [
        gemini(403, "RESOURCE_EXHAUSTED", "x", {"reason": "RATE_LIMIT_EXCEEDED"}),
        openai(403, "You have exceeded a secondary rate limit."),
    ],
    "no-access-to-model": [
        openai(
            404,
            "The model `gpt-9` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        )
    ],
    "model-gone-locally": [
        openai(404, 'model "llama9" not found, try pulling it first', "api_error", auth="local")
    ],
    "model-gone": [
        openai(404, "The model does not exist", code="model_not_found"),
        claude(404, "not_found_error", "model: claude-9"),
        gemini(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
        openai(400, "acme/x is not a valid model ID"),
        openai(404, "No endpoints found for acme/x."),
        openai(400, "The requested model 'x/y-1:free' is not supported."),
        openai(400, "The model `llama-9` has been decommissioned and is no longer supported."),
    ],
    "not-found": [Failed(status=404), openai(404, "404 page not found"), Failed(status=410)],
    "not-allowed-now": [claude(403, "forbidden", "Request not allowed")],
    "sign-in-forbidden": [Failed(status=403, auth="sign-in")],
    "forbidden": [Failed(status=403), claude(403, "permission_error", "Not yours.")],
    "overloaded-status": [claude(529, "overloaded_error", "Overloaded"), Failed(status=529)],
    "overloaded": [
        gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        openai(503, "That model is currently overloaded with other requests.", "server_error"),
        openai(500, "high demand", code="server_is_overloaded"),
    ],
    "conflict-or-too-early": [Failed(status=409), Failed(status=425)],
    "upstream-timeout": [Failed(status=408)],
    "cannot": [Failed(status=501)],
    "server-fault": [
        Failed(status=500),
        Failed(status=502),
        Failed(status=503),
        claude(500, "api_error", "Internal server error"),
        Failed(status=520),
    ],
    "stream-error": [
        Failed(failure=Failure.STREAM_ERROR, message="it broke"),
        Failed(failure=Failure.STREAM_ERROR, type="odd"),
    ],
    "redirect": [Failed(status=302), Failed(status=308)],
    "bad-request": [
        Failed(status=400),
        openai(400, "Invalid value for 'temperature'.", "invalid_request_error"),
        claude(400, "invalid_request_error", "messages: roles must alternate"),
        openai(400, "The model 'x' takes no images: this content type is not supported."),
        openai(400, "Unsupported value: temperature 0.2 is not supported with this model."),
        Failed(status=405),
        Failed(status=422),
        Failed(status=431),
        Failed(status=499),
    ],
    "unknown": [Failed(), Failed(status=999)],
}
POLICY_NEXT = {"content-policy-next": EXAMPLES["content-policy"]}


@pytest.mark.parametrize(
    ("row", "failed"), [(row, failed) for row, cases in EXAMPLES.items() for failed in cases]
)
def test_a_failure_meets_its_row(row: str, failed: Failed) -> None:
    assert judge(failed).row == row


def test_every_row_has_its_examples_and_none_is_unreachable() -> None:
    assert [row.name for row in TABLE if row.name not in EXAMPLES | POLICY_NEXT] == []
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert set(EXAMPLES | POLICY_NEXT) == {row.name for row in TABLE}


@pytest.mark.parametrize("failed", EXAMPLES["content-policy"])
def test_a_refusal_by_policy_moves_on_only_where_configured(failed: Failed) -> None:
    assert judge(failed).verdict is Verdict.TELL
    moved = judge(failed, content_policy_next=True)
    assert (moved.row, moved.verdict, moved.mark) == (
        "content-policy-next",
        Verdict.NEXT_MODEL,
        Mark.NONE,
    )


def test_a_request_that_is_itself_at_fault_marks_nobody() -> None:
    for row in TABLE:
        if row.verdict is Verdict.TELL:
            assert row.mark is Mark.NONE, row.name
    for row in ("context-too-long", "too-large", "stored-elsewhere", "not-found"):
        assert judge(EXAMPLES[row][0]).mark is Mark.NONE, row


def test_a_429_never_feeds_the_breaker() -> None:
    for cases in EXAMPLES.values():
        for failed in cases:
            if failed.status == 429:
                assert judge(failed).mark is not Mark.FAULT


def test_only_what_may_pass_is_repeated_and_then_there_is_somewhere_to_go() -> None:
    for row in TABLE:
        judged = judge(next(iter((EXAMPLES | POLICY_NEXT)[row.name])))
        assert judged.otherwise is not Verdict.RETRY, row.name
        if judged.verdict is Verdict.RETRY:
            assert row.otherwise in (Verdict.NEXT, Verdict.NEXT_MODEL), row.name
        else:
            assert judged.otherwise is judged.verdict


def test_a_single_403_rests_an_account_and_removes_it_never() -> None:
    for auth in ("key", "sign-in"):
        assert judge(Failed(status=403, auth=auth)).mark is Mark.COOLDOWN


@pytest.mark.parametrize("cases", EXAMPLES.values())
def test_once_begun_everything_is_told_and_remembered_as_before(cases: list[Failed]) -> None:
    for failed in cases:
        fields = {name: getattr(failed, name) for name in Failed.__struct_fields__}
        begun = judge(Failed(**fields | {"begun": True}))
        assert (begun.verdict, begun.otherwise) == (Verdict.TELL, Verdict.TELL)
        assert begun.mark is judge(failed).mark


@pytest.mark.parametrize(
    ("type", "code", "row"),
    [
        ("overloaded_error", "", "overloaded-status"),
        ("rate_limit_error", "", "rate-limited"),
        ("server_error", "server_is_overloaded", "overloaded"),
        ("", "rate_limit_exceeded", "rate-limited"),
        ("RESOURCE_EXHAUSTED", "429", "rate-limited"),
        ("invalid_request_error", "", "bad-request"),
        ("", "502", "server-fault"),
        ("insufficient_quota", "insufficient_quota", "credits-gone"),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_word(type: str, code: str, row: str) -> None:
    assert judge(Failed(failure=Failure.STREAM_ERROR, type=type, code=code)).row == row


def test_words_stand_for_error_statuses_and_are_in_lower_case() -> None:
    assert all(400 <= status < 600 for status in STATUS_OF_WORD.values())
    assert all(word == word.lower() for word in STATUS_OF_WORD)
    for row in TABLE:
        if row.wording is not None:
            words = [*row.wording.codes, *row.wording.phrases]
            assert words, row.name
            assert words == [word.lower() for word in words], row.name


def test_a_long_body_is_searched_at_its_beginning_only() -> None:
    late = b" " * 10_000 + b"prompt is too long"
    assert judge(Failed(status=400, body=late)).row == "bad-request"
    assert judge(Failed(status=400, body=late[-4000:])).row == "context-too-long"


# --- against the simulator ---

PATHS = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "claude": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai-responses": {"input": "Hi"},
    "claude": {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}
SIMULATED = {
    "error-400": "bad-request",
    "error-401": "credential-refused",
    "error-403": "forbidden",
    "error-408": "upstream-timeout",
    "error-413": "too-large",
    "error-429-7": "rate-limited",
    "error-500": "server-fault",
    "error-502": "server-fault",
    "error-503-7": "overloaded",
    "error-529": "overloaded-status",
    "no-such-model": "model-gone",
}


@pytest.mark.parametrize("format", PATHS)
async def test_the_simulators_errors_are_judged_alike_in_all_formats(format: str) -> None:
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        for model, row in SIMULATED.items():
            body = BODIES[format] | ({} if format == "gemini" else {"model": model})
            answer = await client.post(PATHS[format].format(model=model), json=body)
            judged = judge(answered(answer.status_code, format, answer.content))
            assert judged.row == row, (model, answer.content)
            fields = {name.lower(): value for name, value in answer.headers.raw}
            hint = retry_hint_s(fields, answer.content, NOW_MS)
            assert hint == (7.0 if model.endswith("-7") else None)


VENDOR_FORMATS = {
    "anthropic": "claude",
    "google": "gemini",
    "codex": "openai-responses",
    "minimax": "claude",
}
VENDOR_MARKS = {
    ("anthropic", "quota"): Mark.COOLDOWN,  # until the reset that its headers tell
    ("dashscope", "quota"): Mark.LOCKOUT,
    ("google", "quota"): Mark.LOCKOUT,
    ("google", "rate"): Mark.LOCKOUT,
    ("minimax", "rate"): Mark.EXHAUSTED,
    ("openrouter", "quota"): Mark.COOLDOWN,
}


@pytest.mark.parametrize("kind", ["quota", "rate", "credits"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_vendors_say_of_a_used_up_account_rests_it_and_goes_on(vendor, kind) -> None:
    now_s = NOW_MS / 1000
    window = "minute" if kind == "rate" else "daily" if vendor == "google" else "5h"
    quota = Quota(limit=10, used=10, window=window, kind=kind)
    told = VENDORS[vendor].told(Standing(quota, 10, now_s + 1800, now_s))
    format = VENDOR_FORMATS.get(vendor, "openai")
    per_model = vendor == "google"
    judged = judge(answered(told.status, format, told.body, limits_per_model=per_model))
    usual = Mark.COOLDOWN if kind == "rate" else Mark.EXHAUSTED
    assert judged.mark is VENDOR_MARKS.get((vendor, kind), usual), judged
    assert judged.verdict is Verdict.NEXT
    if kind == "quota" and vendor in ("anthropic", "google", "codex", "zhipu", "minimax"):
        fields = {name.lower().encode(): value.encode() for name, value in told.headers.items()}
        hint = retry_hint_s(fields, json.dumps(told.body).encode(), NOW_MS)
        assert hint == pytest.approx(1800, abs=1), judged
