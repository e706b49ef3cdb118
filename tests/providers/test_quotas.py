"""Quotas in the headers of answers, as vendors write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.providers.quotas import (
    MARKERS,
    has_reports,
    is_urgent,
    reports_of_headers,
    window_name,
)
from omniroute.resilience.quota import Report
from omniroute.simulator.accounts import Quota, Standing
from omniroute.simulator.vendors import VENDORS

NOW_S = 1_790_000_000
NOW = NOW_S * 1000


def read(text: str) -> dict[str, Report]:
    """Reports by window, of headers one a line."""
    lines = [line.strip().partition(": ") for line in text.strip().splitlines()]
    headers = {name.lower().encode(): value.encode() for name, _, value in lines}
    assert has_reports(headers)
    found = reports_of_headers(headers, NOW)
    assert all(report.reported_ms == NOW and report.source == "header" for report in found)
    assert len({report.window for report in found}) == len(found)
    return {report.window: report for report in found}


def test_a_claude_subscription() -> None:
    found = read(
        f"""
        anthropic-ratelimit-unified-status: allowed
        anthropic-ratelimit-unified-reset: {NOW_S + 9000}
        anthropic-ratelimit-unified-representative-claim: five_hour
        anthropic-ratelimit-unified-5h-status: allowed_warning
        anthropic-ratelimit-unified-5h-reset: {NOW_S + 9000}
        anthropic-ratelimit-unified-5h-utilization: 0.91
        anthropic-ratelimit-unified-7d-status: rejected
        anthropic-ratelimit-unified-7d-reset: {NOW_S + 90_000}
        anthropic-ratelimit-unified-7d-utilization: 0.997
        anthropic-ratelimit-unified-7d_sonnet-utilization: 0.02
        anthropic-ratelimit-unified-overage-status: rejected
        anthropic-ratelimit-unified-overage-utilization: 0.3
        """
    )
    assert set(found) == {"5h", "7d", "7d-sonnet"}
    assert (found["5h"].used, found["5h"].resets_ms) == (0.91, NOW + 9_000_000)
    assert found["7d"].used == 1.0, "rejected is used up, whatever the share"
    assert (found["7d-sonnet"].model, found["7d-sonnet"].resets_ms) == ("sonnet", None)


def test_a_claude_key() -> None:
    reset = datetime.fromtimestamp(NOW_S + 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = read(
        f"""
        anthropic-ratelimit-requests-limit: 50
        anthropic-ratelimit-requests-remaining: 49
        anthropic-ratelimit-requests-reset: {reset}
        anthropic-ratelimit-input-tokens-limit: 40000
        anthropic-ratelimit-input-tokens-remaining: 0
        anthropic-ratelimit-input-tokens-reset: {reset}
        """
    )
    assert found["requests"].used == pytest.approx(0.02)
    assert (found["input-tokens"].used, found["input-tokens"].remaining) == (1.0, 0)
    assert found["input-tokens"].resets_ms == NOW + 30_000


def test_codex() -> None:
    found = read(
        f"""
        x-codex-active-limit: codex
        x-codex-plan-type: plus
        x-codex-primary-used-percent: 42.5
        x-codex-primary-window-minutes: 300
        x-codex-primary-reset-at: {NOW_S + 5000}
        x-codex-primary-reset-after-seconds: 5001
        x-codex-secondary-used-percent: 13
        x-codex-secondary-window-minutes: 10080
        x-codex-secondary-reset-after-seconds: 86400
        """
    )
    assert set(found) == {"5h", "7d"}
    assert (found["5h"].used, found["5h"].resets_ms) == (0.425, NOW + 5_000_000)
    assert (found["7d"].used, found["7d"].resets_ms) == (0.13, NOW + 86_400_000)


def test_a_window_of_zeros_is_one_that_the_plan_has_not() -> None:
    found = read("x-codex-primary-used-percent: 0\nx-codex-primary-window-minutes: 0")
    assert found == {}


def test_openai_and_those_who_follow_it() -> None:
    found = read(
        """
        x-ratelimit-limit-requests: 10000
        x-ratelimit-remaining-requests: 9999
        x-ratelimit-reset-requests: 8.64s
        x-ratelimit-limit-tokens: 30000
        x-ratelimit-remaining-tokens: 7500
        x-ratelimit-reset-tokens: 1m30s
        """
    )
    assert found["tokens"] == Report(
        "tokens", 0.75, NOW + 90_000, NOW, "header", limit=30000.0, remaining=7500.0
    )
    assert found["requests"].resets_ms == NOW + 8640


def test_openrouter() -> None:
    found = read(
        f"X-RateLimit-Limit: 50\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: {NOW + 3_600_000}"
    )
    assert (found["requests"].used, found["requests"].resets_ms) == (1.0, NOW + 3_600_000)


@pytest.mark.parametrize(
    "text",
    [
        "ratelimit-limit: 100\nratelimit-remaining: 25\nratelimit-reset: 50",
        "ratelimit: limit=100, remaining=25, reset=50",
        'ratelimit-policy: "default";q=100;w=60\nratelimit: "default";r=25;t=50',
    ],
)
def test_the_drafts_of_the_ietf(text: str) -> None:
    assert read(text)["requests"] == Report(
        "requests", 0.75, NOW + 50_000, NOW, "header", limit=100.0, remaining=25.0
    )


def test_what_cannot_be_read_is_passed_over_each_for_itself() -> None:
    found = read(
        """
        anthropic-ratelimit-unified-5h-utilization: much
        anthropic-ratelimit-unified-7d-utilization: 0.5
        anthropic-ratelimit-unified-7d-reset: later
        x-ratelimit-remaining-requests: -1
        ratelimit: none
        """
    )
    assert [(report.window, report.resets_ms) for report in found.values()] == [("7d", None)]


def test_without_a_limit_only_nothing_left_is_used_up() -> None:
    assert read("x-ratelimit-remaining: 3")["requests"].used == 0.0
    assert read("x-ratelimit-remaining: 0")["requests"].used == 1.0


@pytest.mark.parametrize(
    ("headers", "urgent"),
    [
        ({b"x-ratelimit-remaining-tokens": b"0"}, True),
        ({b"x-ratelimit-remaining": b"0"}, True),
        ({b"anthropic-ratelimit-unified-status": b"rejected"}, True),
        ({b"anthropic-ratelimit-unified-status": b"allowed"}, False),
        ({b"x-ratelimit-remaining": b"10"}, False),
        ({b"x-ratelimit-limit": b"0"}, False),
        ({}, False),
    ],
)
def test_what_is_used_up_is_urgent(headers: dict[bytes, bytes], urgent: bool) -> None:
    assert is_urgent(headers) is urgent


def test_an_answer_without_any_is_passed_over() -> None:
    assert not has_reports({b"content-type": b"x", b"x-ratelimit-reset": b"1"})


@given(
    st.dictionaries(
        st.sampled_from(sorted(MARKERS)) | st.sampled_from([b"ratelimit-policy"]),
        st.binary(max_size=30) | st.sampled_from([b"0", b"1", b"99"]),
    )
)
def test_whatever_comes_a_report_is_sane(headers: dict[bytes, bytes]) -> None:
    for report in reports_of_headers(headers, NOW):
        assert report.used >= 0
        assert report.resets_ms is None or report.resets_ms >= NOW


def test_windows_are_called_by_their_length() -> None:
    names = [window_name(seconds) for seconds in (900, 18_000, 86_400, 604_800, 5400)]
    assert names == ["15m", "5h", "1d", "7d", "90m"]


@pytest.mark.parametrize("vendor", ["anthropic", "codex", "openai", "openrouter"])
def test_the_simulators_vendors_are_understood(vendor: str) -> None:
    quota = Quota(limit=100, window="5h")
    standing = Standing(quota, 40, NOW_S + 1800.0, float(NOW_S))
    told = VENDORS[vendor].headers([standing])
    headers = {name.lower().encode(): value.encode() for name, value in told.items()}
    assert has_reports(headers)
    (report,) = reports_of_headers(headers, NOW)
    assert report.used == pytest.approx(0.4)
    assert report.resets_ms == NOW + 1_800_000
