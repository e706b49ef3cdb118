"""What the data plane captured beside the records: bodies, sealed, and connects through proxies."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from omniroute.store.connecting import Database
from omniroute.store.interface import ProxyConnect, StoredBody
from omniroute.store.schema import bodies, proxy_log


class Bodies:
    """Bodies of requests and answers as client and upstream saw them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, captured: Sequence[StoredBody]) -> None:
        """All or none are on the disk afterwards. One that is there already stays as it is."""
        if not captured:
            return
        with self._database.writing("keep bodies", alone=True) as connection:
            connection.execute(
                insert(bodies).on_conflict_do_nothing(), [body._asdict() for body in captured]
            )

    def of(self, request_id: str) -> list[StoredBody]:
        """Those of one request: the client's first, then those of each attempt."""
        query = (
            select(bodies)
            .where(bodies.c.request_id == request_id)
            .order_by(bodies.c.side, bodies.c.attempt, bodies.c.direction)
        )
        columns = [bodies.c[name] for name in StoredBody._fields]
        with self._database.reading("read bodies") as connection:
            return [
                StoredBody(*row) for row in connection.execute(query.with_only_columns(*columns))
            ]

    def reseal(self, resealed: Callable[[bytes], bytes], *, batch: int = 100) -> int:
        """Replaces what is sealed of every body, some in a transaction; returns how many.

        What `resealed` raises ends it; doing it again begins with the first.
        """
        keys = [column for column in bodies.primary_key]
        columns = [*keys, bodies.c.sealed]
        query = select(*columns).order_by(*keys).limit(batch)
        last: tuple[Any, ...] | None = None
        done = 0
        while True:
            page = query if last is None else query.where(tuple_(*keys) > last)
            with self._database.writing("seal bodies anew") as connection:
                rows = connection.execute(page).all()
                for *key, sealed in rows:
                    found = [column == value for column, value in zip(keys, key, strict=True)]
                    statement = update(bodies).where(*found).values(sealed=resealed(sealed))
                    connection.execute(statement)
            done += len(rows)
            if len(rows) < batch:
                return done
            last = tuple(rows[-1])[:-1]


class ConnectFilter(NamedTuple):
    """Which connects are wanted; "" and None leave a question open. Times in Unix ms."""

    proxy: str = ""
    provider: str = ""
    connection: str = ""
    outcome: str = ""
    since_ms: int | None = None
    until_ms: int | None = None  # exclusive


class ProxyLog:
    """Connections made through proxies, and those that failed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connects: Sequence[ProxyConnect]) -> None:
        """All or none are on the disk afterwards; the ids of `connects` do not count."""
        if not connects:
            return
        rows = [connect._asdict() for connect in connects]
        for row in rows:
            del row["id"]
        with self._database.writing("write the log of proxies", alone=True) as connection:
            connection.execute(proxy_log.insert(), rows)

    def page(
        self, wanted: ConnectFilter, limit: int, before: int | None = None
    ) -> list[ProxyConnect]:
        """The latest connects; `before` (the id of the last seen) gives the next page."""
        columns = proxy_log.c
        query = select(*(columns[name] for name in ProxyConnect._fields))
        query = query.order_by(columns.id.desc()).limit(limit)
        for name in ("proxy", "provider", "connection", "outcome"):
            if value := getattr(wanted, name):
                query = query.where(columns[name] == value)
        if wanted.since_ms is not None:
            query = query.where(columns.at_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            query = query.where(columns.at_ms < wanted.until_ms)
        if before is not None:
            query = query.where(columns.id < before)
        with self._database.reading("read the log of proxies") as connection:
            return [ProxyConnect(*row) for row in connection.execute(query)]

    def clear(self) -> int:
        """Removes all; returns how many."""
        with self._database.writing("clear the log of proxies") as connection:
            return connection.execute(proxy_log.delete()).rowcount
