"""Background work of the control process: repeated, in a thread, its state open to see.

A job that fails is logged, shown in the status and tried again, later and later; it never ends the
process and never hides. Work is a blocking function; one run of a job at a time.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

_MAX_PAUSE_S = 30.0

_log = logging.getLogger("omniroute.control.jobs")


class JobFailed(Exception):
    """A run that did not do its work for a known reason; the message is shown as it is."""


@dataclass
class Job:
    """One piece of repeated work and how its last runs went."""

    name: str
    every_s: float
    work: Callable[[], None]
    runs: int = 0
    failures: int = 0  # in a row
    error: str = ""  # of the last run
    last_ms: int = 0
    running: bool = field(default=False, init=False)

    async def run_once(self) -> None:
        self.running = True
        try:
            await anyio.to_thread.run_sync(self.work)
        except JobFailed as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            _log.exception("job %s broke", self.name)
        else:
            if self.failures:
                _log.info("job %s works again", self.name)
            self.failures = 0
            self.error = ""
        finally:
            self.running = False
            self.runs += 1
            self.last_ms = time.time_ns() // 1_000_000

    def _fail(self, error: str) -> None:
        if error != self.error:
            _log.error("job %s: %s", self.name, error)
        self.failures += 1
        self.error = error

    def pause_s(self) -> float:
        return min(
            self.every_s * float(2 ** min(self.failures, 10)), max(_MAX_PAUSE_S, self.every_s)
        )

    async def repeat(self) -> None:
        while True:
            await self.run_once()
            await anyio.sleep(self.pause_s())

    def describe(self) -> dict[str, Any]:
        state = "running" if self.running else "failing" if self.failures else "waiting"
        return {
            "state": state,
            "every_s": self.every_s,
            "runs": self.runs,
            "failures": self.failures,
            "error": self.error,
            "last_ms": self.last_ms,
        }
