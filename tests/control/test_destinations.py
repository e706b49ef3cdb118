"""A secret that goes where it did not go before is found, whatever setting sends it there."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from omniroute.config.schema import Settings
from omniroute.control.destinations import destinations, moved
from omniroute.providers.registry import load_registry

KEY = "sk-known-to-the-owner"
HEADER = "header-known-to-the-owner"
ELSEWHERE = "https://elsewhere.example/v1"
FORWARD = "elsewhere"
PROXY = "http://elsewhere.example:8080"

Document = dict[str, Any]


def document() -> Document:
    """A provider of one's own and a built-in one, each with an account; a combo of both."""
    return {
        "providers": [
            {
                "id": "acme",
                "format": "openai",
                "base_url": "https://acme.example/v1",
                "headers": {"x-gate": HEADER},
            },
        ],
        "connections": [
            {"provider": "acme", "name": "a", "api_key": KEY},
            {"provider": "cc", "name": "b", "api_key": f"{KEY}-b"},
        ],
        "combos": [{"name": "fast", "models": ["acme/one"]}],
    }


def settings_of(made: Document) -> Settings:
    return msgspec.convert(made, Settings)


def moved_by(change: Callable[[Document], object], given: Sequence[str] = ()) -> str:
    changed = document()
    change(changed)
    registry = load_registry()
    before, after = (destinations(settings_of(each), registry) for each in (document(), changed))
    return moved(before, after, given)


def added(section: str, thing: Document) -> Callable[[Document], object]:
    return lambda made: made.setdefault(section, []).append(thing)


def changed(section: str, place: int, **values: Any) -> Callable[[Document], object]:
    return lambda made: made[section][place].update(values)


@pytest.mark.parametrize(
    "change",
    [
        changed("connections", 0, base_url=ELSEWHERE),
        changed("connections", 0, proxy=PROXY),
        changed("connections", 0, base_url=ELSEWHERE, enabled=False),
        changed("connections", 1, provider="acme"),
        changed("providers", 0, base_url=ELSEWHERE),
        changed("providers", 0, base_url=ELSEWHERE, enabled=False),
        changed("providers", 0, proxy=PROXY),
        changed("providers", 0, ca_file="/tmp/authority.pem"),
        changed("providers", 0, auth_header="x-other"),
        changed("providers", 0, auth_value="for somebody else: {credential}"),
        changed("providers", 0, headers={"x-gate": HEADER, "x-forward-to": FORWARD}),
        changed("combos", 0, proxy=PROXY),
        added("providers", {"id": "claude", "base_url": ELSEWHERE}),
        added("providers", {"id": "cc", "base_url": ELSEWHERE}),
        added("providers", {"id": "cc", "base_url": ELSEWHERE, "format": "claude"}),
        added("connections", {"provider": "acme", "name": "c", "base_url": ELSEWHERE}),
        added("combos", {"name": "slow", "models": ["acme/one"], "proxy": PROXY}),
        lambda made: made.update(server={"proxy": PROXY}),
        lambda made: made.update(upstream={"ca_file": "/tmp/authority.pem"}),
    ],
)
def test_what_sends_a_secret_elsewhere_is_found_unless_all_of_them_are_given(
    change: Callable[[Document], object],
) -> None:
    assert moved_by(change)
    assert not moved_by(change, given=[KEY, f"{KEY}-b", HEADER, FORWARD])


@pytest.mark.parametrize(
    "change",
    [
        lambda made: None,
        changed("connections", 0, name="renamed", priority=7, enabled=False),
        changed("connections", 0, api_key=""),
        changed("connections", 1, provider="claude"),  # the same by its other name
        changed("providers", 0, enabled=False, models=["one"], restrict=True),
        added("providers", {"id": "claude", "enabled": False}),
        added("connections", {"provider": "acme", "name": "c"}),
        added("combos", {"name": "slow", "models": ["acme/one"]}),
        lambda made: made["connections"].pop(),
    ],
)
def test_what_sends_nothing_elsewhere_needs_no_secret(change: Callable[[Document], object]) -> None:
    assert moved_by(change) == ""


def test_it_is_told_whose_secret_it_is() -> None:
    assert moved_by(changed("connections", 0, base_url=ELSEWHERE)) == "connection acme/a"
    assert moved_by(changed("connections", 0, base_url=ELSEWHERE), [HEADER]) == "connection acme/a"
    assert moved_by(changed("providers", 0, proxy=PROXY)) == "provider acme"


def test_each_secret_counts_for_itself() -> None:
    change = changed("providers", 0, base_url=ELSEWHERE)
    assert moved_by(change, given=[HEADER]) == "connection acme/a"
    assert moved_by(change, given=[KEY]) == "provider acme"
