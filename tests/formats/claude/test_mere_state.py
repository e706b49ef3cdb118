"""Another format's state without words: kept for the way back, never the last thing of an answer.

Claude Code with `-p`, and whoever reads `content[-1]`, takes the last block for the answer.
"""

import json

import pytest

from omniroute.formats import claude, ir
from omniroute.formats.base import Shown
from omniroute.formats.claude.identity import MARK
from omniroute.formats.fold import unfold

SHOWN = Shown("acme/model", "msg_1", 1)
STATE = ir.Reasoning(signature="c2ln", origin="gemini")
TEXT = ir.Text("It is done.")
CALL = ir.ToolCall("toolu_1", "look", "{}")


def whole(*parts: ir.Part) -> list[dict]:
    answer = ir.Response(choices=[ir.Choice(list(parts))], origin="gemini")
    return json.loads(claude.codec().encode_response(answer, SHOWN))["content"]


def streamed(*parts: ir.Part) -> list[dict]:
    """The blocks of the same answer as they begin in its stream."""
    answer = ir.Response(choices=[ir.Choice(list(parts))], origin="gemini")
    encoder = claude.codec().stream_encoder(SHOWN)
    lines = (encoder.feed(unfold(answer)) + encoder.finish()).decode().split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    started = [event for event in events if event["type"] == "content_block_start"]
    stopped = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert [event["index"] for event in started] == stopped == list(range(len(started)))
    signatures = [
        event["delta"]["signature"]
        for event in events
        if event.get("delta", {}).get("type") == "signature_delta"
    ]
    blocks = [event["content_block"] for event in started]
    assert all(signature.startswith(MARK) for signature in signatures)
    assert len(signatures) == sum(block["type"] == "thinking" for block in blocks)
    return blocks


@pytest.mark.parametrize("written", [whole, streamed])
def test_it_is_left_out_behind_the_last_block(written) -> None:
    assert [block["type"] for block in written(TEXT, STATE)] == ["text"]
    assert [block["type"] for block in written(STATE)] == []


@pytest.mark.parametrize("written", [whole, streamed])
def test_it_is_kept_where_a_block_follows(written) -> None:
    assert [block["type"] for block in written(STATE, TEXT)] == ["thinking", "text"]
    assert [block["type"] for block in written(TEXT, STATE, CALL)] == [
        *("text", "thinking", "tool_use")
    ]


@pytest.mark.parametrize("written", [whole, streamed])
def test_thoughts_with_words_are_told_wherever_they_stand(written) -> None:
    thought = ir.Reasoning("Hm.", "c2ln", origin="gemini")
    assert [block["type"] for block in written(thought, TEXT)] == ["thinking", "text"]
    assert [block["type"] for block in written(TEXT, thought)] == ["text", "thinking"]


def test_words_that_only_the_end_brings_are_told() -> None:
    encoder = claude.codec().stream_encoder(SHOWN)
    told = ir.Reasoning("Hm.", data="sealed", origin="openai-responses")
    begun = ir.Reasoning(origin="openai-responses")
    out = encoder.feed([ir.Start(), ir.PartStart(0, begun), ir.PartEnd(0, told)])
    assert b'"thinking_delta","thinking":"Hm."' in out
    assert out.endswith(b'{"type":"content_block_stop","index":0}\n\n')
