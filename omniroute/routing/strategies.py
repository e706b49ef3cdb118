"""Strategies: in which order candidates are tried. One table, for members of combos and accounts.

A strategy takes candidates in the order they are written and yields each of them once, lazily:
nearly every request needs the first alone. It looks at the candidates, never at history; what it
must know of one it asks through `Facts`. Time, chance and the counters of turns come in as
arguments.

The first candidate costs O(1) with `priority` and `fill-first`, else O(candidates).
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol, TypeVar

from omniroute.routing.gauges import Gauge

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

# A latency says nothing any more when the candidate was not used for so long: it is measured anew,
# or one slow answer would keep it out for good.
LATENCY_HOLDS_MS: Final = 600_000
# From this share of errors on, a candidate is not worth measuring, and counts no worse.
MOSTLY_FAILING: Final = 0.5
LEAST_SUCCESS: Final = 0.05
# Counters of turns of one worker; a configuration has far fewer.
TURNS_KEPT: Final = 4096


class Facts(Protocol[T_contra]):
    """What is known of candidates. A strategy asks only for what it needs."""

    def weight(self, candidate: T_contra, /) -> float:
        """Its share with `weighted`; 0: only when nothing else is left."""

    def price(self, candidate: T_contra, /) -> int | None:
        """Input and output blended, in micro-USD per million tokens; None: not known."""

    def gauge(self, candidate: T_contra, /) -> Gauge:
        """What was seen of it lately."""


class Turn(NamedTuple):
    """Whose turn is asked for, and how many requests in a row one candidate gets."""

    key: str
    limit: int = 1


class Turns:
    """Whose turn it is, per key: the counters of one worker. Bounded.

    `take` counts a request; `pass_on` moves the turn when the one whose turn it was could not
    serve, so that a candidate that is out does not give its share to its neighbour for long.
    """

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        self._turns: dict[str, tuple[int, int]] = {}  # candidate's place, requests it had in a row

    def take(self, turn: Turn, among: int) -> int:
        """The place, below `among`, of the candidate that serves this request."""
        place, served = self._turns.get(turn.key, (0, 0))
        if place >= among:
            place, served = 0, 0  # there are fewer candidates than there were
        elif served >= turn.limit:
            place, served = (place + 1) % among, 0
        self._put(turn.key, place, served + 1)
        return place

    def pass_on(self, key: str, place: int, to: int) -> None:
        """The turn goes from one place to another; not when it has moved meanwhile."""
        if self._turns.get(key, (place, 0))[0] == place:
            self._put(key, to, 1)

    def copy(self) -> "Turns":
        """Counters of their own that stand where these do: for trying without counting."""
        other = Turns()
        other._turns = dict(self._turns)
        return other

    def _put(self, key: str, place: int, served: int) -> None:
        if key not in self._turns and len(self._turns) >= TURNS_KEPT:
            del self._turns[next(iter(self._turns))]
        self._turns[key] = (place, served)

    def __len__(self) -> int:
        return len(self._turns)


class Strategy(Protocol):
    """Yields each candidate once, the best first."""

    def __call__(
        self,
        candidates: Sequence[T],
        facts: Facts[T],
        turn: Turn,
        turns: Turns,
        rng: Random,
        now_ms: int,
        /,
    ) -> Iterator[T]: ...


def as_written(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """The order of the configuration: of members as listed, of accounts by priority."""
    return iter(candidates)


def round_robin(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """In turn, `turn.limit` requests in a row each; then on from there, around."""
    among = len(candidates)
    if not among:
        return
    place = turns.take(turn, among)
    for _ in range(among):
        yield candidates[place]
        following = (place + 1) % among
        turns.pass_on(turn.key, place, following)
        place = following


def at_random(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """Every order is as likely as any other."""
    pool = list(candidates)
    while pool:
        yield _draw(pool, int(rng.random() * len(pool)))


def weighted(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """Each draw is by weight among those that are left; without weights all are alike."""
    pool = list(candidates)
    weights = [facts.weight(candidate) for candidate in pool]
    while pool:
        at = _weighted_place(weights, rng)
        _draw(weights, at)
        yield _draw(pool, at)


def _weighted_place(weights: Sequence[float], rng: Random) -> int:
    total = sum(weights)
    if total <= 0:
        return int(rng.random() * len(weights))
    point = rng.random() * total
    last = 0
    for place, weight in enumerate(weights):
        if weight > 0:
            last = place
            point -= weight
            if point < 0:
                break
    return last  # the sum may have been rounded up beyond the last


def power_of_two(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """Of two drawn at random the less burdened one; so again among those that are left."""
    pool = list(candidates)
    while len(pool) > 1:
        first = int(rng.random() * len(pool))
        second = int(rng.random() * (len(pool) - 1))
        second += second >= first
        better = _less_burdened(facts.gauge(pool[first]), facts.gauge(pool[second]), now_ms)
        yield _draw(pool, first if better else second)
    yield from pool


def _less_burdened(one: Gauge, other: Gauge, now_ms: int) -> bool:
    """Will `one` answer sooner, as far as is known? Without a latency of both, none counts."""
    burdens = [
        (each.in_flight + 1) / max(LEAST_SUCCESS, 1.0 - each.error_share(now_ms))
        for each in (one, other)
    ]
    if one.latency_ms is not None and other.latency_ms is not None:
        burdens = [burdens[0] * one.latency_ms, burdens[1] * other.latency_ms]
    return burdens[0] <= burdens[1]


def least_used(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """The one that rests longest, never used first; of those alike the one with less under way."""

    def rest(candidate: T) -> tuple[float, ...]:
        gauge = facts.gauge(candidate)
        return gauge.last_used_ms, gauge.in_flight

    return _ascending(candidates, rest)


def cost_optimized(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """The cheapest first, an unknown price last."""

    def price(candidate: T) -> tuple[float, ...]:
        known = facts.price(candidate)
        return (1, 0) if known is None else (0, known)

    return _ascending(candidates, price)


def lowest_latency(
    candidates: Sequence[T], facts: Facts[T], turn: Turn, turns: Turns, rng: Random, now_ms: int
) -> Iterator[T]:
    """The quickest first, errors counted as time lost.

    One that is not measured goes before, so that it gets measured, but by one request at a time:
    while that is under way, or when it mostly fails, it stands behind those that are known.
    """

    def latency(candidate: T) -> tuple[float, ...]:
        gauge = facts.gauge(candidate)
        known = gauge.latency_ms
        errors = gauge.error_share(now_ms)
        if known is not None and now_ms - gauge.last_used_ms < LATENCY_HOLDS_MS:
            return (1, known / max(LEAST_SUCCESS, 1.0 - errors))
        if gauge.in_flight == 0 and errors < MOSTLY_FAILING:
            return (0, 0)
        return (2, gauge.in_flight)

    return _ascending(candidates, latency)


def _ascending(candidates: Sequence[T], key: Callable[[T], tuple[float, ...]]) -> Iterator[T]:
    """By key; alike as written. A heap, since the first is wanted and the others hardly ever."""
    heap = [(key(candidate), place) for place, candidate in enumerate(candidates)]
    heapq.heapify(heap)
    while heap:
        yield candidates[heapq.heappop(heap)[1]]


def _draw(pool: list[T], place: int) -> T:
    """Takes one out in O(1); the order of the others is not kept."""
    drawn = pool[place]
    last = pool.pop()
    if place < len(pool):
        pool[place] = last
    return drawn


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "priority": as_written,
    "fill-first": as_written,
    "round-robin": round_robin,
    "random": at_random,
    "weighted": weighted,
    "least-used": least_used,
    "cost-optimized": cost_optimized,
    "p2c": power_of_two,
    "lowest-latency": lowest_latency,
}

# Those whose order says which one is preferred: nothing else may put another first. The others
# spread requests, and a conversation may stay where it is.
PREFERRING: Final = frozenset({"priority", "fill-first", "cost-optimized"})
