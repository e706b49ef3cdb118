"""Running the compiled load generator and judging what it brings back.

A result in which one answer was wrong is void: `figure` refuses to give a number of it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import pinned

BUILD = Path(__file__).parent / "build"


class VoidError(Exception):
    """Some answers were wrong, so the run has no figures."""


@dataclass(frozen=True)
class Ask:
    """What the generator is to send; times in seconds unless the name says otherwise.

    `rate` makes it an open loop. `model` is the name without the subject's prefix.
    """

    connections: int = 64
    duration_s: float | None = None
    requests: int | None = None
    rate: float | None = None
    warmup_s: float = 0.3
    ramp_ms: int = 0
    model: str = "mock"
    stream: bool = False
    usage: bool = False
    events: int | None = None
    body_bytes: int | None = None
    timeout_s: float = 15.0


@dataclass(frozen=True)
class Answers:
    """One line of the generator's JSON."""

    raw: dict[str, Any]

    @property
    def is_void(self) -> bool:
        return bool(self.raw["wrong"])

    @property
    def completed(self) -> int:
        """Every right answer, those of the warm-up too: what CPU time is divided by."""
        return int(self.raw["completed"])

    @property
    def events(self) -> int:
        return int(self.raw["events"])

    def figure(self, *path: str) -> float:
        """A number of the result, such as `("latency_us", "p99")`."""
        if self.is_void:
            raise VoidError(self.void_reason())
        value: Any = self.raw
        for name in path:
            value = value[name]
        return float(value)

    def void_reason(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.raw["wrong_kinds"].items())
        quote = str(self.raw["first_wrong"])[:120]
        return f"void: {kinds}" + (f" ({quote})" if quote else "")


def arguments(ask: Ask, url: str, prefix: str = "", credentials: Sequence[str] = ()) -> list[str]:
    """The command line for one run."""
    argv = [str(BUILD / "load"), "--url", url, "--model", prefix + ask.model, *credentials]
    argv += ["--connections", str(ask.connections), "--timeout", str(ask.timeout_s)]
    if ask.requests is not None:
        argv += ["--requests", str(ask.requests)]
    else:
        argv += ["--duration", str(ask.duration_s), "--warmup", str(ask.warmup_s)]
    if ask.rate is not None:
        argv += ["--rate", str(ask.rate)]
    if ask.ramp_ms:
        argv += ["--ramp-ms", str(ask.ramp_ms)]
    if ask.stream:
        argv.append("--stream")
    if ask.usage:
        argv.append("--usage")
    if ask.events is not None:
        argv += ["--events", str(ask.events)]
    if ask.body_bytes is not None:
        argv += ["--body-bytes", str(ask.body_bytes)]
    return argv


def run(argv: Sequence[str], cpus: Sequence[int]) -> Answers:
    """Runs the generator to its end. Exit status 1 only says that answers were wrong."""
    done = subprocess.run(pinned(argv, cpus), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return Answers(json.loads(done.stdout))


def build() -> None:
    """Compiles mock and load where they are older than their source."""
    if shutil.which("make") is None or shutil.which(os.environ.get("CC", "cc")) is None:
        raise SystemExit("bench: needs make and a C compiler (make system-deps)")
    if subprocess.run(["make", "--silent", "-C", str(BUILD.parent)], check=False).returncode:
        raise SystemExit("bench: the tools do not compile")
