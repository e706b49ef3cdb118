"""The documents hold together: links lead somewhere, commands exist, CI runs the README's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMANDS = re.compile(r"`make ([a-z][a-z-]*)`")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_files(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    dead = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    assert set(COMMANDS.findall(page.read_text(encoding="utf-8"))) <= targets


def test_ci_ends_with_the_command_that_the_readme_gives() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    last = [line.strip() for line in script.splitlines() if line.strip()][-1]
    assert last == "make test"
    assert last in (ROOT / "README.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_without_gaps_and_state_context_decision_consequences() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], page.name
        assert text.startswith(f"# {int(page.name[:4])}. ")
