"""Bring an answer to the socket: pace, line endings, and everything that goes wrong on the way.

The one place where a scenario's times and faults act. It writes through two functions, so that
neither a wire format nor a server is known here.
"""

from collections.abc import Awaitable, Callable, Iterable

import anyio

from omniroute.simulator.dialect import Dialect, Refusal
from omniroute.simulator.scenario import Scenario

__all__ = ["Cut", "deliver_stream", "deliver_whole"]

Write = Callable[[bytes], Awaitable[None]]

# The real services' own words differ; clients look at the type and the shape.
FAILURE = Refusal(500, "The simulator fails here because its model's name says so.", None, "fault")


class Cut(Exception):
    """The connection has to be closed here, with the answer unfinished; by RST with `reset`."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__(reset)
        self.reset = reset


async def deliver_stream(
    scenario: Scenario, dialect: Dialect, frames: Iterable[bytes], write: Write, *, pace_s: float
) -> None:
    """Write the frames as the scenario wants it. Returns after the last one; raises `Cut`.

    `pace_s` holds where the scenario names no pace of its own. A stall never returns: the caller
    cancels it when the client is gone.
    """
    pause_s = pace_s if scenario.pace_s is None else scenario.pace_s
    await anyio.sleep(scenario.quiet_s)
    for number, frame in enumerate(frames):
        if number and pause_s:
            await anyio.sleep(pause_s)
        if scenario.fault and number == scenario.fault_after:
            if scenario.fault == "error-event":
                await _write_frame(scenario, dialect.error_frame(FAILURE), write)
                return
            if scenario.fault == "json-broken":
                frame = dialect.broken_frame()
            else:
                await _stop(scenario)
        await _write_frame(scenario, frame, write)


async def deliver_whole(
    scenario: Scenario, dialect: Dialect, document: bytes, write: Write
) -> None:
    """Write an unstreamed answer; its faults strike in the middle of the document."""
    await anyio.sleep(scenario.quiet_s)
    half = len(document) // 2
    if scenario.fault in ("cut", "reset", "stall"):
        await _write(scenario, document[:half], write)
        await _stop(scenario)
    if scenario.fault == "error-event":
        document = dialect.error(FAILURE)
    elif scenario.fault == "json-broken":
        document = document[:half]
    await _write(scenario, document, write)


async def _stop(scenario: Scenario) -> None:
    if scenario.fault == "stall":
        await anyio.sleep_forever()
    raise Cut(reset=scenario.fault == "reset")


async def _write_frame(scenario: Scenario, frame: bytes, write: Write) -> None:
    if scenario.crlf:
        frame = frame.replace(b"\n", b"\r\n")
    await _write(scenario, frame, write)


async def _write(scenario: Scenario, data: bytes, write: Write) -> None:
    if not scenario.bytewise:
        await write(data)
        return
    for position in range(len(data)):
        await write(data[position : position + 1])
