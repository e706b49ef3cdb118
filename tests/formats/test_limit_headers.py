"""A limit of ours is told as the vendor of each dialect tells its own."""

import json

import pytest

from omniroute.errors import ErrorKind, GatewayError, LimitState
from omniroute.formats.table import DIALECTS

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def refused(
    measure: str, resets_s: float, kind: ErrorKind = ErrorKind.RATE_LIMITED
) -> GatewayError:
    met = LimitState(measure, 60, 0, resets_s)
    return GatewayError(kind, "Wait.", retry_after_s=resets_s, limit=met)


def headers(form: str, error: GatewayError) -> dict[str, str]:
    lines = DIALECTS[form].error_headers(error, NOW_MS)
    assert not lines or lines.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in lines.decode("ascii").splitlines())


@pytest.mark.parametrize("form", ["openai", "openai-responses", "openai-completions"])
def test_openai_tells_a_span_of_time(form: str) -> None:
    assert headers(form, refused("requests", 90.5)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m30.5s",
    }


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0ms"), (0.02, "20ms"), (1, "1s"), (360, "6m0s"), (3661.25, "1h1m1.25s"), (-3, "0ms")],
)
def test_spans_are_written_as_openai_writes_them(seconds: float, told: str) -> None:
    assert headers("openai", refused("tokens", seconds))["x-ratelimit-reset-tokens"] == told


def test_claude_tells_the_moment_and_no_earlier_one() -> None:
    assert headers("claude", refused("tokens", 90.5)) == {
        "anthropic-ratelimit-tokens-limit": "60",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:31Z",
    }


def test_gemini_tells_it_in_the_error() -> None:
    error = refused("requests", 7)
    assert headers("gemini", error) == {}
    details = json.loads(DIALECTS["gemini"].error_body(error))["error"]["details"]
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in details}
    assert kinds["RetryInfo"]["retryDelay"] == "7s"
    assert kinds["QuotaFailure"]["violations"][0]["quotaValue"] == "60"


@pytest.mark.parametrize("form", DIALECTS)
def test_without_a_limit_nothing_is_told(form: str) -> None:
    assert headers(form, GatewayError(ErrorKind.OVERLOADED, "Wait.", retry_after_s=1)) == {}


@pytest.mark.parametrize("form", ["openai", "claude"])
def test_a_spent_budget_is_not_to_be_tried_again(form: str) -> None:
    error = refused("usd", 86_400, ErrorKind.BUDGET_EXCEEDED)
    assert headers(form, error) == {"x-should-retry": "false"}


@pytest.mark.parametrize("form", ["openai", "claude"])
def test_a_moment_beyond_all_calendars_is_the_last(form: str) -> None:
    assert headers(form, refused("requests", 1e12))


TYPES = {
    ErrorKind.RATE_LIMITED: ("rate_limit_error", "RESOURCE_EXHAUSTED"),
    ErrorKind.CONCURRENCY: ("rate_limit_error", "RESOURCE_EXHAUSTED"),
    ErrorKind.BUDGET_EXCEEDED: ("rate_limit_error", "RESOURCE_EXHAUSTED"),
    ErrorKind.KEY_DISABLED: ("permission_error", "PERMISSION_DENIED"),
    ErrorKind.KEY_EXPIRED: ("authentication_error", "UNAUTHENTICATED"),
    ErrorKind.OUTSIDE_SCHEDULE: ("permission_error", "PERMISSION_DENIED"),
    ErrorKind.MODEL_NOT_ALLOWED: ("permission_error", "PERMISSION_DENIED"),
    ErrorKind.ALL_UNAVAILABLE: ("overloaded_error", "UNAVAILABLE"),
    ErrorKind.IDEMPOTENCY_MISMATCH: ("invalid_request_error", "INVALID_ARGUMENT"),
    ErrorKind.AMBIGUOUS_MODEL: ("invalid_request_error", "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize(("kind", "types"), TYPES.items(), ids=lambda value: str(value))
def test_each_dialect_has_its_own_type_for_what_limits_refuse(
    kind: ErrorKind, types: tuple[str, str]
) -> None:
    error = GatewayError(kind, "No.")
    assert json.loads(DIALECTS["claude"].error_body(error))["error"]["type"] == types[0]
    assert json.loads(DIALECTS["gemini"].error_body(error))["error"]["status"] == types[1]
    told = json.loads(DIALECTS["openai"].error_body(error))["error"]
    assert (told["type"], told["code"]) == (kind.value.openai_type, kind.value.openai_code)
