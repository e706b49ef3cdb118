"""Log lines and conditions reach the feed as they come: each once, and none of before."""

import json
import os
from pathlib import Path

import pytest
import trio

from omniroute.control.live import Live, Reader
from omniroute.control.watching import ConditionWatch, LogWatch
from omniroute.resilience import cooldown
from omniroute.state.memory_state import MemoryState

POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
NOW_MS = 1_700_000_000_000


@pytest.fixture
async def live() -> Live:
    return Live()


@pytest.fixture
async def reader(live: Live) -> Reader:
    return live.read(lambda entry: True)


async def events(reader: Reader) -> list[dict[str, object]]:
    """All that are there."""
    found = []
    while True:
        with trio.CancelScope() as scope:
            scope.deadline = trio.current_time() - 1
            event = await reader.next()
            assert event is not None
            found.append(event.data)
            continue
        return found


def write(path: Path, *messages: str, end: str = "\n") -> None:
    with path.open("a") as file:
        for message in messages:
            file.write(json.dumps({"time": message, "message": message}) + end)


async def told(reader: Reader) -> list[object]:
    return [event["message"] for event in await events(reader)]


async def test_lines_come_once_and_none_of_before(
    tmp_path: Path, live: Live, reader: Reader
) -> None:
    watch = LogWatch(tmp_path, live)
    write(tmp_path / "control.jsonl", "before")
    watch.look()
    write(tmp_path / "control.jsonl", "one", "two")
    watch.look()
    watch.look()
    write(tmp_path / "worker-1.jsonl", "of a new process")
    watch.look()
    assert await told(reader) == ["one", "two", "of a new process"]


async def test_half_a_line_waits_for_its_end(tmp_path: Path, live: Live, reader: Reader) -> None:
    watch = LogWatch(tmp_path, live)
    path = tmp_path / "control.jsonl"
    write(path, "first")
    watch.look()
    text = json.dumps({"message": "cut"})
    with path.open("a") as file:
        file.write(text[:7])
    watch.look()
    assert await told(reader) == []
    with path.open("a") as file:
        file.write(text[7:] + "\nno object\n")
    watch.look()
    assert await told(reader) == ["cut"]


async def test_a_file_that_was_put_aside_is_followed_by_the_new_one(
    tmp_path: Path, live: Live, reader: Reader
) -> None:
    watch = LogWatch(tmp_path, live)
    path = tmp_path / "control.jsonl"
    write(path, "first")
    watch.look()
    os.rename(path, tmp_path / "control.20261128T000000000000-000.jsonl")
    write(path, "second")
    watch.look()
    assert await told(reader) == ["second"]


async def test_without_a_reader_nothing_is_looked_at(
    tmp_path: Path, live: Live, reader: Reader
) -> None:
    watch = LogWatch(tmp_path, live)
    watch.look()
    await reader.aclose()
    write(tmp_path / "control.jsonl", "unseen")
    watch.look()
    again = live.read(lambda entry: True)
    watch.look()
    write(tmp_path / "control.jsonl", "seen")
    watch.look()
    assert await told(again) == ["seen"]


async def test_a_condition_is_told_when_it_begins_changes_ends_and_goes(
    live: Live, reader: Reader
) -> None:
    conditions = MemoryState().conditions
    watch = ConditionWatch(conditions, live)
    watch.look(NOW_MS)

    def fail(stored: bytes | None) -> bytes | None:
        return cooldown.after_failure(stored, NOW_MS, POLICY, reason="429")

    conditions.change("cooldown:acme/main", fail)
    watch.look(NOW_MS)
    watch.look(NOW_MS + 1)
    [began] = await events(reader)
    assert (began["kind"], began["subject"], began["state"]) == ("cooldown", "acme/main", "cooling")
    assert began["until_ms"] == NOW_MS + 60_000
    watch.look(NOW_MS + 60_001)
    assert [event["state"] for event in await events(reader)] == ["counting"]
    conditions.clear()
    watch.look(NOW_MS + 60_002)
    assert [event["state"] for event in await events(reader)] == ["gone"]
