"""Reasoning written between tags becomes reasoning, in streams and in whole answers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.fold import fold
from omniroute.formats.think import ThinkStage, without_think_tags

TEXT = "<think>Two and two.</think>It is 4."


def stream(pieces: list[str]) -> list[ir.Event]:
    return [
        ir.Start(),
        ir.PartStart(0, ir.Text("")),
        *(ir.TextDelta(0, piece) for piece in pieces),
        ir.PartEnd(0),
        ir.PartStart(1, ir.ToolCall("call_1", "read", "")),
        ir.ToolCallDelta(1, '{"a":1}'),
        ir.PartEnd(1),
        ir.Finish("tool_calls"),
    ]


def parts_of(events: list[ir.Event]) -> list[ir.Part]:
    return fold(events).choices[0].parts


def staged(events: list[ir.Event]) -> list[ir.Event]:
    stage = ThinkStage()
    return stage.feed(events) + stage.finish()


@pytest.mark.parametrize("pieces", [[TEXT], list(TEXT), [TEXT[:3], TEXT[3:20], TEXT[20:]]])
def test_tags_in_a_stream_become_a_reasoning_part_however_it_is_cut(pieces):
    reasoning, text, call = parts_of(staged(stream(pieces)))
    assert isinstance(reasoning, ir.Reasoning)
    assert reasoning.text == "Two and two."
    assert isinstance(text, ir.Text)
    assert text.text == "It is 4."
    assert isinstance(call, ir.ToolCall)
    assert call.arguments == '{"a":1}'


def test_parts_are_counted_anew_and_each_is_closed_once():
    events = staged(stream([TEXT]))
    opened = [event.index for event in events if isinstance(event, ir.PartStart)]
    closed = [event.index for event in events if isinstance(event, ir.PartEnd)]
    assert opened == closed == [0, 1, 2]


@given(st.lists(st.text(alphabet="abc <>", max_size=8), max_size=8))
def test_text_without_tags_passes_unchanged(pieces):
    text = "".join(pieces)
    found = parts_of(staged(stream(pieces)))
    assert "".join(part.text for part in found if isinstance(part, ir.Text)) == text


def test_a_tag_that_is_never_closed_is_reasoning_to_the_end():
    events = [ir.Start(), ir.PartStart(0, ir.Text("")), ir.TextDelta(0, "<think>on and on")]
    (part,) = parts_of([*staged(events), ir.Finish("length")])
    assert isinstance(part, ir.Reasoning)
    assert part.text == "on and on"


def test_whole_answers_are_taken_apart_alike():
    reasoning, text = without_think_tags([ir.Text(TEXT)])
    assert isinstance(reasoning, ir.Reasoning)
    assert isinstance(text, ir.Text)
    assert (reasoning.text, text.text) == ("Two and two.", "It is 4.")
    plain = ir.Text("no tags here")
    assert without_think_tags([plain]) == [plain]


def test_text_without_tags_keeps_its_log_probabilities():
    scored = [
        ir.TextDelta(0, piece, logprobs=msgspec.Raw(b'[{"token":"%d"}]' % number))
        for number, piece in enumerate(["Hello", " <think>", " there"])
    ]
    events = ThinkStage().feed([ir.PartStart(0, ir.Text("")), *scored])
    assert [bytes(event.logprobs) for event in events if isinstance(event, ir.TextDelta)] == [
        b'[{"token":"0"}]',
        b'[{"token":"1"}]',
        b'[{"token":"2"}]',
    ]
