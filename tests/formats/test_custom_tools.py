"""Free-form tools for formats that have only functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.custom_tools import (
    CustomToolStage,
    arguments_of,
    input_of,
    names_of,
    restore,
)
from omniroute.formats.fold import fold, unfold

PATCH = '*** Begin "Patch"\n\\ü'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_survives_being_arguments(text: str) -> None:
    assert input_of(arguments_of(text)) == text


@pytest.mark.parametrize("arguments", ["plain text", "{}", '{"input":5}', "", "[1]"])
def test_arguments_of_another_shape_are_the_text_itself(arguments: str) -> None:
    assert input_of(arguments) == arguments


def test_only_custom_tools_are_turned_back() -> None:
    names = names_of([ir.Tool("patch", custom=True), ir.Tool("read")])
    parts: list[ir.Part] = [
        ir.ToolCall("1", "patch", arguments_of(PATCH)),
        ir.ToolCall("2", "read", '{"input":"x"}'),
        ir.ToolCall("3", "patch", PATCH, custom=True),
    ]
    restore(parts, names)
    assert parts == [
        ir.ToolCall("1", "patch", PATCH, custom=True),
        ir.ToolCall("2", "read", '{"input":"x"}'),
        ir.ToolCall("3", "patch", PATCH, custom=True),
    ]


def test_a_stream_says_the_same_as_the_whole_answer_however_it_is_cut() -> None:
    arguments = arguments_of(PATCH)
    for step in (1, 3, 100):
        stage = CustomToolStage({"patch"})
        events: list[ir.Event] = [
            ir.PartStart(0, ir.ToolCall("1", "patch", "")),
            ir.PartStart(1, ir.ToolCall("2", "read", "")),
            *(
                ir.ToolCallDelta(index, arguments[at : at + step])
                for at in range(0, len(arguments), step)
                for index in (0, 1)
            ),
            ir.PartEnd(0),
            ir.PartEnd(1),
            ir.Finish("tool_calls"),
        ]
        out = [given for event in events for given in stage.feed([event])]
        assert fold(out).choices[0].parts == [
            ir.ToolCall("1", "patch", PATCH, custom=True),
            ir.ToolCall("2", "read", arguments),
        ]


def test_a_part_that_its_end_replaces_is_turned_back_too() -> None:
    whole = ir.ToolCall("1", "patch", arguments_of(PATCH), signature="s")
    events = [ir.PartStart(0, ir.ToolCall("1", "patch", "")), ir.PartEnd(0, whole)]
    (part,) = fold(CustomToolStage({"patch"}).feed(events)).choices[0].parts
    assert part == ir.ToolCall("1", "patch", PATCH, signature="s", custom=True)


def test_events_of_other_parts_pass() -> None:
    events = unfold(ir.Response(choices=[ir.Choice([ir.Text("x"), ir.ToolCall("1", "read")])]))
    assert CustomToolStage({"patch"}).feed(events) == events
