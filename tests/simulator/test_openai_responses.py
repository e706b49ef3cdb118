"""The Responses format as the simulator writes it, judged by the official SDK."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pydantic
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_responses import OpenAIResponses
from omniroute.simulator.play import play
from omniroute.simulator.scenario import scenario_named

DIALECT = OpenAIResponses()
EVENT: pydantic.TypeAdapter[ResponseStreamEvent] = pydantic.TypeAdapter(ResponseStreamEvent)
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


def answer(request: httpx.Request) -> httpx.Response:
    """The simulator in process, without a socket."""
    try:
        ask = DIALECT.read(request.content, {})
    except Refusal as refusal:
        return httpx.Response(refusal.status, content=DIALECT.error(refusal))
    scenario = scenario_named(ask.model)
    pieces = play(scenario, ask)
    if ask.stream:
        body = b"".join(DIALECT.frames(ask, scenario, pieces))
        return httpx.Response(200, content=body, headers={"content-type": DIALECT.stream_type})
    document = DIALECT.whole(ask, scenario, pieces)
    return httpx.Response(200, content=document, headers={"content-type": "application/json"})


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    transport = httpx.Client(transport=httpx.MockTransport(answer))
    with openai.OpenAI(
        base_url="http://simulator/v1", api_key="k", max_retries=0, http_client=transport
    ) as sdk:
        yield sdk


@pytest.mark.parametrize(
    "model",
    ["plain", "tools", "parallel-tools", "reasoning", "think", "unicode", "empty", "long-9"],
)
def test_a_stream_ends_in_the_whole_answer(client: openai.OpenAI, model: str) -> None:
    whole = client.responses.create(model=model, input="hi", tools=[TOOL])
    events = list(client.responses.create(model=model, input="hi", tools=[TOOL], stream=True))
    for number, event in enumerate(events):
        EVENT.validate_json(event.to_json())
        assert event.sequence_number == number
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.to_dict() == whole.to_dict()
    Response.model_validate_json(whole.to_json())
    with client.responses.stream(model=model, input="hi", tools=[TOOL]) as stream:
        assert stream.get_final_response().output_text == whole.output_text


def test_a_whole_round_of_tools(client: openai.OpenAI) -> None:
    first = client.responses.create(model="parallel-tools", input="hi", tools=[TOOL])
    calls: list[Any] = [item.to_dict() for item in first.output]
    assert [json.loads(call["arguments"]) for call in calls] == [{"place": "simulated"}] * 2
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        for call in calls
    ]
    second = client.responses.create(model="parallel-tools", input=[*calls, *outputs], tools=[TOOL])
    assert "sunny" in second.output_text


def test_reasoning_can_be_sent_back(client: openai.OpenAI) -> None:
    first = client.responses.create(model="reasoning", input="hi")
    thought: Any = first.output[0].to_dict()
    assert thought["type"] == "reasoning"
    client.responses.create(model="plain", input=[thought, {"role": "user", "content": "on"}])


def test_a_limit_makes_the_answer_incomplete(client: openai.OpenAI) -> None:
    cut = client.responses.create(model="long-50", input="hi", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_a_refusal_and_an_error_event_raise_in_the_sdk(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="plain", input=[{"type": "novelty"}])  # type: ignore[list-item]
    frame = DIALECT.error_frame(Refusal(500, "fault"))
    assert json.loads(frame.partition(b"data: ")[2])["error"]["type"] == "server_error"


def test_usage_can_be_withheld(client: openai.OpenAI) -> None:
    assert client.responses.create(model="no-usage", input="hi").usage is None
    with pytest.raises(json.JSONDecodeError):
        json.loads(DIALECT.broken_frame().partition(b"data: ")[2])
