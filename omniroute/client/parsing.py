"""The table of commands as options of the command line, and the options given as a request."""

import argparse
import getpass
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from omniroute.client.command import Argument, Command
from omniroute.client.commands import GROUPS, SINGLE
from omniroute.client.request import GatewayError, Request, path_of

_SPAN: Final = re.compile(r"(\d+)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

EXAMPLE: Final = "example: "

Parsers = Any  # argparse names the type privately


def add_commands(parsers: Parsers, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add every command to the parser of commands; `parents` hold the options that all have."""
    where = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    where.add_argument(
        "--url",
        metavar="URL",
        help="a gateway elsewhere, asked with the admin key in OMNIROUTE_ADMIN_KEY",
    )
    where.add_argument("--json", action="store_true", help="the answer as JSON, for scripts")
    shared = [*parents, where]
    for group in GROUPS:
        parser = parsers.add_parser(
            group.name,
            help=group.help,
            description=f"{_sentence(group.help)}. Asks the running gateway.",
        )
        members = parser.add_subparsers(
            dest="action", metavar="ACTION", title="actions", required=True
        )
        for command in group.commands:
            _add(members, command, shared)
    for command in SINGLE:
        _add(parsers, command, shared)


def _add(parsers: Parsers, command: Command, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = parsers.add_parser(
        command.name,
        help=command.help,
        description=f"{_sentence(command.help)}.",
        epilog=f"{EXAMPLE}{command.example}" if command.example else None,
        parents=parents,
        argument_default=argparse.SUPPRESS,
    )
    for argument in command.arguments:
        _add_argument(parser, argument)
    if command.takes_fields:
        parser.add_argument(
            "--set",
            action="append",
            metavar="FIELD=VALUE",
            help="a field of the body (docs/api.md lists them): JSON, else text; repeat it",
        )
        parser.add_argument(
            "--secret",
            action="append",
            metavar="FIELD",
            help="a field whose value is asked for, or read from the standard input",
        )
    if command.is_grave:
        parser.add_argument("--yes", action="store_true", help="do not ask whether it is meant")
    parser.set_defaults(asked=command)


def _add_argument(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if not argument.name.startswith("--"):
        parser.add_argument(name_of(argument), metavar=argument.name, help=argument.help)
        return
    how: dict[str, Any] = {"help": argument.help, "dest": name_of(argument)}
    if argument.kind in ("flag", "asked"):
        how["action"] = "store_true"
    elif argument.kind == "secret":
        how |= {"nargs": "?", "const": "", "metavar": "TEXT"}
    else:
        how["metavar"] = _METAVARS.get(argument.kind, argument.name[2:].upper())
    if argument.kind == "list":
        how["action"] = "append"
    if argument.is_needed:
        how["required"] = True
    parser.add_argument(argument.name, **how)


def name_of(argument: Argument) -> str:
    """Under which its value stands among the options: apart from all that have other names."""
    return f"{argument.into}.{argument.field}"


_METAVARS: Final = {"number": "N", "since": "SPAN", "in": "SPAN", "span": "SPAN", "usd": "USD"}


def request_of(command: Command, options: argparse.Namespace) -> Request:
    """What the options ask for. Raises GatewayError for a value that cannot be read."""
    given = vars(options)
    path: dict[str, str] = {}
    query: dict[str, Any] = {}
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    file: Path | None = None
    for argument in command.arguments:
        name = name_of(argument)
        if argument.kind == "secret" and not given.get(name):
            put(body, argument.field, read_secret(argument.field))
            continue
        if name not in given:
            continue
        asked = argument.kind == "asked"
        value = (
            read_secret(argument.name[2:])
            if asked
            else READ.get(argument.kind, _as_it_is)(given[name])
        )
        match argument.into:
            case "path":
                path[argument.field] = value
            case "query":
                query[argument.field] = value
            case "body":
                put(body, argument.field, value)
            case "header":
                headers[argument.field] = quote(value, safe="")
            case "file":
                file = Path(value)
                if not file.is_file():
                    raise GatewayError(f"{file} is not a file")
    for field, fixed in command.fixed:
        put(body, field, fixed)
    for setting in given.get("set") or ():
        field, _, text = setting.partition("=")
        put(body, field, _json_or_text(text))
    for field in given.get("secret") or ():
        put(body, field, read_secret(field))
    if file is not None:
        return Request(
            command.method,
            path_of(command.path, path),
            query,
            file,
            media_type="application/octet-stream",
            headers=headers,
        )
    takes_body = command.takes_fields or any(each.into == "body" for each in command.arguments)
    content = body if takes_body or body else None
    return Request(command.method, path_of(command.path, path), query, content)


def put(body: dict[str, Any], path: str, value: object) -> None:
    """Set `limits.rpm` in a body, making what is between."""
    *between, last = path.split(".")
    for name in between:
        body = body.setdefault(name, {})
        if not isinstance(body, dict):
            raise GatewayError(f"--set {path}: {name} is given as a value already")
    body[last] = value


def read_secret(name: str) -> str:
    """Typed unseen, or the first line of the standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ")
    return sys.stdin.readline().rstrip("\r\n")


def span_s(text: str) -> int:
    """`90d` in seconds. Raises GatewayError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise GatewayError(f"{text} is no span of time: 45s, 30m, 12h, 7d, 2w")
    return int(found[1]) * _SECONDS[found[2]]


def _as_it_is(value: Any) -> Any:
    return value


def _number(text: str) -> int:
    if not text.isdecimal():
        raise GatewayError(f"{text} is not a number")
    return int(text)


def _dollars(text: str) -> float:
    try:
        return float(text.removeprefix("$"))
    except ValueError as error:
        raise GatewayError(f"{text} is not an amount in USD") from error


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


READ: Final[dict[str, Callable[[Any], Any]]] = {
    "number": _number,
    "usd": _dollars,
    "flag": lambda _: "true",
    "span": span_s,
    "since": lambda text: int((time.time() - span_s(text)) * 1000),
    "in": lambda text: int((time.time() + span_s(text)) * 1000),
}
"""How the text of an option becomes a value, by the kind of the argument."""
