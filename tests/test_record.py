"""The record of one request, from the worker to the history."""

import msgspec

from omniroute.record import Record
from omniroute.usage import NO_USAGE, Usage


def test_a_record_survives_its_way_through_the_outbox():
    record = Record(
        id="req_1",
        started_ms=1_700_000_000_123,
        worker=2,
        key_id="file/laptop",
        client_format="openai",
        endpoint="/v1/chat/completions",
        provider="acme",
        connection="acme/main",
        requested_model="acme/modèle",
        model="modèle",
        stream=True,
        status=200,
        outcome="cancelled",
        attempts=3,
        error="the client left",
        bytes_in=10,
        bytes_out=20,
        connect_us=1,
        first_byte_us=2,
        total_us=3,
        overhead_us=4,
        usage=Usage(5, 4, 1, 3, 2),
        usage_source="upstream",
        cost_microusd=17,
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=Record) == record


def test_what_is_not_known_is_empty():
    record = Record(id="req_1", started_ms=1)
    assert record.usage == NO_USAGE
    assert record.usage_source == "none"
    assert record.outcome == "ok"
    assert record.error == ""


def test_a_record_of_an_older_version_can_be_read():
    """A worker that still runs, or an outbox from before an update, knows fewer members."""
    old = msgspec.msgpack.encode(["req_1", 1, 7])
    assert msgspec.msgpack.decode(old, type=Record) == Record(id="req_1", started_ms=1, worker=7)


def test_a_record_of_a_newer_version_can_be_read():
    known = msgspec.msgpack.decode(msgspec.msgpack.encode(Record(id="req_1", started_ms=1)))
    new = msgspec.msgpack.encode([*known, "not yet known"])
    assert msgspec.msgpack.decode(new, type=Record) == Record(id="req_1", started_ms=1)


def test_a_record_holds_no_body_and_no_secret():
    """Whoever adds a member here decides that it is kept in history for every request."""
    names = {field.name for field in msgspec.structs.fields(Record)}
    assert not {name for name in names if "body" in name or "secret" in name or "prompt" in name}
    assert "key_id" in names
