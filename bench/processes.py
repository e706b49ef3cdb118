"""Starting, pinning, watching and stopping the processes of a benchmark.

CPU time and memory are read from /proc for a whole process tree, so that what a gateway does in
other processes than the one that answers is charged to it too. Linux only.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


class Stat(NamedTuple):
    """What is used of /proc/PID/stat; times of dead, awaited children are in `cpu_us` too."""

    pid: int
    parent: int
    cpu_us: int


class Memory(NamedTuple):
    """Of one process, KiB: private anonymous pages, and its share of all pages (PSS)."""

    rss_anon_kib: int
    pss_kib: int


class StartError(Exception):
    """A process did not come up; the message ends with the tail of its log."""


def parse_stat(text: str) -> Stat:
    """The command's name may hold spaces and parentheses: the last one closes it."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(")")[2].split()
    # fields[0] is field 3 of proc(5): state, ppid …, 14 utime, 15 stime, 16 cutime, 17 cstime
    return Stat(int(pid), int(fields[1]), sum(map(int, fields[11:15])) * TICK_US)


def parse_kib(text: str, name: str) -> int:
    """The value of a `Name:  123 kB` line; 0 when there is none (a kernel thread, a zombie)."""
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    """The file's text, or nothing when its process has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _all_stats() -> list[Stat]:
    texts = (_read(entry / "stat") for entry in PROC.iterdir() if entry.name.isdecimal())
    return [parse_stat(text) for text in texts if text]


def tree(root: int, stats: Sequence[Stat] | None = None) -> list[Stat]:
    """The process and all its living descendants."""
    stats = _all_stats() if stats is None else stats
    members = {stat.pid: stat for stat in stats if stat.pid == root}
    grown = True
    while grown:
        children = {s.pid: s for s in stats if s.parent in members and s.pid not in members}
        members |= children
        grown = bool(children)
    return list(members.values())


def _scheduled_us(pid: int) -> int:
    """Time on a CPU by the scheduler's own clock (ns), of the threads that still live."""
    total_ns = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in (PROC / str(pid) / "task").iterdir():
            fields = _read(task / "schedstat").split()
            total_ns += int(fields[0]) if fields else 0
    return total_ns // 1000


def cpu_us_by_process(root: int) -> dict[int, int]:
    """CPU time (user and system, µs) of each process of the tree since it started.

    The scheduler's clock is exact but forgets threads that ended, `stat` forgets none but counts
    in ticks of 10 ms and rounds down: the larger one is the nearer.
    """
    return {stat.pid: max(stat.cpu_us, _scheduled_us(stat.pid)) for stat in tree(root)}


def cpu_us(root: int) -> int:
    """CPU time of the whole tree, µs."""
    return sum(cpu_us_by_process(root).values())


def parse_busy_us(text: str, cpus: Sequence[int]) -> int:
    """From /proc/stat: time these CPUs were not idle, µs, time stolen by other guests included."""
    ticks = 0
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cpus:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks * TICK_US


def busy_us(cpus: Sequence[int]) -> int:
    return parse_busy_us(_read(PROC / "stat"), cpus)


def memory(pid: int) -> Memory:
    status, rollup = _read(PROC / str(pid) / "status"), _read(PROC / str(pid) / "smaps_rollup")
    return Memory(parse_kib(status, "RssAnon"), parse_kib(rollup, "Pss"))


def command_line(pid: int) -> str:
    return _read(PROC / str(pid) / "cmdline").replace("\0", " ").strip()


def wait_quiet(root: int, *, limit_s: float = 15.0) -> bool:
    """Waits until the tree has next to nothing to do (under 3 % of a core over 0.3 s).

    Work that was put off during a run (the outbox's way into SQLite) is then in its CPU time.
    False when it did not come to rest within the limit.
    """
    give_up = time.monotonic() + limit_s
    before, since = cpu_us(root), time.monotonic()
    while time.monotonic() < give_up:
        time.sleep(0.3)
        now_us, now = cpu_us(root), time.monotonic()
        if (now_us - before) / 1e6 < 0.03 * (now - since):
            return True
        before, since = now_us, now
    return False


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allowed_cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def pinned(argv: Sequence[str], cpus: Sequence[int]) -> list[str]:
    """The command, bound to these CPUs together with everything it starts."""
    return ["taskset", "-c", ",".join(map(str, cpus)), *argv]


class Process:
    """One started command with its log. Ends with its whole tree, whatever happened before."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cpus: Sequence[int],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.started_s = time.monotonic()
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                pinned(argv, cpus),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
            )
        self.pid = self._popen.pid

    def check_alive(self) -> None:
        code = self._popen.poll()
        if code is not None:
            raise StartError(f"{self.name} ended with {code}: {self.log_tail()}")

    def log_tail(self, characters: int = 1500) -> str:
        return self.log.read_text(errors="replace")[-characters:].strip() or "(nothing in its log)"

    def stop(self, *, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL for what is left of the tree after the grace."""
        members = [stat.pid for stat in tree(self.pid)]
        if self._popen.poll() is None:
            self._popen.terminate()
        try:
            self._popen.wait(grace_s)
        except subprocess.TimeoutExpired:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._popen.wait()


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    """Ends the process on leaving."""
    try:
        yield process
    finally:
        process.stop()


def wait_until_answers(process: Process, port: int, path: str, *, limit_s: float = 30.0) -> None:
    """Waits for status 200 on GET. Raises StartError when the process ends or time is up."""
    give_up = time.monotonic() + limit_s
    said = "no connection"
    while time.monotonic() < give_up:
        process.check_alive()
        http = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            http.request("GET", path)
            said = str(http.getresponse().status)
            if said == "200":
                return
        except (OSError, HTTPException) as error:
            said = str(error)
        finally:
            http.close()
        time.sleep(0.02)
    raise StartError(
        f"{process.name}: GET {path} gave {said} for {limit_s:g} s: {process.log_tail()}"
    )
