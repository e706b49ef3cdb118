"""The reference of the command line in the tree is the one the parser makes, and misses none."""

from pathlib import Path

from omniroute.cli_reference import render
from omniroute.client.commands import GROUPS, SINGLE

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m omniroute.cli_reference > docs/reference/cli.md"
    )


def test_every_command_and_option_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for command in ("", " serve", " demo", " check", " doctor", " rotate-key"):
        assert f"## `omniroute{command}`" in page
    for option in ("--host", "--port", "--workers", "--drain-timeout", "--no-open"):
        assert page.count(f"| `{option}") == 3, option  # without a command, serve, demo
    for option in ("--config", "--data-dir"):
        # without a command, serve, check, doctor, rotate-key
        assert page.count(f"| `{option}") == 5, option
    assert "`--version`" in page


def test_every_command_that_asks_the_gateway_is_on_the_page_with_its_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    commands = {f"{group.name} {each.name}": each for group in GROUPS for each in group.commands}
    for name, command in {**commands, **{each.name: each for each in SINGLE}}.items():
        section = page.partition(f"## `omniroute {name}`\n")[2].partition("\n## ")[0]
        assert command.help[1:] in section, name
        assert command.example in section, name
