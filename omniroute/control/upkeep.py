"""What keeps the database in order over the years: forgetting what is old, and backups on schedule.

Both go by the settings in force at each run. While a broken file keeps an earlier snapshot in
force, these settings are not known: then nothing is deleted and nothing is copied, for a default
might forget what the owner meant to keep.
"""

from collections.abc import Callable
from typing import Final

from omniroute.config import RetentionSettings, Settings
from omniroute.control import retention
from omniroute.control.backups import Backups
from omniroute.control.jobs import Job
from omniroute.control.retention import Retention
from omniroute.store.connecting import Database

_LOOK_EVERY_S: Final = 60.0  # whether a backup is due
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_KEEP_ALL: Final = RetentionSettings(**dict.fromkeys(RetentionSettings.__struct_fields__, 0))


class Upkeep:
    """Made once by the control process. `settings` gives those in force, None when unknown."""

    def __init__(
        self,
        database: Database,
        backups: Backups,
        settings: Callable[[], Settings | None],
        now_ms: Callable[[], int],
    ) -> None:
        self._backups = backups
        self._settings = settings
        self._retention = Retention(database, self._bounds, now_ms)

    def jobs(self) -> list[Job]:
        """What is to be repeated."""
        return [
            Job("retention", retention.EVERY_S, self._retention.run),
            Job("backups", _LOOK_EVERY_S, self._back_up),
        ]

    def stop(self) -> None:
        """Ends a run of the retention after its present step, and all later ones."""
        self._retention.stop()

    def _bounds(self) -> RetentionSettings:
        settings = self._settings()
        return _KEEP_ALL if settings is None else settings.retention

    def _back_up(self) -> None:
        settings = self._settings()
        if settings is None or not settings.backups.every_h:
            return
        wanted = settings.backups
        self._backups.keep_schedule(
            round(wanted.every_h * _HOUR_MS), wanted.keep, wanted.keep_days * _DAY_MS or None
        )
