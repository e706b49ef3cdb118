"""The feed over HTTP: who may follow it, what of it is asked for, where it goes on."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from omniroute.control.api.answers import Events
from omniroute.control.api.live import Follow, follow, wanted
from omniroute.control.api.services import Services
from omniroute.control.live import READERS, Entry, record_in_short
from omniroute.control.refusal import Denied
from omniroute.record import Record


def request(**fields: Any) -> Entry:
    return Entry(1, "request", record_in_short(Record(id="r", started_ms=1, **fields)))


def log(level: str) -> Entry:
    return Entry(1, "log", {"level": level})


CONDITION = Entry(1, "condition", {})


@pytest.mark.parametrize(
    ("query", "entry", "is_wanted"),
    [
        (Follow(), request(), True),
        (Follow(), CONDITION, True),
        (Follow(), log("info"), True),
        (Follow(), log("debug"), False),
        (Follow(level="warning"), log("info"), False),
        (Follow(level="warning"), log("warn"), True),
        (Follow(kind=["log"]), request(), False),
        (Follow(kind=["log", "request"]), request(), True),
        (Follow(provider=["acme"]), request(provider="acme"), True),
        (Follow(provider=["acme"]), request(provider="other"), False),
        (Follow(provider=["acme", "other"], key_id=["k"]), request(provider="other"), False),
        (Follow(model=["fast"]), request(requested_model="fast", model="m"), True),
        (Follow(failed=True), request(status=200), False),
        (Follow(failed=True), request(status=200, error="cut off"), True),
        (Follow(failed=False), request(status=503), False),
    ],
)
def test_a_filter_holds_for_each_entry(query: Follow, entry: Entry, is_wanted: bool) -> None:
    assert wanted(query)(entry) is is_wanted


async def test_the_feed_begins_and_goes_on(services: Services) -> None:
    def call(place: str = "") -> Any:
        return SimpleNamespace(services=services, query=Follow(), last_event_id=place)

    events = await follow(call())
    assert isinstance(events, Events)
    services.live.publish_records([Record(id="a", started_ms=1), Record(id="b", started_ms=2)])
    first = await events.source.next()
    assert first is not None
    assert (first.name, first.data["id"]) == ("request", "a")
    await events.source.aclose()
    again = await follow(call(first.id))
    second = await again.source.next()
    assert second is not None
    assert second.data["id"] == "b"


async def test_too_many_readers_are_asked_to_come_later(services: Services) -> None:
    call: Any = SimpleNamespace(services=services, query=Follow(), last_event_id="")
    for _ in range(READERS):
        await follow(call)
    with pytest.raises(Denied) as denied:
        await follow(call)
    assert (denied.value.status, denied.value.wait_s) == (503, 5.0)


async def test_a_feed_is_for_those_who_may_read(
    client: httpx.AsyncClient, owner: httpx.AsyncClient, services: Services
) -> None:
    assert (await client.get("/api/live")).status_code == 401
    assert (await owner.get("/api/live?level=loud")).status_code == 422
    answer = await owner.head("/api/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert services.live.readers == 0
