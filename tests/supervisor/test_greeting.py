"""What is printed: what a person needs, once, and one line for scripts at the end."""

import pytest

from omniroute.supervisor import Ready
from omniroute.supervisor.greeting import banner, has_display

URLS = ("http://127.0.0.1:1", "http://127.0.0.1:2")


def test_the_last_line_is_for_scripts() -> None:
    text = banner(Ready(*URLS, {}))
    assert text.splitlines()[-1] == "READY http://127.0.0.1:1 http://127.0.0.1:2"
    assert "http://127.0.0.1:1/v1" in text
    assert "http://127.0.0.1:2/dashboard/" in text
    assert "First start" not in text


def test_the_first_start_tells_everything_once() -> None:
    text = banner(Ready(*URLS, {"password": "PW", "link": "http://l", "api_key": "sk"}))
    assert [text.count(secret) for secret in ("PW", "http://l", "sk")] == [1, 1, 1]


def test_what_configuration_gave_is_not_repeated() -> None:
    text = banner(Ready(*URLS, {"password": "", "link": "http://l", "api_key": ""}))
    assert "INITIAL_PASSWORD" in text
    assert "API key" not in text


@pytest.mark.parametrize(
    ("platform", "variables", "has"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "w"}, True),
        ("darwin", {}, True),
    ],
)
def test_a_browser_needs_a_display(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], has: bool
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_display() is has
