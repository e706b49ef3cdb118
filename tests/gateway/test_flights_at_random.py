"""Flights under anything that may happen: whoever stays is answered whole, and nothing is left."""

import random
import re

import pytest
import trio
import trio.testing

from tests.gateway.flight_material import CACHED, EVENTS, open_house

STEPS = 80


class Calls:
    """Exchanges that go on when told to; each answers with pieces that tell whose they are."""

    def __init__(self) -> None:
        self.running = []
        self.begun = 0
        self.doubled = []

    async def __call__(self, carrier, request):
        self.begun += 1
        key = request.fields.get(b"idempotency-key", b"")
        if key and key in [call.key for call in self.running]:
            self.doubled.append(key)
        call = Call(self.begun, key)
        self.running.append(call)
        try:
            await call.run(carrier, request)
        finally:
            self.running.remove(call)


class Call:
    """Its answer: `[n:`, pieces that count up, and `]n`; `!n` where it breaks."""

    def __init__(self, number: int, key: bytes) -> None:
        self.number = number
        self.key = key
        self.steps, self._todo = trio.open_memory_channel(1000)

    async def run(self, carrier, request):
        begun, pieces = False, 0
        async for step in self._todo:
            if step == "end":
                end = b"]%d" % self.number
                if begun:
                    await carrier.end_stream(request, end)
                else:
                    await carrier.respond(request, 200, b"[%d:" % self.number + end, EVENTS)
                return
            if step == "break" and begun:
                await carrier.break_stream(request, b"!%d" % self.number)
                return
            if not begun:
                begun = True
                await carrier.start_stream(request, 200, EVENTS, b"", b"[%d:" % self.number)
            else:
                pieces += 1
                filler = b"." * (9_000 if step == "large" else 0)
                await carrier.send_piece(request, b"%d%b," % (pieces, filler))


TOLD = re.compile(rb"(again: )?\[(\d+):((?:\d+,)*)(?:[]!]\2)")


def assert_whole(body: bytes) -> None:
    """One call's answer, from its beginning to its end, and nothing else."""
    bare = body.replace(b": keepalive\n\n", b"").replace(b".", b"")
    # A late hint at the cache comes before the last bytes.
    bare = bare.replace(b": x-omniroute-cache: hit\n\n", b"")
    bare = bare.replace(b": x-omniroute-cache: miss\n\n", b"")
    told = TOLD.fullmatch(bare)
    assert told, body
    counted = [int(piece) for piece in told[3].split(b",") if piece]
    assert counted == list(range(1, len(counted) + 1)), body


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens(tmp_path, autojump_clock, seed):
    chance = random.Random(seed)
    calls = Calls()
    answered = []
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        workers = [await house.worker(calls) for _ in range(2)]
        for worker in workers:
            worker.settings = type(worker.settings)(max_entry_bytes=40_000)
        staying = []

        async def read(client):
            answered.append(await client.answer())

        def move_on(step):
            if calls.running:
                chance.choice(calls.running).steps.send_nowait(step)

        for _ in range(STEPS):
            match chance.choice(["post", "post", "leave", "go", "go", "large", "end", "wait"]):
                case "post":
                    question = chance.choice(["a", "b"])
                    extra = chance.choice([CACHED, "", CACHED])
                    if not extra or chance.random() < 0.3:
                        extra += f"idempotency-key: {question}\r\n"
                    body = f"{question}{chance.choice([' stream', ''])}".encode()
                    client = await house.post(chance.choice(workers), body, extra)
                    staying.append((client, trio.CancelScope()))

                    async def stay(client=client, scope=staying[-1][1]):
                        with scope:
                            await read(client)

                    nursery.start_soon(stay)
                case "leave" if staying:
                    client, scope = staying.pop(chance.randrange(len(staying)))
                    scope.cancel()
                    await client.stream.aclose()
                case "wait":
                    await trio.sleep(chance.choice([0.01, 1, 16, 40]))
                case "end":
                    move_on(chance.choice(["end", "end", "break"]))
                case step_name:
                    move_on(step_name)
            await trio.testing.wait_all_tasks_blocked()
        while any(worker.flights.count for worker in workers):
            for call in calls.running:
                call.steps.send_nowait("end")
            await trio.sleep(0.05)
        await trio.testing.wait_all_tasks_blocked()
    assert calls.doubled == []  # what is sent twice under one key is never done twice at a time
    assert len(answered) >= len(staying)
    assert {answer.status for answer in answered} <= {200, 409, 422}
    for answer in answered:
        if answer.status == 200:
            assert_whole(answer.body)
