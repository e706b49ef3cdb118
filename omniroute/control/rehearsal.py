"""The built-in simulator as a provider, for whoever wants to see everything work before having one.

The simulator runs as a child of this process for as long as the provider is in force that was made
for it, at the port that its base URL names: so it is there again after a restart, and gone with the
provider. A header tells that provider from one that somebody gave the same name. It needs no key
and no network, and says in each answer what it is. It ends when this process does, however that
ends.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from omniroute import link
from omniroute.control.jobs import JobFailed
from omniroute.snapshot import Snapshot

PROVIDER: Final = "simulator"

_HOST: Final = "127.0.0.1"
_MARK: Final = ("x-simulator", "built-in")
# What it plays, of the names that its own list of models explains.
_MODELS: Final = ("plain", "tools", "reasoning", "think", "long", "unicode", "slow")
_BACKLOG: Final = 128
_LEAVE_S: Final = 5.0
# So long it may run before the provider is in force: it is started first, then saved.
_AHEAD_S: Final = 10.0

_log = logging.getLogger("omniroute.control.rehearsal")


def settings_of(port: int) -> dict[str, Any]:
    """The provider, as it is stored."""
    return {
        "id": PROVIDER,
        "format": "openai",
        "base_url": f"http://{_HOST}:{port}/v1",
        "tier": "local",
        "models": list(_MODELS),
        "headers": dict([_MARK]),
    }


def wanted_port(snapshot: Snapshot) -> int | None:
    """The port at which the simulator should answer; None when it should not run."""
    for provider in snapshot.providers:
        if provider.id == PROVIDER and _MARK in provider.headers:
            address = urlsplit(provider.base_url)
            return address.port if address.hostname == _HOST else None
    return None


class Rehearsal:
    """The child, when there is one. Calls block; they may come from any thread."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._port = 0
        self._started_s = 0.0

    @property
    def pid(self) -> int | None:
        """Of the child; None while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self, port: int = 0) -> int:
        """Run at this port of loopback, 0 for any free one; where it runs already, it stays.

        Returns the port; from now on it takes connections. Raises JobFailed.
        """
        with self._lock:
            if self._is_alive() and port in (0, self._port):
                return self._port
            self._end()
            try:
                self._spawn(port)
            except OSError as error:
                raise JobFailed(
                    f"the simulator cannot run at {_HOST}:{port}: {error.strerror}; delete the "
                    f"provider {PROVIDER} and add it again"
                ) from error
            return self._port

    def keep(self, snapshot: Snapshot) -> None:
        """Run, or do not, as the configuration in force wants it. Raises JobFailed."""
        port = wanted_port(snapshot)
        if port is None:
            with self._lock:
                if time.monotonic() > self._started_s + _AHEAD_S:
                    self._end()
            return
        self.start(port)
        with self._lock:
            self._hear()

    def close(self) -> None:
        with self._lock:
            self._end()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _spawn(self, port: int) -> None:
        ours, theirs = link.pair()
        # Closed here after the start: held by the child alone, its death refuses connections.
        with theirs, socket.socket() as listener:
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((_HOST, port))
                listener.listen(_BACKLOG)
                descriptors = [listener.fileno(), theirs.fileno()]
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "omniroute.simulator"),
                        *("--listen-fd", str(descriptors[0]), "--link-fd", str(descriptors[1])),
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    env=self._environment,
                )
            except BaseException:
                ours.close()
                raise
            self._port = listener.getsockname()[1]
        self._started_s = time.monotonic()
        ours.setblocking(False)
        self._link = ours
        _log.info("the simulator runs at %s:%d", _HOST, self._port)

    def _hear(self) -> None:
        """It tells that it is well twice a second: read, so that it never has to wait with that."""
        assert self._link is not None
        with suppress(OSError):
            while self._link.recv(1 << 16):
                pass

    def _end(self) -> None:
        if self._process is None:
            return
        if self._link is not None:
            self._link.close()  # which it takes as the end
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._link = None
