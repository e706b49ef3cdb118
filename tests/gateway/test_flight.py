"""What a flight retains, whom it waits for, and that each passenger goes at its own pace."""

import pytest
import trio
import trio.testing

from omniroute.gateway.flight import LAG_BYTES
from tests.gateway.flight_material import CACHED, Script, open_house

BODY = b"question stream"
WINDOW = 65_536  # of the memory transport: what a client that does not read has taken


async def read(client):
    await client.head()
    data = b""
    while piece := await client.piece():
        data += piece
    return data


async def test_a_slow_client_holds_nobody_up(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        worker.settings = type(worker.settings)(max_entry_bytes=1 << 20)
        quick = await house.post(worker, BODY)
        slow = await house.post(worker, BODY)
        await script.begin(b"<")
        await quick.head()
        received = len(await quick.piece())
        for _ in range(8):
            await script.piece(b"x" * 50_000)
            while received < script_written(script):
                received += len(await quick.piece())
        await script.end(b">")
        assert received == 400_001
        assert len(await read(slow)) == 400_002  # reads only now, and misses nothing
        assert await quick.piece() == b">"


def script_written(script):
    return 1 + 50_000 * script.written


async def test_beyond_the_bound_the_call_waits_for_the_slowest(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)  # max_entry_bytes: 100 000
        quick = await house.post(worker, BODY)
        slow = await house.post(worker, BODY)
        await script.begin(b"<")
        for _ in range(20):
            await script.piece(b"x" * 50_000)
        await script.end(b">")
        flight = script.carriers[0]
        async with trio.open_nursery() as nursery:
            result = []

            async def run():
                result.append(await read(quick))

            nursery.start_soon(run)
            await trio.testing.wait_all_tasks_blocked()
            # The quick one has all there is; the call is held back by the slow one.
            assert not flight.ended
            assert worker.flights.retained_bytes <= LAG_BYTES + 2 * 50_128
            assert len(await read(slow)) == 1_000_002
        assert len(result[0]) == 1_000_002


async def test_a_slow_client_that_leaves_sets_the_call_free(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        quick = await house.post(worker, BODY)
        slow = await house.post(worker, BODY)
        await script.begin(b"<")
        for _ in range(20):
            await script.piece(b"x" * 50_000)
        await script.end(b">")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, quick)
            await trio.testing.wait_all_tasks_blocked()
            assert not script.carriers[0].ended
            await slow.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert script.carriers[0].ended


async def test_a_lone_client_is_never_waited_for_longer_than_without_a_flight(
    tmp_path, autojump_clock
):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        client = await house.post(worker, BODY)
        await script.begin(b"<")
        for number in range(100):
            await script.piece(b"%05d" % number * 2_000)
        await script.end(b">")
        data = await read(client)
        assert data == b"<" + b"".join(b"%05d" % n * 2_000 for n in range(100)) + b">"


async def test_whoever_comes_too_late_for_the_beginning_asks_for_itself(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, BODY)
        await script.begin(b"x" * 60_000)
        await script.piece(b"y" * 60_000)
        other = Script()
        worker.exchange = other
        late = await house.post(worker, BODY)
        await other.begin(b"own")
        await other.end()
        assert await read(late) == b"own"
        await script.end()
        assert len(await read(first)) == 120_000
        assert worker.calls == 2


async def test_all_flights_together_retain_a_bounded_amount(tmp_path, autojump_clock):
    scripts = [Script() for _ in range(4)]
    async with open_house(tmp_path) as house:
        worker = await house.worker(scripts[0])
        worker.settings = type(worker.settings)(max_entry_bytes=1 << 20)  # as all together may
        clients = []
        for number, script in enumerate(scripts):
            worker.exchange = script
            clients.append(await house.post(worker, b"%d stream" % number))
            await script.begin(b"x" * 400_000)
        assert [script.carriers[0].open for script in scripts] == [True, True, False, False]
        for client, script in zip(clients, scripts, strict=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, client)
                await script.end()


@pytest.mark.parametrize("leaves", ["before", "while", "after"])
async def test_nothing_leaks_whenever_a_client_leaves(tmp_path, autojump_clock, leaves):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        both = CACHED + "idempotency-key: k\r\n"
        client = await house.post(worker, BODY, both)
        if leaves == "before":
            await client.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
        else:
            await script.begin(b"x" * WINDOW)
            if leaves == "while":  # it has not read, so a write is under way
                await script.piece(b"y")
            else:
                await script.end()
            await client.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
    assert script.cancelled == (leaves != "after")
