"""What a command is: one route of the management API, with what it is given and how it is shown."""

from typing import Final, NamedTuple

from omniroute.client.tables import Column


class Argument(NamedTuple):
    """One thing that a command is given, and where in the request it goes."""

    name: str  # `ID` stands by its place, `--name` by its name
    into: str  # path | query | body | header | file | save
    field: str  # there; dots for nested fields of a body
    help: str
    kind: str = "text"  # text | number | flag | list | usd | since | in | span
    # … | secret (always asked for, unless given) | asked (for, where its option stands)
    is_needed: bool = False  # of one that stands by its name


class Command(NamedTuple):
    """One command. Without columns the answer is shown field by field."""

    name: str
    help: str
    method: str
    path: str
    arguments: tuple[Argument, ...] = ()
    columns: tuple[Column, ...] = ()
    fixed: tuple[tuple[str, object], ...] = ()  # fields of the body that are always sent
    does: str = "ask"  # ask | download | follow
    takes_fields: bool = False  # any field of the body by --set and --secret
    is_grave: bool = False  # asks before it does it
    once: str = ""  # field of the answer that is never shown again
    done: str = ""  # what is told in the place of the answer
    example: str = ""


class Group(NamedTuple):
    """Commands about one kind of thing: `omniroute keys …`."""

    name: str
    help: str
    commands: tuple[Command, ...]


ID: Final = Argument("ID", "path", "id", "which one: its id, as the list shows it")
LIMIT: Final = Argument("--limit", "query", "limit", "how many at most", "number")
SINCE: Final = Argument("--since", "query", "since_ms", "from when on: 30m, 24h, 7d", "since")


def switches(path: str, what: str) -> tuple[Command, ...]:
    """Using a thing or not, without losing it."""
    return tuple(
        Command(name, f"{does} {what}", "PATCH", path, (ID,), fixed=(("isActive", is_active),))
        for name, does, is_active in (("enable", "use", True), ("disable", "keep, unused,", False))
    )
