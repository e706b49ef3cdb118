"""Limits of a running gateway: what a killed worker held, and what a lost state knew."""

import os
import shutil
import signal
import sqlite3

import pytest

from omniroute.state.layout import decode_record
from omniroute.state.limits import _head
from omniroute.state.lmdb_opening import MAP_BYTES_MIN
from omniroute.state.lmdb_state import open_state
from tests.processes.harness import Gateway, HeldStream, eventually, load

pytestmark = pytest.mark.processes

LIMITED = """
budget = { usd = 1000.0, period = "monthly" }
tpm = 1000000000
max_concurrent = 100
[[pricing]]
model = "acme/*"
input = 1000.0
output = 1000.0
"""


def configure(gateway: Gateway, **options: object) -> None:
    gateway.configure(**options)  # type: ignore[arg-type]
    # The key stands last, so what follows belongs to it.
    gateway.config_file.write_text(gateway.config_file.read_text() + LIMITED)


def limits(gateway: Gateway) -> dict[str, tuple[int, int]]:
    """Used and reserved, by what is limited: "key/file/test/usd/monthly" is "usd"."""
    return {
        limit["key"].split("/")[3]: (limit["used"], limit["reserved"])
        for limit in gateway.status()["limits"]
    }


def spent(gateway: Gateway) -> dict[str, int]:
    """Micro-USD in the history, by outcome."""
    path = gateway.data_dir / "omniroute.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(
            connection.execute("SELECT outcome, sum(cost_microusd) FROM requests GROUP BY outcome")
        )
    finally:
        connection.close()


def noted_tokens(gateway: Gateway) -> int:
    """What the notes of running requests say that they used so far."""
    state = open_state(gateway.data_dir / "state.lmdb", map_bytes=MAP_BYTES_MIN, create=False)
    try:
        with state._environment.begin() as txn:
            stored = [blob for _, blob in txn.cursor(state._databases[b"reservations"])]
    finally:
        state.close()
    notes = [decode_record(blob[_head.unpack_from(blob)[1] :]) for blob in stored]
    return sum(note.usage.total_tokens for note in notes)


def test_a_worker_killed_in_a_stream_leaves_its_cost_and_no_reservation(gateway: Gateway) -> None:
    configure(gateway, workers=1, models=("held",))
    gateway.start()
    stream = HeldStream(gateway)
    eventually(lambda: limits(gateway)["usd"][1] > 0)
    assert limits(gateway)["running"] == (0, 1)
    eventually(lambda: noted_tokens(gateway))
    os.kill(gateway.child("omniroute.worker"), signal.SIGKILL)
    stream.finish()
    assert stream.error is not None
    eventually(lambda: gateway.history().get(stream.request_id) == "worker_lost")
    known = limits(gateway)
    assert known["running"] == (0, 0)
    assert known["usd"][1] == 0
    assert known["usd"][0] == spent(gateway)["worker_lost"] > 0


def test_killed_under_load_workers_leak_nothing_and_a_deleted_state_knows_what_was_spent(
    gateway: Gateway,
) -> None:
    configure(gateway, workers=2)
    gateway.start()
    with load(gateway) as clients:
        for _ in range(2):
            clients.wait_for(50)
            os.kill(gateway.worker(1)["pid"], signal.SIGKILL)
            eventually(lambda: gateway.worker(1)["state"] == "ready")
        clients.wait_for(50)
    eventually(lambda: not gateway.status()["outbox"]["records"])
    eventually(lambda: limits(gateway)["usd"][1] == 0)
    known = limits(gateway)
    assert {reserved for _, reserved in known.values()} == {0}
    assert known["usd"][0] == sum(spent(gateway).values()) > 0
    assert gateway.stop() == 0

    shutil.rmtree(gateway.data_dir / "state.lmdb")
    gateway.start()
    assert limits(gateway)["usd"] == known["usd"]
    assert gateway.stop() == 0
