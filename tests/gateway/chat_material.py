"""Chat requests and stream chunks for the tests of the data plane."""

import json
from typing import Any

KEY = "sk-test-1234567890"


def request(model: str = "acme/plain", **more: Any) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return json.dumps(body).encode()


def chunk(content: str = "", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return json.dumps({"id": "c", "choices": [choice], **more}).encode()


# The least that is an answer: one without choices counts as a failure of its provider.
ANSWER = b'{"choices":[{"text":"ok"}]}'
FINISH = b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
