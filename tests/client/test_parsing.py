"""Options become requests: by their kinds, in their places; what is wrong is said."""

import io
import time
from typing import Any

import pytest

from omniroute.cli import build_parser
from omniroute.client.parsing import put, request_of, span_s
from omniroute.client.request import GatewayError, Request


def asked(*arguments: str) -> Request:
    options = build_parser().parse_args(arguments)
    return request_of(options.asked, options)


def test_a_list_is_a_bare_get() -> None:
    assert asked("combos", "list") == Request("GET", "/api/combos", {})


def test_ids_are_one_segment_of_the_path() -> None:
    assert asked("combos", "show", "a/b c").path == "/api/combos/a%2Fb%20c"


def test_fields_are_json_or_text_at_any_depth() -> None:
    request = asked(
        *("combos", "change", "fast"),
        *("--set", "strategy=round_robin", "--set", "limits.rpm=60", "--set", 'models=["a"]'),
    )
    assert request.method == "PATCH"
    assert request.body == {
        "strategy": "round_robin",
        "limits": {"rpm": 60},
        "models": ["a"],
    }


def test_a_value_may_hold_the_sign() -> None:
    assert asked("combos", "change", "fast", "--set", "a=b=c").body == {"a": "b=c"}


def test_switching_sends_only_the_switch() -> None:
    assert asked("combos", "disable", "fast").body == {"isActive": False}


def test_spans_of_time_become_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert asked("logs", "audit", "--since", "1h").query == {"since_ms": 996_400_000}
    made = asked("admin-keys", "create", "a", "--scope", "read", "--expires-in", "1d")
    assert made.body == {"name": "a", "scopes": ["read"], "expires_ms": 1_086_400_000}


@pytest.mark.parametrize("text", ["", "5", "h", "1.5h", "1y", "-1h"])
def test_what_is_no_span_is_said(text: str) -> None:
    with pytest.raises(GatewayError, match="span"):
        span_s(text)


def test_numbers_are_checked_before_anything_is_sent() -> None:
    with pytest.raises(GatewayError, match="not a number"):
        asked("logs", "audit", "--limit", "many")


def test_a_secret_is_read_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a new password\nmore\n"))
    assert asked("password").body == {"new": "a new password"}
    monkeypatch.setattr("sys.stdin", io.StringIO("hidden\n"))
    assert asked("combos", "change", "a", "--secret", "proxy.password").body == {
        "proxy": {"password": "hidden"}
    }


def test_a_field_is_not_put_into_a_value() -> None:
    body: dict[str, Any] = {"a": 1}
    with pytest.raises(GatewayError):
        put(body, "a.b", 2)


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        asked("combos")
    assert ended.value.code == 2
    assert "ACTION" in capsys.readouterr().err
