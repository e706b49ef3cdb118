"""Children are fresh interpreters with a link, and crash loops are slowed down."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import omniroute
from omniroute import children
from omniroute.children import Backoff, Child, describe_exit, spawn
from omniroute.link import SyncLink

ECHO = """
import argparse, socket, sys
from omniroute.link import SyncLink
parser = argparse.ArgumentParser()
parser.add_argument("--word"); parser.add_argument("--give-fd", type=int)
parser.add_argument("--link-fd", type=int)
given = parser.parse_args()
link = SyncLink(socket.socket(fileno=given.link_fd))
name = socket.socket(fileno=given.give_fd).getsockname()
link.send("told", word=given.word, port=name[1], cwd_importable="" in sys.path)
link.receive()
"""


@pytest.fixture
def echo_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "echo_child.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "echo_child"


@pytest.mark.processes
def test_a_child_gets_its_link_and_the_named_descriptors(echo_module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        child = spawn(echo_module, ["--word", "hello"], {"--give-fd": given})
        link = SyncLink(child.link_socket)
        told = link.receive(30)
        port = given.getsockname()[1]
    assert told == {"type": "told", "word": "hello", "port": port, "cwd_importable": False}
    link.close()  # the child reads end of file and leaves
    assert child.process.wait(30) == 0


@pytest.mark.processes
def test_a_dead_child_is_end_of_file(echo_module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        child = spawn(echo_module, [], {"--give-fd": given})
    link = SyncLink(child.link_socket)
    assert link.receive(30) is not None
    child.kill()
    assert link.receive(30) is None
    assert child.process.wait(30) == -signal.SIGKILL
    child.kill()  # harmless when dead
    link.close()


def test_a_spawn_that_fails_leaves_no_descriptor_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", fail)
    before = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    with pytest.raises(OSError, match="no more"):
        spawn("any", [], {})
    after = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    assert len(after) <= len(before)


def test_a_source_tree_is_importable_without_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    root = str(Path(omniroute.__file__).parent.parent)
    expected = "elsewhere" if "site-packages" in root else root + os.pathsep + "elsewhere"
    assert children._environment()["PYTHONPATH"] == expected


def test_exits_are_told_in_words() -> None:
    assert describe_exit(0) == "exited with status 0"
    assert describe_exit(-9) == "was killed by SIGKILL"
    assert describe_exit(-250) == "was killed by signal 250"


def test_a_healthy_child_is_replaced_at_once_and_a_crash_loop_slows_down() -> None:
    backoff = Backoff()
    assert backoff.delay_s(3600.0) == 0
    delays = [backoff.delay_s(0.1) for _ in range(8)]
    assert delays == sorted(delays)
    assert delays[-1] == 4.0
    assert backoff.delay_s(3600.0) == 0


def test_a_childs_age_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(children.time, "monotonic", lambda: now[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = Child(None, ours)  # type: ignore[arg-type]
        now[0] += 7
        assert child.lived_s() == 7
