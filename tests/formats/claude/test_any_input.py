"""No bytes make the codec raise anything but its own errors."""

import json
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.claude.codec import ClaudeCodec
from omniroute.formats.fold import fold, unfold
from tests.formats.claude.cases import CASES, MAX_EVENT_BYTES, golden

CODEC = ClaudeCodec()
SHOWN = Shown("m", "msg_1", 0)
WORDS = st.sampled_from(
    [
        *("type", "text", "content", "messages", "role", "user", "assistant", "system", "input"),
        *("tool_use", "tool_result", "thinking", "signature", "image", "source", "base64", "url"),
        *("data", "document", "id", "name", "tools", "tool_choice", "model", "citations", "any"),
        *("content_block", "content_block_start", "content_block_delta", "delta", "index", "usage"),
        *("message_start", "message", "message_delta", "stop_reason", "partial_json", "error"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


def request_in_and_out(body: bytes) -> None:
    try:
        request = CODEC.decode_request(body, PathFacts())
    except ir.FormatError:
        return
    for origin in ("claude", "openai"):
        request.origin = origin
        for model in ("claude-opus-4-8", "other"):
            with suppress(ir.FormatError, ir.CannotCarry):
                CODEC.encode_request(request, TargetModel(model))


def answer_in_and_out(body: bytes) -> None:
    with suppress(ir.FormatError):
        response = CODEC.decode_response(body)
        CODEC.encode_response(response, SHOWN)
        encoder = CODEC.stream_encoder(SHOWN)
        encoder.feed(unfold(response))
        encoder.finish()


def stream_in_and_out(stream: bytes) -> None:
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    encoder = CODEC.stream_encoder(SHOWN)
    try:
        events = decoder.feed(stream) + decoder.finish()
    except ir.FormatError:
        return
    encoder.feed(events)
    encoder.finish()
    if not any(isinstance(event, ir.Failure) for event in events):
        fold(events)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@given(JSON)
def test_any_json_as_a_request(value: object) -> None:
    request_in_and_out(as_json(value))
    request_in_and_out(as_json({"messages": [{"role": "user", "content": [value]}]}))
    request_in_and_out(as_json({"messages": [{"role": "assistant", "content": [value]}]}))
    request_in_and_out(as_json({"messages": [], "tools": [value], "tool_choice": value}))


@given(JSON)
def test_any_json_as_an_answer(value: object) -> None:
    answer_in_and_out(as_json(value))
    answer_in_and_out(as_json({"content": [value]}))


@given(st.lists(JSON, max_size=4))
def test_any_json_as_a_stream(values: list[object]) -> None:
    stream_in_and_out(b"".join(b"data: " + as_json(value) + b"\n\n" for value in values))


@pytest.mark.parametrize("case", CASES)
def test_damaged_golden_cases(case: str) -> None:
    chance = random.Random(case)
    for file, check in (
        ("request.json", request_in_and_out),
        ("response.json", answer_in_and_out),
        ("stream.sse", stream_in_and_out),
    ):
        whole = golden(case, file)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(damaged))
                if chance.random() < 0.5:
                    damaged[at] = chance.randrange(256)
                else:
                    del damaged[at : at + chance.randint(1, 30)]
            check(bytes(damaged))
