"""Where requests to generate carry their credential, and what bills say in each format."""

from typing import Any

import pytest

from omniroute.simulator.generation import credential_of

BILL = {
    "input_tokens": 1000,
    "cached_tokens": 600,
    "cache_write_tokens": 100,
    "output_tokens": 5000,
    "reasoning_tokens": 40,
}
TURNS = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("headers", "query", "credential"),
    [
        ({"authorization": "Bearer abc"}, "", "abc"),
        ({"authorization": "abc"}, "", "abc"),
        ({"x-api-key": "abc"}, "key=other", "abc"),
        ({"x-goog-api-key": "abc"}, "", "abc"),
        ({}, "alt=sse&key=abc", "abc"),
        ({}, "", ""),
    ],
)
def test_a_credential_is_found_wherever_formats_carry_it(
    headers: dict[str, str], query: str, credential: str
) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": pairs, "query_string": query.encode()}
    assert credential_of(scope) == credential


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "reported"),
    [
        (
            "chat/completions",
            {"messages": TURNS, "stream_options": {"include_usage": True}},
            ['"prompt_tokens":1000', '"completion_tokens":5000', '"cached_tokens":600'],
        ),
        (
            "responses",
            {"input": "Hi"},
            ['"input_tokens":1000', '"output_tokens":5000', '"cached_tokens":600'],
        ),
        (
            "messages",
            {"messages": TURNS, "max_tokens": 8},
            [
                '"input_tokens":300',
                '"cache_read_input_tokens":600',
                '"cache_creation_input_tokens":100',
                '"output_tokens":5000',
            ],
        ),
    ],
)
async def test_a_bill_is_reported_even_beyond_what_was_allowed(
    simulator: Any, path: str, body: dict[str, Any], reported: list[str], stream: bool
) -> None:
    async with simulator() as it:
        await it.script("x", bill=BILL)
        if path == "chat/completions" and not stream:
            body = {"messages": TURNS}
        asked = body | {"model": "any", "stream": stream}
        text = (await it.client.post(f"/p/x/v1/{path}", json=asked)).text
        for part in reported:
            assert part in text


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_gemini_reports_a_bill_with_thoughts_apart(simulator: Any, method: str) -> None:
    async with simulator() as it:
        await it.script("x", bill=BILL)
        body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
        text = (await it.client.post(f"/p/x/v1beta/models/any:{method}", json=body)).text
        text = text.replace(" ", "")
        assert '"promptTokenCount":1000' in text
        assert '"cachedContentTokenCount":600' in text
        assert '"candidatesTokenCount":4960' in text
        assert '"thoughtsTokenCount":40' in text
