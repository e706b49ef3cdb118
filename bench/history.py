"""The history at a million requests: what a record costs, how long pages and sums take.

    python -m bench.history [--rows 1000000] [--days 30] [--database FILE]

Makes a database of requests as a busy installation has them (some models used by everybody, some by
one key once a day; bursts by day and none at night; failures in clusters), through the store's own
way in, then asks what the dashboard asks. `--database` keeps the file: the next run only asks.
Prints one line a question: median and slowest of some runs, the CPU time of the median one, and
what came of it. On a machine that does other things only the CPU time means anything.
"""

import argparse
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from omniroute.record import Record
from omniroute.store.database import Store
from omniroute.store.filters import EVERYTHING, RequestFilter
from omniroute.store.rollups import DAY_MS, HOUR_MS
from omniroute.usage import Usage

BATCH = 1_000
RUNS = 7
ASKED_MS = 100.0
_UNTIL_MS = 1_790_000_000_000 // DAY_MS * DAY_MS

# provider, its connections, its models with the price of a million tokens in and out in dollars
_PROVIDERS = (
    ("glm", 2, (("glm-4.7", 0.6, 2.2), ("glm-4.7-flash", 0.0, 0.0))),
    ("cc", 3, (("claude-sonnet-4-6", 3.0, 15.0), ("claude-opus-4-6", 5.0, 25.0))),
    ("openai", 2, (("gpt-5.2", 1.75, 14.0), ("gpt-5.2-mini", 0.25, 2.0))),
    ("gemini", 1, (("gemini-3-pro", 2.0, 12.0), ("gemini-3-flash", 0.3, 2.5))),
    ("if", 1, (("kimi-k2-thinking", 0.0, 0.0),)),
    ("local", 1, (("qwen3-coder", 0.0, 0.0), ("tiny", 0.0, 0.0))),
)
_KEYS = 20
_ERRORS = (
    (429, "the provider's rate limit was reached; it asks to wait for 20 s"),
    (502, "the connection was closed before an answer came"),
    (500, "internal error of the provider, request id req_%06x"),
    (401, "the credentials were refused"),
)


def records(rows: int, days: int, seed: int = 1) -> Iterator[Record]:
    """In the order in which they began."""
    draw = random.Random(seed)
    # How busy each hour of the day is, and how many requests so fall into each hour.
    weights = [1.0 + 8.0 * max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi)) for hour in range(24)]
    per_weight = rows / days / sum(weights)
    # Each key has some models it uses mostly, and others now and then.
    habits = []
    for key in range(_KEYS):
        mostly = [_target(draw) for _ in range(3)]
        habits.append((f"stored/{key:04x}", mostly, 1.0 / (key + 1)))
    shares = [share for _, _, share in habits]
    number = 0
    for hour in range(days * 24):
        begin_ms = _UNTIL_MS - days * DAY_MS + hour * HOUR_MS
        count = round(per_weight * weights[hour % 24])
        failing = draw.random() < 0.05  # a provider in trouble for this hour
        for at in sorted(draw.randrange(HOUR_MS) for _ in range(count)):
            if number == rows:
                return
            number += 1
            key_id, mostly, _ = draw.choices(habits, shares)[0]
            target = draw.choice(mostly) if draw.random() < 0.98 else _target(draw)
            yield _record(draw, number, begin_ms + at, key_id, target, failing)


def _target(draw: random.Random) -> tuple[str, str, str, float, float]:
    provider, connections, models = draw.choice(_PROVIDERS)
    model, price_in, price_out = draw.choice(models)
    return provider, f"{provider}/account-{draw.randrange(connections)}", model, price_in, price_out


def _record(
    draw: random.Random,
    number: int,
    started_ms: int,
    key_id: str,
    target: tuple[str, str, str, float, float],
    failing: bool,
) -> Record:
    provider, connection, model, price_in, price_out = target
    failed = draw.random() < (0.4 if failing else 0.02)
    status, error = draw.choice(_ERRORS) if failed else (200, "")
    cached = not failed and draw.random() < 0.08
    prompt = int(draw.lognormvariate(8.5, 1.2))
    answer = 0 if failed else int(draw.lognormvariate(5.5, 1.0))
    took_us = int(draw.lognormvariate(15.2, 0.8)) if not cached else draw.randrange(300, 900)
    cost = 0 if failed or cached else int(prompt * price_in + answer * price_out)
    return Record(
        id=f"req_{number:012x}{draw.getrandbits(48):012x}",
        started_ms=started_ms,
        worker=number % 2,
        key_id=key_id,
        client_format="claude" if provider == "cc" else "openai",
        endpoint="/v1/messages" if provider == "cc" else "/v1/chat/completions",
        provider=provider,
        connection=connection,
        requested_model="coding" if number % 3 == 0 else f"{provider}/{model}",
        model=model,
        stream=number % 4 != 0,
        status=status,
        outcome="failed" if failed else "ok",
        attempts=1,
        error=error % number if "%" in error else error,
        bytes_in=prompt * 4,
        bytes_out=answer * 5,
        connect_us=0 if number % 9 else 21_000,
        first_byte_us=0 if failed else took_us // 5,
        total_us=took_us,
        overhead_us=draw.randrange(90, 400),
        usage=Usage(prompt, prompt // 2, 0, answer, answer // 4),
        usage_source="none" if failed else "upstream",
        cost_microusd=cost,
        tier="apikey",
        combo="coding" if number % 3 == 0 else "",
        cache="hit" if cached else "miss",
    )


def fill(store: Store, rows: int, days: int) -> None:
    """Inserts them by batches as the drain does, and prints what one costs."""
    took_ns = 0
    cpu_ns = 0
    batch: list[Record] = []
    total = 0
    for record in records(rows, days):
        batch.append(record)
        if len(batch) == BATCH:
            spent = _insert(store, batch)
            took_ns, cpu_ns, total = took_ns + spent[0], cpu_ns + spent[1], total + len(batch)
            batch = []
    if batch:
        _insert(store, batch)
    print(
        f"  inserted {total} records in batches of {BATCH}: {took_ns / total / 1000:.1f} us each, "
        f"{cpu_ns / total / 1000:.1f} us of CPU"
    )


def _insert(store: Store, batch: list[Record]) -> tuple[int, int]:
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    store.insert_records(batch)
    return time.perf_counter_ns() - wall, time.process_time_ns() - cpu


def questions(store: Store, days: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the pages of the dashboard ask."""
    since_ms = _UNTIL_MS - days * DAY_MS
    page = store.history.page
    for told, wanted in (
        ("all", EVERYTHING),
        ("of an hour in the middle", RequestFilter(until_ms=since_ms + days * DAY_MS // 2)),
        ("of the busiest key", RequestFilter(key_id=("stored/0000",))),
        ("of the rarest key", RequestFilter(key_id=(f"stored/{_KEYS - 1:04x}",))),
        ("of a provider", RequestFilter(provider=("gemini",))),
        ("of a connection", RequestFilter(connection=("cc/account-2",))),
        ("of a model", RequestFilter(model=("tiny",))),
        (
            "of a key with a model it hardly uses",
            RequestFilter(key_id=(f"stored/{_KEYS - 1:04x}",), model=("tiny",)),
        ),
        ("of a model that never was", RequestFilter(model=("none",))),
        ("that failed", RequestFilter(failed=True)),
        ("with status 401", RequestFilter(status=(401,))),
        ("with status 401 of a key", RequestFilter(status=(401,), key_id=("stored/0007",))),
        ("from the cache", RequestFilter(cached=True)),
        ("from the cache, of a key", RequestFilter(cached=True, key_id=("stored/000c",))),
        ("above 0.50 $", RequestFilter(min_cost_microusd=500_000)),
        ("above 2 $, hardly any", RequestFilter(min_cost_microusd=2_000_000)),
        ("that took over a minute", RequestFilter(min_total_us=60_000_000)),
        ("whose error says 'closed before'", RequestFilter(error_text="closed before")),
        ("whose error is one of all", RequestFilter(error_text=_last_error(store))),
        ("whose error says what none says", RequestFilter(error_text="no such words")),
        ("failed, of a model, in a week", _failed_of_a_week(since_ms)),
    ):
        yield f"50 requests {told}", partial(page, wanted, 50)
    last_day = RequestFilter(since_ms=_UNTIL_MS - DAY_MS)
    sums = store.analytics.sums
    yield "sums by model, all days", partial(sums, by=("model",), percentiles=True)
    yield "sums by key and model, all days", partial(sums, by=("key_id", "model"), percentiles=True)
    yield "sums by day, all days", partial(sums, bucket="day", percentiles=True)
    yield (
        "sums by day and provider",
        partial(sums, by=("provider",), bucket="day", percentiles=True),
    )
    yield "sums by hour, one day", partial(sums, last_day, bucket="hour", percentiles=True)
    two_days = RequestFilter(since_ms=_UNTIL_MS - 2 * DAY_MS)
    yield (
        "sums by hour and connection, two days",
        partial(sums, two_days, by=("connection",), bucket="hour", percentiles=True),
    )
    week = RequestFilter(since_ms=_UNTIL_MS - 7 * DAY_MS)
    yield (
        "… a week, no percentiles",
        partial(sums, week, by=("connection",), bucket="hour"),
    )
    yield "sums by hour, all days, no percentiles", partial(sums, bucket="hour")
    yield "costs by key, all days", partial(store.analytics.costs, by="key_id")
    yield "what filters can offer", store.history.values


def _failed_of_a_week(since_ms: int) -> RequestFilter:
    return RequestFilter(
        failed=True,
        model=("gpt-5.2",),
        since_ms=since_ms + 7 * DAY_MS,
        until_ms=since_ms + 14 * DAY_MS,
    )


def _last_error(store: Store) -> str:
    wanted = RequestFilter(error_text="request id", until_ms=_UNTIL_MS - DAY_MS)
    return store.history.page(wanted, 1).records[0].error[-10:]


def ask(store: Store, days: int) -> bool:
    """Prints how long each question takes; returns whether all were quick enough."""
    quick = True
    for told, question in questions(store, days):
        spent, cpu = [], []
        for _ in range(RUNS):
            begin, cpu_begin = time.perf_counter_ns(), time.process_time_ns()
            answer = question()
            spent.append((time.perf_counter_ns() - begin) / 1e6)
            cpu.append((time.process_time_ns() - cpu_begin) / 1e6)
        rows = len(getattr(answer, "records", answer))  # type: ignore[arg-type]
        median = statistics.median(spent)
        quick &= median < ASKED_MS
        mark = "" if median < ASKED_MS else f"  slower than {ASKED_MS:.0f} ms"
        print(
            f"  {told:<48} {median:6.1f} ms  at most {max(spent):6.1f}  "
            f"CPU {statistics.median(cpu):6.1f}  ({rows} rows){mark}"
        )
    return quick


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--database", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.database or Path(folder) / "history.sqlite"
        store = Store.open(path)
        if store.count_requests() == 0:
            fill(store, given.rows, given.days)
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        print(f"  {store.count_requests()} requests, {size >> 20} MiB")
        quick = ask(store, given.days)
        store.close()
    return 0 if quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
