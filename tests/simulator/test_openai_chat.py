"""The OpenAI chat format as the simulator writes it."""

import json
from typing import Any

import pytest

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.openai_chat_request import read_chat_request
from omniroute.simulator.play import Ask, play
from omniroute.simulator.scenario import LISTED, scenario_named

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def read(**fields: Any) -> Ask:
    request = {"model": "plain", "messages": HELLO} | fields
    return read_chat_request(json.dumps(request).encode())


def stream(name: str, **fields: Any) -> list[bytes]:
    ask, scenario = read(model=name, stream=True, **fields), scenario_named(name)
    return list(OpenAIChat().frames(ask, scenario, play(scenario, ask)))


def events(name: str, **fields: Any) -> list[dict[str, Any]]:
    frames = stream(name, **fields)
    assert frames[-1] == b"data: [DONE]\n\n"
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") for frame in frames)
    return [json.loads(frame[6:]) for frame in frames[:-1]]


def whole(name: str, **fields: Any) -> dict[str, Any]:
    ask, scenario = read(model=name, **fields), scenario_named(name)
    answer: dict[str, Any] = json.loads(OpenAIChat().whole(ask, scenario, play(scenario, ask)))
    return answer


def test_usage_comes_on_one_more_chunk_and_only_when_asked() -> None:
    silent = events("plain")
    assert all("usage" not in event for event in silent)
    asked = events("plain", stream_options={"include_usage": True})
    assert all(event["usage"] is None for event in asked[:-1])
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == whole("plain")["usage"]
    assert len(asked) == len(silent) + 1


def test_usage_can_be_withheld_or_repeated() -> None:
    withheld = events("no-usage", stream_options={"include_usage": True})
    assert all("usage" not in event and event["choices"] for event in withheld)
    assert "usage" not in whole("no-usage")
    repeated = [event["usage"]["completion_tokens"] for event in events("usage-every")]
    assert repeated == sorted(repeated)
    assert repeated[-1] == whole("usage-every")["usage"]["completion_tokens"]


def test_the_stream_adds_up_to_the_whole_answer() -> None:
    for name in ("plain", "think", "reasoning", "unicode", "empty"):
        deltas = [event["choices"][0]["delta"] for event in events(name)]
        message = whole(name)["choices"][0]["message"]
        assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
        assert "".join(d.get("content") or "" for d in deltas) == message["content"]
        thought = "".join(d.get("reasoning_content") or "" for d in deltas)
        assert thought == message.get("reasoning_content", "")


def test_tool_calls_stream_as_head_and_pieces_of_arguments() -> None:
    parts = [
        call
        for event in events("parallel-tools", tools=TOOLS)
        for call in event["choices"][0]["delta"].get("tool_calls", ())
    ]
    message = whole("parallel-tools", tools=TOOLS)["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    assert message["message"]["content"] is None
    opening = events("parallel-tools", tools=TOOLS)[0]["choices"][0]["delta"]
    assert opening == {"role": "assistant", "content": None, "refusal": None}
    for index, call in enumerate(message["message"]["tool_calls"]):
        own = [part for part in parts if part["index"] == index]
        assert own[0]["id"] == call["id"]
        joined = "".join(part["function"]["arguments"] for part in own)
        assert joined == call["function"]["arguments"]
        json.loads(joined)


def test_every_choice_is_streamed() -> None:
    both = events("plain", n=2, stream_options={"include_usage": True})
    finished = [e["choices"][0]["index"] for e in both[:-1] if e["choices"][0]["finish_reason"]]
    assert finished == [0, 1]
    one = whole("plain")["usage"]["completion_tokens"]
    assert both[-1]["usage"]["completion_tokens"] == 2 * one


def test_an_answer_over_the_limit_says_so() -> None:
    choice = whole("plain", max_tokens=2)["choices"][0]
    assert choice["finish_reason"] == "length"


def test_the_same_request_gets_the_same_bytes() -> None:
    assert stream("plain") == stream("plain")


def test_the_list_of_models_is_the_list_of_scenarios() -> None:
    listed = OpenAIChat().models(LISTED)
    assert [model["id"] for model in listed["data"]] == list(LISTED)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (503, "server_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, kind: str) -> None:
    body = json.loads(OpenAIChat().error(Refusal(status, "no", "p", "c")))
    assert body == {"error": {"message": "no", "type": kind, "param": "p", "code": "c"}}
