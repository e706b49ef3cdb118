"""The kept answers in LMDB: the room they really take, a full map, and several processes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from omniroute.state import answers as layout
from omniroute.state.answers import Found, Mine, Theirs
from omniroute.state.lmdb_answers import LmdbAnswers
from tests.state.test_answers import MIB, NOW, OTHER, OWNER, key_of, open_environment, over

ROOT = Path(__file__).parents[2]


def always(incarnation: bytes) -> bool:
    return True


def fill(environment: lmdb.Environment) -> None:
    """Others take what is left of the map."""
    database = environment.open_db(b"answers")
    with contextlib.suppress(lmdb.MapFullError):
        for number in range(1000):
            with environment.begin(database, write=True) as txn:
                txn.put(b"z%d" % number, bytes(2000))
    with pytest.raises(lmdb.MapFullError), environment.begin(database, write=True) as txn:
        txn.put(b"z", bytes(100_000))


def used_bytes(environment: lmdb.Environment) -> int:
    with environment.begin(environment.open_db(b"answers")) as txn:
        figures = txn.stat(environment.open_db(b"answers", txn=txn))
    pages = figures["branch_pages"] + figures["leaf_pages"] + figures["overflow_pages"]
    return pages * figures["psize"]


@pytest.mark.parametrize("sizes", [(0, 400), (400, 3000), (1000, 40_000), (16_000, 17_000)])
def test_the_limit_holds_for_the_pages_that_are_really_taken(tmp_path, sizes):
    environment = open_environment(tmp_path / "lmdb", 16 * MIB)
    answers = over(environment, always, ceiling_bytes=2 * MIB)
    chance = random.Random(1)
    for number in range(2500):
        blob = bytes(chance.randint(*sizes))
        key = chance.randbytes(32)
        answers.put(
            key, OWNER, blob, now_ms=number, expires_ms=10**9, limit_bytes=10 * MIB, model="a/b"
        )
    assert answers.stats().bytes <= 2 * MIB
    assert 0.5 * MIB < used_bytes(environment) <= 2 * MIB
    environment.close()


def test_a_full_map_costs_an_answer_its_place_and_nobody_an_error(tmp_path):
    environment = open_environment(tmp_path / "lmdb", MIB)
    answers = over(environment, always, ceiling_bytes=100 * MIB)
    kept = [
        answers.put(
            key_of(number), OWNER, bytes(30_000), now_ms=NOW, expires_ms=NOW + 9, limit_bytes=MIB
        )
        for number in range(100)
    ]
    assert kept[0]
    fill(environment)
    big = bytes(200_000)
    assert not answers.put(
        key_of(1000), OWNER, big, now_ms=NOW, expires_ms=NOW + 9, limit_bytes=MIB
    )
    assert answers.claim(key_of(1001), OWNER, NOW) == Mine()
    answers.abandon(key_of(1001), OWNER)
    assert answers.stats().entries >= 0
    environment.close()


def test_a_wait_for_another_writes_nothing(tmp_path):
    environment = open_environment(tmp_path / "lmdb")
    answers = over(environment, always)
    answers.claim(key_of(1), OWNER, NOW)
    before = environment.info()["last_txnid"]
    for _ in range(100):
        assert answers.claim(key_of(1), OTHER, NOW) == Theirs(OWNER, b"")
    assert environment.info()["last_txnid"] == before
    environment.close()


# --- between processes ---

MEMBER = """
import os, sys
from pathlib import Path
from tests.state.test_answers import NOW, key_of
from tests.state.test_lmdb_answers import incarnation, is_running, shared
answers = shared(Path(sys.argv[1]))
owner = incarnation(os.getpid()) + b"00000001"
for line in sys.stdin:
    match line.split():
        case ["claim", number]:
            print(type(answers.claim(key_of(int(number)), owner, NOW)).__name__, flush=True)
        case ["put", number]:
            kept = answers.put(
                key_of(int(number)), owner, b"by %d" % os.getpid(),
                now_ms=NOW, expires_ms=NOW + 1000, limit_bytes=1 << 20,
            )
            print(kept, flush=True)
"""


def incarnation(process_id: int) -> bytes:
    return process_id.to_bytes(8, "big")


def is_running(owner: bytes) -> bool:
    try:
        os.kill(int.from_bytes(owner, "big"), 0)
    except ProcessLookupError:
        return False
    return True


def shared(directory: Path) -> LmdbAnswers:
    return over(open_environment(directory), is_running)


class Member:
    """Another process with the same answers."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(directory)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, words: str) -> None:
        assert self.process.stdin is not None
        print(words, file=self.process.stdin, flush=True)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, words: str) -> str:
        self.say(words)
        return self.hear()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_two_processes_make_one_answer_and_a_killed_one_is_followed(tmp_path):
    directory = tmp_path / "lmdb"
    first, second = Member(directory), Member(directory)
    try:
        for member in (first, second):  # ready
            member.ask("claim 0")
        # Both want the same hundred answers at once: each is made by exactly one of them.
        for number in range(1, 101):
            for member in (first, second):
                member.say(f"claim {number}")
            assert {first.hear(), second.hear()} == {"Mine", "Theirs"}
        assert first.ask("claim 200") == "Mine"
        assert second.ask("claim 200") == "Theirs"
        assert first.ask("put 200") == "True"
        assert second.ask("claim 200") == "Found"
        assert first.ask("claim 201") == "Mine"
        assert second.ask("claim 201") == "Theirs"
        first.kill()
        assert second.ask("claim 201") == "Mine"
        assert second.ask("put 201") == "True"
        answers = shared(directory)
        made_by = b"by %d" % second.process.pid
        assert answers.claim(key_of(201), OTHER, NOW) == Found(made_by, NOW, b"")
    finally:
        for member in (first, second):
            if member.process.poll() is None:
                member.kill()


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_while_it_keeps_answers_a_process_leaves_whole_ones_and_true_sums(tmp_path):
    directory = tmp_path / "lmdb"
    for round_number in range(4):
        member = Member(directory)
        first = round_number * 1000
        member.ask(f"put {first}")
        for number in range(first + 1, first + 900):
            member.say(f"put {number}")
        for _ in range(100 * round_number):
            member.hear()
        member.kill()
    answers = shared(directory)
    listed = answers.listing(10_000, NOW)
    assert len(listed) == answers.stats().entries >= 4
    for each in listed:
        found = answers.take(each.key, NOW)
        assert found is not None
        assert len(found.blob) == each.size
    assert sum(layout.footprint(each.size) for each in listed) == answers.stats().bytes
