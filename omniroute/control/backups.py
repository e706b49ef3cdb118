"""Backups: taken by hand, before what is dangerous, and on a schedule; listed, restored, pruned.

A backup is a copy of the database in the folder `backups` of the data directory, named by time and
reason (`db_2026-11-28T22-01-02-123Z_manual.sqlite`). It is complete, so it is as confidential as
the database itself: what is sealed stays sealed, digests are in it. Restoring replaces what people
edit and the history by what the backup holds, while everything runs; how people sign in, what was
revoked or rotated since and the audit stay as they are now. Every call blocks: for a thread. One
restore at a time.
"""

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omniroute.store import copies, scrubbing
from omniroute.store.copies import Found
from omniroute.store.database import Store

KEEP_LATEST = 20
EVERY_MS = 24 * 3_600_000

MANUAL = "manual"
SCHEDULED = "scheduled"
BEFORE_RESTORE = "before-restore"
BEFORE_IMPORT = "before-import"


class UnknownBackup(Exception):
    """There is no backup of this name."""


class Backup(NamedTuple):
    """One backup. Its name is its id."""

    name: str
    at_ms: int
    reason: str
    size_bytes: int


class Restored(NamedTuple):
    """What a restore or an import did."""

    before: Backup  # what was there, should it be wanted again
    found: Found  # what is there now


class Backups:
    """Those of one data directory."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._folder = store.path.with_name(copies.FOLDER)
        self._now_ms = now_ms
        self._restoring = threading.Lock()

    def all(self) -> list[Backup]:
        """The latest first."""
        found = []
        for path in self._folder.glob("db_*.sqlite"):
            kept = copies.kept(path.name)
            if kept is not None:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    found.append(Backup(*kept, size_bytes=path.stat().st_size))
        return sorted(found, key=lambda backup: (backup.at_ms, backup.name), reverse=True)

    def create(self, reason: str = MANUAL) -> Backup:
        """Raises `StoreError` and its kinds."""
        path = copies.keep_aside(self._store.path, self._now_ms(), reason)
        kept = copies.kept(path.name)
        assert kept is not None, "named just now"
        return Backup(*kept, size_bytes=path.stat().st_size)

    def path_of(self, name: str) -> Path:
        """Where a backup is. Raises `UnknownBackup`, for anything that is no name of one, too."""
        path = self._folder / name
        if copies.kept(name) is None or not path.is_file():
            raise UnknownBackup(f"there is no backup {name!r}")
        return path

    def restore(self, name: str, *, keep_revoked: bool = True) -> Restored:
        """Makes the database what it was. A backup of the present one is taken first.

        The configuration must be read anew afterwards. Raises `UnknownBackup`; `StoreError` and
        its kinds, and then nothing has changed.
        """
        return self.replace_by(self.path_of(name), BEFORE_RESTORE, keep_revoked=keep_revoked)

    def replace_by(
        self,
        source: Path,
        reason: str,
        prepare: Callable[[Path], None] = lambda _: None,
        *,
        keep_revoked: bool = True,
    ) -> Restored:
        """Puts any copy in the place of the database, after all checks and a backup.

        `prepare` may change the working copy, which has this version's schema by then.
        `keep_revoked`: client keys that were revoked or rotated here stay so.
        """
        with self._restoring:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            working = self._folder / f"working-{secrets.token_hex(6)}.sqlite"
            try:
                copies.check(source)
                copies.copy(source, working)
                Store.open(working, backup_first=False).close()
                copies.check_schema(working)
                prepare(working)
                before = self.create(reason)
                found = copies.check(working)
                self._store.replace(
                    working,
                    lambda: scrubbing.fill(working, self._store.path, keep_revoked=keep_revoked),
                )
            finally:
                for path in self._folder.glob(f"{working.name}*"):
                    path.unlink()
            return Restored(before, found)

    def delete(self, name: str) -> None:
        """Raises `UnknownBackup`."""
        self.path_of(name).unlink()

    def prune(self, keep_latest: int | None = KEEP_LATEST, max_age_ms: int | None = None) -> int:
        """Deletes all but the latest so many, and those older than that; returns how many.

        The latest of all stays in any case.
        """
        kept = self.all()
        oldest_ms = 0 if max_age_ms is None else self._now_ms() - max_age_ms
        gone = [
            backup
            for place, backup in enumerate(kept)
            if place > 0
            and ((keep_latest is not None and place >= keep_latest) or backup.at_ms < oldest_ms)
        ]
        for backup in gone:
            self.path_of(backup.name).unlink(missing_ok=True)
        return len(gone)

    def keep_schedule(
        self,
        every_ms: int = EVERY_MS,
        keep_latest: int | None = KEEP_LATEST,
        max_age_ms: int | None = None,
    ) -> None:
        """Takes a backup when the last one on schedule is that old, then prunes. For a job.

        Raises `StoreError` and its kinds.
        """
        now_ms = self._now_ms()
        last_ms = max(
            (backup.at_ms for backup in self.all() if backup.reason == SCHEDULED), default=None
        )
        # A clock that was set back must not stop backups for long.
        if last_ms is None or not now_ms - every_ms < last_ms <= now_ms:
            self.create(SCHEDULED)
            self.prune(keep_latest, max_age_ms)
