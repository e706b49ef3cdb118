"""Random damage to the corpus of HTTP/1.1 messages, for as long as asked.

    python tests/fuzz/fuzz_http1.py --seconds 60 [--seed 1]

Ends with status 1 and prints the bytes and the seed when a property of `http1_oracles` fails.
"""

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.wire.http1_oracles import check_requests, check_response, mutate, seeds


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--seed", type=int, default=None)
    chosen = options.parse_args()
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1 << 32)
    generator = random.Random(seed)
    requests, responses = seeds()
    until = time.monotonic() + chosen.seconds
    rounds = 0
    while time.monotonic() < until:
        rounds += 1
        if rounds % 3:
            check, pool = check_requests, requests
        else:
            check, pool = check_response, responses
        data = mutate(generator.choice(pool), generator, others=pool)
        cut_seed = generator.randrange(1 << 30)
        try:
            check(data, cut_seed)
        except Exception:
            traceback.print_exc()
            print(f"{check.__name__}({data!r}, {cut_seed}) failed; --seed {seed}, round {rounds}")
            return 1
    print(f"http1: {rounds} messages, seed {seed}, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
