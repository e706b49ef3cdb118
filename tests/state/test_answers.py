"""What every implementation of the kept answers promises, asked of each, and of both at once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.state import answers as layout
from omniroute.state.answers import (
    LEASE_MS,
    NEIGHBOURS_MAX,
    PIECE_BYTES,
    Answers,
    Found,
    Mine,
    Neighbour,
    Theirs,
)
from omniroute.state.lmdb_answers import LmdbAnswers
from omniroute.state.memory_answers import MemoryAnswers

MIB = 1 << 20
NOW = 1_000_000
PROCESS, OTHER_PROCESS = b"process1", b"process2"
OWNER, OTHER = PROCESS + b"00000001", OTHER_PROCESS + b"00000001"

Alive = Callable[[bytes], bool]


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def open_environment(directory: Path, map_bytes: int = 16 * MIB) -> lmdb.Environment:
    directory.mkdir(exist_ok=True)
    return lmdb.open(str(directory), map_size=map_bytes, max_dbs=1, sync=False)


def over(environment: lmdb.Environment, alive: Alive, ceiling_bytes: int = MIB) -> LmdbAnswers:
    database = environment.open_db(b"answers")
    return LmdbAnswers(environment, database, ceiling_bytes=ceiling_bytes, alive=alive)


class Processes:
    """Which incarnations live, as the table of them would say."""

    def __init__(self) -> None:
        self.dead: set[bytes] = set()

    def __call__(self, incarnation: bytes) -> bool:
        return incarnation not in self.dead


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture(params=["memory", "lmdb"])
def answers(
    request: pytest.FixtureRequest, tmp_path: Path, processes: Processes
) -> Iterator[Answers]:
    if request.param == "memory":
        yield MemoryAnswers(ceiling_bytes=MIB, alive=processes)
        return
    environment = open_environment(tmp_path / "lmdb")
    yield over(environment, processes)
    environment.close()


def keep(answers: Answers, number: int, blob: bytes = b"answer", **changes: Any) -> bool:
    options: dict[str, Any] = {
        "now_ms": NOW,
        "expires_ms": NOW + 1000,
        "limit_bytes": MIB,
    }
    return answers.put(key_of(number), OWNER, blob, **(options | changes))


# --- entries ---


@pytest.mark.parametrize(
    "size", [0, 1, 5000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7]
)
def test_an_answer_comes_back_as_it_was_kept(answers, size):
    blob = bytes(number * 7 % 251 for number in range(size))
    assert keep(answers, 1, blob)
    assert keep(answers, 2, b"another")
    assert answers.take(key_of(1), NOW) == Found(blob, NOW, b"")
    assert answers.claim(key_of(1), OTHER, NOW) == Found(blob, NOW, b"")


def test_an_expired_answer_is_not_there(answers):
    keep(answers, 1)
    assert answers.take(key_of(1), NOW + 999) is not None
    assert answers.take(key_of(1), NOW + 1000) is None
    assert answers.claim(key_of(1), OTHER, NOW + 1000) == Mine()
    assert answers.listing(10, NOW + 1000) == []


def test_what_is_kept_anew_replaces_what_was_there(answers):
    keep(answers, 1, b"old" * PIECE_BYTES)
    keep(answers, 1, b"new")
    assert answers.take(key_of(1), NOW).blob == b"new"
    assert answers.stats().entries == 1
    assert answers.stats().bytes == layout.footprint(3)


def test_hits_and_misses_are_counted(answers):
    answers.claim(key_of(1), OWNER, NOW)
    answers.claim(key_of(1), OTHER, NOW)  # waits: neither hit nor miss
    keep(answers, 1)
    answers.claim(key_of(1), OTHER, NOW)
    answers.take(key_of(1), NOW)
    answers.take(key_of(2), NOW)  # a look without a request behind it
    figures = answers.stats()
    assert (figures.hits, figures.misses) == (2, 1)
    assert answers.listing(10, NOW)[0].hits == 2


def test_a_replay_is_neither_counted_nor_listed(answers):
    answers.claim(key_of(1), OWNER, NOW, tag=b"body one")
    keep(answers, 1, tag=b"body one")
    assert answers.claim(key_of(1), OTHER, NOW, tag=b"body two").tag == b"body one"
    figures = answers.stats()
    assert (figures.hits, figures.misses, figures.entries) == (0, 0, 1)
    assert answers.listing(10, NOW) == []


def test_the_listing_begins_with_what_was_used_last(answers):
    for number in (1, 2, 3):
        keep(answers, number, b"x" * number, model=f"acme/model-{number}")
    answers.take(key_of(2), NOW + 10)
    listed = answers.listing(10, NOW + 10)
    assert [each.model for each in listed] == ["acme/model-2", "acme/model-3", "acme/model-1"]
    first = listed[0]
    assert (first.key, first.size, first.hits) == (key_of(2), 2, 1)
    assert (first.created_ms, first.used_ms, first.expires_ms) == (NOW, NOW + 10, NOW + 1000)
    assert len(answers.listing(2, NOW)) == 2


def test_any_name_of_a_model_can_be_kept(answers):
    assert keep(answers, 1, model="\ud800" + "m" * 5000)
    assert answers.listing(1, NOW)[0].model == "?" + "m" * (layout.MODEL_CHARS - 1)
    assert answers.purge(model="\ud800" + "m" * 5000) == 1


def test_purging_takes_all_or_the_old_or_one_model(answers):
    for number in range(300):
        keep(answers, number, now_ms=NOW + number, expires_ms=NOW + 10**6, model=f"m{number % 3}")
    assert answers.purge(before_ms=NOW + 30) == 30
    assert answers.purge(model="m1", before_ms=NOW + 60) == 10
    assert answers.purge(model="m1") == 80
    assert {each.model for each in answers.listing(1000, NOW)} == {"m0", "m2"}
    assert answers.purge() == 180
    assert answers.stats()[:2] == (0, 0)


def test_one_answer_can_be_forgotten(answers):
    keep(answers, 1)
    keep(answers, 2)
    assert answers.forget(key_of(1))
    assert not answers.forget(key_of(1))
    assert answers.take(key_of(1), NOW) is None
    assert answers.stats().entries == 1


# --- room ---


def test_the_least_recently_used_goes_first(answers):
    room = 4 * layout.footprint(10)
    for number in range(4):
        assert keep(answers, number, b"x" * 10, now_ms=NOW + number, limit_bytes=room)
    answers.take(key_of(0), NOW + 9)
    assert keep(answers, 4, b"x" * 10, now_ms=NOW + 10, limit_bytes=room)
    there = [number for number in range(5) if answers.take(key_of(number), NOW + 10)]
    assert there == [0, 2, 3, 4]
    assert answers.stats().evicted == 1


def test_what_is_expired_makes_room_before_what_is_used(answers):
    room = 2 * layout.footprint(10)
    keep(answers, 1, b"x" * 10, limit_bytes=room)
    keep(answers, 2, b"x" * 10, now_ms=NOW + 5, expires_ms=NOW + 10, limit_bytes=room)
    assert keep(answers, 3, b"x" * 10, now_ms=NOW + 10, limit_bytes=room)
    assert answers.take(key_of(1), NOW + 10) is not None
    assert answers.stats().evicted == 0


def test_an_answer_larger_than_the_room_is_not_kept_and_takes_nothing_away(answers):
    keep(answers, 1)
    answers.claim(key_of(2), OWNER, NOW)
    assert not keep(answers, 2, bytes(50_000), limit_bytes=50_000)
    assert not keep(answers, 3, bytes(2 * MIB), limit_bytes=10 * MIB)  # beyond the ceiling
    assert answers.take(key_of(1), NOW) is not None
    assert answers.claim(key_of(2), OTHER, NOW) == Mine()  # whoever waited goes on


def test_eviction_removes_the_expired_and_leaves_writers_room(answers):
    for number in range(200):
        keep(answers, number, expires_ms=NOW + (10 if number < 50 else 1000))
    limit = 100 * layout.footprint(6)
    assert answers.evict(NOW + 10, 10 * MIB) == 50
    assert answers.evict(NOW + 10, limit) > 50
    assert answers.stats().bytes <= limit * layout.LOW_WATER
    assert answers.evict(NOW + 10, limit) == 0


# --- claims ---


def test_one_makes_the_answer_and_the_others_wait(answers):
    assert answers.claim(key_of(1), OWNER, NOW, b"tag") == Mine()
    assert answers.claim(key_of(1), OTHER, NOW, b"tag") == Theirs(OWNER, b"tag")
    assert keep(answers, 1, b"made", tag=b"tag")
    assert answers.claim(key_of(1), OTHER, NOW, b"tag") == Found(b"made", NOW, b"tag")
    keep(answers, 1, b"made", expires_ms=NOW + 1)
    assert answers.claim(key_of(1), OTHER, NOW + 1, b"tag") == Mine()  # the claim has ended, too


def test_an_abandoned_claim_is_free_and_only_its_owner_abandons(answers):
    answers.claim(key_of(1), OWNER, NOW)
    answers.abandon(key_of(1), OTHER)
    assert answers.claim(key_of(1), OTHER, NOW) == Theirs(OWNER, b"")
    answers.abandon(key_of(1), OWNER)
    assert answers.claim(key_of(1), OTHER, NOW) == Mine()
    answers.abandon(key_of(9), OWNER)


def test_the_claim_of_a_dead_process_is_taken_over(answers, processes):
    answers.claim(key_of(1), OWNER, NOW)
    processes.dead.add(PROCESS)
    assert answers.claim(key_of(1), OTHER, NOW) == Mine()
    assert answers.claim(key_of(1), OWNER, NOW) == Theirs(OTHER, b"")


def test_a_claim_ends_with_its_lease_unless_its_owner_renews_it(answers):
    answers.claim(key_of(1), OWNER, NOW)
    assert answers.claim(key_of(1), OWNER, NOW + LEASE_MS - 1) == Mine()
    assert answers.claim(key_of(1), OTHER, NOW + LEASE_MS) == Theirs(OWNER, b"")
    assert answers.claim(key_of(1), OTHER, NOW + 2 * LEASE_MS) == Mine()
    keep(answers, 1)  # late, and yet an answer
    assert answers.take(key_of(1), NOW) is not None
    assert answers.claim(key_of(1), OWNER, NOW + 2 * LEASE_MS) == Theirs(OTHER, b"")


def test_eviction_ends_claims_that_nobody_will_end(answers, processes):
    answers.claim(key_of(1), OWNER, NOW)
    answers.claim(key_of(2), OTHER, NOW + 5)
    processes.dead.add(PROCESS)
    answers.evict(NOW + 6, MIB)
    processes.dead.clear()
    assert answers.claim(key_of(1), OTHER, NOW) == Mine()
    assert answers.claim(key_of(2), OWNER, NOW) == Theirs(OTHER, b"")


# --- neighbours ---

BUCKET, OTHER_BUCKET = b"\x00" * 32, b"\xff" * 32


def a_neighbour(number: int, expires_ms: int = NOW + 1000) -> Neighbour:
    return Neighbour(b"vector%d" % number, b"features%d" % number, key_of(number), expires_ms)


@pytest.mark.parametrize("bucket", [BUCKET, OTHER_BUCKET])
def test_neighbours_are_kept_by_bucket(answers, bucket):
    for number in (1, 2):
        keep(answers, number)
        assert answers.remember(bucket, a_neighbour(number))
    assert answers.neighbours(bucket, NOW) == [a_neighbour(1), a_neighbour(2)]
    assert answers.neighbours(b"\x01" * 32, NOW) == []
    assert answers.neighbours(bucket, NOW + 1000) == []


def test_a_bucket_holds_so_many_neighbours_and_drops_the_oldest(answers):
    for number in range(NEIGHBOURS_MAX + 3):
        keep(answers, number)
        answers.remember(BUCKET, a_neighbour(number))
    kept = answers.neighbours(BUCKET, NOW)
    assert [each.key for each in kept] == [key_of(n) for n in range(3, NEIGHBOURS_MAX + 3)]


def test_a_neighbour_goes_with_its_entry_and_counts_with_it(answers):
    keep(answers, 1)
    before = answers.stats().bytes
    answers.remember(BUCKET, a_neighbour(1))
    assert answers.stats().bytes > before
    answers.remember(OTHER_BUCKET, a_neighbour(1))  # replaces the first
    assert answers.neighbours(BUCKET, NOW) == []
    answers.purge()
    assert answers.neighbours(OTHER_BUCKET, NOW) == []
    assert answers.stats().bytes == 0
    assert not answers.remember(BUCKET, a_neighbour(1))


# --- both at once ---

KEYS = st.integers(0, 11)
TIMES = st.integers(0, 40)
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 40_000), st.integers(1, 60)),
    st.tuples(st.just("take"), KEYS),
    st.tuples(st.just("claim"), KEYS, st.sampled_from([OWNER, OTHER])),
    st.tuples(st.just("abandon"), KEYS, st.sampled_from([OWNER, OTHER])),
    st.tuples(st.just("evict"), st.integers(0, 120_000)),
    st.tuples(st.just("purge"), TIMES),
    st.tuples(st.just("remember"), KEYS, st.sampled_from([BUCKET, OTHER_BUCKET])),
    st.tuples(st.just("wait"), st.integers(1, 20)),
)


def play(answers: Answers, step: tuple[Any, ...], now_ms: int, limit: int) -> object:
    match step:
        case ("put", key, size, lasts_ms):
            return answers.put(
                key_of(key),
                OWNER,
                bytes(size),
                now_ms=now_ms,
                expires_ms=now_ms + lasts_ms,
                limit_bytes=limit,
            )
        case ("take", key):
            return answers.take(key_of(key), now_ms)
        case ("claim", key, owner):
            return answers.claim(key_of(key), owner, now_ms)
        case ("abandon", key, owner):
            return answers.abandon(key_of(key), owner)
        case ("evict", to):
            return answers.evict(now_ms, to)
        case ("purge", before):
            return answers.purge(before_ms=before)
        case ("remember", key, bucket):
            return answers.remember(bucket, a_neighbour(key, now_ms + 30))
    raise AssertionError(step)


@given(st.lists(STEPS, max_size=40), st.integers(10_000, 150_000))
def test_whatever_happens_both_keep_the_same_and_stay_within_the_limit(
    tmp_path_factory, steps, limit
):
    directory = tmp_path_factory.mktemp("lmdb")
    environment = open_environment(directory, 4 * MIB)
    real = over(environment, lambda incarnation: True)
    twin = MemoryAnswers(ceiling_bytes=MIB)
    now_ms = 0
    for step in steps:
        if step[0] == "wait":
            now_ms += step[1]
            continue
        said = play(real, step, now_ms, limit)
        assert said == play(twin, step, now_ms, limit)
        figures = real.stats()
        assert figures == twin.stats()
        assert real.listing(100, now_ms) == twin.listing(100, now_ms)
        for bucket in (BUCKET, OTHER_BUCKET):
            assert real.neighbours(bucket, now_ms) == twin.neighbours(bucket, now_ms)
        if step[0] == "put" and said:
            assert figures.bytes <= limit
        elif step[0] == "evict":
            assert figures.bytes <= step[1]
    real.purge()
    assert real.stats()[:2] == (0, 0)
    for key in range(12):
        for owner in (OWNER, OTHER):
            real.abandon(key_of(key), owner)
    with environment.begin(environment.open_db(b"answers")) as txn:
        assert {key for key, _ in txn.cursor()} <= {layout.TOTALS}  # nothing is left behind
    environment.close()
