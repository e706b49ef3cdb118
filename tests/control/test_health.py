"""Conditions are told as data and as sentences that need no manual."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.health import in_words, told_health
from omniroute.resilience import breaker, cooldown, quota
from omniroute.resilience.quota import Report

NOW = 1_790_000_000_000
HOUR = 3_600_000
POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
BREAKER = breaker.Policy(failures=2, window_ms=60_000, reset_ms=30_000)


def failed(times: int = 1, *, ago_ms: int = 0) -> bytes:
    stored = None
    for number in range(times):
        at_ms = NOW - ago_ms - (times - 1 - number) * HOUR
        stored = cooldown.after_failure(stored, at_ms, POLICY, reason="429 slow down")
    assert stored is not None
    return stored


def broken(times: int, *, ago_ms: int = 0) -> bytes:
    stored = None
    for _ in range(times):
        stored = breaker.on_failure(stored, NOW - ago_ms, BREAKER, reason="503")
    assert stored is not None
    return stored


def used(share: float, resets_ms: int | None = NOW + 2 * HOUR) -> bytes:
    report = Report("5h", share, resets_ms, NOW, "endpoint", limit=100.0, remaining=7.0)
    stored = quota.after_report(None, report)
    assert stored is not None
    return stored


@pytest.mark.parametrize(
    ("key", "stored", "part", "text"),
    [
        (
            "cooldown:acme/main",
            failed(),
            "cooldowns",
            "acme/main rests for another 60 s; it failed once since it last answered: "
            "429 slow down",
        ),
        (
            "cooldown:acme/main",
            failed(3, ago_ms=2 * HOUR),
            "cooldowns",
            "acme/main may be asked; it failed 3 times since it last answered: 429 slow down",
        ),
        (
            "lockout:acme/main big",
            failed(),
            "lockouts",
            "big at acme/main rests for another 60 s; it failed once since it last answered: "
            "429 slow down",
        ),
        (
            "target:acme big",
            failed(),
            "targets",
            "big at acme rests for another 60 s; it failed once since it last answered: "
            "429 slow down",
        ),
        (
            "breaker:acme",
            broken(2),
            "breakers",
            "acme fails and is not asked for another 30 s: 503",
        ),
        (
            "breaker:acme",
            broken(2, ago_ms=31_000),
            "breakers",
            "one request at a time tries whether acme works again: 503",
        ),
        ("breaker:acme", broken(1), "breakers", "acme failed once of late: 503"),
        (
            "quota:acme/main 5h",
            used(0.934),
            "quotas",
            "acme/main has used 93% of its quota 5h, which resets in 2 h",
        ),
        (
            "quota:acme/main 5h",
            used(1.0),
            "quotas",
            "acme/main has used up its quota 5h, which resets in 2 h",
        ),
        (
            "quota:acme/main credits",
            used(1.0, None),
            "quotas",
            "acme/main has used up its quota credits",
        ),
    ],
)
def test_each_state_has_its_sentence(key: str, stored: bytes, part: str, text: str) -> None:
    told = told_health({key: stored}, NOW)
    (entry,) = told.pop(part)
    assert entry["text"] == text
    assert not any(told.values())


def test_a_rest_tells_when_it_ends() -> None:
    told = told_health({"cooldown:acme/main": failed()}, NOW)
    assert told["cooldowns"][0] == {
        "subject": "acme/main",
        "detail": "",
        "state": "cooling",
        "until_ms": NOW + 60_000,
        "ends_in_s": 60.0,
        "failures": 1,
        "reason": "429 slow down",
        "text": told["cooldowns"][0]["text"],
    }
    over = told_health({"cooldown:acme/main": failed()}, NOW + HOUR)["cooldowns"][0]
    assert (over["until_ms"], over["ends_in_s"]) == (None, None)


def test_a_quota_tells_its_share_and_its_reset() -> None:
    (told,) = told_health({"quota:acme/main 5h": used(0.93)}, NOW)["quotas"]
    assert (told["subject"], told["detail"], told["used"]) == ("acme/main", "5h", 0.93)
    assert (told["resets_ms"], told["resets_in_s"]) == (NOW + 2 * HOUR, 7200.0)
    assert (told["limit"], told["remaining"], told["source"]) == (100.0, 7.0, "endpoint")


def test_the_document_is_json_and_in_order() -> None:
    table = {f"cooldown:acme/{name}": failed() for name in "cab"}
    told = json.loads(json.dumps(told_health({**table, "from-the-future:x": b"?"}, NOW)))
    assert [entry["subject"] for entry in told["cooldowns"]] == ["acme/a", "acme/b", "acme/c"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "2 h"),
        (7500, "2 h 5 min"),
        (172_800, "2 d"),
        (367_200, "4 d 6 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


@given(st.floats(0, 1e8))
def test_a_duration_always_has_a_number_and_a_unit(seconds: float) -> None:
    assert all(
        word.isdigit() or word in ("s", "min", "h", "d") for word in in_words(seconds).split()
    )
