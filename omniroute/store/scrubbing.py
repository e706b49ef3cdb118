"""A copy of the database without credentials, and filling the gaps when it is put back.

What goes: digests of keys, admin keys, sessions, facts about signing in, every sealed secret in
what is stored, who signs in within URLs, captured bodies. What stays is worth keeping without them:
the history and its sums, all settings, keys with names, limits and budgets. The file is written
anew afterwards, so that nothing lingers in its free pages.
"""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omniroute.store import rollups
from omniroute.store.interface import SEALED, translated

SIGN_IN_FACTS = "admin.%"
"""LIKE of the facts about signing in: they belong to an installation and never leave it."""

_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")
_GONE = object()

_STATEMENTS = (
    "UPDATE client_keys SET digest = NULL, previous_digest = NULL, previous_until_ms = NULL",
    "DELETE FROM admin_keys",
    "DELETE FROM sessions",
    "DELETE FROM bodies",
    f"DELETE FROM meta WHERE name LIKE '{SIGN_IN_FACTS}'",
)
# Table, its key, and the columns with JSON that may hold secrets.
_JSON = (
    ("entities", "rowid", ("body",)),
    ("client_keys", "rowid", ("settings",)),
    ("audit", "rowid", ("before", "after")),
)


def scrub(path: Path) -> None:
    """Takes all credentials out of a copy, which must have this version's schema."""
    with (
        _translating(path, "take the credentials out of the copy"),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        for statement in _STATEMENTS:
            connection.execute(statement)
        for table, key, columns in _JSON:
            for column in columns:
                rows = connection.execute(
                    f"SELECT {key}, {column} FROM {table} WHERE {column} <> ''"
                ).fetchall()
                changed = [
                    (scrubbed, row) for row, text in rows if (scrubbed := _scrubbed(text)) != text
                ]
                connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", changed)
        connection.execute("COMMIT")
        last = rollups.last_rolled_id(connection)
        connection.execute("VACUUM")  # may number the rows anew
        rollups.set_last_rolled_id(connection, last)


def fill(path: Path, present: Path) -> None:
    """Completes a database that will take the place of the present one.

    From the present one come: how people sign in, their sessions and admin keys; the digest of each
    key and each secret that a copy without credentials lacks, where the same thing has it there;
    and every revocation, so that no key that was revoked is in force again.
    """
    with (
        _translating(path, "complete the copy"),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("ATTACH ? AS present", (str(present),))
        connection.execute("BEGIN IMMEDIATE")
        for statement in _FILLING:
            connection.execute(statement)
        rows = connection.execute(
            "SELECT ours.rowid, ours.body, theirs.body FROM main.entities AS ours "
            "JOIN present.entities AS theirs USING (kind, id) WHERE ours.body <> theirs.body"
        ).fetchall()
        connection.executemany(
            "UPDATE main.entities SET body = ? WHERE rowid = ?",
            [(with_secrets_of(theirs, ours), row) for row, ours, theirs in rows],
        )
        connection.execute("COMMIT")
        connection.execute("DETACH present")


_KEEP_REVOKED = (
    "UPDATE main.{table} SET revoked_ms = (SELECT theirs.revoked_ms FROM present.{table} AS theirs "
    "WHERE theirs.id = {table}.id) WHERE revoked_ms IS NULL AND id IN "
    "(SELECT id FROM present.{table} WHERE revoked_ms IS NOT NULL)"
)
_FILLING = (
    f"DELETE FROM main.meta WHERE name LIKE '{SIGN_IN_FACTS}'",
    f"INSERT INTO main.meta SELECT * FROM present.meta WHERE name LIKE '{SIGN_IN_FACTS}'",
    "DELETE FROM main.sessions",
    "INSERT INTO main.sessions SELECT * FROM present.sessions",
    "INSERT OR REPLACE INTO main.admin_keys SELECT * FROM present.admin_keys",
    "UPDATE OR IGNORE main.client_keys SET digest = (SELECT theirs.digest "
    "FROM present.client_keys AS theirs WHERE theirs.id = client_keys.id) WHERE digest IS NULL",
    _KEEP_REVOKED.format(table="client_keys"),
)


def with_secrets_of(known: str, body: str) -> str:
    """The JSON `body` with those sealed secrets of `known` that it lacks, place by place."""
    return json.dumps(_filled(json.loads(known), json.loads(body)), ensure_ascii=False)


def _filled(known: Any, value: Any) -> Any:
    if not isinstance(known, dict) or not isinstance(value, dict):
        return value
    filled = {
        name: _filled(known[name], item) if name in known else item for name, item in value.items()
    }
    for name, item in known.items():
        if name not in value and isinstance(item, str) and item.startswith(SEALED):
            filled[name] = item
    return filled


def _scrubbed(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return ""  # no JSON, so nobody knows what it is
    scrubbed = _without(value)
    return text if scrubbed == value else json.dumps(scrubbed, ensure_ascii=False)


def _without(value: Any) -> Any:
    """The value without its secrets: a sealed one goes with its name."""
    if isinstance(value, dict):
        items = {name: _without(item) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not _GONE}
    if isinstance(value, list):
        return [item for item in map(_without, value) if item is not _GONE]
    if isinstance(value, str):
        return _GONE if value.startswith(SEALED) else _URL_USER.sub("", value)
    return value


@contextlib.contextmanager
def _translating(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path, doing) from error
