"""Events as chunks: order, numbering, and what no client asked for."""

from typing import Any

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_chat import codec
from omniroute.usage import Usage

SHOWN = Shown("acme/m", "chatcmpl-1", 7, include_usage=False)


def chunks(*events: ir.Event, shown: Shown = SHOWN) -> list[Any]:
    encoder = codec().stream_encoder(shown)
    one_by_one = b"".join([encoder.feed([event]) for event in events]) + encoder.finish()
    encoder = codec().stream_encoder(shown)
    assert encoder.feed(events) + encoder.finish() == one_by_one
    lines = one_by_one.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.startswith("data: ") and "\n" not in line for line in lines[:-1])
    return [msgspec.json.decode(line[6:]) for line in lines[:-2]]


def deltas(*events: ir.Event, shown: Shown = SHOWN) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(*events, shown=shown)]


def test_an_empty_stream_is_an_empty_answer() -> None:
    role, finish = chunks()
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (role["id"], role["created"], role["model"]) == ("chatcmpl-1", 7, "acme/m")


def test_calls_are_numbered_within_their_choice() -> None:
    call = ir.ToolCall("a", "f", "")
    found = deltas(
        ir.PartStart(0, ir.Text("")),
        ir.TextDelta(0, "x"),
        ir.PartEnd(0),
        ir.PartStart(1, call),
        ir.PartStart(3, ir.ToolCall("b", "g", "")),
        ir.ToolCallDelta(3, "{}"),
        ir.ToolCallDelta(1, "[]"),
        ir.PartEnd(3),
        ir.PartEnd(1),
    )
    fragments = [call for delta in found for call in delta.get("tool_calls", ())]
    assert [(each["index"], each["function"]["arguments"]) for each in fragments] == [
        (0, ""),
        (1, ""),
        (1, "{}"),
        (0, "[]"),
    ]


def test_a_call_without_arguments_gets_an_object_and_a_free_form_one_nothing() -> None:
    found = deltas(
        ir.PartStart(0, ir.ToolCall("a", "f", "")),
        ir.PartEnd(0),
        ir.PartStart(1, ir.ToolCall("b", "g", "", custom=True)),
        ir.PartEnd(1),
    )
    fragments = [call for delta in found for call in delta.get("tool_calls", ())]
    assert fragments[1] == {"index": 0, "function": {"arguments": "{}"}}
    assert len(fragments) == 3


def test_refusals_streamed_or_whole() -> None:
    for events in (
        [ir.PartStart(0, ir.Refusal("no")), ir.PartEnd(0)],
        [ir.PartStart(0, ir.Refusal("")), ir.TextDelta(0, "no"), ir.PartEnd(0)],
    ):
        found = chunks(*events, ir.Finish("refusal"))
        assert found[1]["choices"][0]["delta"] == {"refusal": "no"}
        assert found[-1]["choices"][0]["finish_reason"] == "stop"


def test_usage_comes_last_to_those_who_asked() -> None:
    events = (ir.UsageEvent(Usage(1)), ir.TextDelta(0, "a"), ir.UsageEvent(Usage(5)))
    found = chunks(*events, shown=SHOWN._replace(include_usage=True))
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["prompt_tokens"] == 5
    assert all(chunk["usage"] is None for chunk in found[:-1])


def test_two_choices_have_a_role_and_an_end_each() -> None:
    found = chunks(
        ir.TextDelta(0, "a", choice=1), ir.TextDelta(0, "b"), ir.Finish("length", choice=1)
    )
    ends = {chunk["choices"][0]["index"]: chunk["choices"][0]["finish_reason"] for chunk in found}
    assert ends == {0: "stop", 1: "length"}
    roles = [chunk for chunk in found if "role" in chunk["choices"][0]["delta"]]
    assert len(roles) == 2


def test_a_proof_is_given_with_the_whole_reasoning_that_it_proves() -> None:
    found = deltas(
        ir.PartStart(0, ir.Reasoning(origin="claude")),
        ir.ReasoningDelta(0, "be"),
        ir.ReasoningDelta(0, "cause"),
        ir.ReasoningDelta(0, signature="sig"),
        ir.PartEnd(0),
    )
    assert [delta.get("reasoning_content") for delta in found[1:3]] == ["be", "cause"]
    (detail,) = found[3]["reasoning_details"]
    assert (detail["text"], detail["signature"]) == ("because", "sig")
    assert detail["format"] == "anthropic-claude-v1"


def test_raw_members_with_line_ends_stay_on_one_line() -> None:
    extra = {"service_tier": Raw(b'\n"default"\r\n')}
    logprobs = Raw(b'{"content":[\n]}')
    found = chunks(
        ir.Start("c", "m", 1, "openai", extra),
        ir.TextDelta(0, "a\nb", logprobs=logprobs),
    )
    assert found[0]["service_tier"] == "default"
    assert found[1]["choices"][0]["logprobs"] == {"content": []}


def test_a_delta_of_a_call_that_never_began_is_no_chunk() -> None:
    assert deltas(ir.ToolCallDelta(0, "{}")) == [{"role": "assistant", "content": ""}, {}]
