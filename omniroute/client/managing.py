"""Commands that change what the gateway does: keys, budgets, providers, combos."""

from typing import Final

from omniroute.client.command import ID, Argument, Command, Group, switches
from omniroute.client.tables import Column

_PERIOD: Final = Argument("--period", "body", "budget.period", "daily, weekly or monthly")

KEYS: Final = Group(
    "keys",
    "keys of clients: who may send requests, to what, for how much",
    (
        Command(
            "list",
            "all keys in force",
            "GET",
            "/api/keys",
            columns=(
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("ACTIVE", "isActive"),
                Column("EXPIRES", "expires"),
                Column("RPM", "rpm"),
                Column("BUDGET", "budget", "budgets"),
                Column("30 DAYS", "usage30Days.cost_microusd", "micro"),
                Column("REQUESTS", "usage30Days.requests"),
                Column("SOURCE", "source"),
                Column("PROBLEM", "problem"),
            ),
        ),
        Command("show", "one key, with what it used", "GET", "/api/keys/{id}", (ID,)),
        Command(
            "create",
            "make a key; it is shown once",
            "POST",
            "/api/keys",
            (
                Argument("NAME", "body", "name", "whom or what it is for"),
                Argument("--model", "body", "allowedModels", "one it may ask; repeat it", "list"),
                Argument("--rpm", "body", "rpm", "requests a minute", "number"),
                Argument("--budget", "body", "budget.usd", "what it may cost", "usd"),
                _PERIOD,
            ),
            takes_fields=True,
            once="key",
            example="omniroute keys create laptop --budget 50 --period monthly --rpm 60",
        ),
        Command(
            "change",
            "change fields of a key",
            "PATCH",
            "/api/keys/{id}",
            (ID,),
            takes_fields=True,
            example="omniroute keys change stored/0f3a --set rpm=120 --set expires=2027-01-01",
        ),
        Command(
            "rotate",
            "make a new text for a key; the old one is let in for a while",
            "POST",
            "/api/keys/{id}/rotate",
            (
                ID,
                Argument("--overlap", "body", "overlapS", "for how long: 1h, 7d; 0s: not", "span"),
            ),
            once="key",
            example="omniroute keys rotate stored/0f3a --overlap 24h",
        ),
        *switches("/api/keys/{id}", "a key"),
        Command(
            "revoke",
            "end a key for good, at its next request",
            "DELETE",
            "/api/keys/{id}",
            (ID,),
            is_grave=True,
        ),
    ),
)

_KEY: Final = Argument("KEY", "path", "id", "the key's id, as the list of keys shows it")

BUDGETS: Final = Group(
    "budgets",
    "what keys, tiers and providers may cost, and did",
    (
        Command(
            "list",
            "every budget, and what is used and left of it",
            "GET",
            "/api/usage/budget",
            columns=(
                Column("OF", "owner"),
                Column("ID", "ownerId"),
                Column("NAME", "name"),
                Column("PERIOD", "period"),
                Column("LIMIT", "limitUsd", "usd"),
                Column("USED", "used_microusd", "micro"),
                Column("RESERVED", "reserved_microusd", "micro"),
                Column("LEFT", "leftUsd", "usd"),
                Column("RESETS", "resetsMs", "time"),
            ),
        ),
        Command(
            "set",
            "limit what a key may cost; its limits of other periods stay",
            "POST",
            "/api/usage/budget",
            (
                Argument("KEY", "body", "keyId", _KEY.help),
                Argument("USD", "body", "limit", "how much", "usd"),
                Argument("--period", "body", "period", "daily, weekly or monthly (the default)"),
            ),
            done="the budget is set",
            example="omniroute budgets set stored/0f3a 25 --period weekly",
        ),
        Command(
            "remove",
            "take all budgets of a key away",
            "PATCH",
            "/api/keys/{id}",
            (_KEY,),
            fixed=(("budget", None),),
        ),
    ),
)

PROVIDERS: Final = Group(
    "providers",
    "connections: accounts and keys at providers",
    (
        Command(
            "list",
            "all connections, with their state",
            "GET",
            "/api/providers",
            columns=(
                Column("ID", "id"),
                Column("PROVIDER", "provider"),
                Column("NAME", "name"),
                Column("STATE", "state"),
                Column("PRIORITY", "priority"),
                Column("KEY", "hasCredential"),
                Column("SOURCE", "source"),
                Column("PROBLEM", "problem"),
            ),
        ),
        Command("show", "one connection", "GET", "/api/providers/{id}", (ID,)),
        Command(
            "catalog",
            "every provider that is known",
            "GET",
            "/api/providers/catalog",
            columns=(
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("FORMAT", "format"),
                Column("TIER", "tier"),
                Column("USABLE", "isUsable"),
                Column("NEEDS", "needs"),
                Column("CONNECTIONS", "connections"),
            ),
        ),
        Command(
            "add",
            "add a connection; --secret apiKey asks for its key",
            "POST",
            "/api/providers",
            (
                Argument("PROVIDER", "body", "provider", "whose: its id in the catalog"),
                Argument("--name", "body", "name", "what to call it"),
                Argument("--priority", "body", "priority", "1 is used first", "number"),
            ),
            takes_fields=True,
            example="omniroute providers add openai --name work --secret apiKey",
        ),
        Command(
            "change",
            "change fields of a connection",
            "PATCH",
            "/api/providers/{id}",
            (ID,),
            takes_fields=True,
            example="omniroute providers change openai/work --set maxConcurrent=4",
        ),
        *switches("/api/providers/{id}", "a connection"),
        Command(
            "delete",
            "delete a connection and its credential",
            "DELETE",
            "/api/providers/{id}",
            (ID,),
            is_grave=True,
        ),
    ),
)

COMBOS: Final = Group(
    "combos",
    "named lists of models with a strategy",
    (
        Command(
            "list",
            "all combos, in order",
            "GET",
            "/api/combos",
            columns=(
                Column("ID", "id"),
                Column("STRATEGY", "strategy"),
                Column("MEMBERS", "models", "members"),
                Column("ACTIVE", "isActive"),
                Column("SOURCE", "source"),
                Column("PROBLEM", "problem"),
            ),
        ),
        Command("show", "one combo", "GET", "/api/combos/{id}", (ID,)),
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
            example="omniroute combos create fast --model openai/gpt-5-mini --model groq/llama",
        ),
        Command(
            "change",
            "change fields of a combo",
            "PATCH",
            "/api/combos/{id}",
            (ID,),
            takes_fields=True,
            example="omniroute combos change fast --set strategy=round-robin",
        ),
        *switches("/api/combos/{id}", "a combo"),
        Command("delete", "delete a combo", "DELETE", "/api/combos/{id}", (ID,), is_grave=True),
    ),
)
