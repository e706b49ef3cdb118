"""An export of traces as bytes: OTLP as JSON, or in the binary form of Protocol Buffers.

Both are made from the JSON form (`spans`). The fields and their numbers are those of
opentelemetry/proto/trace/v1/trace.proto and its neighbours, which are stable; the encoding is that
of protobuf.dev/programming-guides/encoding. Only what `spans` writes is known here.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

JSON: Final = "http/json"
PROTOBUF: Final = "http/protobuf"

_VARINT: Final = 0
_FIXED_64: Final = 1
_LENGTH: Final = 2


class _Field(NamedTuple):
    """A field of a message, and how its value is written."""

    number: int
    encode: Callable[[Any], tuple[int, bytes]]  # wire type and bytes, length included


def _varint(value: int) -> bytes:
    """Negative numbers as 64-bit two's complement, as for int64."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _counted(data: bytes) -> tuple[int, bytes]:
    return _LENGTH, _varint(len(data)) + data


def _text(value: str) -> tuple[int, bytes]:
    return _counted(value.encode("utf-8", "replace"))


def _hex(value: str) -> tuple[int, bytes]:
    return _counted(bytes.fromhex(value))


def _integer(value: Any) -> tuple[int, bytes]:
    return _VARINT, _varint(int(value))


def _nanoseconds(value: str) -> tuple[int, bytes]:
    return _FIXED_64, struct.pack("<Q", int(value))


def _double(value: float) -> tuple[int, bytes]:
    return _FIXED_64, struct.pack("<d", value)


def _message(fields: Mapping[str, _Field]) -> Callable[[Any], tuple[int, bytes]]:
    return lambda value: _counted(_encoded(value, fields))


def _encoded(message: Mapping[str, Any], fields: Mapping[str, _Field]) -> bytes:
    out = bytearray()
    for name, content in message.items():
        field = fields[name]
        for value in content if isinstance(content, list) else (content,):
            wire_type, data = field.encode(value)
            out += _varint(field.number << 3 | wire_type) + data
    return bytes(out)


_VALUE: Final = {
    "stringValue": _Field(1, _text),
    "boolValue": _Field(2, _integer),
    "intValue": _Field(3, _integer),
    "doubleValue": _Field(4, _double),
}
_ATTRIBUTE: Final = {"key": _Field(1, _text), "value": _Field(2, _message(_VALUE))}
_STATUS: Final = {"message": _Field(2, _text), "code": _Field(3, _integer)}
_SPAN: Final = {
    "traceId": _Field(1, _hex),
    "spanId": _Field(2, _hex),
    "parentSpanId": _Field(4, _hex),
    "name": _Field(5, _text),
    "kind": _Field(6, _integer),
    "startTimeUnixNano": _Field(7, _nanoseconds),
    "endTimeUnixNano": _Field(8, _nanoseconds),
    "attributes": _Field(9, _message(_ATTRIBUTE)),
    "status": _Field(15, _message(_STATUS)),
}
_SCOPE: Final = {"name": _Field(1, _text), "version": _Field(2, _text)}
_SCOPE_SPANS: Final = {"scope": _Field(1, _message(_SCOPE)), "spans": _Field(2, _message(_SPAN))}
_RESOURCE: Final = {"attributes": _Field(1, _message(_ATTRIBUTE))}
_RESOURCE_SPANS: Final = {
    "resource": _Field(1, _message(_RESOURCE)),
    "scopeSpans": _Field(2, _message(_SCOPE_SPANS)),
}
_EXPORT: Final = {"resourceSpans": _Field(1, _message(_RESOURCE_SPANS))}


class Protocol(NamedTuple):
    """How an export is written."""

    media_type: str
    encode: Callable[[Mapping[str, Any]], bytes]


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    PROTOBUF: Protocol("application/x-protobuf", lambda export: _encoded(export, _EXPORT)),
    JSON: Protocol("application/json", msgspec.json.encode),
}
"""By their names in `OTEL_EXPORTER_OTLP_PROTOCOL`."""
