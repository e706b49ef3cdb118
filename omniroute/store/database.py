"""The store: every query of the history and what people edit, with SQLAlchemy Core.

Synchronous; control calls it in threads. One writer at a time: writes take the lock of this object,
then SQLite's write lock at their beginning (`BEGIN IMMEDIATE`), so that waiting for another process
happens before any work and ends, after `busy_timeout_ms`, in `StoreBusy` with nothing written.
Every error is a `StoreError` of a kind the caller can act on.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Integer,
    create_engine,
    event,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from omniroute.record import Record
from omniroute.store import startup
from omniroute.store.interface import (
    BUSY_TIMEOUT_MS,
    HEAD,
    StoredKey,
    UsedRow,
    translated,
)
from omniroute.store.schema import (
    INSERT_REQUEST,
    client_keys,
    meta,
    record_of,
    requests,
    row_of,
)

DAY_MS = 86_400_000
_LONGEST_MS = DAY_MS  # no request takes longer
_INTEGER_MAX = (1 << 63) - 1


class Store:
    """The database of one data dir. Thread-safe. Made by `Store.open`."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine
        self._write_engine = engine.execution_options(omniroute_writes=True)
        self._write_lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> "Store":
        """Opens the database; makes it when missing; brings an older one to this version.

        Raises `StoreNewer` for one of a newer version, `StoreDamaged`, `StoreBusy`, `StoreError`.
        """
        with startup.StartStore.open(path, busy_timeout_ms=busy_timeout_ms) as start:
            needs_migration = start.needs_migration
        store = cls(path, _engine(path, busy_timeout_ms))
        if needs_migration:
            try:
                store.migrate()
            except BaseException:
                store.close()
                raise
        return store

    def migrate(self) -> None:
        """Brings the schema to head, in one transaction. Nothing to do is cheap."""
        with self._writing("migrate the database") as connection:
            revision = connection.exec_driver_sql(
                "SELECT version_num FROM alembic_version"
            ).scalar_one()
            if revision != HEAD:
                from omniroute.store import migrate  # loads Alembic

                migrate.upgrade(connection)

    # --- history ---

    def insert_records(self, records: Sequence[Record]) -> int:
        """All of them or, with an error, none; returns how many were new (by id)."""
        if not records:
            return 0
        rows: list[tuple[Any, ...]] = list(map(row_of, records))
        try:
            return self._insert(rows)
        except OverflowError:
            return self._insert([tuple(map(_capped, row)) for row in rows])

    def _insert(self, rows: list[tuple[Any, ...]]) -> int:
        with self._writing("insert records") as connection:
            return connection.exec_driver_sql(INSERT_REQUEST, rows).rowcount

    def requests(self, limit: int, before: tuple[int, str] | None = None) -> list[Record]:
        """The latest records; `before` (started_ms, id) of the last seen gives the next page."""
        query = select(requests).order_by(requests.c.started_ms.desc(), requests.c.id.desc())
        if before is not None:
            query = query.where(tuple_(requests.c.started_ms, requests.c.id) < before)
        with self._reading("read the history") as connection:
            return [record_of(row) for row in connection.execute(query.limit(limit)).mappings()]

    def count_requests(self) -> int:
        with self._reading("read the history") as connection:
            return connection.execute(select(func.count()).select_from(requests)).scalar_one()

    def usage_totals(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Key id, UTC day and the seven totals of that day, as `State.rebuild` takes them."""
        day = requests.c.started_ms.op("/", return_type=Integer())(literal_column(str(DAY_MS)))
        columns = requests.c
        query = select(
            columns.key_id,
            day.label("day"),
            func.count(),
            func.sum(columns.input_tokens),
            func.sum(columns.cache_read_tokens),
            func.sum(columns.cache_write_tokens),
            func.sum(columns.output_tokens),
            func.sum(columns.reasoning_tokens),
            func.sum(columns.cost_microusd),
        ).group_by(columns.key_id, "day")
        with self._reading("read the usage") as connection:
            for key_id, utc_day, *totals in connection.execute(query):
                yield key_id, utc_day, tuple(totals)

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]:
        """What ended since then, in sums over spans of `span_ms`, for meters that begin anew.

        A request that ended in the span in which `since_ms` falls counts with all of that span.
        """
        columns = requests.c
        ended_ms = columns.started_ms + columns.total_us // 1000
        from_ms = ended_ms - ended_ms % span_ms
        first_ms = since_ms // span_ms * span_ms
        owners = (columns.key_id, columns.tier, columns.provider, columns.connection)
        query = (
            select(
                *owners,
                from_ms.label("from_ms"),
                func.count(),
                func.sum(columns.input_tokens + columns.output_tokens),
                func.sum(columns.cost_microusd),
            )
            # What the index knows is when requests began.
            .where(columns.started_ms >= first_ms - _LONGEST_MS, ended_ms >= first_ms)
            .group_by(*owners, "from_ms")
        )
        with self._reading("read what was used") as connection:
            for row in connection.execute(query):
                yield UsedRow(*row)

    # --- client keys and small facts ---

    def client_keys(self, *, revoked: bool = False) -> list[StoredKey]:
        """The keys in force, oldest first; with `revoked` the others as well."""
        query = select(client_keys).order_by(client_keys.c.created_ms, client_keys.c.id)
        if not revoked:
            query = query.where(client_keys.c.revoked_ms.is_(None))
        with self._reading("read the client keys") as connection:
            return [StoredKey(*row) for row in connection.execute(query)]

    def add_client_key(self, key: StoredKey) -> None:
        """Raises `StoreError` when its id or digest is there already."""
        with self._writing("add a client key") as connection:
            connection.execute(client_keys.insert().values(key._asdict()))

    def revoke_client_key(self, key_id: str, now_ms: int) -> bool:
        """False when there is no such key in force."""
        update = (
            client_keys.update()
            .where(client_keys.c.id == key_id, client_keys.c.revoked_ms.is_(None))
            .values(revoked_ms=now_ms)
        )
        with self._writing("revoke a client key") as connection:
            return connection.execute(update).rowcount > 0

    def get_meta(self, name: str) -> str | None:
        with self._reading("read") as connection:
            return connection.execute(
                select(meta.c.value).where(meta.c.name == name)
            ).scalar_one_or_none()

    def set_meta(self, name: str, value: str) -> None:
        upsert = insert(meta).values(name=name, value=value)
        upsert = upsert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
        with self._writing("write") as connection:
            connection.execute(upsert)

    def close(self) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def _writing(self, doing: str) -> Iterator[Connection]:
        with (
            self._write_lock,
            _translating(self._path, doing),
            self._write_engine.begin() as connection,
        ):
            yield connection

    @contextlib.contextmanager
    def _reading(self, doing: str) -> Iterator[Connection]:
        with _translating(self._path, doing), self._engine.connect() as connection:
            yield connection


def _engine(path: Path, busy_timeout_ms: int) -> Engine:
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        startup.configure(connection, busy_timeout_ms)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("omniroute_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextlib.contextmanager
def _translating(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translated(error.orig or error, path, doing) from error
    except sqlite3.Error as error:  # raised while a connection is made
        raise translated(error, path, doing) from error


def _capped(value: object) -> object:
    """SQLite's integers have 64 bits; an impossible number must not stop the others."""
    if isinstance(value, int):
        return max(-_INTEGER_MAX, min(_INTEGER_MAX, value))
    return value
