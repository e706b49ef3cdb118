"""Write the reference page of the command line, from the parser itself.

`python -m omniroute.cli_reference > docs/reference/cli.md`; a test fails when the page in the tree
is not what this prints.
"""

import argparse
import sys

from omniroute.cli import build_parser

_INTRO = """\
# Command line

Made from `omniroute/cli.py` by `python -m omniroute.cli_reference`; do not edit.

Exit status: 0 done, 1 something is broken, 2 the configuration or the options are refused.
"""


def render() -> str:
    """The page as Markdown, ending in a newline."""
    parser = build_parser()
    parts = [_INTRO, _command("omniroute", parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parts += [_command(f"omniroute {name}", sub) for name, sub in action.choices.items()]
    return "\n".join(parts)


def _command(title: str, parser: argparse.ArgumentParser) -> str:
    lines = [f"## `{title}`", "", parser.description or "", ""]
    lines += ["| option | meaning |", "|---|---|"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines += [f"| `{choice.dest}` | {choice.help} |" for choice in action._choices_actions]
        else:
            lines.append(f"| `{_spelling(action)}` | {action.help or ''} |")
    return "\n".join(lines) + "\n"


def _spelling(action: argparse.Action) -> str:
    metavar = str(action.metavar or "")
    if not action.option_strings:
        return f"[{metavar}]"
    names = ", ".join(action.option_strings)
    return f"{names} {metavar}" if metavar else names


if __name__ == "__main__":
    sys.stdout.write(render())
