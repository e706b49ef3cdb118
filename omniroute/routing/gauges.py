"""What a worker has seen of accounts and models lately: the hot state that strategies look at.

Plain objects of one worker, never shared or stored: a new worker measures anew. A `Gauge` is told
when a request begins and how it ended; averages are exponential, so nothing here grows with the
number of requests. The number of gauges is bounded, too.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

K = TypeVar("K")

# The weight of a new measurement in the moving average: about the last ten count.
LATENCY_WEIGHT: Final = 0.2
ERROR_WEIGHT: Final = 0.2
# Errors are forgotten with time as well, or one that is never chosen for them could never recover.
ERRORS_HALVE_MS: Final = 60_000
GAUGES_KEPT: Final = 4096


class Gauge:
    """One account, or one model of a provider."""

    __slots__ = ("_errors", "_errors_at_ms", "in_flight", "last_used_ms", "latency_ms")

    def __init__(self) -> None:
        self.in_flight = 0
        self.last_used_ms = 0  # Unix time at which the last request began; 0: never
        self.latency_ms: float | None = None
        self._errors = 0.0
        self._errors_at_ms = 0

    def begin(self, now_ms: int) -> None:
        """A request is sent."""
        self.in_flight += 1
        self.last_used_ms = now_ms

    def end(self, now_ms: int, *, failed: bool | None, latency_ms: float | None = None) -> None:
        """It is over. `failed` is None when that says nothing of the upstream: the client left, or
        its request was wrong. `latency_ms`: until the first generated event, when there was one.
        """
        self.in_flight -= 1
        if latency_ms is not None:
            before = latency_ms if self.latency_ms is None else self.latency_ms
            self.latency_ms = before + (latency_ms - before) * LATENCY_WEIGHT
        if failed is not None:
            errors = self.error_share(now_ms)
            self._errors = errors + (failed - errors) * ERROR_WEIGHT
            self._errors_at_ms = now_ms

    def error_share(self, now_ms: int) -> float:
        """Share of the recent requests that failed, 0 to 1."""
        if not self._errors:
            return 0.0
        age_ms = max(0, now_ms - self._errors_at_ms)
        return float(self._errors * 0.5 ** (age_ms / ERRORS_HALVE_MS))

    @classmethod
    def best(cls, gauges: Sequence["Gauge"]) -> "Gauge":
        """Several as one: all that is under way, as quick and as free of errors as the best."""
        one = cls()
        one.in_flight = sum(gauge.in_flight for gauge in gauges)
        one.last_used_ms = max(gauge.last_used_ms for gauge in gauges)
        latencies = [gauge.latency_ms for gauge in gauges if gauge.latency_ms is not None]
        one.latency_ms = min(latencies, default=None)
        soundest = min(gauges, key=lambda gauge: gauge._errors)
        one._errors, one._errors_at_ms = soundest._errors, soundest._errors_at_ms
        return one


class Gauges:
    """The gauges of a worker, by subject; and the price of a model, which others know.

    `price` gives the blended price of a provider's model in micro-USD per million tokens, None
    where it is not known.
    """

    __slots__ = ("_accounts", "_models", "price")

    def __init__(self, price: Callable[[str, str], int | None]) -> None:
        self.price = price
        self._accounts: dict[str, Gauge] = {}
        self._models: dict[tuple[str, str], Gauge] = {}

    def account(self, connection_id: str) -> Gauge:
        """Of one connection, over all models: they use up the same account."""
        gauge = self._accounts.get(connection_id)
        return gauge if gauge is not None else _new(self._accounts, connection_id)

    def model(self, provider_id: str, model: str) -> Gauge:
        """Of one model of a provider, over all connections."""
        gauge = self._models.get((provider_id, model))
        return gauge if gauge is not None else _new(self._models, (provider_id, model))

    def __len__(self) -> int:
        return len(self._accounts) + len(self._models)


def _new(gauges: dict[K, Gauge], subject: K) -> Gauge:
    """A gauge for what had none. When there are too many, half of them go: those that rest longest.

    What is under way keeps its own.
    """
    if len(gauges) >= GAUGES_KEPT:
        by_rest = sorted(gauges, key=lambda each: gauges[each].last_used_ms)
        for each in [each for each in by_rest if not gauges[each].in_flight][: GAUGES_KEPT // 2]:
            del gauges[each]
    gauge = gauges[subject] = Gauge()
    return gauge
