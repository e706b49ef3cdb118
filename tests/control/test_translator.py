"""What a body is, is told by what only its format has; what it becomes is what a target gets."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.translator import TranslationRefused, detect, translate
from omniroute.formats.base import PathFacts
from omniroute.formats.table import CODECS

HELLO = [{"role": "user", "content": "hello"}]
OPENAI = {"model": "m", "messages": [{"role": "system", "content": "brief"}, *HELLO], "seed": 3}
CLAUDE = {"model": "m", "max_tokens": 9, "system": "brief", "messages": HELLO}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
RESPONSES = {"model": "m", "input": "hello"}
CLAUDE_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
OPENAI_STREAM = (
    'data: {"id":"1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,'
    '"delta":{"role":"assistant","content":"hi"}}]}\n\n'
    'data: {"id":"1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,'
    '"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
GEMINI_ARRAY = '[{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}]'


@pytest.mark.parametrize(
    ("body", "format_", "kind", "is_certain"),
    [
        (OPENAI, "openai", "request", True),
        (CLAUDE, "claude", "request", True),
        (GEMINI, "gemini", "request", True),
        (RESPONSES, "openai-responses", "request", True),
        ({"model": "m", "prompt": "x"}, "openai-completions", "request", True),
        ({"model": "m", "messages": HELLO}, "openai", "request", False),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "claude",
            "request",
            True,
        ),
        (CLAUDE_ANSWER, "claude", "response", True),
        ({"choices": [{"message": {}}]}, "openai", "response", True),
        ({"candidates": []}, "gemini", "response", True),
        (OPENAI_STREAM, "openai", "stream", True),
        ('event: message_start\ndata: {"type":"message_start"}\n\n', "claude", "stream", True),
        (GEMINI_ARRAY, "gemini", "stream", True),
        ('data: {"type":"response.created"}\n\n', "openai-responses", "stream", True),
    ],
)
def test_a_format_is_known_by_its_own_members(
    body: Any, format_: str, kind: str, is_certain: bool
) -> None:
    found = detect(body)
    assert (found.format, found.kind, found.is_certain) == (format_, kind, is_certain)
    assert found.signs


@pytest.mark.parametrize("body", [{}, {"a": 1}, "", "data: x\n\n", "data: [1]\n\n", "[", []])
def test_what_is_nothing_is_refused(body: Any) -> None:
    with pytest.raises(TranslationRefused):
        detect(body)


@pytest.mark.parametrize("source", [OPENAI, CLAUDE, GEMINI, RESPONSES])
@pytest.mark.parametrize("target", ["openai", "openai-responses", "claude", "gemini"])
def test_every_request_becomes_one_of_its_target(source: dict[str, Any], target: str) -> None:
    translated = translate(source, target, model="acme-1")
    assert translated.body is not None
    body = msgspec.json.decode(translated.body)
    assert "hello" in str(body)
    CODECS[target].decode_request(bytes(translated.body), PathFacts("acme-1"))


def test_what_is_lost_is_named() -> None:
    assert translate(OPENAI, "claude").losses == ["seed"]


def test_answers_and_streams_are_translated_as_well() -> None:
    answer = translate(CLAUDE_ANSWER, "openai")
    assert answer.body is not None
    assert msgspec.json.decode(answer.body)["choices"][0]["message"]["content"] == "hi"
    stream = translate(OPENAI_STREAM, "claude")
    assert stream.text is not None
    assert "event: message_start" in stream.text
    assert "message_stop" in stream.text
    assert detect(stream.text).format == "claude"


@pytest.mark.parametrize(
    ("body", "target", "more", "field"),
    [
        (OPENAI, "klingon", {}, "targetFormat"),
        (OPENAI, "claude", {"source": "klingon", "kind": "request"}, "sourceFormat"),
        (OPENAI, "openai-completions", {}, "body"),
        ({"model": "m", "messages": 5}, "claude", {"source": "openai", "kind": "request"}, "body"),
        (OPENAI, "claude", {"source": "openai", "kind": "stream"}, "body"),
        ("data: {}\n\n", "claude", {"source": "openai", "kind": "request"}, "body"),
        (OPENAI, "claude", {"source": "claude", "kind": "response"}, "body"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_field(
    body: Any, target: str, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(TranslationRefused) as refused:
        translate(body, target, **more)
    assert refused.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "content", "role", "type", "model", "input", "contents"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(body=JSON, target=st.sampled_from(["openai", "openai-responses", "claude", "gemini"]))
def test_whatever_is_given_is_translated_or_refused(body: Any, target: str) -> None:
    with contextlib.suppress(TranslationRefused):
        assert translate(body, target).target == target
