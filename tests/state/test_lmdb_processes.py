"""The LMDB state between processes: neither death nor company loses or doubles a record."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omniroute.state.layout import decode_record
from omniroute.state.lmdb_state import LmdbState, open_state

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]

MIB = 1 << 20

SETTLE = """
import sys
from pathlib import Path
from omniroute.record import Record
from omniroute.state.lmdb_state import open_state
from omniroute.usage import Usage
directory, name, records, map_bytes = sys.argv[1:]
state = open_state(Path(directory), map_bytes=int(map_bytes), create=False)
print("open", state.stats().map_bytes, state.stats().preallocated, flush=True)
for n in range(int(records)):
    state.settle(Record(id=f"{name}-{n}", started_ms=0, key_id="k", usage=Usage(3, 0, 0, 2, 0)))
    print(n, flush=True)
state.close()
"""

HOLD_WRITE = """
import sys, time
from pathlib import Path
from omniroute.state.lmdb_state import open_state
state = open_state(Path(sys.argv[1]), map_bytes=1 << 20, create=False)
with state._environment.begin(write=True) as txn:
    txn.put(b"half", b"done", db=state._outbox)
    print("inside", flush=True)
    time.sleep(60)
"""


def ready(directory: Path, map_bytes: int = 16 * MIB) -> LmdbState:
    state = open_state(directory, map_bytes=map_bytes, create=True)
    if state.needs_rebuild:
        state.rebuild([])
    return state


def ids(state: LmdbState) -> list[str]:
    return [decode_record(blob).id for _, blob in state.drain(1_000_000)]


def kill(child: "subprocess.Popen[str]") -> None:
    """Ends the child at whatever it is doing."""
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)


def test_killed_at_any_moment_a_worker_leaves_whole_records_and_right_counters(tmp_path, start):
    directory = tmp_path / "state.lmdb"
    ready(directory).close()
    moments = random.Random(2)
    requests = 0
    for number in range(8):
        report = tmp_path / f"report{number}"
        with report.open("wb") as file:  # not a pipe: what was told is whole, and never blocks
            child = start(SETTLE, directory, f"c{number}", 15_000, 16 * MIB, stdout=file.fileno())
            while report.read_bytes().count(b"\n") < 2:  # open, and one settled
                assert child.poll() is None
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.05))
            kill(child)
        told = report.read_text().split("\n")[1:-1]
        # Alone again: opening verifies the file as the killed process left it.
        state = ready(directory)
        settled = ids(state)
        requests += len(settled)
        usage = state.usage("k", 0)
        # In order and without a gap; settled but not told is at most the one it was killed at.
        assert settled == [f"c{number}-{n}" for n in range(len(settled))]
        assert len(told) <= len(settled) <= len(told) + 1
        assert (usage.requests, usage.input_tokens) == (requests, 3 * requests)
        assert usage.output_tokens == 2 * requests
        assert state.stats().dropped == {}  # a full outbox would hide a loss
        state.forget([key for key, _ in state.drain(1_000_000)])
        state.close()
    assert requests >= 8


def test_two_workers_settle_at_once_and_every_record_counts_once(tmp_path, start):
    # A reader that the system has paused keeps every page that is copied meanwhile, some six for
    # each record. This map holds them all, so that nothing is dropped however long it is paused.
    state = ready(tmp_path / "state.lmdb", 256 * MIB)
    children = [
        start(SETTLE, tmp_path / "state.lmdb", name, 3000, 256 * MIB, stdout=subprocess.DEVNULL)
        for name in ("a", "b")
    ]
    drained: list[str] = []
    while any(child.poll() is None for child in children) or state.stats().outbox_records:
        batch = state.drain(500)
        drained += [decode_record(blob).id for _, blob in batch]
        state.forget([key for key, _ in batch])
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(drained) == sorted(f"{name}-{n}" for name in ("a", "b") for n in range(3000))
    assert state.usage("k", 0).requests == 6000
    assert state.stats().dropped == {}
    state.close()


def test_killed_inside_a_write_transaction_a_worker_does_not_block_the_others(tmp_path, start):
    directory = tmp_path / "state.lmdb"
    state = ready(directory)
    child = start(HOLD_WRITE, directory)
    assert child.stdout is not None
    assert child.stdout.readline() == "inside\n"
    kill(child)
    state.reader_check()
    state.publish_snapshot(b"goes on")
    assert state.stats().outbox_records == 0
    state.close()


def test_who_comes_later_maps_the_file_as_those_inside_do(tmp_path, start):
    directory = tmp_path / "state.lmdb"
    state = ready(directory)
    child = start(SETTLE, directory, "c", 0, MIB)
    assert child.communicate(timeout=30)[0] == f"open {16 * MIB} True\n"
    assert child.returncode == 0
    state.close()


def test_a_dead_reader_is_found(tmp_path, start):
    directory = tmp_path / "state.lmdb"
    state = ready(directory)
    child = start(
        "import sys, time; from pathlib import Path\n"
        "from omniroute.state.lmdb_state import open_state\n"
        "state = open_state(Path(sys.argv[1]), map_bytes=1 << 20, create=False)\n"
        "txn = state._environment.begin()\n"
        "print('reading', flush=True); time.sleep(60)\n",
        directory,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "reading\n"
    assert state.reader_check() == 0
    kill(child)
    assert state.reader_check() == 1
    state.close()
