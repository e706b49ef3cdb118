"""The page of the management API in the tree is the one that the declarations make."""

from pathlib import Path

from omniroute.control.api.reference import render
from omniroute.control.app import API

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m omniroute.control.api.reference > docs/api.md"
    )


def test_every_route_is_on_the_page_with_its_scope() -> None:
    page = render()
    for route in API:
        section = page.partition(f"### `{route.method} {route.path}`")[2].partition("\n### ")[0]
        assert route.summary in section
        assert "*open*" in section or f"`{route.policy.value}`" in section
