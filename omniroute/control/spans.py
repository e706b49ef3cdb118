"""Finished requests as OpenTelemetry spans, by the semantic conventions for generative AI. Pure.

One trace for each request: a span of kind server for the request itself, and below it one of kind
client for each attempt at a provider. Attempts that came to nothing are known by how long they
took, so they are laid one after the other from the begin of the request. Ids are made from the
request's own, so a record that is sent twice is the same trace.

Attributes: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans (`gen_ai.*`), `http.*` and
`error.type`; what these have no name for begins with `omniroute.`. The form is OTLP as JSON
(opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): ids in hex, 64-bit numbers as strings.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from omniroute.logs import redact
from omniroute.record import Record

SCOPE: Final = "omniroute"

_SERVER: Final = 2
_CLIENT: Final = 3
_ERROR: Final = 2
_ERROR_LETTERS: Final = 500

Value = str | bool | int | float

# What the last part of an endpoint's name says of the operation; chat where it says nothing.
_OPERATIONS: Final[Mapping[str, str]] = {
    "embeddings": "embeddings",
    "completions": "text_completion",
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
}
_CHAT: Final = "chat"


def resource_spans(
    records: Iterable[Record], resource: Mapping[str, str], version: str
) -> dict[str, Any]:
    """The body of an export: all spans of these requests. `resource` says whose they are."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": SCOPE, "version": version},
                        "spans": [span for record in records for span in spans_of(record)],
                    }
                ],
            }
        ]
    }


def spans_of(record: Record) -> list[dict[str, Any]]:
    """The request first, then its attempts in their order."""
    trace = _digest(record.id, "trace", 16)
    root = _digest(record.id, "request", 8)
    begin = record.started_ms * 1000
    end = begin + record.total_us
    operation = operation_of(record.endpoint)
    spans = [
        _span(
            trace,
            root,
            "",
            f"{operation} {record.requested_model}".rstrip(),
            _SERVER,
            begin,
            end,
            _of_request(record, operation),
            _failure(record.status, record.error),
        )
    ]
    at = begin + record.queue_us
    for number, tried in enumerate(record.tried):
        until = min(at + tried.took_us, end)
        spans.append(
            _span(
                trace,
                _digest(record.id, str(number), 8),
                root,
                f"{operation} {tried.model}",
                _CLIENT,
                min(at, end),
                until,
                {
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": tried.provider,
                    "gen_ai.request.model": tried.model,
                    "omniroute.connection": tried.connection,
                    "omniroute.attempt": number + 1,
                    **_status(tried.status),
                },
                _failure(tried.status or 599, tried.error),
            )
        )
        at = until
    if record.attempts > len(record.tried):
        spans.append(
            _span(
                trace,
                _digest(record.id, "last", 8),
                root,
                f"{operation} {record.model}",
                _CLIENT,
                min(at, end),
                end,
                _of_last(record, operation),
                _failure(record.status, record.error),
            )
        )
    return spans


def operation_of(endpoint: str) -> str:
    """`gen_ai.operation.name` for the name of an endpoint (`/v1/chat/completions`)."""
    if endpoint.endswith("/chat/completions"):
        return _CHAT
    last = endpoint.rpartition("/")[2].rpartition(":")[2]
    return _OPERATIONS.get(last, _CHAT)


def _of_request(record: Record, operation: str) -> dict[str, Value]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": record.provider or "omniroute",
        "gen_ai.request.model": record.requested_model,
        **_told({"gen_ai.response.model": record.model, "gen_ai.conversation.id": record.session}),
        **_usage(record),
        **_status(record.status),
        **_told({"error.type": _error_type(record)}),
        "http.route": record.endpoint,
        "omniroute.request.id": record.id,
        "omniroute.outcome": record.outcome,
        "omniroute.attempts": record.attempts,
        "omniroute.stream": record.stream,
        "omniroute.cost_usd": record.cost_microusd / 1e6,
        "omniroute.overhead_ms": record.overhead_us / 1000,
        "omniroute.queue_ms": record.queue_us / 1000,
        "omniroute.first_byte_ms": record.first_byte_us / 1000,
        **_told(
            {
                "omniroute.key.id": record.key_id,
                "omniroute.combo": record.combo,
                "omniroute.cache": record.cache,
                "omniroute.tier": record.tier,
            }
        ),
    }


def _of_last(record: Record, operation: str) -> dict[str, Value]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": record.provider,
        "gen_ai.request.model": record.model,
        "gen_ai.response.model": record.model,
        **_usage(record),
        **_status(record.status),
        **_told({"error.type": _error_type(record)}),
        "omniroute.connection": record.connection,
        "omniroute.attempt": record.attempts,
        "omniroute.connect_ms": record.connect_us / 1000,
    }


def _usage(record: Record) -> dict[str, Value]:
    usage = record.usage
    if record.usage_source == "none":
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "omniroute.usage_source": record.usage_source,
    }


def _status(status: int) -> dict[str, Value]:
    return {"http.response.status_code": status} if status else {}


def _told(values: Mapping[str, str]) -> dict[str, Value]:
    """Without what is empty."""
    return {name: value for name, value in values.items() if value}


def _error_type(record: Record) -> str:
    if record.status >= 400:
        return str(record.status)
    return record.outcome if record.outcome != "ok" else ""


def _failure(status: int, error: str) -> str | None:
    """What went wrong, "" where nobody said it; None where nothing did. A client that leaves is no
    error of the server's."""
    if status >= 500 or (error and status != 499):
        return redact(error[:_ERROR_LETTERS])
    return None


def _span(
    trace: str,
    id_: str,
    parent: str,
    name: str,
    kind: int,
    begin_us: int,
    end_us: int,
    attributes: Mapping[str, Value],
    failure: str | None,
) -> dict[str, Any]:
    span: dict[str, Any] = {
        "traceId": trace,
        "spanId": id_,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(begin_us * 1000),
        "endTimeUnixNano": str(end_us * 1000),
        "attributes": _attributes(attributes),
    }
    if parent:
        span["parentSpanId"] = parent
    if failure is not None:
        span["status"] = {"code": _ERROR, "message": failure}
    return span


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}


def _digest(id_: str, part: str, size: int) -> str:
    """Never all zeros, which would be no id."""
    return hashlib.blake2b(f"{part} {id_}".encode("utf-8", "replace"), digest_size=size).hexdigest()
