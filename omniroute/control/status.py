"""The status document: how everything is, as the dashboard and scripts read it.

Numbers and short sentences only; nothing here is secret, and nothing comes from a request.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omniroute import __version__
from omniroute.control.configuration import Configuration
from omniroute.control.drain import DrainStatus
from omniroute.control.health import told_health
from omniroute.control.in_use import limits_in_use, plain
from omniroute.control.jobs import Job
from omniroute.control.vitals import all_vitals, data_sizes
from omniroute.state.interface import State


@dataclass
class Fleet:
    """What the supervisor last said about the processes."""

    workers: list[dict[str, Any]] = field(default_factory=list)
    control_restarts: int = 0
    draining: bool = False

    def update(self, message: dict[str, Any]) -> None:
        self.workers = message["workers"]
        self.control_restarts = message["control_restarts"]
        self.draining = message["draining"]


@dataclass
class Status:
    """Builds the document from those who know."""

    state: State
    configuration: Configuration
    drain: DrainStatus
    jobs: Sequence[Job]
    warnings: Sequence[str]
    endpoint: str
    dashboard: str
    quota_sync: Callable[[], list[dict[str, Any]]] = list
    traces: Callable[[], dict[str, Any] | None] = lambda: None
    data_dir: Path | None = None
    fleet: Fleet = field(default_factory=Fleet)
    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def document(self) -> dict[str, Any]:
        stats = self.state.stats()
        configuration = self.configuration
        now_ms = time.time_ns() // 1_000_000
        return {
            "version": __version__,
            "started_ms": self.started_ms,
            "uptime_s": round(time.time() - self.started_ms / 1000, 1),
            "endpoint": self.endpoint,
            "dashboard": self.dashboard,
            "draining": self.fleet.draining,
            "workers": self.fleet.workers,
            "control_restarts": self.fleet.control_restarts,
            "configuration": {
                "file": str(configuration.file) if configuration.file else None,
                "snapshot_version": stats.snapshot_version,
                "published_ms": configuration.published_ms,
                "error": configuration.error,
                "restart_needed": list(configuration.restart_needed),
            },
            "outbox": {
                "records": stats.outbox_records,
                "bytes": stats.outbox_bytes,
                "limit_bytes": stats.outbox_limit_bytes,
                "dropped": stats.dropped,
            },
            "history": {
                "moved": self.drain.moved,
                "unreadable": self.drain.unreadable,
                "failures": self.drain.failures,
                "problem": self.drain.problem,
            },
            "state": {
                "map_bytes": stats.map_bytes,
                "used_bytes": stats.used_bytes,
                "readers": stats.readers,
                "preallocated": stats.preallocated,
            },
            "limits": plain(limits_in_use(self.state, configuration.snapshot, now_ms)),
            "beyond_limits": {
                "requests": self.drain.beyond,
                "microusd": self.drain.beyond_microusd,
            },
            "cache": self.state.answers.stats()._asdict(),
            "processes": all_vitals(self._processes()),
            "data_bytes": data_sizes(self.data_dir) if self.data_dir is not None else {},
            "health": told_health(self.state.conditions.read()[1], now_ms),
            "quota_sync": self.quota_sync(),
            "traces": self.traces(),
            "jobs": {job.name: job.describe() for job in self.jobs},
            "problems": self._problems(stats.dropped),
        }

    def _processes(self) -> list[tuple[str, int | None]]:
        """Those of this gateway, by name; each with its pid, None while there is none."""
        workers = [(f"worker-{each['worker']}", each.get("pid")) for each in self.fleet.workers]
        return [("supervisor", os.getppid()), ("control", os.getpid()), *workers]

    def _problems(self, dropped: dict[str, int]) -> list[str]:
        configuration = self.configuration
        problems = [*self.warnings, *configuration.problems()]
        if configuration.error:
            problems.append(f"the last change was refused: {configuration.error}")
        if configuration.restart_needed:
            names = ", ".join(configuration.restart_needed)
            problems.append(f"takes effect at the next start: {names}")
        problems += [f"job {job.name}: {job.error}" for job in self.jobs if job.error]
        problems += [
            f"{count} log records were dropped ({reason})" for reason, count in dropped.items()
        ]
        if self.drain.beyond:
            problems.append(
                f"{self.drain.beyond} requests were billed {self.drain.beyond_microusd / 1e6:.6f} "
                "USD beyond what was reserved for them"
            )
        return problems
