"""Vendors' words about quotas, held against what their documentation and clients say."""

import json

import pytest

from omniroute.simulator.accounts import Quota, Standing
from omniroute.simulator.vendors import FORMAT_VENDORS, MOUNT_VENDORS, VENDORS

NOW_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z
IN_90_S = NOW_S + 90


def standing(used: int = 10, *, limit: int = 10, **quota) -> Standing:
    return Standing(Quota(limit=limit, **quota), used, IN_90_S, NOW_S)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", ["quota", "rate", "credits"])
def test_each_vendor_has_an_error_for_each_end(vendor, kind):
    told = VENDORS[vendor].told(standing(kind=kind))
    assert 400 <= told.status < 500
    assert json.loads(json.dumps(told.body))["error"]["message"]


def test_the_tables_name_only_vendors_that_there_are():
    assert set(MOUNT_VENDORS.values()) | set(FORMAT_VENDORS.values()) <= set(VENDORS)


@pytest.mark.parametrize(
    ("vendor", "kind", "status", "path", "value"),
    [
        ("anthropic", "quota", 429, ("error", "type"), "rate_limit_error"),
        ("anthropic", "credits", 400, ("error", "type"), "invalid_request_error"),
        ("openai", "quota", 429, ("error", "code"), "insufficient_quota"),
        ("openai", "rate", 429, ("error", "code"), "rate_limit_exceeded"),
        ("codex", "quota", 429, ("error", "type"), "usage_limit_reached"),
        ("google", "quota", 429, ("error", "status"), "RESOURCE_EXHAUSTED"),
        ("google", "credits", 403, ("error", "status"), "PERMISSION_DENIED"),
        ("zhipu", "quota", 429, ("error", "code"), "1308"),
        ("zhipu", "rate", 429, ("error", "code"), "1302"),
        ("zhipu", "credits", 429, ("error", "code"), "1113"),
        ("minimax", "quota", 429, ("error", "type"), "rate_limit_error"),
        ("openrouter", "credits", 402, ("error", "code"), 402),
        ("dashscope", "quota", 403, ("error", "code"), "AllocationQuota.FreeTierOnly"),
    ],
)
def test_errors_are_told_apart_as_the_vendor_does(vendor, kind, status, path, value):
    told = VENDORS[vendor].told(standing(kind=kind))
    found = told.body
    for step in path:
        found = found[step]
    assert (told.status, found) == (status, value)


def test_each_tells_the_reset_in_its_own_way():
    assert VENDORS["anthropic"].told(standing()).headers["retry-after"] == "90"
    codex = VENDORS["codex"].told(standing()).body["error"]
    assert (codex["resets_at"], codex["resets_in_seconds"]) == (round(IN_90_S), 90)
    details = VENDORS["google"].told(standing()).body["error"]["details"]
    assert details[-1]["retryDelay"] == "90s"
    assert (
        "try again in 1m30s"
        in VENDORS["openai"].told(standing(kind="rate")).body["error"]["message"]
    )
    # Local time of Beijing, eight hours ahead.
    assert (
        "reset at 2027-01-15 16:01:30" in VENDORS["zhipu"].told(standing()).body["error"]["message"]
    )
    week = VENDORS["zhipu"].told(standing(window="7d")).body["error"]
    assert week["code"] == "1310"
    assert "2027-01-15T08:01:30Z" in VENDORS["minimax"].told(standing()).body["error"]["message"]


def test_anthropic_tells_the_windows_of_a_subscription():
    headers = VENDORS["anthropic"].headers([standing(4), standing(95, limit=100, window="7d")])
    assert headers["anthropic-ratelimit-unified-5h-utilization"] == "0.4"
    assert headers["anthropic-ratelimit-unified-5h-status"] == "allowed"
    assert headers["anthropic-ratelimit-unified-5h-reset"] == str(round(IN_90_S))
    assert headers["anthropic-ratelimit-unified-7d-status"] == "allowed_warning"
    assert headers["anthropic-ratelimit-unified-representative-claim"] == "seven_day"
    assert headers["anthropic-ratelimit-unified-status"] == "allowed_warning"
    refused = VENDORS["anthropic"].told(standing()).headers
    assert refused["anthropic-ratelimit-unified-5h-status"] == "rejected"


def test_anthropic_tells_the_limits_of_a_key_in_rfc_3339():
    headers = VENDORS["anthropic"].headers([standing(4, window="minute")])
    assert headers == {
        "anthropic-ratelimit-requests-limit": "10",
        "anthropic-ratelimit-requests-remaining": "6",
        "anthropic-ratelimit-requests-reset": "2027-01-15T08:01:30Z",
    }


def test_codex_calls_the_shorter_window_primary():
    headers = VENDORS["codex"].headers([standing(5, window="7d"), standing(1)])
    assert headers["x-codex-primary-window-minutes"] == "300"
    assert headers["x-codex-primary-used-percent"] == "10"
    assert headers["x-codex-secondary-window-minutes"] == "10080"
    assert headers["x-codex-secondary-used-percent"] == "50"
    assert headers["x-codex-primary-reset-after-seconds"] == "90"


def test_openai_tells_requests_and_tokens_with_durations():
    quotas = [standing(1, window="minute"), standing(3, measure="tokens", window="minute")]
    headers = VENDORS["openai"].headers(quotas)
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert headers["x-ratelimit-remaining-tokens"] == "7"
    assert headers["x-ratelimit-reset-tokens"] == "1m30s"


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_quotas_nothing_is_told(vendor):
    assert VENDORS[vendor].headers([]) == {}


def test_long_waits_are_written_with_hours():
    late = Standing(Quota(limit=1, kind="rate"), 1, NOW_S + 7205, NOW_S)
    assert VENDORS["openai"].headers([late])["x-ratelimit-reset-requests"] == "2h0m5s"
