"""A child process of the supervisor: how it is spawned, questioned, killed and spoken about.

Standard library only, since the first children are spawned before the supervisor imports Trio.
A child is always a fresh interpreter (`python -P -m omniroute.…`), never a fork of this one: a
fork would copy threads' locks, LMDB handles and buffers in whatever state they are. It gets
exactly the descriptors named here; Python creates all others as not inheritable.
"""

import os
import signal
import site
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import omniroute
from omniroute import link

# A child that lived this long is healthy: its death is answered at once. One that keeps dying
# sooner is replaced ever more slowly, so that a crash loop does not eat the machine.
_HEALTHY_AFTER_S = 20.0
_BACKOFF_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


class Child:
    """A running child and the supervisor's end of its link."""

    def __init__(self, process: "subprocess.Popen[bytes]", link_socket: socket.socket) -> None:
        self.process = process
        self.link_socket = link_socket
        self.spawned_s = time.monotonic()

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: also ends what is stopped or hangs in a system call. Harmless when dead."""
        self.process.kill()

    def ask_where_it_hangs(self) -> None:
        """Have it write the stacks of its threads to standard error (see `logs`)."""
        if hasattr(signal, "SIGUSR1"):
            self.process.send_signal(signal.SIGUSR1)

    def lived_s(self) -> float:
        return time.monotonic() - self.spawned_s


def spawn(
    module: str,
    arguments: Sequence[str],
    descriptors: Mapping[str, socket.socket],
) -> Child:
    """Start `python -m module`; each descriptor is passed as its option, e.g. `--listen-fd 7`.

    `--link-fd` with the child's end of a new link is added. Raises OSError when the system has no
    process or memory to give.
    """
    ours, theirs = link.pair()
    try:
        passed = {**descriptors, "--link-fd": theirs}
        command = [sys.executable, "-P", "-m", module, *arguments]
        for option, sock in passed.items():
            command += [option, str(sock.fileno())]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[sock.fileno() for sock in passed.values()],
            env=_environment(),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        # Held by the child alone from here on, so that its death is end of file for us.
        theirs.close()
    return Child(process, ours)


def _environment() -> dict[str, str]:
    """Ours, with the package's own folder importable.

    `-P` keeps the working directory off the child's import path (anybody's `ssl.py` may lie
    there), which would also hide a source tree that is run in place.
    """
    environment = dict(os.environ)
    root = str(Path(omniroute.__file__).resolve().parent.parent)
    if root not in site.getsitepackages():
        given = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = root + (os.pathsep + given if given else "")
    return environment


def describe_exit(returncode: int) -> str:
    """What a return code says, in words: "was killed by SIGKILL", "exited with status 1"."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


class Backoff:
    """How long to wait before the next replacement of one child."""

    def __init__(self) -> None:
        self._early_deaths = 0

    def delay_s(self, lived_s: float) -> float:
        """The wait after a death, in seconds: none at first, up to 4 in a crash loop."""
        if lived_s >= _HEALTHY_AFTER_S:
            self._early_deaths = 0
        delay = _BACKOFF_S[min(self._early_deaths, len(_BACKOFF_S) - 1)]
        self._early_deaths += 1
        return delay
