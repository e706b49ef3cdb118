"""What vendors do in their streams besides what the format says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.fold import fold
from omniroute.formats.openai_chat import codec
from omniroute.usage import Usage
from tests.formats.openai_chat.cases import decoded
from tests.formats.openai_chat.material import JSON, chunk, event

DONE = b"data: [DONE]\n\n"


def delta(finish: str | None = None, index: int = 0, **members: Any) -> bytes:
    choice = {"index": index, "delta": members, "finish_reason": finish}
    return event(id="c1", object="chat.completion.chunk", choices=[choice])


def parts(*events: bytes) -> list[ir.Part]:
    response = fold(decoded([b"".join(events)]))
    assert len(response.choices) == 1
    return response.choices[0].parts


def finish(*events: bytes) -> str:
    return fold(decoded([b"".join(events)])).choices[0].finish


def test_a_chunk_with_everything_at_once() -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    members = {"content": "hi", "reasoning_content": "hm", "tool_calls": [call]}
    choice = {"index": 0, "delta": members, "finish_reason": "tool_calls"}
    events = decoded([event(id="c1", choices=[choice], usage=usage), DONE])
    assert [type(each).__name__ for each in events] == [
        "Start",
        "PartStart",
        "ReasoningDelta",
        "PartEnd",
        "PartStart",
        "TextDelta",
        "PartEnd",
        "PartStart",
        "ToolCallDelta",
        "PartEnd",
        "Finish",
        "UsageEvent",
    ]
    assert events[-2:] == [ir.Finish("tool_calls"), ir.UsageEvent(Usage(3, output_tokens=2))]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_has_many_names(name: str) -> None:
    assert parts(delta(**{name: "be"}), delta(**{name: "cause"}), delta(content="x"), DONE) == [
        ir.Reasoning("because"),
        ir.Text("x"),
    ]


def test_reasoning_that_comes_twice_is_shown_once() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "index": 0}]
    given = delta(reasoning="hm", reasoning_content="hm", reasoning_details=details)
    assert parts(given, DONE) == [ir.Reasoning("hm")]
    assert parts(delta(reasoning_details=details), DONE) == [ir.Reasoning("hm")]


def test_content_as_a_list_of_thoughts_and_texts() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    text = [{"type": "text", "text": "hi"}]
    assert parts(delta(content=thinking), delta(content=text), delta(content="!"), DONE) == [
        ir.Reasoning("hm"),
        ir.Text("hi!"),
    ]


def fragment(index: int | None, id_: str | None, name: str | None, arguments: str | None) -> bytes:
    call: dict[str, Any] = {"function": {}}
    for key, value in (("index", index), ("id", id_)):
        if value is not None:
            call[key] = value
    for key, value in (("name", name), ("arguments", arguments)):
        if value is not None:
            call["function"][key] = value
    return delta(tool_calls=[call])


TWO_CALLS = [ir.ToolCall("a", "f", '{"x":1}'), ir.ToolCall("b", "g", "{}")]


@pytest.mark.parametrize(
    "fragments",
    [
        [(0, "a", "f", '{"x"'), (0, None, None, ":1}"), (1, "b", "g", "{}")],
        [(0, "a", "f", ""), (1, "b", "g", ""), (1, None, None, "{}"), (0, None, None, '{"x":1}')],
        [(None, "a", "f", '{"x":1}'), (None, "b", "g", "{}")],
        [(None, "a", "f", '{"x"'), (None, None, None, ":1}"), (None, "b", "g", "{}")],
        [(0, "a", "f", '{"x":1}'), (0, "b", "g", "{}")],
        [(0, "a", "f", '{"x"'), (0, "a", "f", ":1}"), (1, "b", "g", None)],
        [(0, "a", None, '{"x"'), (0, None, "f", ":1}"), (1, "b", "g", "{}")],
        [(5, "a", "f", '{"x":1}'), (9, "b", "g", "{}")],
    ],
    ids=[
        "as documented",
        "interleaved",
        "whole calls without index",
        "fragments without index",
        "one index for all",
        "id and name repeated",
        "name late",
        "indexes with gaps",
    ],
)
def test_calls_in_all_their_fragments(fragments: list[Any]) -> None:
    stream = [fragment(*each) for each in fragments]
    assert parts(*stream, delta("tool_calls"), DONE) == TWO_CALLS


def test_a_call_without_an_id_gets_one_that_stays_the_same() -> None:
    stream = b"".join([fragment(0, None, "f", "{}"), fragment(1, "", "g", "{}"), DONE])
    first, second = fold(decoded([stream])).choices[0].parts
    assert isinstance(first, ir.ToolCall)
    assert isinstance(second, ir.ToolCall)
    assert first.id
    assert second.id
    assert first.id != second.id
    assert fold(decoded([stream])).choices[0].parts == [first, second]


def test_the_legacy_function_call() -> None:
    stream = [
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": "{}"}),
        delta("function_call"),
    ]
    (call,) = parts(*stream, DONE)
    assert isinstance(call, ir.ToolCall)
    assert (call.name, call.arguments) == ("f", "{}")
    assert finish(*stream, DONE) == "tool_calls"


def test_googles_proof_of_a_call_belongs_to_gemini() -> None:
    call = {
        "index": 0,
        "id": "a",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    assert parts(delta(tool_calls=[call]), DONE) == [ir.ToolCall("a", "f", "{}", "sig", "gemini")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("MAX_TOKENS", "length"),
        ("something new", "other"),
    ],
)
def test_finish_reasons(word: str, reason: str) -> None:
    assert finish(delta(content="a"), delta(word), DONE) == reason


def test_a_call_is_a_reason_to_go_on_whatever_the_upstream_says() -> None:
    assert finish(fragment(0, "a", "f", "{}"), delta("stop"), DONE) == "tool_calls"
    assert finish(fragment(0, "a", "f", "{}"), delta("length"), DONE) == "length"


def test_a_missing_finish_reason_is_filled_in_at_the_terminator_only() -> None:
    assert finish(delta(content="a"), DONE) == "stop"
    assert finish(fragment(0, "a", "f", "{}"), DONE) == "tool_calls"
    cut = decoded([delta(content="a")])
    assert not any(isinstance(each, ir.Finish) for each in cut)
    assert isinstance(cut[-1], ir.PartEnd), "what is open is closed"


def test_a_choice_finishes_once() -> None:
    events = decoded([delta("stop") + delta("stop", content="") + delta("length") + DONE])
    assert events[1:] == [ir.Finish("stop")]


def test_azures_chunks_without_a_delta() -> None:
    verdict = event(id="", choices=[], prompt_filter_results=[{"prompt_index": 0}])
    offsets = event(
        id="", choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {"a": 1}}]
    )
    events = decoded([verdict + delta(content="a") + offsets + delta("stop") + DONE])
    starts = [each for each in events if isinstance(each, ir.Start)]
    assert [start.id for start in starts] == ["c1"]


def test_an_answer_that_comes_whole_in_the_last_chunk() -> None:
    whole = {"index": 0, "message": {"content": "all"}, "finish_reason": "stop"}
    assert parts(event(id="c1", choices=[whole]), DONE) == [ir.Text("all")]


def test_images_and_sources() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    source = {"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}
    found = parts(delta(content="see"), delta(images=[image]), delta(annotations=[source]), DONE)
    assert found[:2] == [ir.Text("see"), ir.Image("image/png", "AA==")]
    assert isinstance(found[2], ir.Text)
    assert found[2].citations[0].url == "u"


def test_numbers_as_strings_are_numbers() -> None:
    odd = event(id="c1", choices=[], usage={"prompt_tokens": "7", "completion_tokens": 2.0})
    assert decoded([odd])[-1] == ir.UsageEvent(Usage(7, output_tokens=2))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (event(error={"message": "no", "type": "t", "code": "429"}), 429),
        (event(error={"message": "no", "type": "t", "code": 503}), 503),
        (event(error="no"), 502),
        (b'event: error\ndata: {"message":"no"}\n\n', 502),
        (event(object="error", message="no", code=400), 400),
        (event(error={"message": "no", "code": "9" * 50}), 502),
    ],
)
def test_an_error_ends_the_stream(raw: bytes, status: int) -> None:
    events = decoded([chunk("a") + raw + chunk("b") + DONE])
    failure = events[-1]
    assert isinstance(failure, ir.Failure)
    assert (failure.message, failure.status) == ("no", status)


def test_what_is_no_json_is_an_error_of_the_format() -> None:
    with pytest.raises(ir.FormatError):
        decoded([b"data: {nonsense}\n\n"])


def test_an_event_that_is_too_long_is_an_error_after_the_good_ones() -> None:
    decoder = codec().stream_decoder(200)
    events = decoder.feed(chunk("a") + b"data: " + b"x" * 300)
    assert any(isinstance(each, ir.TextDelta) for each in events)
    with pytest.raises(ir.FormatError, match="longer than 200 bytes"):
        decoder.feed(b"\n")
    with pytest.raises(ir.FormatError, match="longer than 200 bytes"):
        decoder.finish()


def test_a_last_event_without_its_blank_line_counts_if_it_is_whole() -> None:
    assert parts(delta(content="a"), delta("stop")[:-1], b"") == [ir.Text("a")]
    events = decoded([delta(content="a") + delta(content="b")[:-9]])
    assert fold(events).choices[0].parts == [ir.Text("a")]


@given(
    st.lists(st.dictionaries(st.sampled_from(["content", "tool_calls", "reasoning", "x"]), JSON))
)
def test_strange_deltas_are_read_or_refused(deltas: list[Any]) -> None:
    try:
        events = decoded([delta(**members) for members in deltas] + [DONE])
    except ir.FormatError:
        return
    fold(events)


def test_comments_and_foreign_events_say_nothing() -> None:
    foreign = b": ping\n\nevent: progress\ndata: {}\n\n" + event(object="x")
    assert decoded([foreign]) == []
    assert json.loads(event(object="x")[6:])
