"""The feed never holds more than its ring, loses nothing in silence, and wakes who waits."""

import threading

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.live import LOST, Live, Reader, TooManyReaders, record_in_short
from omniroute.record import Record
from omniroute.usage import Usage


def publish(live: Live, *names: int) -> None:
    live.publish("request", [{"name": name} for name in names])


async def take(reader: Reader, count: int) -> list[object]:
    """Names of entries, and `-n` for n that were missed."""
    found: list[object] = []
    for _ in range(count):
        event = await reader.next()
        assert event is not None
        missed = event.data.get("missed", 0)
        found.append(("missed", missed) if event.name == LOST else event.data["name"])
    return found


def everything(entry: object) -> bool:
    return True


async def test_a_reader_gets_what_happens_after_it_came() -> None:
    live = Live()
    publish(live, 1)
    reader = live.read(everything)
    publish(live, 2, 3)
    assert await take(reader, 2) == [2, 3]


async def test_who_waits_is_woken_from_another_thread(
    autojump_clock: trio.testing.MockClock,
) -> None:
    live = Live()
    reader = live.read(everything)
    async with trio.open_nursery() as nursery:
        found: list[object] = []

        async def wait() -> None:
            found.extend(await take(reader, 2))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await trio.to_thread.run_sync(publish, live, 1)
        await trio.to_thread.run_sync(publish, live, 2)
    assert found == [1, 2]


async def test_a_reader_goes_on_behind_the_last_event_it_has() -> None:
    live = Live()
    reader = live.read(everything)
    publish(live, 1, 2, 3)
    first = await reader.next()
    await reader.aclose()
    assert first is not None
    assert await take(live.read(everything, first.id), 2) == [2, 3]


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    live = Live(entries=3)
    reader = live.read(everything)
    publish(live, *range(10))
    assert await take(reader, 4) == [("missed", 7), 7, 8, 9]


async def test_a_place_of_another_process_is_known_as_such() -> None:
    live = Live()
    publish(live, 1, 2)
    for place in ("0123abcd-1", f"{live.id_of(99)}", "nonsense"):
        assert await take(live.read(everything, place), 3) == [("missed", None), 1, 2]


async def test_what_is_not_wanted_is_passed_over() -> None:
    live = Live()
    reader = live.read(lambda entry: entry.data["name"] % 2 == 0)
    publish(live, 1, 2, 3, 4)
    assert await take(reader, 2) == [2, 4]


async def test_nothing_is_lost_by_asking_again_after_a_keepalive(
    autojump_clock: trio.testing.MockClock,
) -> None:
    live = Live()
    reader = live.read(everything)
    with trio.move_on_after(15) as waiting:
        await reader.next()
    assert waiting.cancelled_caught
    publish(live, 1)
    assert await take(reader, 1) == [1]


async def test_there_are_only_so_many_readers() -> None:
    live = Live(readers=2)
    readers = [live.read(everything) for _ in range(2)]
    with pytest.raises(TooManyReaders):
        live.read(everything)
    await readers[0].aclose()
    assert live.readers == 1
    live.read(everything)


@given(
    steps=st.lists(st.one_of(st.integers(1, 7), st.none()), max_size=30), entries=st.integers(1, 5)
)
def test_every_entry_is_given_once_or_counted_as_missed(
    steps: list[int | None], entries: int
) -> None:
    async def follow() -> None:
        live = Live(entries=entries)
        reader = live.read(everything)
        published = 0
        counted: list[int] = []
        for step in [*steps, None]:
            if step is not None:
                publish(live, *range(published, published + step))
                published += step
                continue
            while len(counted) < published:
                event = await reader.next()
                assert event is not None
                if event.name == LOST:
                    counted += [-1] * event.data["missed"]
                else:
                    assert event.data["name"] == len(counted)
                    counted.append(event.data["name"])
        assert len(counted) == published

    trio.run(follow)


async def test_publishing_from_many_threads_numbers_each_entry_once() -> None:
    live = Live(entries=1000)
    reader = live.read(everything)
    threads = [threading.Thread(target=publish, args=(live, *range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await trio.to_thread.run_sync(thread.join)
    events = [await reader.next() for _ in range(400)]
    assert len({event.id for event in events if event is not None}) == 400


def test_a_record_in_short_holds_no_key_and_no_end_of_text() -> None:
    record = Record(
        id="r1",
        started_ms=5,
        status=401,
        error="Incorrect API key provided: sk-SECRETVALUE0123456789. " + "x" * 2000,
        usage=Usage(input_tokens=3, output_tokens=4),
    )
    shown = record_in_short(record)
    assert (shown["id"], shown["input_tokens"], shown["output_tokens"]) == ("r1", 3, 4)
    assert "SECRETVALUE" not in shown["error"]
    assert len(shown["error"]) <= 520
