"""Binding the listening sockets, and naming who holds a port that is taken.

Standard library only: the supervisor binds before it imports anything else. The holder is looked
up in /proc, so it is named on Linux and, for the processes of other users, only as far as the
kernel tells; elsewhere the error says just which address is taken.
"""

import errno
import os
import socket
import time
from pathlib import Path
from typing import Any

# The kernel cuts this to net.core.somaxconn. It is long so that connections arriving while a
# worker is replaced wait instead of being refused.
BACKLOG = 4096

# Children of a killed supervisor close their listening sockets as soon as they see end of file.
# A start right after the kill may come some milliseconds too early: it waits this long for them.
ORPHANS_LEAVE_S = 3.0

_LISTEN_STATE = "0A"
_CHILD = "-m omniroute."  # how the supervisor's children look in a process list
_ENDING = "(ending)"


class PortTaken(Exception):
    """Another process listens on the address, or it cannot be bound for another reason."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket on host and port (0 = any free one). Raises PortTaken.

    Of a name with several addresses the first IPv4 one is taken: one socket, so that one printed
    URL and one queue exist. The socket is not inheritable; the spawner passes it on by number.
    """
    family, address = _resolve(host, port)
    deadline = time.monotonic() + ORPHANS_LEAVE_S
    while True:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Without it, connections in TIME_WAIT keep a restarted gateway from binding.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE:
                raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
            holders = listeners(port)
            # A running gateway's supervisor is a holder beside its children; without it they are
            # orphans about to leave. No holder at all: it left just now, or is another user's.
            leaving = all(_CHILD in holder or _ENDING in holder for holder in holders)
            if time.monotonic() >= deadline or not leaving:
                raise PortTaken(_taken(host, port, holders)) from error
            time.sleep(0.02)
        else:
            return sock


def _resolve(host: str, port: int) -> tuple[int, Any]:
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError) as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error}") from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def _taken(host: str, port: int, holders: list[str]) -> str:
    who = " and ".join(holders) if holders else "another process"
    return (
        f"port {port} on {host} is taken by {who}; stop it or choose another port "
        f"(--port, [server] port or dashboard_port)"
    )


def listeners(port: int) -> list[str]:
    """Who listens on this TCP port, as "pid 12 (python -m x)"; empty where that is unknown."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN_STATE and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    return [_describe(pid) for pid in _owners(inodes)] if inodes else []


def _owners(inodes: set[str]) -> list[int]:
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            descriptors = list((entry / "fd").iterdir())
        except OSError:
            continue  # gone meanwhile, or another user's
        for descriptor in descriptors:
            try:
                if os.readlink(descriptor) in inodes:
                    pids.append(int(entry.name))
                    break
            except OSError:
                continue
    return sorted(pids)


def _describe(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        words = []
    if not words or not words[0]:
        # The kernel takes a dying process's memory before its descriptors.
        return f"pid {pid} {_ENDING}"
    # The first words identify a program; later ones may be long, or secret.
    command = " ".join(word.decode("utf-8", "replace") for word in words[:4])
    return f"pid {pid} ({command})"


def url(sock: socket.socket, host: str) -> str:
    """The http URL under which a person reaches this listening socket."""
    port = sock.getsockname()[1]
    # The wildcard address is no destination; loopback always is one when it is bound.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{port}"
