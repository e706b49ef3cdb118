"""How an answer reaches the socket: pace, line endings and faults, without a socket."""

from collections.abc import Iterable

import pytest
import trio

from omniroute.simulator.delivery import Cut, deliver_stream, deliver_whole
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.scenario import scenario_named

FRAMES = tuple(b"data: %d\n\n" % number for number in range(6))
CHAT = OpenAIChat()


async def streamed(name: str, frames: Iterable[bytes] = FRAMES, pace_s: float = 0) -> list[bytes]:
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    try:
        await deliver_stream(scenario_named(name), CHAT, frames, write, pace_s=pace_s)
    except Cut as cut:
        written.append(b"RST" if cut.reset else b"FIN")
    return written


async def test_frames_go_out_one_by_one_and_unchanged() -> None:
    assert await streamed("plain") == list(FRAMES)


async def test_bytewise_splits_and_crlf_rewrites() -> None:
    assert await streamed("bytewise", FRAMES[:1]) == [bytes([byte]) for byte in FRAMES[0]]
    assert await streamed("crlf", FRAMES[:1]) == [b"data: 0\r\n\r\n"]
    assert b"".join(await streamed("crlf+bytewise", FRAMES[:1])) == b"data: 0\r\n\r\n"


@pytest.mark.parametrize(("name", "end"), [("cut", b"FIN"), ("reset", b"RST")])
async def test_a_cut_comes_after_as_many_events_as_named(name: str, end: bytes) -> None:
    assert await streamed(name) == [*FRAMES[:3], end]
    assert await streamed(f"{name}-0") == [end]
    assert await streamed(f"{name}-5") == [*FRAMES[:5], end]
    assert await streamed(f"{name}-99") == list(FRAMES)


async def test_an_error_event_ends_the_stream() -> None:
    assert (await streamed("error-event"))[:3] == list(FRAMES[:3])
    last = (await streamed("error-event"))[3]
    assert last.startswith(b'data: {"error":')
    assert await streamed("error-first") == [last]


async def test_broken_json_replaces_one_event_and_goes_on() -> None:
    written = await streamed("json-broken-1")
    assert written == [FRAMES[0], CHAT.broken_frame(), *FRAMES[2:]]


async def test_times_are_kept(autojump_clock: trio.abc.Clock) -> None:
    async def took(name: str, pace_s: float = 0) -> float:
        started = trio.current_time()
        await streamed(name, pace_s=pace_s)
        return trio.current_time() - started

    assert await took("plain") == 0
    assert await took("quiet-30s") == pytest.approx(30)
    assert await took("pace-2s") == pytest.approx(10)
    assert await took("plain", pace_s=1) == pytest.approx(5)
    assert await took("pace-0ms", pace_s=1) == 0


async def test_a_stall_lasts_until_it_is_cancelled(autojump_clock: trio.abc.Clock) -> None:
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    with trio.move_on_after(86400) as scope:
        await deliver_stream(scenario_named("stall-2"), CHAT, FRAMES, write, pace_s=0)
    assert scope.cancelled_caught
    assert written == list(FRAMES[:2])


async def test_faults_strike_an_unstreamed_answer_in_the_middle() -> None:
    async def whole(name: str) -> bytes:
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            written.append(data)

        try:
            await deliver_whole(scenario_named(name), CHAT, b'{"a": "bc"}', write)
        except Cut as cut:
            written.append(b"RST" if cut.reset else b"FIN")
        return b"".join(written)

    assert await whole("plain") == b'{"a": "bc"}'
    assert await whole("bytewise") == b'{"a": "bc"}'
    assert await whole("cut") == b'{"a":FIN'
    assert await whole("reset") == b'{"a":RST'
    assert await whole("json-broken") == b'{"a":'
    assert (await whole("error-event")).startswith(b'{"error":')
