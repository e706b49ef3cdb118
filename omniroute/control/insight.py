"""What an owner sees of the running gateway, joined: feed, metrics, traces, log files.

Nothing here is needed for traffic: a job of it that fails is shown in the status and tried again.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from omniroute.config import LogSettings
from omniroute.control.announcing import AnnouncingHistory
from omniroute.control.conversations import Conversations
from omniroute.control.drain import History
from omniroute.control.jobs import Job, JobFailed
from omniroute.control.live import Live
from omniroute.control.metrics import Metrics
from omniroute.control.telemetry import Telemetry, TelemetryInvalid, collector_of, posting
from omniroute.control.watching import ConditionWatch, LogWatch
from omniroute.logs import FILES_IN, prune
from omniroute.net.connector import Connector
from omniroute.net.proxies import EnvironmentProxies
from omniroute.state.interface import State

_LOOK_EVERY_S: Final = 1.0
_SEND_EVERY_S: Final = 2.0
_PRUNE_EVERY_S: Final = 3_600.0
_LAST_SEND_S: Final = 2.0


class Insight:
    """Made once by the control process. `warnings` gets what the owner should put right."""

    def __init__(
        self,
        data_dir: Path,
        state: State,
        log: LogSettings,
        connector: Connector,
        environment: Mapping[str, str],
        warnings: list[str],
        *,
        ca_file: str | None = None,
    ) -> None:
        self.live = Live()
        self.metrics = Metrics()
        self.conversations = Conversations()
        self._telemetry = _telemetry(environment, connector, ca_file, warnings)
        self._logs = data_dir / FILES_IN
        self._rotation = log.rotation
        self._log_watch = LogWatch(self._logs, self.live)
        self._condition_watch = ConditionWatch(state.conditions, self.live)

    def history(self, history: History) -> AnnouncingHistory:
        """The history, for the drain: what it takes is told to feed, metrics and traces."""
        told = [self.metrics.add, self.conversations.add, self.live.publish_records]
        if self._telemetry is not None:
            told.append(self._telemetry.add)
        return AnnouncingHistory(history, told)

    def jobs(self) -> list[Job]:
        """What is to be repeated."""
        jobs = [Job("feed", _LOOK_EVERY_S, self._look)]
        if self._rotation is not None:
            jobs.append(Job("log files", _PRUNE_EVERY_S, self._prune))
        if self._telemetry is not None:
            send = partial(trio.from_thread.run, self._telemetry.send)
            jobs.append(Job("traces", _SEND_EVERY_S, send))
        return jobs

    async def send_last(self) -> None:
        """Before the end: what waits goes to the collector, as far as a short time allows."""
        if self._telemetry is not None:
            with suppress(JobFailed), trio.move_on_after(_LAST_SEND_S):
                await self._telemetry.send()

    def describe_traces(self) -> dict[str, Any] | None:
        """For the status; None while there is no collector."""
        return None if self._telemetry is None else self._telemetry.describe()

    def _look(self) -> None:
        self._log_watch.look()
        self._condition_watch.look(time.time_ns() // 1_000_000)

    def _prune(self) -> None:
        assert self._rotation is not None, "planned only with files"
        prune(self._logs, self._rotation, time.time())


def _telemetry(
    environment: Mapping[str, str],
    connector: Connector,
    ca_file: str | None,
    warnings: list[str],
) -> Telemetry | None:
    try:
        collector = collector_of(environment)
    except TelemetryInvalid as error:
        warnings.append(f"no traces are sent: {error}")
        return None
    if collector is None:
        return None
    proxies = EnvironmentProxies(environment)
    return Telemetry(collector, posting(collector, connector, proxies, ca_file))
