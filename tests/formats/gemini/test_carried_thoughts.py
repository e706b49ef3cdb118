"""A thought's state from another format rides on the call behind it, as Gemini's own does.

Clients send calls back as they were; thoughts they show and forget (Gemini CLI does).
"""

import json
from typing import Any

import pytest

from omniroute.formats import gemini, ir
from omniroute.formats.base import PathFacts, Shown
from omniroute.formats.fold import unfold

CODEC = gemini.codec()
SHOWN = Shown("acme/model", "r-1", 1)
THOUGHT = ir.Reasoning("Hm.", "c2ln", origin="claude")
SEALED = ir.Reasoning("", data="c2VhbGVk", origin="openai-responses", id="rs_1", summary=True)
WORDS = ir.Reasoning("Hm.")  # as services that resemble OpenAI give it
CALL = ir.ToolCall("toolu_1", "look", "{}")
TEXT = ir.Text("Well.")


def whole(*parts: ir.Part) -> list[dict[str, Any]]:
    answer = ir.Response(choices=[ir.Choice(list(parts))], origin="claude")
    body = json.loads(CODEC.encode_response(answer, SHOWN))
    return body["candidates"][0]["content"]["parts"]


def streamed(*parts: ir.Part) -> list[dict[str, Any]]:
    answer = ir.Response(choices=[ir.Choice(list(parts))], origin="claude")
    encoder = CODEC.stream_encoder(SHOWN)
    lines = (encoder.feed(unfold(answer)) + encoder.finish()).decode().split("\n")
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    return [
        part
        for chunk in chunks
        for part in chunk["candidates"][0].get("content", {}).get("parts", [])
    ]


def came_back(parts: list[dict[str, Any]]) -> list[ir.Part]:
    contents = [
        {"role": "user", "parts": [{"text": "Look."}]},
        {"role": "model", "parts": parts},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {}}}]},
    ]
    body = json.dumps({"contents": contents}).encode()
    return CODEC.decode_request(body, PathFacts("acme/model")).messages[1].parts


@pytest.mark.parametrize("written", [whole, streamed])
@pytest.mark.parametrize("thought", [THOUGHT, SEALED, WORDS])
def test_it_comes_back_with_the_call_alone(written, thought: ir.Reasoning) -> None:
    calls = [part for part in written(thought, CALL) if "functionCall" in part]
    assert came_back(calls) == [thought, CALL]


@pytest.mark.parametrize("written", [whole, streamed])
@pytest.mark.parametrize("thought", [THOUGHT, SEALED, WORDS])
def test_it_comes_back_once_where_thoughts_come_back_too(written, thought: ir.Reasoning) -> None:
    assert came_back(written(thought, CALL)) == [thought, CALL]


@pytest.mark.parametrize("written", [whole, streamed])
def test_only_the_first_of_parallel_calls_carries_it(written) -> None:
    other = ir.ToolCall("toolu_2", "look", "{}")
    calls = [part for part in written(THOUGHT, CALL, other) if "functionCall" in part]
    assert ["thoughtSignature" in part for part in calls] == [True, False]


@pytest.mark.parametrize("written", [whole, streamed])
def test_without_a_call_behind_it_a_thought_keeps_its_state_itself(written) -> None:
    parts = written(THOUGHT, TEXT)
    assert any(part.get("thought") and part.get("thoughtSignature") for part in parts)
    assert parts[-1] == {"text": "Well."}
    assert "thoughtSignature" in written(TEXT, THOUGHT)[-1]


@pytest.mark.parametrize("written", [whole, streamed])
def test_a_call_with_a_signature_keeps_its_own(written) -> None:
    own = ir.ToolCall("toolu_1", "look", "{}", "b3du", "gemini")
    parts = written(THOUGHT, own)
    (call,) = [part for part in parts if "functionCall" in part]
    assert call["thoughtSignature"] == "b3du"
    assert any(part.get("thought") and part.get("thoughtSignature") for part in parts)
