"""Commands that show what happened and happens, and those about who may manage the gateway."""

from typing import Final

from omniroute.client.command import ID, LIMIT, SINCE, Argument, Command, Group
from omniroute.client.tables import Column

LOGS: Final = Group(
    "logs",
    "requests, log lines, and who changed what",
    (
        Command(
            "requests",
            "finished requests, latest first",
            "GET",
            "/api/usage/call-logs",
            (
                Argument("--key", "query", "key_id", "of this key; repeat it", "list"),
                Argument("--provider", "query", "provider", "of this provider; repeat it", "list"),
                Argument("--model", "query", "model", "of this model; repeat it", "list"),
                Argument("--status", "query", "status", "with this status; repeat it", "list"),
                Argument("--error", "query", "error_text", "with this in the text of the error"),
                Argument("--failed", "query", "failed", "only what failed", "flag"),
                SINCE,
                LIMIT,
            ),
            (
                Column("TIME", "started_ms", "time"),
                Column("ID", "id"),
                Column("KEY", "key_id"),
                Column("MODEL", "requested_model"),
                Column("ANSWERED BY", "connection"),
                Column("STATUS", "status"),
                Column("TOOK", "total_us", "us"),
                Column("COST", "cost_microusd", "micro"),
                Column("ERROR", "error"),
            ),
            example="omniroute logs requests --failed --since 24h --provider openai",
        ),
        Command(
            "show",
            "one request with its attempts",
            "GET",
            "/api/usage/call-logs/{id}",
            (ID,),
        ),
        Command(
            "export",
            "the request log as a CSV file",
            "GET",
            "/api/logs/export",
            (Argument("FILE", "save", "to", "where to; it must not exist yet"), SINCE),
            does="download",
            example="omniroute logs export november.csv --since 30d",
        ),
        Command(
            "console",
            "log lines of all processes, latest first",
            "GET",
            "/api/logs/console",
            (
                Argument("--level", "query", "level", "debug, info, warning or error"),
                Argument("--process", "query", "process", "of this process alone"),
                Argument("--text", "query", "text", "with this text in it"),
                SINCE,
                LIMIT,
            ),
            (
                Column("TIME", "time"),
                Column("LEVEL", "level"),
                Column("PROCESS", "process"),
                Column("MESSAGE", "message", "whole"),
            ),
            example="omniroute logs console --level warning --since 1h",
        ),
        Command(
            "follow",
            "requests, log lines and changed conditions as they come, one JSON object a line",
            "GET",
            "/api/live",
            (
                Argument("--kind", "query", "kind", "request, log or condition; repeat it", "list"),
                Argument("--provider", "query", "provider", "of this provider; repeat it", "list"),
                Argument("--model", "query", "model", "of this model; repeat it", "list"),
                Argument("--failed", "query", "failed", "only what failed", "flag"),
            ),
            does="follow",
            example="omniroute logs follow --kind request --failed",
        ),
        Command(
            "audit",
            "every change: who, what, from where",
            "GET",
            "/api/compliance/audit-log",
            (
                Argument("--actor", "query", "actor", "who made it"),
                Argument("--action", "query", "action", "what was done: `combos.` or more"),
                Argument("--entity", "query", "entity", "what it was done to: `combo/fast`"),
                SINCE,
                LIMIT,
            ),
            (
                Column("TIME", "at_ms", "time"),
                Column("WHO", "actor"),
                Column("FROM", "address"),
                Column("WHAT", "action"),
                Column("THING", "entity"),
            ),
            example="omniroute logs audit --since 24h --action keys.",
        ),
    ),
)

ADMIN_KEYS: Final = Group(
    "admin-keys",
    "keys for scripts that use the management API",
    (
        Command(
            "list",
            "all admin keys",
            "GET",
            "/api/auth/keys",
            columns=(
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("SCOPES", "scopes"),
                Column("CREATED", "created_ms", "time"),
                Column("EXPIRES", "expires_ms", "time"),
                Column("LAST USED", "last_used_ms", "time"),
                Column("IN FORCE", "in_force"),
            ),
        ),
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
            once="key",
            example="omniroute admin-keys create graphs --scope read --expires-in 90d",
        ),
        Command("revoke", "end one", "DELETE", "/api/auth/keys/{id}", (ID,), is_grave=True),
    ),
)

SESSIONS: Final = Group(
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
        Command("end", "sign one out", "DELETE", "/api/auth/sessions/{id}", (ID,)),
        Command("end-all", "sign everybody out", "DELETE", "/api/auth/sessions", is_grave=True),
    ),
)

STATUS: Final = Command(
    "status",
    "how the running gateway is",
    "GET",
    "/api/status",
    example="omniroute status --json",
)

PASSWORD: Final = Command(
    "password",
    "set a new password for the dashboard, also when the old one is lost",
    "POST",
    "/api/auth/password",
    (Argument("--new", "body", "new", "without a text it is asked for", "secret"),),
    done="the password is set; every browser must sign in anew",
    example="omniroute password",
)
