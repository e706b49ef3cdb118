"""What Prometheus scrapes: counts of finished requests, and how everything is at the moment.

Requests are counted when control has written them to the history, each once; the counts begin anew
with the control process, which Prometheus expects of counters. The rest is read from the status
document at each scrape, by the tables below. Names of models come from clients, so the number of
series is bounded: beyond it, models and keys are counted as `other`.

Text format 0.0.4: prometheus.io/docs/instrumenting/exposition_formats.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from omniroute.record import Record

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SERIES: Final = 2_000
OTHER: Final = "other"
_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OVERHEAD_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class Gauge(NamedTuple):
    """One number of the status document."""

    name: str
    help: str
    path: tuple[str, ...]
    kind: str = "gauge"  # or counter


class Table(NamedTuple):
    """Numbers of a list in the status document: one series for each entry and measure."""

    path: tuple[str, ...]
    labels: tuple[str, ...]  # fields of an entry
    measures: tuple[Gauge, ...]


_GAUGES: Final = (
    Gauge("uptime_seconds", "Since the control process began.", ("uptime_s",)),
    Gauge("snapshot_version", "Of the configuration.", ("configuration", "snapshot_version")),
    Gauge("outbox_records", "Finished requests on their way to SQLite.", ("outbox", "records")),
    Gauge("outbox_bytes", "The same in bytes.", ("outbox", "bytes")),
    Gauge("state_bytes", "In use of the shared state.", ("state", "used_bytes")),
    Gauge("state_limit_bytes", "Size of the shared state.", ("state", "map_bytes")),
    Gauge("history_failures", "Failed writes to SQLite in a row.", ("history", "failures")),
    Gauge("cache_entries", "Answers in the cache.", ("cache", "entries")),
    Gauge("cache_bytes", "What they take.", ("cache", "bytes")),
    Gauge("cache_hits", "Answers from the cache.", ("cache", "hits"), "counter"),
    Gauge("cache_misses", "Questions it had no answer to.", ("cache", "misses"), "counter"),
    Gauge("cache_evicted", "Answers that had to go.", ("cache", "evicted"), "counter"),
    Gauge("control_restarts", "Of the control process.", ("control_restarts",), "counter"),
    Gauge(
        "beyond_limits_microusd",
        "Billed beyond what was reserved.",
        ("beyond_limits", "microusd"),
        "counter",
    ),
)
_TABLES: Final = (
    Table(
        ("workers",),
        ("worker",),
        (
            Gauge("worker_inflight", "Requests that run.", ("inflight",)),
            Gauge("worker_restarts", "How often it was replaced.", ("restarts",), "counter"),
        ),
    ),
    Table(
        ("processes",),
        ("process",),
        (
            Gauge("process_cpu_seconds", "CPU time used.", ("cpu_s",), "counter"),
            Gauge("process_memory_bytes", "Resident memory.", ("memory_bytes",)),
            Gauge("process_threads", "Threads.", ("threads",)),
        ),
    ),
    Table(
        ("limits",),
        ("key", "measure"),
        (
            Gauge("limit", "A configured limit (money in micro-USD).", ("limit",)),
            Gauge("limit_used", "What of it is used.", ("used",)),
            Gauge("limit_reserved", "What requests under way hold of it.", ("reserved",)),
        ),
    ),
    Table(
        ("health", "quotas"),
        ("subject", "detail"),
        (Gauge("quota_used_ratio", "Share of a provider's quota, as reported.", ("used",)),),
    ),
)
_CONDITIONS: Final = ("breakers", "cooldowns", "lockouts", "targets")


class _Sums:
    """Requests of one provider, model, status and use of the cache."""

    __slots__ = ("cache_read", "cache_write", "cost", "input", "output", "reasoning", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.input = 0
        self.cache_read = 0
        self.cache_write = 0
        self.output = 0
        self.reasoning = 0
        self.cost = 0


class _Durations:
    """A histogram."""

    __slots__ = ("_bounds_us", "counts", "sum_us")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_us = [bound * 1e6 for bound in bounds_s]
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_us = 0

    def add(self, value_us: int) -> None:
        self.counts[bisect_left(self._bounds_us, value_us)] += 1
        self.sum_us += value_us


class Metrics:
    """Counts finished requests. Thread-safe."""

    def __init__(self, series: int = SERIES) -> None:
        self._lock = threading.Lock()
        self._most = series
        self._sums: dict[tuple[str, str, str, str], _Sums] = {}
        self._keys: dict[str, tuple[int, int]] = {}  # requests, micro-USD
        self._failed: dict[tuple[str, str], int] = {}  # attempts by provider and status
        self._total: dict[str, _Durations] = {}
        self._first: dict[str, _Durations] = {}
        self._overhead = _Durations(_OVERHEAD_BOUNDS_S)

    def add(self, records: Iterable[Record]) -> None:
        """Count requests that have ended."""
        with self._lock:
            for record in records:
                self._add(record)

    def _add(self, record: Record) -> None:
        provider = record.provider
        series = (provider, record.model, f"{record.status // 100}xx", record.cache)
        sums = self._sums.get(series)
        if sums is None:
            if len(self._sums) >= self._most:
                series = (provider if provider in self._total else OTHER, OTHER, *series[2:])
            sums = self._sums.setdefault(series, _Sums())
        usage = record.usage
        sums.requests += 1
        sums.input += usage.uncached_tokens
        sums.cache_read += usage.cache_read_tokens
        sums.cache_write += usage.cache_write_tokens
        sums.output += usage.output_tokens
        sums.reasoning += usage.reasoning_tokens
        sums.cost += record.cost_microusd
        key = record.key_id
        if key not in self._keys and len(self._keys) >= self._most:
            key = OTHER
        requests, cost = self._keys.get(key, (0, 0))
        self._keys[key] = (requests + 1, cost + record.cost_microusd)
        for tried in record.tried:
            failed = (tried.provider, str(tried.status))
            self._failed[failed] = self._failed.get(failed, 0) + 1
        if provider not in self._total:
            self._total[provider] = _Durations(_BOUNDS_S)
            self._first[provider] = _Durations(_BOUNDS_S)
        self._total[provider].add(record.total_us)
        if record.first_byte_us:
            self._first[provider].add(record.first_byte_us)
        self._overhead.add(record.overhead_us)

    def render(self, document: Mapping[str, Any]) -> bytes:
        """Everything in the text format; `document` is that of the status. For a thread."""
        # Imported here: only those who scrape pay for it.
        from prometheus_client import CollectorRegistry, generate_latest

        with self._lock:
            families = [*self._families(), *_families_of(document)]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(families))
        return generate_latest(registry)

    def _families(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        labels = ("provider", "model", "status", "cache")
        requests = CounterMetricFamily("omniroute_requests", "Finished requests.", labels=labels)
        cost = CounterMetricFamily(
            "omniroute_cost_usd", "What they cost, in US dollars.", labels=labels[:2]
        )
        tokens = CounterMetricFamily(
            "omniroute_tokens",
            "Tokens; `input` without those of caches, `reasoning` is part of `output`.",
            labels=(*labels[:2], "kind"),
        )
        by_model: dict[tuple[str, str], _Sums] = {}
        for series, sums in self._sums.items():
            requests.add_metric(series, sums.requests)
            joined = by_model.setdefault((series[0], series[1]), _Sums())
            for name in _Sums.__slots__:
                setattr(joined, name, getattr(joined, name) + getattr(sums, name))
        for model, sums in by_model.items():
            cost.add_metric(model, sums.cost / 1e6)
            for kind in ("input", "cache_read", "cache_write", "output", "reasoning"):
                tokens.add_metric((*model, kind), getattr(sums, kind))
        yield from (requests, cost, tokens)
        keys = CounterMetricFamily("omniroute_key_requests", "By client key.", labels=("key",))
        spent = CounterMetricFamily("omniroute_key_cost_usd", "By client key.", labels=("key",))
        for key, (count, microusd) in self._keys.items():
            keys.add_metric((key,), count)
            spent.add_metric((key,), microusd / 1e6)
        yield from (keys, spent)
        failed = CounterMetricFamily(
            "omniroute_failed_attempts",
            "Attempts that came to nothing; status 0 without an answer.",
            labels=("provider", "status"),
        )
        for labelled, count in self._failed.items():
            failed.add_metric(labelled, count)
        yield failed
        for name, told, durations in (
            ("request_duration_seconds", "From its first byte to its end.", self._total),
            ("first_byte_seconds", "Until the first byte of the answer.", self._first),
        ):
            family = HistogramMetricFamily(f"omniroute_{name}", told, labels=("provider",))
            for provider, one in durations.items():
                family.add_metric((provider,), _cumulated(one, _BOUNDS_S), one.sum_us / 1e6)
            yield family
        overhead = HistogramMetricFamily(
            "omniroute_overhead_seconds", "What the gateway itself took.", labels=()
        )
        buckets = _cumulated(self._overhead, _OVERHEAD_BOUNDS_S)
        overhead.add_metric((), buckets, self._overhead.sum_us / 1e6)
        yield overhead


class _Collected:
    """Families that are there already, as a registry takes them."""

    def __init__(self, families: Sequence["Metric"]) -> None:
        self._families = families

    def collect(self) -> Iterable["Metric"]:
        return self._families


def _cumulated(durations: _Durations, bounds_s: Sequence[float]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    count = 0
    for bound, here in zip((*map(float, bounds_s), "+Inf"), durations.counts, strict=True):
        count += here
        buckets.append((str(bound), count))
    return buckets


def _families_of(document: Mapping[str, Any]) -> Iterator["Metric"]:
    """The status document as gauges and counters; what it has not got is left out."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    version = str(document.get("version", ""))
    yield InfoMetricFamily("omniroute_build", "The version that runs.", {"version": version})
    for gauge in _GAUGES:
        value = _at(document, gauge.path)
        if value is not None:
            family = _family(gauge, ())
            family.add_metric((), value)
            yield family
    for table in _TABLES:
        entries = _at(document, table.path) or ()
        for gauge in table.measures:
            family = _family(gauge, table.labels)
            for entry in entries:
                value = _at(entry, gauge.path)
                if value is not None:
                    family.add_metric([str(entry[label]) for label in table.labels], value)
            yield family
    dropped = _family(Gauge("dropped_records", "Lost log records.", (), "counter"), ("reason",))
    for reason, count in (_at(document, ("outbox", "dropped")) or {}).items():
        dropped.add_metric((reason,), count)
    yield dropped
    failing = GaugeMetricFamily(
        "omniroute_job_failing", "Whether its last run failed.", labels=("job",)
    )
    for name, job in document.get("jobs", {}).items():
        failing.add_metric((name,), float(job["failures"] > 0))
    yield failing
    conditions = GaugeMetricFamily(
        "omniroute_condition",
        "What stands against a provider, an account or a model: 1 for the state it is in.",
        labels=("part", "subject", "detail", "state"),
    )
    for part in _CONDITIONS:
        for entry in _at(document, ("health", part)) or ():
            labels = (part, entry["subject"], entry["detail"], entry["state"])
            conditions.add_metric(labels, 1.0)
    yield conditions


def _family(gauge: Gauge, labels: Sequence[str]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if gauge.kind == "counter" else GaugeMetricFamily
    return kind(f"omniroute_{gauge.name}", gauge.help, labels=labels)


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
