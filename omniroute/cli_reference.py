"""Write the reference page of the command line, from the parser itself.

`python -m omniroute.cli_reference > docs/reference/cli.md`; a test fails when the page in the tree
is not what this prints.
"""

import argparse
import sys
from collections.abc import Iterator

from omniroute.cli import build_parser
from omniroute.client.parsing import EXAMPLE

_INTRO = """\
# Command line

Made from `omniroute/cli.py` by `python -m omniroute.cli_reference`; do not edit.

Exit status: 0 done, 1 something is broken, 2 the configuration or the options are refused.

Commands that ask the running gateway (all but `serve`, `demo`, `check`, `doctor` and `rotate-key`)
reach it over the private socket in its data directory (where there can be none, as on Windows, on
the dashboard's port), with the admin token of that directory. All of them take `--config` and
`--data-dir`, `--json` for the answer as JSON, and `--url URL` for a gateway elsewhere, which is
asked with the admin key in the environment variable `OMNIROUTE_ADMIN_KEY`.
"""

# Told once above, not at every command that has them.
_SHARED = frozenset({"--config", "--data-dir", "--json", "--url"})


def render() -> str:
    """The page as Markdown, ending in a newline."""
    return "\n".join([_INTRO, *_sections("omniroute", build_parser())])


def _sections(title: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """The command's own section, then those of what stands below it."""
    yield _command(title, parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _sections(f"{title} {name}", below)


def _command(title: str, parser: argparse.ArgumentParser) -> str:
    lines = [f"## `{title}`", "", parser.description or "", ""]
    if parser.epilog and parser.epilog.startswith(EXAMPLE):
        lines += [f"    {parser.epilog.removeprefix(EXAMPLE)}", ""]
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            rows += [f"| `{choice.dest}` | {choice.help} |" for choice in action._choices_actions]
        elif _is_own(parser, action):
            rows.append(f"| `{_spelling(action)}` | {action.help or ''} |")
    if rows:
        lines += ["| option | meaning |", "|---|---|", *rows]
    return "\n".join(lines).rstrip() + "\n"


def _is_own(parser: argparse.ArgumentParser, action: argparse.Action) -> bool:
    if parser.get_default("asked") is None:
        return True
    return not isinstance(action, argparse._HelpAction) and not _SHARED.intersection(
        action.option_strings
    )


def _spelling(action: argparse.Action) -> str:
    metavar = str(action.metavar or "")
    if not action.option_strings:
        return f"[{metavar}]" if action.nargs == "?" else metavar
    names = ", ".join(action.option_strings)
    return f"{names} {metavar}" if metavar else names


if __name__ == "__main__":
    sys.stdout.write(render())
