"""A process is told from every other, before and after it, and known to be dead once it is."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from omniroute.state import incarnation
from omniroute.state.incarnation import Incarnation


def stored(pid: int, start: int, boot: str) -> bytes:
    return msgspec.msgpack.encode(Incarnation(pid, start, boot))


def own() -> Incarnation:
    return msgspec.msgpack.decode(incarnation.own(), type=Incarnation)


def test_this_process_is_alive():
    assert incarnation.is_alive(incarnation.own())
    assert own().pid == os.getpid()


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_another_process_with_the_same_number_is_another():
    mine = own()
    assert mine.start > 0
    assert not incarnation.is_alive(stored(mine.pid, mine.start - 1, mine.boot))


def test_a_start_of_the_machine_ends_all():
    mine = own()
    assert not incarnation.is_alive(stored(mine.pid, mine.start, "another run"))


def test_bytes_that_name_nobody_belong_to_nobody():
    for blob in (b"", b"\xc1", msgspec.msgpack.encode("x")):
        assert not incarnation.is_alive(blob)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_is_dead_before_its_parent_took_note():
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom omniroute.state import incarnation\n"
            "sys.stdout.buffer.write(incarnation.own()); sys.stdout.flush(); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        blob = os.read(child.stdout.fileno(), 100)
        assert incarnation.is_alive(blob)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not incarnation.is_alive(blob)
        child.wait()
        assert not incarnation.is_alive(blob)


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be asked about there")
def test_without_a_start_time_the_number_alone_decides():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    boot = own().boot
    assert incarnation.is_alive(stored(os.getpid(), 0, boot))
    assert not incarnation.is_alive(stored(child.pid, 0, boot))
