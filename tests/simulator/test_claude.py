"""The Claude format as the simulator writes it, and as the official SDK reads it."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message

from omniroute.simulator.claude import Claude
from omniroute.simulator.claude_request import read_claude_request
from omniroute.simulator.claude_turns import SIGNATURE
from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask, play
from omniroute.simulator.scenario import LISTED, scenario_named

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"c": {}}}}]


def read(**fields: Any) -> Ask:
    request = {"model": "plain", "max_tokens": 4096, "messages": HELLO} | fields
    return read_claude_request(json.dumps(request).encode())


def events(name: str, **fields: Any) -> list[dict[str, Any]]:
    ask, scenario = read(model=name, stream=True, **fields), scenario_named(name)
    out = []
    for frame in Claude().frames(ask, scenario, play(scenario, ask)):
        assert frame.count(b"\n\n") == 1
        first, second, *_ = frame.split(b"\n")
        body = json.loads(second.removeprefix(b"data: "))
        assert first == b"event: " + body["type"].encode()
        out.append(body)
    return out


def whole(name: str, **fields: Any) -> dict[str, Any]:
    ask, scenario = read(model=name, **fields), scenario_named(name)
    answer: dict[str, Any] = json.loads(Claude().whole(ask, scenario, play(scenario, ask)))
    return answer


def ask_simulator(request: httpx2.Request) -> httpx2.Response:
    """The simulator behind the SDK's transport, in process."""
    dialect = Claude()
    try:
        ask = dialect.read(request.content, {})
    except Refusal as refusal:
        return httpx2.Response(refusal.status, content=dialect.error(refusal))
    scenario = scenario_named(ask.model)
    pieces = play(scenario, ask)
    if ask.stream:
        frames = b"".join(dialect.frames(ask, scenario, pieces))
        return httpx2.Response(200, content=frames, headers={"content-type": dialect.stream_type})
    return httpx2.Response(200, content=dialect.whole(ask, scenario, pieces))


def sdk() -> anthropic.Anthropic:
    http = httpx2.Client(transport=httpx2.MockTransport(ask_simulator))
    return anthropic.Anthropic(
        api_key="a-key", base_url="http://simulator.test", http_client=http, max_retries=0
    )


def both(name: str, **fields: Any) -> list[Message]:
    """The SDK's message of the whole answer, and of the streamed one."""
    arguments: Any = {"model": name, "max_tokens": 4096, "messages": HELLO} | fields
    with sdk().messages.stream(**arguments) as stream:
        streamed = stream.get_final_message()
    return [sdk().messages.create(**arguments), streamed]


@pytest.mark.parametrize("name", ["plain", "reasoning", "unicode", "empty", "think", "no-usage"])
def test_the_stream_adds_up_to_the_whole_answer(name: str) -> None:
    direct, streamed = both(name)
    assert [block.to_dict() for block in direct.content] == [
        block.to_dict() for block in streamed.content
    ]
    assert direct.stop_reason == streamed.stop_reason == "end_turn"
    assert direct.usage.output_tokens == streamed.usage.output_tokens
    assert direct.usage.input_tokens == streamed.usage.input_tokens


def test_calls_stream_as_fragments_of_their_input() -> None:
    for message in both("parallel-tools", tools=TOOLS):
        assert message.stop_reason == "tool_use"
        calls = [block for block in message.content if block.type == "tool_use"]
        assert [call.id for call in calls] == ["toolu_simulated_0", "toolu_simulated_1"]
        assert all(call.input == {"c": {}} for call in calls) or calls[0].input


def test_a_thinking_block_ends_with_its_signature_and_may_come_back() -> None:
    first, _ = both("reasoning")
    assert first.content[0].type == "thinking"
    assert first.content[0].signature == SIGNATURE
    history: Any = [*HELLO, first.to_param(), {"role": "user", "content": "Again"}]
    assert sdk().messages.create(model="plain", max_tokens=100, messages=history).content


def test_one_ping_follows_the_first_block() -> None:
    kinds = [event["type"] for event in events("plain")]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds.count("ping") == 1
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_an_answer_over_the_limit_says_so() -> None:
    assert whole("plain", max_tokens=2)["stop_reason"] == "max_tokens"


def test_the_list_of_models_is_the_list_of_scenarios() -> None:
    listed = Claude().models(LISTED)
    assert [model["id"] for model in listed["data"]] == list(LISTED)
    assert listed["has_more"] is False


def test_tokens_are_counted_without_max_tokens() -> None:
    body = json.dumps({"model": "plain", "messages": HELLO}).encode()
    assert json.loads(Claude().counted(body)) == {"input_tokens": read().input_tokens}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, kind: str) -> None:
    body = json.loads(Claude().error(Refusal(status, "no")))
    assert body["type"] == "error"
    assert body["error"] == {"type": kind, "message": "no"}


def test_the_sdk_raises_a_refusal_as_its_own_error() -> None:
    with pytest.raises(anthropic.BadRequestError, match='must use the "user" role'):
        sdk().messages.create(
            model="plain", max_tokens=1, messages=[{"role": "assistant", "content": "x"}]
        )


def test_a_tool_that_has_to_be_called_is_called_in_any_scenario() -> None:
    for message in both("plain", tools=TOOLS, tool_choice={"type": "tool", "name": "weather"}):
        assert [block.type for block in message.content] == ["tool_use"]
