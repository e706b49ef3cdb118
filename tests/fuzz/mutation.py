"""A small mutation fuzzer: inputs grown from a corpus, one check, a clock, a seed.

    python tests/fuzz/fuzz_<target>.py --seconds 60 --seed 1

A check raises when an input breaks its rule; the input is then printed, cut down, and the exit
status is 1. The same seed gives the same inputs in the same order.
"""

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence

MAX_INPUT_BYTES = 4096


def run(check: Callable[[bytes, random.Random], None], corpus: Sequence[bytes]) -> None:
    """Feed `check` with mutations of `corpus` until the time is over or it raises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    pool = list(corpus)
    deadline = time.monotonic() + options.seconds
    count = 0
    while time.monotonic() < deadline:
        data = mutated(dice.choice(pool), pool, dice)
        if not holds(check, data, count):
            smallest = shrunk(check, data, count)
            print(f"broken by {smallest!r} (input {count} of seed {options.seed})")
            check(smallest, random.Random(count))
            sys.exit(1)
        # Mutations of mutations reach further than those of the corpus alone.
        if dice.random() < 0.05:
            pool[dice.randrange(len(corpus), len(pool) + 1) :] = [data]
            del pool[len(corpus) + 200 :]
        count += 1
    print(f"{count} inputs held")


def mutated(data: bytes, pool: Sequence[bytes], dice: random.Random) -> bytes:
    for _ in range(dice.randrange(1, 6)):
        start, end = sorted(dice.choices(range(len(data) + 1), k=2))
        end = min(end, start + dice.choice((0, 1, 2, 16)))
        other = dice.choice(pool)
        take = dice.randrange(len(other) + 1)
        new = dice.choice(
            (
                b"",
                dice.randbytes(dice.randrange(1, 4)),
                data[start:end] * dice.randrange(2, 9),
                other[take : take + dice.randrange(1, 33)],
            )
        )
        data = data[:start] + new + data[end:]
    return data[:MAX_INPUT_BYTES]


def holds(check: Callable[[bytes, random.Random], None], data: bytes, seed: int) -> bool:
    try:
        check(data, random.Random(seed))
    except Exception:
        # Whatever it is, it is the finding: `run` lets it out again on the smallest input.
        traceback.clear_frames(sys.exc_info()[2])
        return False
    return True


def shrunk(check: Callable[[bytes, random.Random], None], data: bytes, seed: int) -> bytes:
    """Drop ever smaller pieces of the input while it still breaks the check."""
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            if holds(check, shorter, seed):
                start += size
            else:
                data = shorter
        size //= 2
    return data
