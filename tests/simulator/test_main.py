"""`python -m omniroute.simulator` as a process: how it starts, and when it leaves."""

import http.client
import re
import signal
import socket
import subprocess
import sys

import pytest

from omniroute.link import SyncLink, pair
from omniroute.simulator.__main__ import main
from omniroute.simulator.server import listen

pytestmark = pytest.mark.processes

COMMAND = (sys.executable, "-m", "omniroute.simulator")
WAIT_S = 30


def models_status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", "/v1/models")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_alone_it_says_where_it_listens_and_ends_with_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", process.stdout.readline())
        assert found is not None
        assert models_status(int(found[1])) == 200
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize("end", ["terminated", "orphaned"])
def test_under_a_supervisor_it_is_ready_beats_and_leaves(end: str) -> None:
    ours, theirs = pair()
    with listen(0) as listener, theirs:
        port = listener.getsockname()[1]
        arguments = ["--listen-fd", str(listener.fileno()), "--link-fd", str(theirs.fileno())]
        process = subprocess.Popen(
            [*COMMAND, *arguments], pass_fds=(listener.fileno(), theirs.fileno())
        )
    link = SyncLink(ours)
    try:
        messages = [link.receive(WAIT_S) for _ in range(2)]
        assert [message and message["type"] for message in messages] == ["ready", "beat"]
        assert models_status(port) == 200
        # Ctrl-C goes to the whole terminal; it is the supervisor's to answer.
        process.send_signal(signal.SIGINT)
        assert link.receive(WAIT_S) == {"type": "beat", "inflight": 0}
        if end == "terminated":
            process.terminate()
        else:
            link.close()
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait()
        link.close()


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err
