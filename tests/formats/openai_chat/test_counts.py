"""Usage, in the shapes that vendors report it in."""

import json

import pytest

from omniroute.formats.openai_chat import StreamTap, answer_usage
from omniroute.usage import NO_USAGE, Usage
from tests.formats.openai_chat.material import LIMIT

SHAPES = {
    "OpenAI": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20, "accepted_prediction_tokens": 0},
        },
        Usage(100, 40, 0, 50, 20),
    ),
    "plain": ({"prompt_tokens": 7, "completion_tokens": 3}, Usage(7, 0, 0, 3, 0)),
    "nulls": (
        {
            "prompt_tokens": 7,
            "completion_tokens": None,
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": None},
        },
        Usage(7, 0, 0, 0, 0),
    ),
    "DeepSeek": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        Usage(100, 64, 0, 5, 0),
    ),
    "Moonshot": (
        {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cached_tokens": 64},
        Usage(100, 64, 0, 5, 0),
    ),
    "OpenRouter": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "cost": 0.0012,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20},
            "cost_details": {"upstream_inference_cost": None},
        },
        Usage(100, 30, 20, 5, 0),
    ),
    "xAI": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        Usage(32, 0, 0, 103, 94),
    ),
    "impossible": (
        {
            "prompt_tokens": 10,
            "completion_tokens": -3,
            "prompt_tokens_details": {"cached_tokens": 50},
            "completion_tokens_details": {"reasoning_tokens": 9},
        },
        Usage(50, 50, 0, 0, 0),
    ),
    "strings": ({"prompt_tokens": "12", "completion_tokens": 3.0}, Usage(12, 0, 0, 3, 0)),
    "empty": ({}, NO_USAGE),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_usage_of_a_whole_answer(name):
    shape, usage = SHAPES[name]
    body = json.dumps({"id": "x", "choices": [{"message": {"content": "y"}}], "usage": shape})
    assert answer_usage(body.encode()) == usage


@pytest.mark.parametrize("name", list(SHAPES))
@pytest.mark.parametrize("strip", [False, True])
def test_usage_of_a_stream_is_that_of_a_whole_answer(name, strip):
    shape, usage = SHAPES[name]
    tap = StreamTap(strip_usage=strip, max_event_bytes=LIMIT)
    event = b"data: %b\n\n" % json.dumps({"choices": [], "usage": shape}).encode()
    assert tap.feed(event) == (b"" if strip else event)
    assert tap.usage == usage
    assert not tap.complete


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b'{"usage":null}',
        b'{"usage":"much"}',
        b"[]",
        b"\xff",
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_an_answer_without_readable_usage_has_none(body):
    assert answer_usage(body) is None
