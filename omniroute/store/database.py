"""The store: every query of the history and what people edit, with SQLAlchemy Core.

`Store` joins the parts, each of which is about one kind of thing, over one `Database`; see
`connecting` for what holds of every call: threads, transactions, errors.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Integer, func, literal_column, select, tuple_
from sqlalchemy.dialects.sqlite import insert

from omniroute.record import Record
from omniroute.store import copies, rollups, startup
from omniroute.store.analytics import Analytics
from omniroute.store.audit import Audit
from omniroute.store.captured import Bodies, ProxyLog
from omniroute.store.connecting import Database
from omniroute.store.credentials import AdminKeys, ClientKeys, Sessions
from omniroute.store.entities import Entities
from omniroute.store.history import History
from omniroute.store.interface import BUSY_TIMEOUT_MS, HEAD, StoredKey, UsedRow
from omniroute.store.rollups import DAY_MS, SliceIds
from omniroute.store.schema import INSERT_REQUEST, meta, record_of, requests, row_of

_LONGEST_MS = DAY_MS  # no request takes longer
_INTEGER_MAX = (1 << 63) - 1

_REVISION = "SELECT version_num FROM alembic_version"
BEFORE_MIGRATION = "before-migration"

Row = tuple[Any, ...]


class Store(Database):
    """The database of one data dir. Thread-safe. Made by `Store.open`."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        super().__init__(path, busy_timeout_ms=busy_timeout_ms)
        self._slice_ids = SliceIds()
        self.history = History(self)
        self.analytics = Analytics(self)
        self.entities = Entities(self)
        self.keys = ClientKeys(self)
        self.admin_keys = AdminKeys(self)
        self.sessions = Sessions(self)
        self.audit = Audit(self)
        self.bodies = Bodies(self)
        self.proxy_log = ProxyLog(self)

    @classmethod
    def open(
        cls, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, backup_first: bool = True
    ) -> "Store":
        """Opens the database; makes it when missing; brings an older one to this version.

        An older one is copied first, into the folder `backups` beside it.

        Raises `StoreNewer` for one of a newer version, `StoreDamaged`, `StoreBusy`, `StoreError`.
        """
        with startup.StartStore.open(path, busy_timeout_ms=busy_timeout_ms) as start:
            needs_migration = start.needs_migration
        store = cls(path, busy_timeout_ms=busy_timeout_ms)
        if needs_migration:
            try:
                store.migrate(backup_first=backup_first)
            except BaseException:
                store.close()
                raise
        return store

    def migrate(self, *, backup_first: bool = True) -> None:
        """Brings the schema to head, in one transaction. Nothing to do is cheap."""
        with self.reading("read its schema") as connection:
            revision = connection.exec_driver_sql(_REVISION).scalar_one()
        if revision == HEAD:
            return
        if backup_first:
            copies.keep_aside(self.path, time.time_ns() // 1_000_000, BEFORE_MIGRATION)
        with self.writing("migrate the database") as connection:
            revision = connection.exec_driver_sql(_REVISION).scalar_one()
            if revision != HEAD:  # another process may have been first
                from omniroute.store import migrate  # loads Alembic

                migrate.upgrade(connection)

    def replace(self, source: Path, complete: Callable[[], object] = lambda: None) -> None:
        """Makes this database what the one in `source` is, in one transaction.

        `complete` may give `source` what it shall keep of this database, in which nobody writes
        meanwhile: what it takes over is the last there is. `source` must have this version's
        schema. Writers of this process wait; readers see the old or the new. Raises `StoreError`
        and its kinds, and then nothing has changed.
        """
        with self.writers_waiting():
            complete()
            copies.put_back(source, self.path, busy_timeout_ms=self.busy_timeout_ms)
            self._slice_ids.forget()

    # --- history ---

    def insert_records(self, records: Sequence[Record]) -> int:
        """All of them or, with an error, none; returns how many were new (by id)."""
        if not records:
            return 0
        try:
            return self._insert(records, row_of)
        except OverflowError:
            return self._insert(records, _capped_row_of)

    def _insert(self, records: Sequence[Record], row: Callable[[Record, int], Row]) -> int:
        try:
            with self.writing("insert records", alone=True) as connection:
                slice_ids = self._slice_ids.of(connection, records)
                rows = list(map(row, records, slice_ids))
                new = connection.exec_driver_sql(INSERT_REQUEST, rows).rowcount
                if rollups.pending(connection) >= rollups.PENDING:
                    rollups.add_pending(connection)
        except BaseException:
            self._slice_ids.forget()  # those made here are undone
            raise
        return new

    def requests(self, limit: int, before: tuple[int, str] | None = None) -> list[Record]:
        """The latest records; `before` (started_ms, id) of the last seen gives the next page."""
        query = select(requests).order_by(requests.c.started_ms.desc(), requests.c.id.desc())
        if before is not None:
            query = query.where(tuple_(requests.c.started_ms, requests.c.id) < before)
        with self.reading("read the history") as connection:
            return [record_of(row) for row in connection.execute(query.limit(limit)).mappings()]

    def count_requests(self) -> int:
        with self.reading("read the history") as connection:
            return connection.execute(select(func.count()).select_from(requests)).scalar_one()

    def usage_totals(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Key id, UTC day and the seven totals of that day, as `State.rebuild` takes them."""
        day = requests.c.started_ms.op("/", return_type=Integer())(literal_column(str(DAY_MS)))
        columns = requests.c
        query = select(
            columns.key_id,
            day.label("day"),
            func.count(),
            _sum(columns.input_tokens),
            _sum(columns.cache_read_tokens),
            _sum(columns.cache_write_tokens),
            _sum(columns.output_tokens),
            _sum(columns.reasoning_tokens),
            _sum(columns.cost_microusd),
        ).group_by(columns.key_id, "day")
        with self.reading("read the usage") as connection:
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
                _sum(columns.input_tokens) + _sum(columns.output_tokens),
                _sum(columns.cost_microusd),
            )
            # What the index knows is when requests began.
            .where(columns.started_ms >= first_ms - _LONGEST_MS, ended_ms >= first_ms)
            .group_by(*owners, "from_ms")
        )
        with self.reading("read what was used") as connection:
            for row in connection.execute(query):
                yield UsedRow(*row)

    # --- client keys and small facts ---

    def client_keys(self, *, revoked: bool = False) -> list[StoredKey]:
        """The keys in force, oldest first; with `revoked` the others as well."""
        return self.keys.all(revoked=revoked)

    def add_client_key(self, key: StoredKey) -> None:
        """Raises `StoreError` when its id or digest is there already."""
        self.keys.add(key)

    def get_meta(self, name: str) -> str | None:
        with self.reading("read") as connection:
            return connection.execute(
                select(meta.c.value).where(meta.c.name == name)
            ).scalar_one_or_none()

    def set_meta(self, name: str, value: str) -> None:
        upsert = insert(meta).values(name=name, value=value)
        upsert = upsert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
        with self.writing("write") as connection:
            connection.execute(upsert)


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    """A sum that one impossible number cannot make overflow, which would be an error."""
    return func.sum(func.min(column, rollups.SANE))


def _capped_row_of(record: Record, slice_id: int) -> Row:
    """SQLite's integers have 64 bits; an impossible number must not stop the others."""
    return tuple(
        max(-_INTEGER_MAX, min(_INTEGER_MAX, value)) if isinstance(value, int) else value
        for value in row_of(record, slice_id)
    )
