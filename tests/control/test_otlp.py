"""Both forms of an export say the same; the binary one is that of Protocol Buffers."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.otlp import JSON, PROTOBUF, PROTOCOLS
from omniroute.control.spans import resource_spans
from omniroute.record import Record, Tried
from omniroute.usage import Usage

RECORD = Record(
    id="r1",
    started_ms=1_800_000_000_000,
    provider="acme",
    endpoint="/v1/messages",
    requested_model="fást",
    model="m",
    status=502,
    error="bad",
    attempts=2,
    total_us=900_000,
    usage=Usage(input_tokens=300, output_tokens=5),
    usage_source="upstream",
    stream=True,
    tried=(Tried("other", "other/main", "m0", 503, "overloaded", 200_000),),
)


def fields(data: bytes) -> list[tuple[int, Any]]:
    """Numbers and values of a message: integers, 8 bytes, or bytes."""
    found: list[tuple[int, Any]] = []
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while place < len(data):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        else:
            size = {1: lambda: 8, 2: varint}[key & 7]()
            found.append((key >> 3, data[place : place + size]))
            place += size
    return found


def only(data: bytes, *numbers: int) -> bytes:
    """The one message at a path of field numbers."""
    for number in numbers:
        [data] = [value for found, value in fields(data) if found == number]
    return data


def value_of(attribute: bytes) -> tuple[str, Any]:
    key = only(attribute, 1).decode()
    [(number, value)] = fields(only(attribute, 2))
    if number == 1:
        return key, value.decode()
    if number == 4:
        return key, struct.unpack("<d", value)[0]
    if number == 3:
        return key, str(value)
    return key, bool(value)


def test_a_span_is_the_same_in_both_forms() -> None:
    export = resource_spans([RECORD], {"service.name": "gate"}, "1.0")
    plain = json.loads(PROTOCOLS[JSON].encode(export))
    binary = PROTOCOLS[PROTOBUF].encode(export)
    assert value_of(only(binary, 1, 1, 1)) == ("service.name", "gate")
    scope_spans = only(binary, 1, 2)
    assert [value.decode() for _, value in fields(only(scope_spans, 1))] == ["omniroute", "1.0"]
    spans = [value for number, value in fields(scope_spans) if number == 2]
    expected = plain["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len(spans) == len(expected) == 3
    for span, wanted in zip(spans, expected, strict=True):
        found = fields(span)
        simple = {number: value for number, value in found if number != 9}
        assert simple[1].hex() == wanted["traceId"]
        assert simple[2].hex() == wanted["spanId"]
        assert simple.get(4, b"").hex() == wanted.get("parentSpanId", "")
        assert simple[5].decode() == wanted["name"]
        assert simple[6] == wanted["kind"]
        times = [struct.unpack("<Q", simple[number])[0] for number in (7, 8)]
        assert times == [int(wanted["startTimeUnixNano"]), int(wanted["endTimeUnixNano"])]
        attributes = [value_of(value) for number, value in found if number == 9]
        assert attributes == [
            (each["key"], next(iter(each["value"].values()))) for each in wanted["attributes"]
        ]
        status = dict(fields(simple[15]))
        assert (status[2].decode(), status[3]) == (wanted["status"]["message"], 2)


def test_the_bytes_are_those_that_the_encodings_own_description_gives() -> None:
    """150 as a varint is 96 01, "testing" counts seven bytes."""
    export = {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "testing", "value": {"intValue": "150"}},
                        {"key": "", "value": {"boolValue": True}},
                    ]
                }
            }
        ]
    }
    first = bytes.fromhex("0a07") + b"testing" + bytes.fromhex("1203189601")
    second = bytes.fromhex("0a0012021001")
    resource = b"\x0a" + bytes([len(first)]) + first + b"\x0a" + bytes([len(second)]) + second
    inner = b"\x0a" + bytes([len(resource)]) + resource
    assert PROTOCOLS[PROTOBUF].encode(export) == b"\x0a" + bytes([len(inner)]) + inner


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_number_comes_back(number: int) -> None:
    attribute = {"key": "n", "value": {"intValue": str(number)}}
    export = {"resourceSpans": [{"resource": {"attributes": [attribute]}}]}
    [(_, value)] = fields(only(PROTOCOLS[PROTOBUF].encode(export), 1, 1, 1, 2))
    assert value - (value >> 63 << 64) == number


@pytest.mark.parametrize("name", [JSON, PROTOBUF])
def test_an_export_says_what_it_is(name: str) -> None:
    assert PROTOCOLS[name].media_type == f"application/{'json' if name == JSON else 'x-protobuf'}"
