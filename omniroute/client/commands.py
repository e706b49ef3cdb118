"""What can be asked of a running gateway: one line of data per command.

Each command is one route of the management API; a test holds paths and fields against the
declarations. `parsing` makes options of the arguments, `asking` does the rest.
"""

from typing import Final, NamedTuple

from omniroute.client.tables import Column


class Argument(NamedTuple):
    """One thing that a command is given, and where in the request it goes."""

    name: str  # `ID` stands by its place, `--name` by its name
    into: str  # path | query | body | file | save
    field: str  # there; dots for nested fields of a body
    help: str
    kind: str = "text"  # text | number | flag | list | since | usd | in
    is_needed: bool = False


class Command(NamedTuple):
    """One command. Without columns the answer is shown field by field."""

    name: str
    help: str
    method: str
    path: str
    arguments: tuple[Argument, ...] = ()
    columns: tuple[Column, ...] = ()
    fixed: tuple[tuple[str, object], ...] = ()  # fields of the body that are always sent
    does: str = "ask"  # ask | download | upload | follow
    takes_fields: bool = False  # any field of the body by --set and --secret
    is_grave: bool = False  # asks before it does it
    example: str = ""


class Group(NamedTuple):
    """Commands about one kind of thing: `omniroute keys …`."""

    name: str
    help: str
    commands: tuple[Command, ...]


_ID: Final = Argument("ID", "path", "id", "which one: its id, as the list shows it")
_LIMIT: Final = Argument("--limit", "query", "limit", "how many at most", "number")

_ADMIN_KEYS: Final = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("SCOPES", "scopes"),
    Column("CREATED", "created_ms", "time"),
    Column("EXPIRES", "expires_ms", "time"),
    Column("LAST USED", "last_used_ms", "time"),
    Column("IN FORCE", "in_force"),
)
_COMBOS: Final = (
    Column("ID", "id"),
    Column("STRATEGY", "strategy"),
    Column("MEMBERS", "models"),
    Column("ACTIVE", "isActive"),
    Column("SOURCE", "source"),
    Column("PROBLEM", "problem"),
)
_AUDIT: Final = (
    Column("TIME", "at_ms", "time"),
    Column("WHO", "actor"),
    Column("FROM", "address"),
    Column("WHAT", "action"),
    Column("THING", "entity"),
)

GROUPS: Final = (
    Group(
        "combos",
        "named lists of models with a strategy",
        (
            Command("list", "all combos, in order", "GET", "/api/combos", columns=_COMBOS),
            Command("show", "one combo", "GET", "/api/combos/{id}", (_ID,)),
            Command(
                "create",
                "make a combo",
                "POST",
                "/api/combos",
                (
                    Argument("NAME", "body", "name", "what clients call it"),
                    Argument("--model", "body", "models", "a member; repeat it", "list"),
                    Argument("--strategy", "body", "strategy", "how members are chosen"),
                ),
                takes_fields=True,
                example="omniroute combos create fast --model openai/gpt-5-mini --model demo/fast",
            ),
            Command(
                "change",
                "change fields of a combo",
                "PATCH",
                "/api/combos/{id}",
                (_ID,),
                takes_fields=True,
                example="omniroute combos change fast --set strategy=round_robin",
            ),
            Command(
                "enable",
                "let it be used",
                "PATCH",
                "/api/combos/{id}",
                (_ID,),
                fixed=(("isActive", True),),
            ),
            Command(
                "disable",
                "keep it, unused",
                "PATCH",
                "/api/combos/{id}",
                (_ID,),
                fixed=(("isActive", False),),
            ),
            Command(
                "delete", "delete a combo", "DELETE", "/api/combos/{id}", (_ID,), is_grave=True
            ),
        ),
    ),
    Group(
        "logs",
        "requests, log lines, and who changed what",
        (
            Command(
                "audit",
                "every change: who, what, from where",
                "GET",
                "/api/compliance/audit-log",
                (
                    Argument("--actor", "query", "actor", "who made it"),
                    Argument("--action", "query", "action", "what was done: `combos.` or more"),
                    Argument("--entity", "query", "entity", "what it was done to: `combo/fast`"),
                    Argument("--since", "query", "since_ms", "from when on: 30m, 24h, 7d", "since"),
                    _LIMIT,
                ),
                _AUDIT,
                example="omniroute logs audit --since 24h --action keys.",
            ),
        ),
    ),
    Group(
        "admin-keys",
        "keys for scripts that use the management API",
        (
            Command("list", "all admin keys", "GET", "/api/auth/keys", columns=_ADMIN_KEYS),
            Command(
                "create",
                "make one; it is shown once",
                "POST",
                "/api/auth/keys",
                (
                    Argument("NAME", "body", "name", "what it is for"),
                    Argument(
                        "--scope",
                        "body",
                        "scopes",
                        "read, write, keys, backup or admin; repeat it",
                        "list",
                        is_needed=True,
                    ),
                    Argument("--expires-in", "body", "expires_ms", "until when: 12h, 90d", "in"),
                ),
                example="omniroute admin-keys create graphs --scope read --expires-in 90d",
            ),
            Command("revoke", "end one", "DELETE", "/api/auth/keys/{id}", (_ID,), is_grave=True),
        ),
    ),
    Group(
        "sessions",
        "the browsers that are signed in",
        (
            Command(
                "list",
                "who is signed in",
                "GET",
                "/api/auth/sessions",
                columns=(
                    Column("ID", "id"),
                    Column("SINCE", "signed_in_ms", "time"),
                    Column("SEEN", "seen_ms", "time"),
                    Column("FROM", "address"),
                    Column("BROWSER", "agent"),
                ),
            ),
            Command("end", "sign one out", "DELETE", "/api/auth/sessions/{id}", (_ID,)),
            Command("end-all", "sign everybody out", "DELETE", "/api/auth/sessions", is_grave=True),
        ),
    ),
)

SINGLE: Final = (
    Command(
        "status",
        "how the running gateway is",
        "GET",
        "/api/status",
        example="omniroute status --json",
    ),
    Command(
        "password",
        "set a new password for the dashboard, also when the old one is lost",
        "POST",
        "/api/auth/password",
        (Argument("--new", "body", "new", "asked for, or read from the standard input", "secret"),),
        example="omniroute password",
    ),
)
"""Commands that stand alone."""
