"""From figures to what people read: the table, the list of what is asked, and the JSON beside them.

Pure: takes outcomes, returns text and data. Ratios and added times are always against nginx and the
mock of the same run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measures import Outcome

# Above this share of the cores' time spent on other things, figures are not fit to quote.
DISTURBED = 0.03
# Under this share of idle time the load side may be what limits a throughput.
SATURATED_IDLE = 0.2


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of every subject, in a unit and with some decimals.

    For a throughput, `idle` names the figure that tells how idle the load side was meanwhile.
    """

    label: str
    figure: str
    decimals: int = 1
    scale: float = 1.0
    idle: str = ""


def rows(rates: Sequence[int]) -> list[Row]:
    """The table's lines; one group of percentiles for each fixed arrival rate."""
    table = [
        Row("requests/s, 64 connections", "requests_per_s", 0, idle="idle_requests"),
        Row("CPU per request, µs", "cpu_us_per_request"),
        Row("CPU per request, 2 workers, µs", "cpu_us_per_request_workers"),
    ]
    return [
        *table,
        *latency_rows(rates),
        Row("events/s, 50 fast streams", "events_per_s_together", 0, idle="idle_together"),
        Row("CPU per event, 50 fast streams, µs", "cpu_us_per_event_together"),
        Row("CPU per event, the same 8 a write, µs", "cpu_us_per_event_together_8", 2),
        Row("CPU per event, 200 streams 20 ms apart, µs", "cpu_us_per_event_apart"),
        Row("most clean streams (of those tried)", "clean_streams", 0),
        Row("worker RssAnon idle, MiB", "worker_mib_idle"),
        Row("worker RssAnon under 512 streams, MiB", "worker_mib_busy"),
        Row("worker RssAnon after, MiB", "worker_mib_after"),
        Row("tree PSS idle, MiB", "tree_mib_idle"),
        Row("tree PSS under 512 streams, MiB", "tree_mib_busy"),
        Row("CPU at rest, % of a core", "cpu_percent_at_rest", 2),
        Row("start to first answer, first start, s", "start_s_first", 2),
        Row("start to first answer, s", "start_s", 2),
        Row("load side idle at 64 connections, %", "idle_requests", 0, scale=100),
    ]


def latency_rows(rates: Sequence[int]) -> list[Row]:
    groups = [("1 connection", "one"), ("64 connections, saturated", "busy")]
    groups += [(f"{rate}/s open loop", f"rate_{rate}") for rate in rates]
    groups += [("first event, 200 streams/s", "first_event")]
    return [
        Row(f"{label}: {percentile}, µs", f"{name}_{percentile}_us", 0)
        for label, name in groups
        for percentile in ("p50", "p95", "p99")
    ]


def comparison(outcomes: Mapping[str, Outcome], rates: Sequence[int]) -> str:
    """The gateway against nginx and against the bare mock: ratios of rates and costs, and the
    latency it adds. Empty when there is nothing to compare."""
    pairs = [
        (of, against)
        for against in ("nginx", "direct")
        for of in ("nginx", "bare", "full")
        if of != against and of in outcomes and against in outcomes
    ]
    if not pairs:
        return ""
    ratios = (
        ("requests/s, ratio", "requests_per_s"),
        ("CPU per request, ratio", "cpu_us_per_request"),
        ("CPU per event, 50 fast streams, ratio", "cpu_us_per_event_together"),
        ("CPU per event, 20 ms apart, ratio", "cpu_us_per_event_apart"),
    )
    lines = [["", *(f"{of} : {against}" for of, against in pairs)]]
    for label, figure in ratios:
        values = [_combine(outcomes, figure, *pair, as_ratio=True) for pair in pairs]
        lines.append([label, *("–" if value is None else f"{value:.2f}" for value in values)])
    for row in latency_rows(rates):
        values = [_combine(outcomes, row.figure, *pair, as_ratio=False) for pair in pairs]
        cells = ["–" if value is None else f"{value:+.0f}" for value in values]
        lines.append([f"added, {row.label}", *cells])
    return align([line for line in lines if set(line[1:]) != {"–"}])


def warnings(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Why the figures should not be quoted as they are."""
    return [
        f"{outcome.name}: up to {outcome.disturbed:.0%} of the cores' time went to other things"
        for outcome in outcomes.values()
        if outcome.disturbed > DISTURBED
    ]


def table(outcomes: Mapping[str, Outcome], rates: Sequence[int]) -> str:
    """Aligned text, one column per subject; lines that nobody has a figure for are left out."""
    names = list(outcomes)
    lines = [["", *names]]
    for row in rows(rates):
        cells = [_cell(row, outcomes[name]) for name in names]
        if any(cell != "–" for cell in cells):
            lines.append([row.label, *cells])
    return align(lines)


def _cell(row: Row, outcome: Outcome) -> str:
    if row.figure in outcome.problems:
        return "void"
    if row.figure not in outcome.figures:
        return "–"
    text = f"{outcome.figures[row.figure] * row.scale:.{row.decimals}f}"
    saturated = outcome.figures.get(row.idle, 1) < SATURATED_IDLE
    return "≥ " + text if saturated else text


def align(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be: the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


@dataclass(frozen=True)
class Asked:
    """One figure asked of the project: `reached` is to be at most, or at least, `limit`."""

    label: str
    limit: float
    unit: str
    reached: float | None
    at_most: bool = True

    @property
    def verdict(self) -> str:
        if self.reached is None:
            return "not measured"
        is_met = self.reached <= self.limit if self.at_most else self.reached >= self.limit
        return "met" if is_met else "MISSED"

    def as_data(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "limit": self.limit,
            "unit": self.unit,
            "at_most": self.at_most,
            "reached": self.reached,
            "verdict": self.verdict,
        }


def _figure(outcomes: Mapping[str, Outcome], subject: str, name: str) -> float | None:
    outcome = outcomes.get(subject)
    return outcome.figures.get(name) if outcome else None


def _combine(
    outcomes: Mapping[str, Outcome], name: str, of: str, against: str, *, as_ratio: bool
) -> float | None:
    first, second = _figure(outcomes, of, name), _figure(outcomes, against, name)
    if first is None or second is None or (as_ratio and not second):
        return None
    return first / second if as_ratio else first - second


def asked(outcomes: Mapping[str, Outcome]) -> list[Asked]:
    """The figures asked of this project that these measurements can answer."""

    def of(subject: str, name: str) -> float | None:
        return _figure(outcomes, subject, name)

    def ratio(name: str, subject: str, against: str = "nginx") -> float | None:
        return _combine(outcomes, name, subject, against, as_ratio=True)

    def added(name: str, subject: str = "full") -> float | None:
        return _combine(outcomes, name, subject, "nginx", as_ratio=False)

    one, several = of("full", "cpu_us_per_request"), of("full", "cpu_us_per_request_workers")
    scaling = several / one if one and several else None
    return [
        Asked("CPU per request, bare", 65, "µs", of("bare", "cpu_us_per_request")),
        Asked("CPU per request, full", 100, "µs", one),
        Asked("throughput, bare", 0.3, "× nginx", ratio("requests_per_s", "bare"), at_most=False),
        Asked("throughput, full", 0.2, "× nginx", ratio("requests_per_s", "full"), at_most=False),
        Asked("added over nginx, 1 connection, p50, full", 150, "µs", added("one_p50_us")),
        Asked("added over nginx, 1 connection, p99, full", 400, "µs", added("one_p99_us")),
        Asked("CPU per event, 50 fast streams, full", 14, "µs",
              of("full", "cpu_us_per_event_together")),
        Asked("CPU per event, 200 streams 20 ms apart, full", 45, "µs",
              of("full", "cpu_us_per_event_apart")),
        Asked("added time to first event over nginx, p99, full", 500, "µs",
              added("first_event_p99_us")),
        Asked("clean concurrent streams, full", 1000, "streams", of("full", "clean_streams"),
              at_most=False),
        Asked("worker RssAnon idle, full", 60, "MiB", of("full", "worker_mib_idle")),
        Asked("worker RssAnon under 512 streams, full", 150, "MiB",
              of("full", "worker_mib_busy")),
        Asked("CPU per request, 2 workers against 1, full", 1.1, "×", scaling),
        Asked("start to first answer, very first start, full", 1.5, "s",
              of("full", "start_s_first")),
        Asked("start to first answer, full", 1.5, "s", of("full", "start_s")),
        Asked("load side, direct-to-mock against bare", 3, "×",
              ratio("requests_per_s", "direct", "bare"), at_most=False),
        Asked("load side idle while measuring full", 0.2, "share",
              of("full", "idle_requests"), at_most=False),
    ]  # fmt: skip


def asked_table(items: Sequence[Asked]) -> str:
    """What is asked, what was reached, and whether that is enough."""
    lines: list[list[str]] = [["asked of this project", "limit", "reached", ""]]
    for item in items:
        sign = "≤" if item.at_most else "≥"
        reached = "–" if item.reached is None else f"{item.reached:.3g}"
        if item.reached is not None and abs(item.reached) >= 1000:
            reached = f"{item.reached:.0f}"
        lines.append([item.label, f"{sign} {item.limit:g} {item.unit}", reached, item.verdict])
    return align(lines)


def as_data(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Figures, and every rung behind them, for the result file."""
    return {
        name: {
            "notes": outcome.notes,
            "figures": outcome.figures,
            "problems": outcome.problems,
            "void": outcome.is_void,
            "disturbed": round(outcome.disturbed, 4),
            "rungs": [rung.as_data() for rung in outcome.rungs],
        }
        for name, outcome in outcomes.items()
    }
