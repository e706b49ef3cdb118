"""The reference of settings in the tree is the one the schema makes, and misses none."""

from pathlib import Path

import msgspec

from omniroute.config import QuotaSettings
from omniroute.config.reference import render
from omniroute.config.schema import sections
from omniroute.config.sources import environment_names

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "config.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m omniroute.config.reference > docs/reference/config.md"
    )


def test_a_table_within_a_table_has_its_own_heading_and_is_linked() -> None:
    page = render()
    assert "| [a list of tables](#connectionsquotas) |" in page
    table = page.partition("### `connections.quotas`")[2].partition("\n## ")[0]
    for field in msgspec.structs.fields(QuotaSettings):
        assert f"| `{field.name}` |" in table


def test_a_default_is_shown_as_it_is_written() -> None:
    page = render()
    assert '| `measure` | one of "requests", "tokens", "usd" | `"requests"` |' in page
    assert "| `quotas` | [a list of tables](#connectionsquotas) |  |" in page


def test_every_setting_and_variable_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for section in sections():
        head = f"## `[[{section.name}]]`" if section.repeated else f"## `[{section.name}]`"
        assert head in page
        table = page.partition(head)[2].partition("\n## ")[0]
        for field in msgspec.structs.fields(section.struct):
            assert f"| `{field.name}` |" in table
            if not section.repeated:
                for name in environment_names(section.name, field.name):
                    assert f"`{name}`" in table
