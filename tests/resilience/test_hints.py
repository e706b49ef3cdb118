"""When a provider says that it may be asked again."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience.hints import (
    LONGEST_S,
    duration_s,
    in_words_s,
    number,
    retry_hint_s,
    time_ms,
    until_s,
)

NOW_S = 1_790_000_000
NOW_MS = NOW_S * 1000


def hint(body: Any = b"", /, **headers: str) -> float | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return retry_hint_s(fields, raw, NOW_MS)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(NOW_S + seconds, UTC).isoformat().replace("+00:00", "Z")


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW_S + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "17"}, 17),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": http_date(90)}, 90),
        ({"retry_after": http_date(-90)}, 0),
        ({"retry_after_ms": "250"}, 0.25),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "1"}, 1),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "99999999999"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert hint(**headers) == seconds


GOOGLE = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.\nPlease retry in 34.074824224s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
        ],
    }
}
CODEX = {
    "error": {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": NOW_S + 7200,
        "resets_in_seconds": 7200,
    }
}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GOOGLE, 34),
        ([GOOGLE], 34),
        ({"error": GOOGLE["error"] | {"details": None}}, 34.074824224),
        (CODEX, 7200),
        ({"error": {"resets_at": NOW_S + 60}}, 60),
        ({"type": "response.failed", "response": CODEX}, 7200),
        ({"detail": "x", "resets_in_seconds": "90"}, 90),
        ({"error": {"retry_after": 3}}, 3),
        ({"error": "Too many requests, try again in 20s"}, 20),
        (b"Please try again in 1h2m3s.", 3723),
        ({"error": {"message": "no idea"}}, None),
        ([], None),
        (b"\xff{", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_the_body_says(body: Any, seconds: float | None) -> None:
    assert hint(body) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (
            {
                "x_ratelimit_remaining_requests": "0",
                "x_ratelimit_reset_requests": "1m30s",
                "x_ratelimit_remaining_tokens": "100",
                "x_ratelimit_reset_tokens": "6m0s",
            },
            90,
        ),
        (
            {
                "x_ratelimit_remaining_requests": "0",
                "x_ratelimit_reset_requests": "20ms",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_tokens": "1.5s",
            },
            1.5,
        ),
        ({"x_ratelimit_remaining_requests": "5", "x_ratelimit_reset_requests": "9s"}, None),
        (
            {
                "anthropic_ratelimit_tokens_remaining": "0",
                "anthropic_ratelimit_tokens_reset": iso(45),
            },
            45,
        ),
        (
            {
                "anthropic_ratelimit_unified_status": "rejected",
                "anthropic_ratelimit_unified_reset": str(NOW_S + 9000),
            },
            9000,
        ),
        (
            {
                "anthropic_ratelimit_unified_status": "allowed",
                "anthropic_ratelimit_unified_reset": str(NOW_S + 9000),
            },
            None,
        ),
        ({"x_ratelimit_reset": str(NOW_MS + 60_000)}, 60),
        ({"x_ratelimit_reset": str(NOW_S + 60)}, 60),
        ({"x_ratelimit_reset": "60"}, 60),
        ({"x_ratelimit_remaining": "3", "x_ratelimit_reset": "60"}, None),
        ({"ratelimit_remaining": "0", "ratelimit_reset": "50"}, 50),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "whenever"}, None),
    ],
)
def test_only_the_reset_of_a_limit_that_has_nothing_left_counts(headers, seconds) -> None:
    assert hint(**headers) == seconds


def test_the_plainest_word_comes_first() -> None:
    assert hint(CODEX, retry_after="5", x_ratelimit_reset="60") == 5
    assert hint(CODEX, x_ratelimit_reset="60") == 7200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1.898s. Visit", 1.898),
        ("Please try again in 250ms", 0.25),
        ("retry after 20 seconds", 20),
        ("Rate limited, retry in 2 minutes and 5 seconds", 125),
        ("Your quota will reset after 1h2m3s", 3723),
        ("quota resets in 3 days", 259_200),
        ("TRY AGAIN IN 1 HOUR", 3600),
        ("Your limit will reset at " + iso(600), 600),
        ("limit reached, resets at " + iso(-600), 0),
        ("try again later", None),
        ("5 seconds", None),
        ("", None),
    ],
)
def test_words(text: str, seconds: float | None) -> None:
    assert in_words_s(text, NOW_MS) == (None if seconds is None else pytest.approx(seconds))


def test_a_local_time_without_a_zone_is_beijings() -> None:
    local = datetime.fromtimestamp(NOW_S + 600 + 8 * 3600, UTC).strftime("%Y-%m-%d %H:%M:%S")
    assert in_words_s(f"Your limit will reset at {local}", NOW_MS) == 600


def test_durations_times_and_numbers_are_read_whole_or_not_at_all() -> None:
    assert duration_s("1h30m") == 5400
    assert duration_s("0.5s") == 0.5
    assert duration_s("5") is None
    assert duration_s("5s later") is None
    assert number(b"12.5") == 12.5
    assert number(b"1e9") is None
    assert number(b"\xb2") is None
    assert number(b"") is None
    assert number(None) is None
    assert time_ms("2026-09-21T14:13:20Z") == time_ms("2026-09-21T14:13:20")
    assert time_ms("tomorrow") is None
    assert until_s(None, NOW_MS) is None


@given(
    st.dictionaries(
        st.sampled_from(
            [
                b"retry-after",
                b"retry-after-ms",
                b"x-ratelimit-reset",
                b"x-ratelimit-remaining",
                b"anthropic-ratelimit-unified-status",
                b"anthropic-ratelimit-unified-reset",
            ]
        ),
        st.binary(max_size=40) | st.sampled_from([b"0", b"rejected", b"1m", b"-1"]),
    ),
    st.binary(max_size=200),
)
def test_whatever_comes_the_hint_is_sane(headers: dict[bytes, bytes], body: bytes) -> None:
    found = retry_hint_s(headers, body, NOW_MS)
    assert found is None or 0 <= found <= LONGEST_S
