"""Reading and writing transactions on the database of one data directory.

Synchronous; control calls it in threads. One writer at a time: writes take the lock of this object,
then SQLite's write lock at their beginning (`BEGIN IMMEDIATE`), so that waiting for another process
happens before any work and ends, after `busy_timeout_ms`, in `StoreBusy` with nothing written.
Every error is a `StoreError` of a kind the caller can act on.

A thread's calls within its own `transaction` are part of that transaction, reads too: what it wrote
it sees, and all of it is there afterwards, or nothing.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from omniroute.store import startup
from omniroute.store.histograms import add_blobs
from omniroute.store.interface import BUSY_TIMEOUT_MS, StoreError, translated


class Database:
    """Connections to one SQLite file. Thread-safe."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self.path = path
        self.busy_timeout_ms = busy_timeout_ms
        self._engine = _engine(path, busy_timeout_ms)
        self._write_engine = self._engine.execution_options(omniroute_writes=True)
        self._write_lock = threading.Lock()
        self._mine = threading.local()  # the transaction that this thread is in

    @contextlib.contextmanager
    def transaction(self, doing: str = "change the database") -> Iterator[None]:
        """Everything the thread does with the store within is committed at the end or, with an
        exception, undone.

        Readers go on meanwhile and see what was before; other writers wait: keep it short.
        """
        with self.writing(doing):
            yield

    @contextlib.contextmanager
    def writing(self, doing: str, *, alone: bool = False) -> Iterator[Connection]:
        """The connection to write with; committed at the end unless it is part of a transaction.

        `alone`: what must be on the disk when the call returns cannot be part of one.
        """
        current = self._current()
        if current is not None:
            if alone:
                raise StoreError(f"cannot {doing} inside a transaction that may yet be undone")
            with self._translating(doing):
                yield current
            return
        with (
            self._write_lock,
            self._translating(doing),
            self._write_engine.begin() as connection,
        ):
            self._mine.connection = connection
            try:
                yield connection
            finally:
                self._mine.connection = None

    @contextlib.contextmanager
    def writers_waiting(self) -> Iterator[None]:
        """No other thread writes with this object within."""
        if self._current() is not None:
            raise StoreError("cannot replace the database inside of a transaction")
        with self._write_lock:
            yield

    @contextlib.contextmanager
    def reading(self, doing: str) -> Iterator[Connection]:
        current = self._current()
        if current is not None:
            with self._translating(doing):
                yield current
            return
        with self._translating(doing), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _current(self) -> Connection | None:
        connection: Connection | None = getattr(self._mine, "connection", None)
        return connection

    @contextlib.contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise translated(error.orig or error, self.path, doing) from error
        except sqlite3.Error as error:  # raised while a connection is made
            raise translated(error, self.path, doing) from error


# Functions that SQL statements of this room call.
_FUNCTIONS: tuple[tuple[str, int, Callable[..., bytes]], ...] = (("histogram_sum", 2, add_blobs),)


def _engine(path: Path, busy_timeout_ms: int) -> Engine:
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        startup.configure(connection, busy_timeout_ms)
        for name, arguments, function in _FUNCTIONS:
            connection.create_function(name, arguments, function, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("omniroute_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
