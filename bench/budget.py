"""A budget under load: two workers, many clients, one key; how close it comes, and that it holds.

Clients ask as fast as they are answered until each has been refused. Meanwhile the meter of the
budget is read from the shared state over and over: used + reserved must never pass the limit. In
the end nothing may be reserved, what the meter says must be what the history adds up to, and what
is left unused must be less than one request's bound for each client.

    python -m bench.budget          # part of `make bench`
"""

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from bench import profiles, subjects
from bench.generator import build
from bench.processes import Process, free_port, running, wait_until_answers
from bench.subjects import CHAT, Machine, Mock, gateway_environment
from omniroute.installation import Installation
from omniroute.resilience.meters import Meter
from omniroute.snapshot import decode
from omniroute.state.interface import State
from omniroute.state.lmdb_state import open_state

LIMIT_USD = 0.5
CLIENTS = 32
WORKERS = 2
SETTLE_S = 10.0
_KEY = "sk-omni-bench-of-one-budget"
_BODY = b'{"model":"bench/mock","messages":[{"role":"user","content":"%b"}],"max_tokens":400}' % (
    b"hello " * 100
)


@dataclass
class Seen:
    """What came of it. Amounts in micro-USD."""

    limit: int = 0
    most: int = 0  # used + reserved, over all readings
    readings: int = 0
    used: int = 0
    reserved: int = 0
    recorded: int = 0  # the cost of all records of the history
    bound: int = 0  # of one request
    answered: int = 0
    refused: int = 0

    def problems(self) -> list[str]:
        """The rules that did not hold."""
        broken = []
        if self.most > self.limit:
            broken.append(f"used + reserved was {self.most}, over the limit of {self.limit}")
        if self.reserved:
            broken.append(f"{self.reserved} stay reserved with nothing running")
        if self.used != self.recorded:
            broken.append(f"the meter says {self.used}, the history {self.recorded}")
        if self.limit - self.used > self.bound * CLIENTS:
            broken.append(f"{self.limit - self.used} were left unused")
        return broken

    def told(self) -> str:
        return (
            f"budget under load ({WORKERS} workers, {CLIENTS} clients): limit {self.limit} "
            f"micro-USD, most used + reserved {self.most} in {self.readings} readings; in the end "
            f"used {self.used} (history: {self.recorded}), reserved {self.reserved}; "
            f"{self.answered} answered, {self.refused} refused"
        )


def measure(machine: Machine, upstream: Mock) -> Seen:
    """Runs it. Raises StartError when the gateway does not start."""
    directory = machine.directory / "budget"
    directory.mkdir()
    config = directory / "omniroute.toml"
    config.write_text(_settings(upstream.port))
    config.chmod(0o600)
    port = free_port()
    argv = [machine.python, "-m", "omniroute", "serve", "--config", str(config), "--no-open"]
    argv += ["--data-dir", str(directory / "data"), "--port", str(port)]
    process = Process(
        "gateway (budget)",
        argv,
        cpus=machine.cpus_for(WORKERS),
        log=directory / "output.log",
        env=gateway_environment(machine),
        cwd=directory,
    )
    with running(process) as gateway:
        wait_until_answers(gateway, port, "/readyz")
        return _hammer(port, directory / "data")


def _settings(upstream_port: int) -> str:
    return profiles.bare(upstream_port, workers=WORKERS).replace(
        "require_api_key = false", "require_api_key = true"
    ) + (
        f'[[keys]]\nname = "budget"\nkey = "{_KEY}"\n'
        f'budget = {{ usd = {LIMIT_USD}, period = "monthly" }}\n\n'
        f'[[pricing]]\nmodel = "{profiles.PROVIDER}/*"\ninput = 1.0\noutput = 1.0\n'
    )


def _hammer(port: int, data: Path) -> Seen:
    seen = Seen()
    installation = Installation.open(data, create=False)
    state = open_state(installation.lmdb_dir, map_bytes=1 << 20, create=False)
    try:
        meter = _meter(state, installation)
        seen.limit = meter.limit
        seen.bound = len(_BODY) + 1024 + 400
        statuses: Counter[int] = Counter()
        clients = [
            threading.Thread(target=_ask_until_refused, args=(port, statuses))
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            _read(state, meter, seen)
        for client in clients:
            client.join()
        seen.answered, seen.refused = statuses[200], statuses[429]
        give_up = time.monotonic() + SETTLE_S
        while time.monotonic() < give_up:
            _read(state, meter, seen)
            seen.recorded = _recorded(data)
            if not seen.reserved and seen.recorded == seen.used:
                break
            time.sleep(0.05)
    finally:
        state.close()
    return seen


def _meter(state: State, installation: Installation) -> Meter:
    blob = state.read_snapshot()
    assert blob is not None, "the gateway is ready"
    (key,) = [key for key in decode(blob, installation).keys if key.name == "budget"]
    (meter,) = [meter for meter in key.meters if meter.measure == "usd"]
    return meter


def _read(state: State, meter: Meter, seen: Seen) -> None:
    (reading,) = state.limits.readings([meter], time.time_ns() // 1_000_000)
    seen.used, seen.reserved = reading.used, reading.reserved
    seen.most = max(seen.most, reading.used + reading.reserved)
    seen.readings += 1


def _recorded(data: Path) -> int:
    with sqlite3.connect(f"file:{data / 'omniroute.sqlite'}?mode=ro", uri=True) as history:
        (cost,) = history.execute("SELECT coalesce(sum(cost_microusd), 0) FROM requests").fetchone()
    return int(cost)


def _ask_until_refused(port: int, statuses: "Counter[int]") -> None:
    http = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_KEY}"}
    try:
        while True:
            http.request("POST", CHAT, _BODY, headers)
            answer = http.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if answer.status != 200:
                return
    finally:
        http.close()


def main() -> int:
    argparse.ArgumentParser(prog="bench.budget", description=(__doc__ or "").split("\n")[0])
    build()
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name:
        machine = Machine((0,), (1,), Path(name))
        with subjects.mock(machine) as upstream:
            seen = measure(machine, upstream)
    print(seen.told())
    for problem in seen.problems():
        print(f"  does not hold: {problem}")
    return 1 if seen.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
