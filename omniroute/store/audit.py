"""The audit: every change that somebody made, who and from where, before and after."""

from typing import NamedTuple

from sqlalchemy import select

from omniroute.store.connecting import Database
from omniroute.store.interface import AuditEntry
from omniroute.store.schema import audit


class AuditFilter(NamedTuple):
    """Which entries are wanted; "" and None leave a question open. Times in Unix ms."""

    actor: str = ""
    action: str = ""  # or the begin of it, as `combos.`
    entity: str = ""  # or the begin of it
    address: str = ""
    since_ms: int | None = None
    until_ms: int | None = None  # exclusive


class Audit:
    """Written with the change itself: within one `Store.transaction`, both are there or neither."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> int:
        """Returns the id given to it; that of `entry` does not count."""
        values = entry._asdict()
        del values["id"]
        with self._database.writing("write the audit record") as connection:
            statement = audit.insert().values(values).returning(audit.c.id)
            return int(connection.execute(statement).scalar_one())

    def page(self, wanted: AuditFilter, limit: int, before: int | None = None) -> list[AuditEntry]:
        """The latest entries; `before` (the id of the last seen) gives the next page."""
        columns = audit.c
        query = select(*(columns[name] for name in AuditEntry._fields))
        query = query.order_by(columns.id.desc()).limit(limit)
        if wanted.actor:
            query = query.where(columns.actor == wanted.actor)
        if wanted.action:
            query = query.where(columns.action.startswith(wanted.action, autoescape=True))
        if wanted.entity:
            query = query.where(columns.entity.startswith(wanted.entity, autoescape=True))
        if wanted.address:
            query = query.where(columns.address == wanted.address)
        if wanted.since_ms is not None:
            query = query.where(columns.at_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            query = query.where(columns.at_ms < wanted.until_ms)
        if before is not None:
            query = query.where(columns.id < before)
        with self._database.reading("read the audit records") as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]
