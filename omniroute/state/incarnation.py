"""One life of a process, so that what it held can be told from what a later one holds.

A process number comes back after its process has died, so an incarnation is number, start and run
of the machine together. Linux tells the start of every process (proc(5), `/proc/<pid>/stat`, field
22, in clock ticks since the machine's own start). Where `/proc` is missing the number alone must
do; where no process can be asked about either (Windows), all count as alive until the machine
starts anew.
"""

import os
import sys
from pathlib import Path

import msgspec

from omniroute.state.files import boot_id

INCARNATION_BYTES = 8

_STATE_AT = 0  # of the fields after the name, which stands in parentheses
_START_AT = 19
_DEAD = frozenset("ZXx")  # a zombie runs no more, whoever has yet to take note of its end


class Incarnation(msgspec.Struct, frozen=True, array_like=True):
    """Which process it is. `start`: 0 where the system does not say."""

    pid: int
    start: int
    boot: str


def own() -> bytes:
    """This process, as `is_alive` reads it, in any process of this machine."""
    pid = os.getpid()
    return msgspec.msgpack.encode(Incarnation(pid, _start(pid) or 0, boot_id()))


def is_alive(stored: bytes) -> bool:
    """Does the process still run? What cannot be read belongs to nobody."""
    try:
        known = msgspec.msgpack.decode(stored, type=Incarnation)
    except msgspec.MsgspecError:
        return False
    if known.boot != boot_id():
        return False
    if known.start:
        return _start(known.pid) == known.start
    return _answers(known.pid)


def _start(pid: int) -> int | None:
    """When a running process was started; None when there is none, or no telling."""
    try:
        # The name may hold anything, spaces and parentheses included; no later field does.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return None
    return None if fields[_STATE_AT] in _DEAD else int(fields[_START_AT])


def _answers(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
