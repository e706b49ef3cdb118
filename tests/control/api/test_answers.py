"""Feeds end with their client, their session and their source, and are kept alive in between."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from omniroute.control.api.answers import Event, Events, EventsResponse, encode_event

SCOPE = {"type": "http", "method": "GET"}


class Source:
    """Events as they are put in; remembers being closed."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[Event](100)
        self.is_closed = False

    async def next(self) -> Event | None:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return None

    async def aclose(self) -> None:
        self.is_closed = True


class Client:
    """The ASGI side of a browser that stays until `leave`."""

    def __init__(self) -> None:
        self.body = b""
        self.has_end = False
        self._left = trio.Event()

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.body += message["body"]
            self.has_end = not message.get("more_body", False)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client() -> Client:
    return Client()


async def test_a_quiet_feed_is_kept_alive_and_loses_nothing(
    source: Source, client: Client, autojump_clock: MockClock
) -> None:
    response = EventsResponse(Events(source, keepalive_s=15), lambda: True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(response, SCOPE, client.receive, client.send)
        await trio.sleep(31)
        source.send.send_nowait(Event("after the silence"))
        await trio.sleep(1)
        client.leave()
    assert client.body.count(b": keepalive\n\n") == 2
    assert client.body.endswith(b'data: "after the silence"\n\n')
    assert source.is_closed


async def test_a_feed_ends_when_its_client_leaves(source: Source, client: Client) -> None:
    client.leave()
    with trio.fail_after(10):
        await EventsResponse(Events(source), lambda: True)(SCOPE, client.receive, client.send)
    assert source.is_closed


async def test_a_feed_ends_when_its_session_ends(
    source: Source, client: Client, autojump_clock: MockClock
) -> None:
    answers = iter([True, True, False])
    response = EventsResponse(Events(source), lambda: next(answers))
    with trio.fail_after(100):
        await response(SCOPE, client.receive, client.send)
    assert client.has_end
    assert source.is_closed


async def test_a_source_that_ends_ends_the_feed(source: Source, client: Client) -> None:
    source.send.close()
    with trio.fail_after(10):
        await EventsResponse(Events(source), lambda: True)(SCOPE, client.receive, client.send)
    assert client.has_end


def test_text_with_line_ends_stays_one_event() -> None:
    assert encode_event(Event("a\n\nid: 5", "note", "1")) == (
        b'id: 1\nevent: note\ndata: "a\\n\\nid: 5"\n\n'
    )
