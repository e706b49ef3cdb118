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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from omniroute.store import rollups
from omniroute.store.entities import VERSION_FACT
from omniroute.store.interface import SEALED, AdminKey, AuditEntry, translating

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
    with _opened(path, "take the credentials out of the copy") as connection:
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


class Credentials(msgspec.Struct):
    """What `scrub` takes out and an installation can do without its own of. `Credentials` as the
    database has them hold sealed secrets; see `with_sealed` for their way to another key."""

    entities: list[tuple[str, str, str]]  # kind, id, body; those with secrets only
    key_settings: list[tuple[str, str]]  # id, JSON; those with secrets only
    keys: list[tuple[str, bytes, bytes | None, int | None]]  # id, digest, previous one, until when
    admin_keys: list[AdminKey]


def credentials_of(path: Path) -> Credentials:
    """Those of a database."""
    with _opened(path, "read the credentials") as connection:
        return Credentials(
            entities=connection.execute(
                "SELECT kind, id, body FROM entities WHERE instr(body, ?)", (SEALED,)
            ).fetchall(),
            key_settings=connection.execute(
                "SELECT id, settings FROM client_keys WHERE instr(settings, ?)", (SEALED,)
            ).fetchall(),
            keys=connection.execute(
                "SELECT id, digest, previous_digest, previous_until_ms FROM client_keys "
                "WHERE digest IS NOT NULL"
            ).fetchall(),
            admin_keys=[
                AdminKey._make(row)._replace(scopes=tuple(row[3].split()))
                for row in connection.execute(
                    f"SELECT {', '.join(AdminKey._fields)} FROM admin_keys"
                )
            ],
        )


def with_sealed(credentials: Credentials, change: Callable[[str], str | None]) -> Credentials:
    """The same with every sealed string changed; one that becomes None goes with its name."""

    def changed(text: str) -> str:
        return json.dumps(_at_sealed(json.loads(text), change), ensure_ascii=False)

    return msgspec.structs.replace(
        credentials,
        entities=[(kind, id_, changed(body)) for kind, id_, body in credentials.entities],
        key_settings=[(id_, changed(text)) for id_, text in credentials.key_settings],
    )


def give(path: Path, credentials: Credentials) -> None:
    """Puts them into a copy that has none: secrets where the same thing lacks them, digests."""
    with _opened(path, "put the credentials into the copy") as connection:
        connection.execute("BEGIN IMMEDIATE")
        for kind, id_, known in credentials.entities:
            row = connection.execute(
                "SELECT rowid, body FROM entities WHERE kind = ? AND id = ?", (kind, id_)
            ).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE entities SET body = ? WHERE rowid = ?",
                    (with_secrets_of(known, row[1]), row[0]),
                )
        for id_, known in credentials.key_settings:
            row = connection.execute(
                "SELECT settings FROM client_keys WHERE id = ?", (id_,)
            ).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE client_keys SET settings = ? WHERE id = ?",
                    (with_secrets_of(known, row[0]), id_),
                )
        connection.executemany(
            "UPDATE client_keys SET digest = ?2, previous_digest = ?3, previous_until_ms = ?4 "
            "WHERE id = ?1 AND digest IS NULL",
            credentials.keys,
        )
        connection.executemany(
            f"INSERT OR IGNORE INTO admin_keys ({', '.join(AdminKey._fields)}) "
            f"VALUES ({', '.join('?' * len(AdminKey._fields))})",
            [key._replace(scopes=" ".join(key.scopes)) for key in credentials.admin_keys],  # type: ignore[arg-type]
        )
        connection.execute("COMMIT")


def readable(path: Path) -> tuple[dict[str, list[Any]], list[Any]]:
    """The stored configuration by kind, and the keys, as values for JSON that people read."""
    kinds: dict[str, list[Any]] = {}
    with _opened(path, "read the stored configuration") as connection:
        for kind, id_, body in connection.execute(
            "SELECT kind, id, body FROM entities ORDER BY kind, position, id"
        ):
            kinds.setdefault(kind, []).append({"id": id_, "settings": json.loads(body)})
        keys = [
            {
                "id": id_,
                "name": name,
                "created_ms": created_ms,
                "revoked_ms": revoked_ms,
                "settings": json.loads(text),
            }
            for id_, name, created_ms, revoked_ms, text in connection.execute(
                "SELECT id, name, created_ms, revoked_ms, settings FROM client_keys "
                "ORDER BY created_ms, id"
            )
        ]
    return kinds, keys


def fill(path: Path, present: Path, *, keep_revoked: bool = True) -> None:
    """Completes a database that will take the place of the present one.

    From the present one come: how people sign in, their sessions and admin keys; the audit, beside
    what else the copy has of it, so that nobody erases a trail by going back; the digest of each
    key and each secret that a copy without credentials lacks, where the same thing has it there;
    and, unless `keep_revoked` says otherwise, every revocation and rotation, so that no client key
    is in force again that was ended.
    """
    with _opened(path, "complete the copy") as connection:
        connection.execute("ATTACH ? AS present", (str(present),))
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_FILLING, *(_KEEP_REVOKED if keep_revoked else ())):
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
    "UPDATE OR IGNORE main.client_keys SET (digest, previous_digest, previous_until_ms) = "
    "(SELECT theirs.digest, theirs.previous_digest, theirs.previous_until_ms "
    "FROM present.client_keys AS theirs WHERE theirs.id = client_keys.id) "
    "WHERE id IN (SELECT id FROM present.client_keys WHERE digest IS NOT NULL)",
    "UPDATE main.client_keys SET revoked_ms = (SELECT theirs.revoked_ms "
    "FROM present.client_keys AS theirs WHERE theirs.id = client_keys.id) "
    "WHERE revoked_ms IS NULL AND id IN "
    "(SELECT id FROM present.client_keys WHERE revoked_ms IS NOT NULL)",
)
_AUDIT = ", ".join(f'"{name}"' for name in AuditEntry._fields if name != "id")
_FILLING = (
    f"DELETE FROM main.meta WHERE name LIKE '{SIGN_IN_FACTS}'",
    f"INSERT INTO main.meta SELECT * FROM present.meta WHERE name LIKE '{SIGN_IN_FACTS}'",
    # Versions are never used twice.
    f"INSERT OR REPLACE INTO main.meta SELECT name, max(CAST(value AS INT)) FROM "
    f"(SELECT * FROM main.meta UNION ALL SELECT * FROM present.meta) "
    f"WHERE name = '{VERSION_FACT}' GROUP BY name",
    "DELETE FROM main.sessions",
    "INSERT INTO main.sessions SELECT * FROM present.sessions",
    "INSERT OR REPLACE INTO main.admin_keys SELECT * FROM present.admin_keys",
    "UPDATE OR IGNORE main.client_keys SET digest = (SELECT theirs.digest "
    "FROM present.client_keys AS theirs WHERE theirs.id = client_keys.id) WHERE digest IS NULL",
    # An entry of both is the present one's, since a copy may have it without its secrets. All are
    # numbered anew, by time: the numbers of two databases have nothing to do with each other.
    "DELETE FROM main.audit WHERE EXISTS (SELECT 1 FROM present.audit AS theirs "
    "WHERE theirs.at_ms = audit.at_ms AND theirs.actor = audit.actor "
    "AND theirs.action = audit.action AND theirs.entity = audit.entity)",
    f"CREATE TEMP TABLE merged AS SELECT {_AUDIT} FROM (SELECT *, 0 AS place FROM present.audit "
    f"UNION ALL SELECT *, 1 FROM main.audit) ORDER BY at_ms, place, id",
    "DELETE FROM main.audit",
    f"INSERT INTO main.audit ({_AUDIT}) SELECT {_AUDIT} FROM merged ORDER BY rowid",
    "DROP TABLE merged",
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
    return _at_sealed(value, lambda _: None, lambda text: _URL_USER.sub("", text))


def _at_sealed(
    value: Any,
    change: Callable[[str], str | None],
    otherwise: Callable[[str], str] = lambda text: text,
) -> Any:
    """The value with each sealed string changed, or gone where it becomes None."""
    if isinstance(value, dict):
        items = {name: _at_sealed(item, change, otherwise) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not _GONE}
    if isinstance(value, list):
        items_ = [_at_sealed(item, change, otherwise) for item in value]
        return [item for item in items_ if item is not _GONE]
    if isinstance(value, str):
        if not value.startswith(SEALED):
            return otherwise(value)
        changed = change(value)
        return _GONE if changed is None else changed
    return value


@contextlib.contextmanager
def _opened(path: Path, doing: str) -> Iterator[sqlite3.Connection]:
    with (
        translating(path, doing),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        yield connection
