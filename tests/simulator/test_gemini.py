"""The Gemini format as the simulator writes it, and as the official SDK reads it from a socket."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
import trio
from google import genai
from google.genai import errors, types

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini import Gemini
from omniroute.simulator.play import play
from omniroute.simulator.scenario import LISTED, scenario_named
from tests.simulator.conftest import Running

Start = Callable[[], AbstractAsyncContextManager[Running]]

HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]
TOOLS = [
    {
        "functionDeclarations": [
            {
                "name": "weather",
                "parameters": {"type": "OBJECT", "properties": {"place": {"type": "STRING"}}},
            },
            {"name": "time"},
        ]
    }
]


def whole(name: str, **fields: Any) -> dict[str, Any]:
    dialect, scenario = Gemini(), scenario_named(name)
    body = json.dumps({"contents": HELLO} | fields).encode()
    ask = dialect.read(body, {"model": name})
    answer: dict[str, Any] = json.loads(dialect.whole(ask, scenario, play(scenario, ask)))
    return answer


def frames(name: str, *, array: bool = False, **fields: Any) -> list[bytes]:
    dialect, scenario = Gemini(stream=True, array=array), scenario_named(name)
    body = json.dumps({"contents": HELLO} | fields).encode()
    ask = dialect.read(body, {"model": name})
    return list(dialect.frames(ask, scenario, play(scenario, ask)))


def chunks(name: str, **fields: Any) -> list[dict[str, Any]]:
    made = frames(name, **fields)
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") for frame in made)
    return [json.loads(frame[6:]) for frame in made]


def text_of(answers: list[dict[str, Any]], *, thought: bool = False) -> str:
    return "".join(
        part.get("text", "")
        for answer in answers
        for part in answer["candidates"][0]["content"].get("parts", [])
        if part.get("thought", False) == thought
    )


@pytest.mark.parametrize("name", ["plain", "reasoning", "unicode", "empty", "long-20", "think"])
def test_the_stream_adds_up_to_the_whole_answer(name: str) -> None:
    streamed, answer = chunks(name), whole(name)
    assert text_of(streamed) == text_of([answer])
    assert text_of(streamed, thought=True) == text_of([answer], thought=True)
    assert streamed[-1]["usageMetadata"] == answer["usageMetadata"]
    reasons = [chunk["candidates"][0].get("finishReason") for chunk in streamed]
    assert reasons == [None] * (len(streamed) - 1) + ["STOP"]


def test_line_separators_are_escaped_in_streams() -> None:
    assert any(b"\\u2028" in frame for frame in frames("unicode"))
    assert not any("\u2028".encode() in frame for frame in frames("unicode"))


def test_the_array_has_the_same_chunks() -> None:
    assert json.loads(b"".join(frames("plain", array=True))) == chunks("plain")


def test_a_call_comes_whole_and_the_first_one_signed() -> None:
    parts = [
        part
        for chunk in chunks("parallel-tools", tools=TOOLS)
        for part in chunk["candidates"][0]["content"].get("parts", [])
    ]
    assert [part["functionCall"]["name"] for part in parts] == ["weather", "time"]
    assert all(isinstance(part["functionCall"]["args"], dict) for part in parts)
    assert ["thoughtSignature" in part for part in parts] == [True, False]


def test_after_thoughts_the_signature_stands_on_the_call_or_behind_the_text() -> None:
    def signed(**fields: Any) -> list[str]:
        content = whole("reasoning-tools", **fields)["candidates"][0]["content"]
        return [next(iter(part)) for part in content["parts"] if "thoughtSignature" in part]

    assert signed(tools=TOOLS) == ["functionCall"]
    assert signed() == ["text"]


def test_usage_can_be_withheld() -> None:
    assert all("usageMetadata" not in chunk for chunk in chunks("no-usage"))
    assert "usageMetadata" not in whole("no-usage")


def test_thoughts_are_counted_beside_the_candidates() -> None:
    usage = whole("reasoning")["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["thoughtsTokenCount"] > 0
    assert usage["totalTokenCount"] == sum(usage[part] for part in parts)


def test_the_limit_ends_an_answer() -> None:
    answer = whole("plain", generationConfig={"maxOutputTokens": 3})
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_an_error_tells_how_long_to_wait() -> None:
    error = json.loads(Gemini().error(Refusal(429, "slow", headers={"retry-after": "30"})))
    assert error["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert error["error"]["details"][0]["retryDelay"] == "30s"


def sdk(port: int) -> genai.Client:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{port}", timeout=10_000)
    return genai.Client(api_key="any", http_options=options)


async def test_the_sdk_talks_to_the_simulator(simulator: Start) -> None:
    def conversation(client: genai.Client) -> None:
        text = client.models.generate_content(model="plain", contents="Hello").text
        assert text is not None
        assert "You said: Hello" in text
        streamed = client.models.generate_content_stream(model="plain", contents="Hello")
        assert "".join(chunk.text or "" for chunk in streamed) == text
        assert client.models.count_tokens(model="plain", contents="Hello").total_tokens == 2
        assert {model.name for model in client.models.list()} == {
            f"models/{name}" for name in LISTED
        }

        def weather(place: str) -> str:
            """The weather of a place."""
            return f"It rains in {place}."

        config = types.GenerateContentConfig(tools=[weather])
        answer = client.models.generate_content(model="tools", contents="Hi", config=config)
        assert answer.text is not None
        assert "It rains in" in answer.text
        with pytest.raises(errors.ServerError, match="UNAVAILABLE"):
            client.models.generate_content(model="error-503", contents="Hello")
        broken = client.models.generate_content_stream(model="error-event-2", contents="Hello")
        with pytest.raises(errors.APIError, match="simulator fails"):
            list(broken)

    async with simulator() as running:
        with sdk(running.port) as client:
            await trio.to_thread.run_sync(partial(conversation, client))


async def test_without_alt_a_stream_is_an_array(simulator: Start) -> None:
    async with simulator() as running:
        path = "/v1beta/models/plain:streamGenerateContent"
        answer = await running.client.post(path, json={"contents": HELLO})
        assert answer.headers["content-type"].startswith("application/json")
        assert [*answer.json()][-1]["candidates"][0]["finishReason"] == "STOP"
        refused = await running.client.post(path, json={"contents": []})
        assert refused.status_code == 400
        assert refused.json()[0]["error"]["status"] == "INVALID_ARGUMENT"
        events = await running.client.post(f"{path}?alt=sse", json={"contents": HELLO})
        assert events.headers["content-type"].startswith("text/event-stream")
        assert events.text.startswith("data: ")
