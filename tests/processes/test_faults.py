"""What dies is replaced, and what finished is in the history: real processes, real signals."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest

from tests.processes.harness import (
    ROOT,
    Gateway,
    HeldStream,
    Upstream,
    eventually,
    is_alive,
    load,
)

pytestmark = pytest.mark.processes


def assert_all_in_history(gateway: Gateway, finished: list[str]) -> None:
    history = gateway.history()
    assert finished
    assert [id_ for id_ in finished if history.get(id_) != "ok"] == []


def test_a_killed_worker_is_replaced_while_the_other_answers(gateway: Gateway) -> None:
    gateway.configure(workers=2)
    gateway.start()
    old_pid = gateway.worker(1)["pid"]
    with load(gateway) as clients:
        clients.wait_for(100)
        os.kill(old_pid, signal.SIGKILL)
        clients.wait_for(100)
        new = eventually(lambda: (w := gateway.worker(1))["restarts"] == 1 and w)
        eventually(lambda: gateway.worker(1)["state"] == "ready")
        clients.wait_for(100)
    assert new["pid"] != old_pid
    # Only what ran in the killed process may have failed: at most one request a client.
    assert len(clients.failed) <= 6
    assert gateway.stop() == 0
    assert_all_in_history(gateway, clients.finished)


def test_the_only_worker_killed_leaves_connections_waiting_not_refused(gateway: Gateway) -> None:
    gateway.configure(workers=1)
    gateway.start()
    pid = gateway.child("omniroute.worker")
    os.kill(pid, signal.SIGKILL)
    # No listener accepts now, but the queue is there: this waits for the new worker.
    with gateway.client() as client:
        assert gateway.chat(client).status_code == 200
    assert gateway.child("omniroute.worker") != pid


def test_a_killed_control_process_is_replaced_without_a_request_noticing(
    gateway: Gateway,
) -> None:
    gateway.configure(workers=1)
    gateway.start()
    old_pid = gateway.child("omniroute.control")
    with load(gateway) as clients:
        clients.wait_for(50)
        os.kill(old_pid, signal.SIGKILL)
        clients.wait_for(50)
        eventually(lambda: gateway.child("omniroute.control") != old_pid)
        eventually(lambda: gateway.status()["control_restarts"] == 1)
        clients.wait_for(50)
    assert clients.failed == []
    assert gateway.stop() == 0
    assert_all_in_history(gateway, clients.finished)


def test_when_the_supervisor_is_killed_children_leave_and_a_new_one_binds_at_once(
    gateways: Callable[[], Gateway], upstream: Upstream
) -> None:
    first = gateways()
    first.configure(workers=2)
    first.start()
    children = list(first.children())
    assert len(children) == 3
    stream = HeldStream(first)

    first.signal(signal.SIGKILL)
    first.wait()
    second = gateways()
    ports = [url.rpartition(":")[2] for url in (first.endpoint, first.dashboard)]
    options = ("--port", ports[0])
    second.config_file.write_text(
        second.config_file.read_text().replace("dashboard_port = 0", f"dashboard_port = {ports[1]}")
    )
    second.start(*options)
    assert second.endpoint == first.endpoint
    with second.client() as client:
        assert second.chat(client).status_code == 200

    # What ran in the orphaned worker still runs to its end.
    upstream.let_go.set()
    stream.assert_whole()
    eventually(lambda: not any(is_alive(pid) for pid in children))
    assert second.stop() == 0
    assert_all_in_history(second, [stream.request_id])


def test_a_worker_that_hangs_is_killed_and_replaced(gateway: Gateway) -> None:
    gateway.configure(workers=2, server="heartbeat_timeout_s = 1.0")
    gateway.start()
    old_pid = gateway.worker(2)["pid"]
    os.kill(old_pid, signal.SIGSTOP)
    eventually(lambda: not is_alive(old_pid))
    eventually(lambda: gateway.worker(2)["state"] == "ready")
    assert gateway.worker(2)["pid"] != old_pid
    assert "was silent" in gateway.stderr()
    with gateway.client() as client:
        assert gateway.chat(client).status_code == 200


HOLD_THE_WRITE_LOCK = """
import sys, time
from pathlib import Path
from omniroute.state.lmdb_state import open_state
state = open_state(Path(sys.argv[1]), map_bytes=1 << 28, create=False)
with state._environment.begin(write=True):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_worker_that_hangs_inside_a_transaction_is_killed_and_replaced(
    gateway: Gateway,
) -> None:
    gateway.configure(workers=1, server="heartbeat_timeout_s = 1.0")
    gateway.start()
    old_pid = gateway.child("omniroute.worker")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_WRITE_LOCK, str(gateway.data_dir / "state.lmdb")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with gateway.client() as client, suppress(httpx.HTTPError):
            gateway.chat(client)  # its end is one write, which waits for the lock
        eventually(lambda: not is_alive(old_pid))
    finally:
        holder.kill()
        holder.wait()
        holder.communicate()
    assert "in settle" in gateway.stderr()

    def answers() -> str:
        with gateway.client() as client:
            answer = gateway.chat(client)
        return answer.headers["x-request-id"] if answer.status_code == 200 else ""

    finished = eventually(answers)
    assert gateway.stop() == 0
    assert_all_in_history(gateway, [finished])


def test_a_control_process_that_hangs_is_killed_and_replaced(gateway: Gateway) -> None:
    gateway.configure(server="heartbeat_timeout_s = 1.0")
    gateway.start()
    old_pid = gateway.child("omniroute.control")
    eventually(gateway.status)
    os.kill(old_pid, signal.SIGSTOP)
    eventually(lambda: not is_alive(old_pid))
    assert eventually(gateway.status)["control_restarts"] == 1


def test_control_comes_back_while_the_file_is_broken(gateway: Gateway) -> None:
    gateway.configure()
    gateway.start()
    good = gateway.config_file.read_text()
    gateway.config_file.write_text("[server\n")
    os.kill(gateway.child("omniroute.control"), signal.SIGKILL)
    status = eventually(lambda: (s := gateway.status())["control_restarts"] == 1 and s)
    assert "omniroute.toml" in status["configuration"]["error"]
    with gateway.client() as client:
        assert gateway.chat(client).status_code == 200
    gateway.config_file.write_text(good)
    eventually(lambda: gateway.status()["configuration"]["error"] == "")


def test_a_deleted_state_is_made_anew_and_traffic_goes_on(gateway: Gateway) -> None:
    gateway.configure(workers=1)
    gateway.start()
    with gateway.client() as client:
        assert gateway.chat(client).status_code == 200
    eventually(gateway.history)
    shutil.rmtree(gateway.data_dir / "state.lmdb")

    def answers_again() -> bool:
        status = gateway.status()
        return status["control_restarts"] >= 1 and gateway.worker(1)["state"] == "ready"

    eventually(answers_again)

    def one_more() -> httpx.Response | None:
        with gateway.client() as client:
            answer = gateway.chat(client)
        return answer if answer.status_code == 200 else None

    answer = eventually(one_more)
    eventually(lambda: answer.headers["x-request-id"] in gateway.history())
