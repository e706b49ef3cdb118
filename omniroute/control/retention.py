"""Forgetting what the owner does not want kept any longer. For a job.

Which setting bounds which table stands in one list. The work is done in steps that let the drain
pass in between, and stops when it is told to; what is left is done the next time.
"""

import threading
from collections.abc import Callable

from omniroute.config import RetentionSettings
from omniroute.store.connecting import Database
from omniroute.store.trimming import Keep, trim

DAY_MS = 86_400_000
EVERY_S = 600.0
PAUSE_S = 0.005


def bounds(settings: RetentionSettings) -> dict[str, Keep]:
    """How much is kept of each table; 0 in the settings is no bound."""
    days = {
        "requests": settings.requests_days,
        "bodies": settings.bodies_days,
        "audit": settings.audit_days,
        "proxy_log": settings.proxy_log_days,
        "rollup_hours": settings.rollups_days,
        "rollup_days": settings.rollups_days,
    }
    rows = {
        "requests": settings.requests_rows,
        "bodies": settings.bodies_rows,
        "audit": settings.audit_rows,
        "proxy_log": settings.proxy_log_rows,
    }
    return {table: Keep(days[table] * DAY_MS or None, rows.get(table, 0) or None) for table in days}


class Retention:
    """Trims by the settings in force."""

    def __init__(
        self,
        database: Database,
        settings: Callable[[], RetentionSettings],
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._settings = settings
        self._now_ms = now_ms
        self._stop = threading.Event()
        self.trimmed: dict[str, int] = {}
        """By table, how many rows went since the start."""

    def run(self) -> None:
        """Trims every table. Blocks; raises `StoreError` and its kinds."""
        for table, keep in bounds(self._settings()).items():
            gone = trim(self._database, table, keep, self._now_ms(), go_on=self._go_on)
            self.trimmed[table] = self.trimmed.get(table, 0) + gone
            if self._stop.is_set():
                return

    def stop(self) -> None:
        """Ends a run after its present step."""
        self._stop.set()

    def _go_on(self) -> bool:
        # Who waits for the lock gets it meanwhile.
        return not self._stop.wait(PAUSE_S)
