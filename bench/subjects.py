"""What is measured: the mock itself, nginx before it, and the gateway in its profiles.

Each subject is a context manager that yields a running `Subject` and ends its processes on leaving.
All of them listen on loopback and forward to the one mock upstream.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from string import Template
from typing import Any

from bench import profiles
from bench.generator import BUILD
from bench.processes import (
    Process,
    StartError,
    command_line,
    free_port,
    running,
    tree,
    wait_until_answers,
)

HERE = Path(__file__).parent
CHAT = "/v1/chat/completions"
END_OF_ANSWER = b"End of the mock answer."


@dataclass(frozen=True)
class Machine:
    """Where things run: the CPUs of what is measured, those of mock and load, a scratch folder."""

    gateway_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    directory: Path
    python: str = sys.executable

    def cpus_for(self, workers: int) -> tuple[int, ...]:
        """One core for one worker; more workers take the load's cores too where they must."""
        if workers == 1 or len(self.gateway_cpus) >= workers:
            return self.gateway_cpus[:workers]
        return tuple(sorted({*self.gateway_cpus, *self.load_cpus}))


@dataclass(frozen=True)
class Subject:
    """A running endpoint. `root_pid` is None where there is nothing between load and mock."""

    name: str
    url: str
    root_pid: int | None = None
    model_prefix: str = ""
    credentials: tuple[str, ...] = ()
    worker_mark: str = ""
    cpus: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def worker_pids(self) -> list[int]:
        """The processes that carry the traffic."""
        if self.root_pid is None:
            return []
        pids = [stat.pid for stat in tree(self.root_pid)]
        return [pid for pid in pids if self.worker_mark in command_line(pid)]


@dataclass(frozen=True)
class Mock:
    """The running mock upstream."""

    port: int
    pid: int

    def stats(self) -> dict[str, Any]:
        http = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            http.request("GET", "/stats")
            counters: dict[str, Any] = json.loads(http.getresponse().read())
            return counters
        finally:
            http.close()


@contextlib.contextmanager
def mock(machine: Machine) -> Iterator[Mock]:
    argv = [str(BUILD / "mock"), "--port", "0"]
    log = machine.directory / "mock.log"
    with running(Process("mock", argv, cpus=machine.load_cpus, log=log)) as process:
        give_up = time.monotonic() + 5
        while not (said := log.read_text()).endswith("\n"):
            process.check_alive()
            if time.monotonic() > give_up:
                raise StartError("the mock did not say its port")
            time.sleep(0.01)
        yield Mock(int(said.split()[1]), process.pid)


def direct(upstream: Mock) -> Subject:
    """Load straight to the mock: what the tools themselves cost and reach."""
    return Subject("direct", f"http://127.0.0.1:{upstream.port}{CHAT}")


def nginx_binary() -> str | None:
    """Debian keeps it where only root's PATH looks."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextlib.contextmanager
def nginx(machine: Machine, upstream: Mock) -> Iterator[Subject]:
    """`proxy_pass` with one worker: the yardstick of every run."""
    binary = nginx_binary()
    if binary is None:
        raise StartError("nginx is not installed")
    directory, port = machine.directory / "nginx", free_port()
    directory.mkdir(exist_ok=True)
    template = Template((HERE / "nginx.conf.template").read_text())
    values = {"directory": directory, "port": port, "upstream_port": upstream.port}
    (directory / "nginx.conf").write_text(template.substitute(values))
    argv = [binary, "-p", str(directory), "-c", str(directory / "nginx.conf")]
    log = directory / "output.log"
    with running(Process("nginx", argv, cpus=machine.cpus_for(1), log=log)) as process:
        wait_until_answers(process, port, "/v1/models")
        url = f"http://127.0.0.1:{port}{CHAT}"
        yield Subject(
            "nginx",
            url,
            process.pid,
            worker_mark="worker process",
            cpus=machine.cpus_for(1),
        )


def gateway_environment(machine: Machine, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the caller's settings, proxies or home reaches the gateway."""
    home = machine.directory / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(HERE.parent),
    }
    return environment | dict(extra or {})


class Gateway:
    """One way to run the gateway: a profile, written out, with its own data directory."""

    def __init__(self, machine: Machine, upstream: Mock, profile: str, *, workers: int = 1) -> None:
        self.name = profile if workers == 1 else f"{profile}, {workers} workers"
        self._machine = machine
        self._cpus = machine.cpus_for(workers)
        self._directory = machine.directory / f"gateway-{profile}-{workers}"
        self._directory.mkdir(exist_ok=True)
        self._config = self._directory / "omniroute.toml"
        self._notes: tuple[str, ...] = ()
        self._credentials: tuple[str, ...] = ()
        self._config.write_text(self._profile_text(profile, upstream, workers))

    def _profile_text(self, profile: str, upstream: Mock, workers: int) -> str:
        if profile == "bare":
            return profiles.bare(upstream.port, workers=workers)
        on, off = profiles.accepted_parts(upstream.port, self._is_accepted)
        counts = f"{profiles.KEY_COUNT} keys, {profiles.CONNECTION_COUNT} connections"
        self._notes = ("on: " + ", ".join([counts, *(part.name for part in on)]),)
        if off:
            self._notes += ("not in this version: " + ", ".join(part.name for part in off),)
        keys = self._directory / "keys.txt"
        keys.write_text("\n".join(profiles.client_keys()) + "\n")
        self._credentials = ("--keys", str(keys))
        return profiles.full(upstream.port, on, workers=workers)

    def _is_accepted(self, text: str) -> bool:
        candidate = self._directory / "candidate.toml"
        candidate.write_text(text)
        argv = [self._machine.python, "-m", "omniroute", "check", str(candidate)]
        environment = gateway_environment(self._machine)
        done = subprocess.run(
            argv, env=environment, cwd=self._directory, capture_output=True, check=False
        )
        return done.returncode == 0

    def _start(self, port: int, data: Path) -> Process:
        argv = [self._machine.python, "-m", "omniroute", "serve", "--config", str(self._config)]
        argv += ["--data-dir", str(data), "--no-open", "--port", str(port)]
        return Process(
            f"gateway ({self.name})",
            argv,
            cpus=self._cpus,
            log=self._directory / "output.log",
            env=gateway_environment(self._machine),
            cwd=self._directory,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[Subject]:
        port = free_port()
        with running(self._start(port, self._directory / "data")) as process:
            wait_until_answers(process, port, "/readyz")
            yield Subject(
                name=self.name,
                url=f"http://127.0.0.1:{port}{CHAT}",
                root_pid=process.pid,
                model_prefix=profiles.PROVIDER + "/",
                credentials=self._credentials,
                worker_mark="omniroute.worker",
                cpus=self._cpus,
                notes=self._notes,
            )

    def start_times_s(self) -> tuple[float, float]:
        """From the command to the first answered request: the very first start, and a later one."""
        data = self._directory / "data-start"
        shutil.rmtree(data, ignore_errors=True)
        return self._start_time_s(data), self._start_time_s(data)

    def _start_time_s(self, data: Path) -> float:
        port = free_port()
        with running(self._start(port, data)) as process:
            give_up = process.started_s + 30
            while not self._answers(port):
                process.check_alive()
                if time.monotonic() > give_up:
                    raise StartError(f"no answer within 30 s: {process.log_tail()}")
                time.sleep(0.005)
            return time.monotonic() - process.started_s

    def _answers(self, port: int) -> bool:
        body = json.dumps(
            {"model": f"{profiles.PROVIDER}/mock", "messages": [{"role": "user", "content": "hi"}]}
        )
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {profiles.client_keys()[0]}",
        }
        http = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            http.request("POST", CHAT, body, headers)
            answer = http.getresponse()
            return answer.status == 200 and END_OF_ANSWER in answer.read()
        except OSError:
            return False
        finally:
            http.close()
