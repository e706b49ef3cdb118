"""The reference page in the tree is the one its table makes."""

from pathlib import Path

from omniroute.providers.reference import render
from omniroute.providers.registry import load_registry

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"


def test_the_page_in_the_tree_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == render(load_registry()), (
        "run: python -m omniroute.providers.reference > docs/reference/providers.md"
    )


def test_every_provider_stands_in_the_page_once() -> None:
    rows = load_registry()
    lines = [line for line in render(rows).splitlines() if line.startswith("| ")]
    for row in rows:
        assert sum(f"| `{row.id}/`" in line for line in lines) == 1
