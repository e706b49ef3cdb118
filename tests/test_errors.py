"""The one table of errors."""

import pytest

from omniroute.errors import ErrorKind, GatewayError, LimitState

# What the SDKs of OpenAI choose their exception class by, and whether they try again.
STATUSES = {
    "BAD_REQUEST": 400,
    "NOT_CONFIGURED": 400,
    "MISSING_KEY": 401,
    "BAD_KEY": 401,
    "FORBIDDEN_HOST": 403,
    "FORBIDDEN_ORIGIN": 403,
    "NOT_FOUND": 404,
    "UNKNOWN_MODEL": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_ENCODING": 415,
    "INTERNAL": 500,
    "UPSTREAM_REFUSED": 502,
    "UPSTREAM_BROKEN": 502,
    "UPSTREAM_ERROR": 502,
    "EGRESS_REFUSED": 502,
    "OVERLOADED": 503,
    "NOT_READY": 503,
    "CONTROL_UNAVAILABLE": 503,
    "UPSTREAM_TIMEOUT": 504,
    "LOOP_DETECTED": 508,
    "AMBIGUOUS_MODEL": 400,
    "KEY_EXPIRED": 401,
    "KEY_DISABLED": 403,
    "OUTSIDE_SCHEDULE": 403,
    "MODEL_NOT_ALLOWED": 403,
    "IDEMPOTENCY_MISMATCH": 422,
    "RATE_LIMITED": 429,
    "CONCURRENCY": 429,
    "BUDGET_EXCEEDED": 429,
    "ALL_UNAVAILABLE": 503,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_each_kind_has_its_status(name, status):
    assert ErrorKind[name].value.status == status


@pytest.mark.parametrize("kind", list(ErrorKind), ids=lambda kind: kind.name)
def test_type_and_status_agree(kind):
    row = kind.value
    assert 400 <= row.status < 600
    if row.status < 500:
        assert row.openai_type not in ("server_error", "upstream_error")
    else:
        assert row.openai_type in ("server_error", "upstream_error")


def test_no_two_kinds_are_one():
    """An Enum makes two members of equal rows one and the same."""
    assert len(ErrorKind) == len(ErrorKind.__members__)


def test_an_error_tells_its_row_unless_told_otherwise():
    error = GatewayError(ErrorKind.BAD_KEY, "No.")
    assert (error.status, error.openai_type, error.openai_code) == (
        401,
        "invalid_request_error",
        "invalid_api_key",
    )
    assert error.param is None
    assert error.retry_after_s is None
    assert str(error) == error.message == "No."


def test_an_upstreams_own_words_override_the_row():
    error = GatewayError(
        ErrorKind.UPSTREAM_ERROR,
        "Slow down.",
        status=429,
        error_type="rate_limit_error",
        code="rate_limit_exceeded",
        param="model",
        retry_after_s=1.5,
    )
    assert (error.status, error.openai_type, error.openai_code) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert (error.param, error.retry_after_s) == ("model", 1.5)
    assert error.kind is ErrorKind.UPSTREAM_ERROR


def test_an_error_carries_the_limit_that_was_met():
    met = LimitState("requests", 60, 0, 12.5)
    assert GatewayError(ErrorKind.RATE_LIMITED, "Wait.", limit=met).limit == met
    assert GatewayError(ErrorKind.BAD_REQUEST, "No.").limit is None
