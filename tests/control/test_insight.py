"""A batch of the drain reaches the feed, the metrics and the traces; each job does its work."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from omniroute.config import LogSettings
from omniroute.control.insight import Insight
from omniroute.net.connector import Connector
from omniroute.net.readiness import open_readiness
from omniroute.record import Record
from omniroute.state.interface import State
from omniroute.store.database import Store

COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


def insight(
    tmp_path: Path,
    state: State,
    environment: Mapping[str, str],
    log: LogSettings | None = None,
    warnings: list[str] | None = None,
) -> Insight:
    return Insight(
        tmp_path,
        state,
        log or LogSettings(),
        Connector(open_readiness()),
        environment,
        [] if warnings is None else warnings,
    )


async def test_a_batch_reaches_all_who_are_told(tmp_path: Path, state: State, store: Store) -> None:
    made = insight(tmp_path, state, COLLECTOR)
    reader = made.live.read(lambda entry: True)
    record = Record(id="r", started_ms=1, provider="acme")
    assert made.history(store).insert_records([record]) == 1
    event = await reader.next()
    assert event is not None
    assert event.data["id"] == "r"
    assert b'omniroute_requests_total{cache="",model="",provider="acme"' in made.metrics.render({})
    traces = made.describe_traces()
    assert traces is not None
    assert traces["waiting"] == 1
    assert store.count_requests() == 1


async def test_without_a_collector_and_files_there_are_no_jobs_for_them(
    tmp_path: Path, state: State
) -> None:
    bare = insight(tmp_path, state, {}, LogSettings(files=False))
    assert [job.name for job in bare.jobs()] == ["feed"]
    assert bare.describe_traces() is None
    whole = insight(tmp_path, state, COLLECTOR)
    assert [job.name for job in whole.jobs()] == ["feed", "log files", "traces"]


async def test_jobs_do_their_work(tmp_path: Path, state: State) -> None:
    for job in insight(tmp_path, state, COLLECTOR).jobs():
        await job.run_once()
        assert job.error == ""


async def test_the_end_does_not_wait_for_a_collector_that_is_away(
    tmp_path: Path, state: State, store: Store, nursery: trio.Nursery
) -> None:
    readiness = open_readiness()
    nursery.start_soon(readiness.run)
    made = Insight(tmp_path, state, LogSettings(), Connector(readiness), COLLECTOR, [])
    await made.send_last()
    made.history(store).insert_records([Record(id="r", started_ms=1)])
    await made.send_last()
    traces = made.describe_traces()
    assert traces is not None
    assert traces["waiting"] == 1
    assert "cannot be reached" in traces["error"]
    await insight(tmp_path, state, {}).send_last()


@pytest.mark.parametrize("url", ["nonsense", "ftp://x"])
async def test_variables_that_are_wrong_are_a_warning(
    tmp_path: Path, state: State, url: str
) -> None:
    warnings: list[str] = []
    made = insight(tmp_path, state, {"OTEL_EXPORTER_OTLP_ENDPOINT": url}, warnings=warnings)
    assert made.describe_traces() is None
    assert warnings == [
        "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT is no http:// or https:// URL"
    ]
