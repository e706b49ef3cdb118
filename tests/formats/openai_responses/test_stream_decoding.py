"""Streams of Responses upstreams that leave out what the documentation promises."""

import json
from typing import Any

import pytest

from omniroute.formats import ir
from omniroute.formats.fold import fold
from omniroute.formats.openai_responses.stream_decoding import ResponsesStreamDecoder

MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "read", "arguments": '{"a":1}'}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
RESPONSE = {"id": "resp_1", "model": "m", "status": "completed"}


def event(kind: str, **members: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **members})}\n\n".encode()


def events(*raw: bytes) -> list[ir.Event]:
    decoder = ResponsesStreamDecoder(1 << 20)
    return decoder.feed(b"".join(raw)) + decoder.finish()


def parts(*raw: bytes) -> list[ir.Part]:
    return fold(events(*raw)).choices[0].parts


END = event("response.completed", response=RESPONSE)


def test_items_that_come_only_whole_are_read() -> None:
    found = parts(
        event("response.created", response=RESPONSE),
        *(
            event("response.output_item.done", output_index=index, item=item)
            for index, item in enumerate((THOUGHT, MESSAGE, CALL))
        ),
        END,
    )
    assert found == [
        ir.Reasoning(data="sealed", origin="openai-responses", id="rs_1", summary=True),
        ir.Text("Hello"),
        ir.ToolCall("c1", "read", '{"a":1}'),
    ]


def test_an_answer_that_comes_only_in_its_last_event_is_read() -> None:
    whole = RESPONSE | {"output": [MESSAGE, CALL]}
    assert parts(event("response.completed", response=whole)) == [
        ir.Text("Hello"),
        ir.ToolCall("c1", "read", '{"a":1}'),
    ]


def test_what_deltas_brought_is_not_brought_again() -> None:
    found = parts(
        event("response.output_text.delta", delta="Hel"),
        event("response.output_text.delta", delta="lo"),
        event("response.output_item.done", output_index=0, item=MESSAGE),
        event("response.completed", response=RESPONSE | {"output": [MESSAGE]}),
    )
    assert found == [ir.Text("Hello")]


def test_interleaved_calls_keep_their_arguments_apart() -> None:
    def added(index: int) -> bytes:
        item = {"type": "function_call", "call_id": f"c{index}", "name": "f", "arguments": ""}
        return event("response.output_item.added", output_index=index, item=item)

    def delta(index: int, text: str) -> bytes:
        return event("response.function_call_arguments.delta", output_index=index, delta=text)

    found = parts(
        added(0), added(1), delta(0, "{"), delta(1, "["), delta(0, "}"), delta(1, "]"), END
    )
    assert [part.arguments for part in found if isinstance(part, ir.ToolCall)] == ["{}", "[]"]


def test_parts_of_a_summary_are_set_apart() -> None:
    found = parts(
        event("response.reasoning_summary_text.delta", summary_index=0, delta="one"),
        event("response.reasoning_summary_text.delta", summary_index=1, delta="two"),
        END,
    )
    assert found == [ir.Reasoning("one\n\ntwo", origin="openai-responses", summary=True)]


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        (
            event("error", code="rate_limit_exceeded", message="slow down", param=None),
            ir.Failure("slow down", "", "rate_limit_exceeded", 429),
        ),
        (
            event("error", error={"type": "invalid_request_error", "message": "no", "code": None}),
            ir.Failure("no", "invalid_request_error", "", 400),
        ),
        (
            event("response.failed", response={"error": {"code": "server_error", "message": "x"}}),
            ir.Failure("x", "", "server_error", 502),
        ),
        (b'data: {"error":{"message":"bare"}}\n\n', ir.Failure("bare")),
    ],
)
def test_every_shape_of_an_error_is_a_failure(raw: bytes, failure: ir.Failure) -> None:
    assert events(raw, END) == [failure]


def test_what_is_not_known_is_passed_over() -> None:
    odd = event("response.from_the_future", delta={"not": "a text"})
    assert parts(odd, event("response.output_text.delta", delta="x"), END) == [ir.Text("x")]


def test_a_known_event_of_another_shape_is_an_error() -> None:
    with pytest.raises(ir.FormatError):
        events(event("response.output_text.delta", delta=5))
    with pytest.raises(ir.FormatError):
        events(event("response.function_call_arguments.delta", delta="{"))
    with pytest.raises(ir.FormatError):
        events(b"data: {broken\n\n")


def test_an_event_that_outgrows_its_bound_is_an_error() -> None:
    with pytest.raises(ir.FormatError):
        ResponsesStreamDecoder(10).feed(b"data: " + b"x" * 20)


def test_a_stream_is_done_at_its_last_event_and_not_before() -> None:
    decoder = ResponsesStreamDecoder(1 << 20)
    decoder.feed(event("response.output_text.delta", delta="x"))
    assert not decoder.done
    decoder.feed(END)
    assert decoder.done
    assert decoder.feed(event("response.output_text.delta", delta="late")) == []
