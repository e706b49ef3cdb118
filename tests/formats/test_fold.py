"""Folding events: the inverse of unfolding, and patient with streams that break the rules."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.fold import fold, unfold
from omniroute.usage import Usage

TEXT = st.text(max_size=8)
CITATIONS = st.builds(ir.Citation, url=TEXT, start=st.none() | st.integers(0, 9))
RAWS = st.sampled_from([Raw(b"null"), Raw(b'{"content":[1],"refusal":null}')])
CALLS = st.builds(
    ir.ToolCall,
    TEXT,
    TEXT,
    st.text(min_size=1, max_size=8),
    signature=TEXT,
    origin=TEXT,
    custom=st.booleans(),
)
PARTS = st.one_of(
    st.builds(ir.Text, TEXT, citations=st.lists(CITATIONS, max_size=2), logprobs=RAWS),
    st.builds(ir.Reasoning, TEXT, TEXT, TEXT, TEXT, TEXT, st.booleans()),
    CALLS,
    st.builds(ir.Refusal, TEXT),
    st.builds(ir.Audio, TEXT, TEXT, transcript=TEXT),
    st.builds(ir.Image, TEXT, TEXT),
    st.builds(ir.Opaque, TEXT, st.just(Raw(b"{}")), TEXT),
)
CHOICES = st.lists(
    st.builds(
        ir.Choice,
        st.lists(PARTS, max_size=4),
        st.sampled_from(["stop", "length", "tool_calls", "other"]),
        TEXT,
        st.integers(0, 5),
    ),
    max_size=3,
    unique_by=lambda choice: choice.index,
)
RESPONSES = st.builds(
    ir.Response,
    id=TEXT,
    model=TEXT,
    created=st.integers(0, 9),
    choices=CHOICES,
    usage=st.none() | st.builds(Usage, st.integers(0, 9)),
    origin=TEXT,
    extra=st.dictionaries(TEXT, st.just(Raw(b"1")), max_size=2),
)


@given(RESPONSES)
def test_folding_undoes_unfolding(response: ir.Response) -> None:
    before = msgspec.msgpack.encode(response)
    events = unfold(response)
    assert fold(events) == response
    assert fold(events) == response, "folding spent the events"
    assert msgspec.msgpack.encode(response) == before, "unfolding changed the answer"


def test_deltas_add_up_in_the_part_they_belong_to() -> None:
    response = fold(
        [
            ir.Start("id", "m", 7),
            ir.PartStart(0, ir.Reasoning(origin="claude")),
            ir.ReasoningDelta(0, "be"),
            ir.ReasoningDelta(0, "cause", "sig"),
            ir.PartEnd(0),
            ir.PartStart(1, ir.ToolCall("a", "f", "")),
            ir.PartStart(2, ir.ToolCall("b", "g", "")),
            ir.ToolCallDelta(2, '{"y"'),
            ir.ToolCallDelta(1, "{"),
            ir.ToolCallDelta(2, ":1}"),
            ir.ToolCallDelta(1, "}"),
            ir.PartEnd(1),
            ir.PartEnd(2),
            ir.Finish("tool_calls"),
            ir.UsageEvent(Usage(1)),
            ir.UsageEvent(Usage(2)),
        ]
    )
    assert response.choices == [
        ir.Choice(
            [
                ir.Reasoning("because", "sig", origin="claude"),
                ir.ToolCall("a", "f", "{}"),
                ir.ToolCall("b", "g", '{"y":1}'),
            ],
            "tool_calls",
        )
    ]
    assert response.usage == Usage(2), "the last usage holds"


def test_a_call_without_arguments_gets_an_object() -> None:
    call = ir.ToolCall("a", "f", "")
    whole = fold([ir.PartStart(0, call), ir.PartEnd(0), ir.Finish("tool_calls")])
    assert whole.choices[0].parts == [ir.ToolCall("a", "f", "{}")]
    custom = ir.ToolCall("a", "f", "", custom=True)
    assert fold([ir.PartStart(0, custom)]).choices[0].parts == [custom]


def test_what_the_end_of_a_part_brings_replaces_what_deltas_built() -> None:
    cited = ir.Text("whole", citations=[ir.Citation(url="u")])
    events: list[ir.Event] = [
        ir.PartStart(0, ir.Text("")),
        ir.TextDelta(0, "wh"),
        ir.PartEnd(0, cited),
    ]
    assert fold(events).choices[0].parts == [cited]


def test_a_delta_opens_the_part_that_its_upstream_forgot() -> None:
    response = fold([ir.TextDelta(0, "a"), ir.ReasoningDelta(1, "b"), ir.ToolCallDelta(2, "{}")])
    assert response.choices[0].parts == [
        ir.Text("a"),
        ir.Reasoning("b"),
        ir.ToolCall("", "", "{}"),
    ]


def test_logprobs_of_fragments_become_those_of_the_text() -> None:
    response = fold(
        [
            ir.PartStart(0, ir.Text("")),
            ir.TextDelta(0, "a", logprobs=Raw(b'{"content":[{"token":"a"}],"refusal":null}')),
            ir.TextDelta(0, "b", logprobs=Raw(b'{"content":[{"token":"b"}],"refusal":null}')),
            ir.TextDelta(0, "c", logprobs=Raw(b'"a vendor\'s own"')),
            ir.PartEnd(0),
        ]
    )
    text = response.choices[0].parts[0]
    assert isinstance(text, ir.Text)
    assert bytes(text.logprobs) == b'{"content":[{"token":"a"},{"token":"b"}],"refusal":null}'


def test_a_failed_stream_has_no_answer() -> None:
    with pytest.raises(ir.FormatError, match="overloaded"):
        fold([ir.Start(), ir.Failure("overloaded")])
