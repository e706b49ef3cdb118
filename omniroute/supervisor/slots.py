"""The places for children, and the command line that fills each of them.

Standard library only: the first children are spawned before anything else is imported.
"""

import json
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from omniroute import ports
from omniroute.children import Backoff, Child, spawn
from omniroute.link import Link
from omniroute.supervisor.plan import SupervisorPlan

_log = logging.getLogger("omniroute.supervisor")


class Slot:
    """A place for one child: the process in it changes, the place stays."""

    def __init__(self, kind: str, number: int, start: Callable[[], Child]) -> None:
        self.kind = kind
        self.number = number
        self.start = start
        self.backoff = Backoff()
        self.child: Child | None = None
        self.link: Link | None = None
        self.state = "starting"  # starting | ready | replacing | draining | gone
        self.restarts = 0
        self.inflight = 0
        self.heard_s = 0.0
        self.beats = False  # the child in it has beaten once
        self.was_ready = False

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}" if self.kind == "worker" else self.kind

    def fill(self) -> None:
        """Spawn a child; where the system has none to give, say so and stay empty."""
        try:
            self.child = self.start()
        except OSError as error:
            _log.error("cannot spawn %s: %s", self.name, error)

    def describe(self) -> dict[str, Any]:
        return {
            "worker": self.number,
            "pid": self.child.pid if self.child else None,
            "state": self.state,
            "inflight": self.inflight,
            "restarts": self.restarts,
        }


class Slots:
    """All places of one gateway, with the listening sockets that go to those in them."""

    def __init__(
        self, plan: SupervisorPlan, data_socket: socket.socket, dashboard_socket: socket.socket
    ) -> None:
        self._plan = plan
        self.data_socket = data_socket
        self.dashboard_socket = dashboard_socket
        self.endpoint = ports.url(data_socket, plan.host)
        self.dashboard = ports.url(dashboard_socket, plan.host)
        # Set once control has published: a later one then replaces it, and workers may go.
        self.map_bytes = 0
        self.control = Slot("control", 0, self._spawn_control)
        self.workers = [
            Slot("worker", number, partial(self._spawn_worker, number))
            for number in range(1, plan.workers + 1)
        ]
        self.simulator = Slot("simulator", 0, self._spawn_simulator) if plan.simulator else None

    def all(self) -> list[Slot]:
        return [self.control, *self.answering()]

    def answering(self) -> list[Slot]:
        """Those that must be up before requests can be answered."""
        return [*self.workers, *([self.simulator] if self.simulator else [])]

    def spawn_all(self) -> None:
        """Start every child at once; they wait for each other by themselves."""
        for slot in self.all():
            slot.fill()

    def kill_all(self) -> None:
        for slot in self.all():
            if slot.child is not None:
                slot.child.kill()

    def _common(self) -> list[str]:
        plan = self._plan
        return [
            *("--data-dir", str(plan.data_dir)),
            *("--log-level", plan.log_level, "--log-format", plan.log_format),
            *(("--log-rotation", str(plan.log_rotation)) if plan.log_rotation else ()),
        ]

    def _spawn_control(self) -> Child:
        plan = self._plan
        arguments = [
            *self._common(),
            *("--endpoint", self.endpoint, "--dashboard", self.dashboard),
            *("--overrides", json.dumps(dict(plan.overrides), default=str)),
        ]
        if plan.config_file is not None:
            arguments += ["--config", str(plan.config_file)]
        if self.map_bytes:
            arguments.append("--is-replacement")
        return spawn("omniroute.control", arguments, {"--dashboard-fd": self.dashboard_socket})

    def _spawn_worker(self, number: int) -> Child:
        arguments = [*self._common(), "--worker-id", str(number)]
        return spawn("omniroute.worker", arguments, {"--listen-fd": self.data_socket})

    def _spawn_simulator(self) -> Child:
        assert self._plan.simulator_socket is not None, "a simulator needs its socket"
        return spawn("omniroute.simulator", [], {"--listen-fd": self._plan.simulator_socket})
