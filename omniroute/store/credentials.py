"""Who may come in: client keys, admin keys, browser sessions. Digests only, nothing that opens.

What makes a digest and what a scope means is decided elsewhere; here they are kept, found, changed
and ended. Nothing is deleted when it is revoked: the history and the audit name it.
"""

from typing import Any

from sqlalchemy import Row, Select, delete, or_, select, update

from omniroute.store.connecting import Database
from omniroute.store.interface import (
    AdminKey,
    EntityChanged,
    EntityMissing,
    StoredKey,
    StoredSession,
)
from omniroute.store.schema import admin_keys, client_keys, sessions


class ClientKeys:
    """The keys that clients of the data plane present."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, *, revoked: bool = False) -> list[StoredKey]:
        """The keys in force, oldest first; with `revoked` the others as well.

        A key without a digest, from a copy without credentials, is in force when it was rotated.
        """
        query = select(client_keys).order_by(client_keys.c.created_ms, client_keys.c.id)
        if not revoked:
            query = query.where(
                client_keys.c.revoked_ms.is_(None), client_keys.c.digest.is_not(None)
            )
        return self._read(query)

    def get(self, key_id: str) -> StoredKey | None:
        """Revoked or not."""
        return next(iter(self._read(select(client_keys).where(client_keys.c.id == key_id))), None)

    def add(self, key: StoredKey) -> None:
        """Raises `StoreError` when its id or digest is there already."""
        with self._database.writing("add a client key") as connection:
            connection.execute(client_keys.insert().values(key._asdict()))

    def change(
        self, key_id: str, *, name: str, settings: str, if_version: int | None = None
    ) -> StoredKey:
        """Gives a key another name and settings. Raises `EntityMissing`, `EntityChanged`."""
        return self._change(key_id, if_version, name=name, settings=settings)

    def rotate(
        self, key_id: str, digest: bytes, previous_until_ms: int, *, if_version: int | None = None
    ) -> StoredKey:
        """Gives a key another digest; the present one is accepted until then as well.

        Raises `EntityMissing`, `EntityChanged`.
        """
        with self._database.transaction("rotate a client key"):
            known = self._expect(key_id, if_version)
            return self._change(
                key_id,
                if_version,
                digest=digest,
                previous_digest=known.digest or None,
                previous_until_ms=previous_until_ms if known.digest else None,
            )

    def revoke(self, key_id: str, now_ms: int) -> bool:
        """False when there is no such key in force."""
        statement = (
            update(client_keys)
            .where(client_keys.c.id == key_id, client_keys.c.revoked_ms.is_(None))
            .values(revoked_ms=now_ms, version=client_keys.c.version + 1)
        )
        with self._database.writing("revoke a client key") as connection:
            return connection.execute(statement).rowcount > 0

    def _change(self, key_id: str, if_version: int | None, **values: Any) -> StoredKey:
        with self._database.writing("change a client key") as connection:
            known = self._expect(key_id, if_version)
            values["version"] = known.version + 1
            connection.execute(update(client_keys).where(client_keys.c.id == key_id).values(values))
        return known._replace(**values)

    def _expect(self, key_id: str, if_version: int | None) -> StoredKey:
        known = self.get(key_id)
        if known is None or known.revoked_ms is not None:
            raise EntityMissing(f"there is no stored key {key_id!r} in force")
        if if_version is not None and known.version != if_version:
            raise EntityChanged(
                f"the stored key {key_id!r} was changed meanwhile: it has version "
                f"{known.version}, not {if_version}",
                known.version,
            )
        return known

    def _read(self, query: Select[Any]) -> list[StoredKey]:
        with self._database.reading("read the client keys") as connection:
            rows = connection.execute(query).mappings()
            return [StoredKey(**{**row, "digest": row["digest"] or b""}) for row in rows]


class AdminKeys:
    """The keys that scripts present to the management API."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[AdminKey]:
        """All, revoked and expired ones too, oldest first."""
        query = select(admin_keys).order_by(admin_keys.c.created_ms, admin_keys.c.id)
        with self._database.reading("read the admin keys") as connection:
            return [_admin_key(row) for row in connection.execute(query)]

    def find(self, digest: bytes, now_ms: int) -> AdminKey | None:
        """The key of this digest that is in force now."""
        query = select(admin_keys).where(
            admin_keys.c.digest == digest,
            admin_keys.c.revoked_ms.is_(None),
            or_(admin_keys.c.expires_ms.is_(None), admin_keys.c.expires_ms > now_ms),
        )
        with self._database.reading("read the admin keys") as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _admin_key(row)

    def add(self, key: AdminKey) -> None:
        """Raises `StoreError` when its id or digest is there already."""
        values = {**key._asdict(), "scopes": " ".join(key.scopes)}
        with self._database.writing("add an admin key") as connection:
            connection.execute(admin_keys.insert().values(values))

    def revoke(self, key_id: str, now_ms: int) -> bool:
        """False when there is no such key that is not revoked."""
        statement = (
            update(admin_keys)
            .where(admin_keys.c.id == key_id, admin_keys.c.revoked_ms.is_(None))
            .values(revoked_ms=now_ms)
        )
        with self._database.writing("revoke an admin key") as connection:
            return connection.execute(statement).rowcount > 0

    def touch(self, key_id: str, now_ms: int) -> None:
        """It was used just now. Costs a write to the disk: not for each request."""
        statement = update(admin_keys).where(admin_keys.c.id == key_id).values(last_used_ms=now_ms)
        with self._database.writing("note the use of an admin key") as connection:
            connection.execute(statement)


class Sessions:
    """The browsers that are signed in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, now_ms: int) -> list[StoredSession]:
        """Those that have not ended, the latest seen first."""
        query = (
            select(sessions)
            .where(sessions.c.revoked_ms.is_(None), sessions.c.ends_ms > now_ms)
            .order_by(sessions.c.seen_ms.desc(), sessions.c.digest)
        )
        with self._database.reading("read the sessions") as connection:
            return [StoredSession(*row) for row in connection.execute(query)]

    def find(self, digest: bytes, now_ms: int) -> StoredSession | None:
        """The session of this digest, unless it has ended."""
        query = select(sessions).where(
            sessions.c.digest == digest,
            sessions.c.revoked_ms.is_(None),
            sessions.c.ends_ms > now_ms,
        )
        with self._database.reading("read the sessions") as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredSession(*row)

    def add(self, session: StoredSession) -> None:
        with self._database.writing("keep a session") as connection:
            connection.execute(sessions.insert().values(session._asdict()))

    def touch(self, digest: bytes, seen_ms: int) -> None:
        """It was seen just now. Costs a write to the disk: not for each request."""
        statement = update(sessions).where(sessions.c.digest == digest).values(seen_ms=seen_ms)
        with self._database.writing("note a session") as connection:
            connection.execute(statement)

    def revoke(self, digest: bytes, now_ms: int) -> bool:
        """False when there is no such session that is not revoked."""
        statement = (
            update(sessions)
            .where(sessions.c.digest == digest, sessions.c.revoked_ms.is_(None))
            .values(revoked_ms=now_ms)
        )
        with self._database.writing("end a session") as connection:
            return connection.execute(statement).rowcount > 0

    def revoke_all(self, now_ms: int, *, but: bytes = b"") -> int:
        """Ends all sessions but that of this digest; returns how many."""
        statement = (
            update(sessions)
            .where(sessions.c.digest != but, sessions.c.revoked_ms.is_(None))
            .values(revoked_ms=now_ms)
        )
        with self._database.writing("end sessions") as connection:
            return connection.execute(statement).rowcount

    def forget(self, now_ms: int) -> int:
        """Removes those whose end has come; returns how many."""
        with self._database.writing("forget sessions") as connection:
            return connection.execute(delete(sessions).where(sessions.c.ends_ms <= now_ms)).rowcount


def _admin_key(row: Row[Any]) -> AdminKey:
    return AdminKey._make(row)._replace(scopes=tuple(row.scopes.split()))
