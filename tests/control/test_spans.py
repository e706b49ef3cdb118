"""Spans hold what the record says, in one trace, each inside of its parent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.spans import operation_of, resource_spans, spans_of
from omniroute.record import Record, Tried
from omniroute.usage import Usage

ANSWERED = Record(
    id="r1",
    started_ms=1_800_000_000_000,
    key_id="laptop",
    endpoint="/v1/chat/completions",
    provider="acme",
    connection="acme/main",
    requested_model="fast",
    model="m-1",
    combo="fast",
    status=200,
    attempts=2,
    total_us=900_000,
    queue_us=100_000,
    usage=Usage(input_tokens=10, cache_read_tokens=3, output_tokens=5),
    usage_source="upstream",
    cost_microusd=1_250,
    session="s1",
    tried=(Tried("other", "other/main", "m-0", 503, "overloaded", 200_000),),
)


def plain(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_request_and_its_attempts_are_one_trace() -> None:
    request, first, last = spans_of(ANSWERED)
    assert request["name"] == "chat fast"
    assert (request["kind"], first["kind"], last["kind"]) == (2, 3, 3)
    assert "parentSpanId" not in request
    assert first["parentSpanId"] == last["parentSpanId"] == request["spanId"]
    assert len({span["traceId"] for span in (request, first, last)}) == 1
    assert [len(request[name]) for name in ("traceId", "spanId")] == [32, 16]
    assert int(request["startTimeUnixNano"]) == 1_800_000_000_000 * 10**6
    assert int(first["startTimeUnixNano"]) - int(request["startTimeUnixNano"]) == 100_000_000
    assert last["startTimeUnixNano"] == first["endTimeUnixNano"]
    assert last["endTimeUnixNano"] == request["endTimeUnixNano"]


def test_the_conventions_names_are_used() -> None:
    request, first, last = map(plain, spans_of(ANSWERED))
    assert request["gen_ai.operation.name"] == "chat"
    assert request["gen_ai.request.model"] == "fast"
    assert request["gen_ai.response.model"] == "m-1"
    assert request["gen_ai.usage.input_tokens"] == "10"
    assert request["gen_ai.usage.output_tokens"] == "5"
    assert request["gen_ai.conversation.id"] == "s1"
    assert request["omniroute.cost_usd"] == 0.00125
    assert last["gen_ai.provider.name"] == "acme"
    assert (first["gen_ai.provider.name"], first["http.response.status_code"]) == ("other", "503")


def test_what_failed_says_why_and_never_with_a_secret() -> None:
    record = Record(
        id="r",
        started_ms=1,
        status=502,
        outcome="failed",
        attempts=1,
        error="bad key sk-SECRETVALUE0123456789",
    )
    request, last = spans_of(record)
    for span in (request, last):
        assert span["status"]["code"] == 2
        assert "SECRETVALUE" not in str(span)
    assert plain(request)["error.type"] == "502"
    assert "status" not in spans_of(ANSWERED)[0]
    assert spans_of(ANSWERED)[1]["status"] == {"code": 2, "message": "overloaded"}


def test_a_client_that_left_is_no_fault_of_the_server() -> None:
    [request] = spans_of(
        Record(id="r", started_ms=1, status=499, outcome="cancelled", error="gone")
    )
    assert "status" not in request


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1beta/models/{model}:streamGenerateContent", "generate_content"),
    ],
)
def test_the_operation_follows_from_the_endpoint(endpoint: str, operation: str) -> None:
    assert operation_of(endpoint) == operation


@given(
    total=st.integers(0, 10**9),
    queue=st.integers(0, 10**9),
    took=st.lists(st.integers(0, 10**9), max_size=4),
    answered=st.booleans(),
)
def test_every_attempt_lies_within_its_request(
    total: int, queue: int, took: list[int], answered: bool
) -> None:
    record = Record(
        id="r",
        started_ms=5,
        total_us=total,
        queue_us=queue,
        attempts=len(took) + answered,
        tried=tuple(Tried("a", "a/b", "m", 500, "", each) for each in took),
    )
    request, *attempts = spans_of(record)
    assert len(attempts) == len(took) + answered
    place = int(request["startTimeUnixNano"])
    for span in attempts:
        begin, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        assert place <= begin <= end <= int(request["endTimeUnixNano"])
        place = end
    assert len({span["spanId"] for span in (request, *attempts)}) == len(attempts) + 1


def test_an_export_says_whose_spans_they_are() -> None:
    body = resource_spans([ANSWERED], {"service.name": "gate"}, "1.0")
    [resource] = body["resourceSpans"]
    assert plain(resource["resource"]) == {"service.name": "gate"}
    [scope] = resource["scopeSpans"]
    assert scope["scope"] == {"name": "omniroute", "version": "1.0"}
    assert len(scope["spans"]) == 3
