"""The measurements: what is run against a subject, and the figures taken from it.

A rung is one run of the load generator with the CPU time of the subject's process tree around it.
Figures are named as in `report.py`; one that could not be had is missing, with its reason in
`Outcome.problems`.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.generator import Answers, Ask, VoidError, arguments, run
from bench.processes import (
    StartError,
    busy_us,
    cpu_us,
    cpu_us_by_process,
    memory,
    tree,
    wait_quiet,
)
from bench.subjects import Gateway, Machine, Mock, Subject

STREAM_EVENTS = 64
STREAM_PACE_MS = 20
# On time: the slowest hundredth of the streams ends within this much of the shortest possible.
LATE_FACTOR = 1.1


@dataclass(frozen=True)
class Extent:
    """How long to measure. `rates` are the fixed arrival rates of the open loop, per second."""

    seconds: float
    rates: tuple[int, ...]
    stream_ladder: tuple[int, ...]
    start_repeats: int


COMPLETE = Extent(4.0, (1000, 4000), (250, 500, 1000, 1500, 2000, 3000), 3)
QUICK = Extent(1.0, (1000,), (250, 500, 1000), 1)


@dataclass(frozen=True)
class Rung:
    """One run. CPU time is that of the subject's tree, until it was at rest again.

    `idle` is the share of the load side's cores that neither load nor mock used; `disturbed` the
    share of all cores in use that went to processes which have no part in the benchmark.
    """

    name: str
    ask: Ask
    answers: Answers
    cpu_us: int | None
    cpu_us_by_worker: tuple[int, ...]
    idle: float
    disturbed: float
    came_to_rest: bool

    def per_request_us(self) -> float:
        if self.answers.is_void:
            raise VoidError(self.answers.void_reason())
        if self.cpu_us is None or not self.answers.completed:
            raise VoidError("nothing was completed")
        return self.cpu_us / self.answers.completed

    def per_event_us(self) -> float:
        if self.answers.is_void:
            raise VoidError(self.answers.void_reason())
        if self.cpu_us is None or not self.answers.events:
            raise VoidError("no event came")
        return self.cpu_us / self.answers.events

    def as_data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ask": dataclasses.asdict(self.ask),
            "answers": self.answers.raw,
            "cpu_us": self.cpu_us,
            "cpu_us_by_worker": self.cpu_us_by_worker,
            "load_side_idle": round(self.idle, 4),
            "disturbed": round(self.disturbed, 4),
            "came_to_rest": self.came_to_rest,
        }


@dataclass
class Outcome:
    """All that was measured of one subject."""

    name: str
    notes: list[str] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, figure: Callable[[], float]) -> None:
        """Keeps a figure, or why there is none."""
        try:
            self.figures[name] = figure()
        except VoidError as error:
            self.problems[name] = str(error)

    @property
    def disturbed(self) -> float:
        """The largest share of the cores in use that other processes took during a run."""
        return max((rung.disturbed for rung in self.rungs), default=0.0)

    @property
    def is_void(self) -> bool:
        return any(rung.answers.is_void for rung in self.rungs if rung.name != "clean streams")


class Bench:
    """Runs rungs against subjects on one machine with one mock."""

    def __init__(
        self, machine: Machine, upstream: Mock, extent: Extent, say: Callable[[str], None]
    ) -> None:
        self.machine = machine
        self.upstream = upstream
        self.extent = extent
        self._say = say

    def rung(self, subject: Subject, outcome: Outcome, name: str, ask: Ask) -> Rung:
        """One run of the generator, recorded in the outcome."""
        argv = arguments(ask, subject.url, subject.model_prefix, subject.credentials)
        root, mock = subject.root_pid, self.upstream.pid
        cores = sorted({*self.machine.load_cpus, *subject.cpus})
        if root:
            wait_quiet(root)  # what it still does from before is not this run's
        before = cpu_us_by_process(root) if root else {}
        mock_before, busy_before, since_s = cpu_us(mock), busy_us(cores), time.monotonic()
        answers = run(argv, self.machine.load_cpus)
        mock_us, busy = cpu_us(mock) - mock_before, busy_us(cores) - busy_before
        elapsed_s = time.monotonic() - since_s
        load_us = int(answers.raw["cpu_us"])
        tree_us = cpu_us(root) - sum(before.values()) if root else 0
        foreign_us = busy - mock_us - load_us - tree_us
        at_rest = wait_quiet(root) if root else True
        after = cpu_us_by_process(root) if root else {}
        wall_us = float(answers.raw["wall_s"]) * 1e6
        rung = Rung(
            name=name,
            ask=ask,
            answers=answers,
            cpu_us=sum(after.values()) - sum(before.values()) if root else None,
            cpu_us_by_worker=tuple(
                after.get(pid, 0) - before.get(pid, 0) for pid in subject.worker_pids()
            ),
            idle=1 - (mock_us + load_us) / (wall_us * len(self.machine.load_cpus)),
            disturbed=disturbed_share(foreign_us, elapsed_s, len(cores)),
            came_to_rest=at_rest,
        )
        outcome.rungs.append(rung)
        self._say(f"  {name}: " + (answers.void_reason() if answers.is_void else _in_short(rung)))
        return rung

    # ---- one measurement each ----------------------------------------------------------------

    def requests(self, subject: Subject, outcome: Outcome) -> None:
        """Throughput, CPU per request, and latency under saturation, at 64 connections."""
        ask = Ask(connections=64, duration_s=self.extent.seconds)
        rung = self.rung(subject, outcome, "64 connections", ask)
        outcome.take("requests_per_s", partial(rung.answers.figure, "rate"))
        outcome.figures["idle_requests"] = rung.idle
        self._take_percentiles(outcome, rung, "latency_us", "busy")
        if subject.root_pid:
            outcome.take("cpu_us_per_request", rung.per_request_us)

    def latency(self, subject: Subject, outcome: Outcome) -> None:
        """Latency of one request at a time, and at fixed arrival rates over 64 connections."""
        ask = Ask(connections=1, duration_s=self.extent.seconds)
        rung = self.rung(subject, outcome, "1 connection", ask)
        self._take_percentiles(outcome, rung, "latency_us", "one")
        for rate in self.extent.rates:
            ask = Ask(connections=64, duration_s=self.extent.seconds, rate=rate)
            rung = self.rung(subject, outcome, f"{rate} requests/s", ask)
            self._take_percentiles(outcome, rung, "latency_us", f"rate_{rate}")

    def events(self, subject: Subject, outcome: Outcome) -> None:
        """CPU per stream event: together (each written alone, or 8 a write), and far apart."""
        together = Ask(connections=50, duration_s=self.extent.seconds, stream=True)
        apart = Ask(
            connections=200,
            duration_s=self.extent.seconds,
            ramp_ms=500,
            stream=True,
            model=f"mock-{STREAM_EVENTS}-{STREAM_PACE_MS}",
        )
        for name, figure, ask in (
            ("50 fast streams", "together", dataclasses.replace(together, model="mock-200-0-1")),
            (
                "50 fast streams, 8 events a write",
                "together_8",
                dataclasses.replace(together, model="mock-200-0-8"),
            ),
            ("200 streams, 20 ms apart", "apart", apart),
        ):
            rung = self.rung(subject, outcome, name, ask)
            outcome.take(f"events_per_s_{figure}", partial(rung.answers.figure, "events_per_s"))
            outcome.figures[f"idle_{figure}"] = rung.idle
            if subject.root_pid:
                outcome.take(f"cpu_us_per_event_{figure}", rung.per_event_us)

    def first_event(self, subject: Subject, outcome: Outcome) -> None:
        """Time to the first event of streams that begin at a fixed rate."""
        ask = Ask(
            connections=128,
            duration_s=self.extent.seconds,
            rate=200,
            stream=True,
            model=f"mock-8-{STREAM_PACE_MS}",
        )
        rung = self.rung(subject, outcome, "200 streams/s", ask)
        self._take_percentiles(outcome, rung, "first_event_us", "first_event")

    def clean_streams(self, subject: Subject, outcome: Outcome) -> None:
        """The most streams at once that all deliver every event, on time."""
        ideal_us = (STREAM_EVENTS - 1) * STREAM_PACE_MS * 1000
        most = 0
        for streams in self.extent.stream_ladder:
            ask = Ask(
                connections=streams,
                duration_s=max(self.extent.seconds * 0.6, 1.5),
                ramp_ms=1200,
                warmup_s=0,
                stream=True,
                model=f"mock-{STREAM_EVENTS}-{STREAM_PACE_MS}",
            )
            rung = self.rung(subject, outcome, "clean streams", ask)
            answers = rung.answers
            if answers.is_void or answers.figure("latency_us", "p99") > ideal_us * LATE_FACTOR:
                break
            most = streams
        outcome.figures["clean_streams"] = most

    def memory(self, subject: Subject, outcome: Outcome) -> None:
        """Memory under 512 streams and after; `idle_memory` comes before any traffic."""
        ask = Ask(
            connections=512,
            duration_s=max(self.extent.seconds * 0.6, 1.5),
            ramp_ms=800,
            stream=True,
            model=f"mock-{STREAM_EVENTS}-{STREAM_PACE_MS}",
        )
        with MemoryWatch(subject) as watch:
            rung = self.rung(subject, outcome, "512 streams", ask)
        if rung.answers.is_void:
            outcome.problems["worker_mib_busy"] = rung.answers.void_reason()
            return
        outcome.figures["worker_mib_busy"] = watch.worker_mib
        outcome.figures["tree_mib_busy"] = watch.tree_mib
        worker, whole = read_memory(subject)
        outcome.figures["worker_mib_after"] = worker
        outcome.figures["tree_mib_after"] = whole

    def idle_memory(self, subject: Subject, outcome: Outcome) -> None:
        """After the start and a handful of requests; and what the tree costs at rest."""
        self.rung(subject, outcome, "first requests", Ask(connections=1, requests=20))
        worker, whole = read_memory(subject)
        outcome.figures["worker_mib_idle"] = worker
        outcome.figures["tree_mib_idle"] = whole
        if subject.root_pid:
            before, since = cpu_us(subject.root_pid), time.monotonic()
            time.sleep(1)
            used_us = cpu_us(subject.root_pid) - before
            outcome.figures["cpu_percent_at_rest"] = used_us / 1e4 / (time.monotonic() - since)

    def more_workers(self, gateway: Gateway, outcome: Outcome) -> None:
        """CPU per request with several workers, over all allowed cores, to compare with one."""
        with gateway.serving() as subject:
            ask = Ask(connections=64, duration_s=self.extent.seconds)
            rung = self.rung(subject, outcome, f"64 connections ({gateway.name})", ask)
            outcome.take("cpu_us_per_request_workers", rung.per_request_us)

    def start_times(self, gateway: Gateway, outcome: Outcome) -> None:
        """Start-up, the middle of some repeats, seconds."""
        pairs = sorted(gateway.start_times_s() for _ in range(self.extent.start_repeats))
        firsts = sorted(first for first, _ in pairs)
        laters = sorted(later for _, later in pairs)
        outcome.figures["start_s_first"] = firsts[len(firsts) // 2]
        outcome.figures["start_s"] = laters[len(laters) // 2]
        self._say(
            f"  start-up: first {outcome.figures['start_s_first']:.2f} s, "
            f"later {outcome.figures['start_s']:.2f} s"
        )

    # ---- all of one subject --------------------------------------------------------------------

    def everything(self, subject: Subject) -> Outcome:
        self._say(subject.name)
        outcome = Outcome(subject.name, notes=list(subject.notes))
        if subject.root_pid:
            self.idle_memory(subject, outcome)
        self.requests(subject, outcome)
        self.latency(subject, outcome)
        self.events(subject, outcome)
        self.first_event(subject, outcome)
        self.clean_streams(subject, outcome)
        if subject.root_pid:
            self.memory(subject, outcome)
        return outcome

    def gateway(self, profile: str, *, workers: int) -> Outcome:
        """One profile of the gateway, with start-up and a run with several workers."""
        gateway = Gateway(self.machine, self.upstream, profile)
        with gateway.serving() as subject:
            outcome = self.everything(subject)
        if workers > 1:
            try:
                several = Gateway(self.machine, self.upstream, profile, workers=workers)
                self.more_workers(several, outcome)
            except StartError as error:
                outcome.problems["cpu_us_per_request_workers"] = str(error)
        self.start_times(gateway, outcome)
        return outcome

    def _take_percentiles(self, outcome: Outcome, rung: Rung, histogram: str, name: str) -> None:
        for percentile in ("p50", "p95", "p99"):
            figure = partial(rung.answers.figure, histogram, percentile)
            outcome.take(f"{name}_{percentile}_us", figure)


class MemoryWatch:
    """Keeps the largest memory seen while it is open."""

    def __init__(self, subject: Subject, *, every_s: float = 0.2) -> None:
        self.worker_mib = 0.0
        self.tree_mib = 0.0
        self._subject = subject
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watch")

    def _watch(self) -> None:
        while not self._end.wait(self._every_s):
            worker, whole = read_memory(self._subject)
            self.worker_mib = max(self.worker_mib, worker)
            self.tree_mib = max(self.tree_mib, whole)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()


def disturbed_share(foreign_us: int, elapsed_s: float, cores: int) -> float:
    """The kernel counts a core's busy time in ticks of 10 ms: too coarse for short runs."""
    return max(0.0, foreign_us / (elapsed_s * 1e6 * cores)) if elapsed_s >= 0.5 else 0.0


def read_memory(subject: Subject) -> tuple[float, float]:
    """RssAnon of the largest worker and PSS of the tree, MiB."""
    if subject.root_pid is None:
        return 0.0, 0.0
    worker = max((memory(pid).rss_anon_kib for pid in subject.worker_pids()), default=0)
    whole = sum(memory(stat.pid).pss_kib for stat in tree(subject.root_pid))
    return worker / 1024, whole / 1024


def _in_short(rung: Rung) -> str:
    answers = rung.answers
    text = f"{answers.completed} answers, {answers.figure('rate'):.0f}/s"
    if rung.ask.stream:
        text = f"{answers.completed} streams, {answers.events} events"
    text += f", p99 {answers.figure('latency_us', 'p99') / 1000:.2f} ms"
    if rung.cpu_us is not None and rung.ask.stream:
        text += f", {rung.per_event_us():.1f} µs of CPU per event"
    elif rung.cpu_us is not None:
        text += f", {rung.per_request_us():.1f} µs of CPU per request"
    if not rung.came_to_rest:
        text += ", did not come to rest"
    text += f", load side {rung.idle:.0%} idle"
    return text + (f", {rung.disturbed:.0%} disturbed" if rung.disturbed > 0.02 else "")
