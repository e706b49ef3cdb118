"""How many instructions a request costs: a figure that no other load on the machine changes.

`python -m bench.instructions` replays requests (`bench.replay`) under valgrind's callgrind, which
counts what the processor would execute, user space only. The same code, Python and libraries give
the same figure within a fraction of a percent, so a regression shows at once and anywhere; what the
kernel does, and what caches do, it does not tell.
"""

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import trio

from bench.generator import BUILD
from bench.replay import PROFILES, in_memory_directory, replaying

REQUESTS = 400
LIBRARY = BUILD / "instructions.so"


def compile_library() -> None:
    """Compiles the switch. Needs a C compiler and valgrind's header."""
    subprocess.run(
        ["make", "-s", "-C", str(BUILD.parent), f"{BUILD.name}/{LIBRARY.name}"],
        check=True,
        timeout=60,
    )


def is_possible() -> bool:
    """Is valgrind here, with its header?"""
    return (
        shutil.which("valgrind") is not None and Path("/usr/include/valgrind/callgrind.h").is_file()
    )


def per_request(profile: str, out: Path | None = None) -> int:
    """Instructions of one request. `out`: where to leave callgrind's file for callgrind_annotate.

    Raises CalledProcessError when the replay fails.
    """
    compile_library()
    command = [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--callgrind-out-file={out or os.devnull}",
        sys.executable,
        "-m",
        "bench.instructions",
        "--inside",
        profile,
    ]
    # Without it dictionaries and sets of strings are laid out anew in each run.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=600
    )
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if counted is None:
        raise RuntimeError(f"callgrind said no figure:\n{done.stderr}")
    return int(counted[1]) // REQUESTS


async def _inside(profile: str) -> None:
    """What runs under valgrind."""
    switch = ctypes.CDLL(str(LIBRARY))
    with in_memory_directory() as directory:
        async with replaying(profile, directory) as replay:
            switch.instructions_start()
            await replay(REQUESTS)
            switch.instructions_stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench.instructions", description="Count the instructions of a request."
    )
    parser.add_argument("profiles", nargs="*", help=" or ".join(PROFILES))
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="leave callgrind's file here, for one profile")
    given = parser.parse_args()
    if given.inside:
        trio.run(_inside, given.inside)
        return
    for profile in given.profiles or PROFILES:
        print(f"{profile}: {per_request(profile, given.out)} instructions a request")


if __name__ == "__main__":
    main()
