"""What workers left in the spool, taken into the database: captured bodies, connects by proxies.

A file is stored, then removed; killed in between, the next run stores it again, where bodies that
are there already stay as they are and a connect may be told twice. A file that cannot be read is
told and removed: it would stop all behind it.

Blocking calls: for a thread. One collection at a time.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from omniroute.spool import CapturedBody, Entry, ProxyConnect, Spool, SpoolDamaged
from omniroute.store import interface

_log = logging.getLogger("omniroute.control")


class Bodies(Protocol):
    """What this needs of the store for bodies."""

    def add(self, captured: Sequence[interface.StoredBody]) -> None:
        """All or none; one that is there already stays. Raises StoreError."""


class Connects(Protocol):
    """What this needs of the store for connects."""

    def add(self, connects: Sequence[interface.ProxyConnect]) -> None:
        """All or none. Raises StoreError."""


def collect(spool: Spool, bodies: Bodies, connects: Connects) -> int:
    """Takes all files that wait; returns how many. Raises StoreError, OSError: the rest waits."""
    taken = 0
    for file in spool.waiting():
        try:
            entries = spool.read(file)
        except FileNotFoundError:
            continue
        except SpoolDamaged as error:
            _log.error("captured bodies or connects through proxies are lost: %s", error)
        else:
            _store(entries, bodies, connects)
        spool.remove(file)
        taken += 1
    return taken


def _store(entries: Sequence[Entry], bodies: Bodies, connects: Connects) -> None:
    bodies.add(
        [
            interface.StoredBody(
                entry.request_id,
                entry.attempt,
                entry.side,
                entry.direction,
                entry.at_ms,
                entry.size,
                entry.sealed,
            )
            for entry in entries
            if isinstance(entry, CapturedBody)
        ]
    )
    connects.add(
        [
            interface.ProxyConnect(
                entry.at_ms,
                entry.proxy,
                entry.target,
                entry.level,
                entry.provider,
                entry.connection,
                entry.outcome,
                entry.error,
                entry.took_us,
            )
            for entry in entries
            if isinstance(entry, ProxyConnect)
        ]
    )
