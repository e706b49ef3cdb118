"""The official OpenAI SDK as the judge of what this format's clients get."""

import json
from collections.abc import Callable

import httpx
import openai
import pydantic
import pytest
from openai.types.responses import Response as SdkResponse
from openai.types.responses import ResponseStreamEvent

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.fold import unfold
from omniroute.formats.openai_responses import codec, dialect
from omniroute.usage import Usage
from tests.formats.openai_responses.cases import ANSWERED, golden

CODEC = codec()
SHOWN = Shown("acme/model", "resp_shown", 1_767_225_600)
EVENT: pydantic.TypeAdapter[ResponseStreamEvent] = pydantic.TypeAdapter(ResponseStreamEvent)
LIMITED = GatewayError(ErrorKind.UPSTREAM_ERROR, "too fast", status=429, code="rate_limit_exceeded")

# An answer as other formats give them: foreign reasoning, ids, signatures, citations, names.
FOREIGN = ir.Response(
    id="msg_01ABC",
    choices=[
        ir.Choice(
            [
                ir.Reasoning("Let me think.", signature="c2ln", origin="claude"),
                ir.Reasoning(data="cmVkYWN0ZWQ=", origin="claude"),
                ir.Text("See ", citations=[ir.Citation("https://example.com", "Example")]),
                ir.Text("there."),
                ir.ToolCall("toolu_01", "read", '{"path":"a"}', signature="g", origin="gemini"),
                ir.ToolCall("", "crm::orders", "{}"),
                ir.ToolCall("call_3", "apply_patch", "*** Begin", custom=True),
                ir.Image("image/png", "aGk="),
                ir.Opaque("claude", ir.NULL, "server_tool_use"),
            ],
            "tool_calls",
        )
    ],
    usage=Usage(30, 10, 5, 20, 8),
)


def answers() -> list[ir.Response]:
    return [FOREIGN, ir.Response()] + [
        CODEC.decode_response(golden(case, "response.json")) for case in ANSWERED
    ]


def streamed(response: ir.Response) -> bytes:
    encoder = CODEC.stream_encoder(SHOWN)
    return encoder.feed(unfold(response)) + encoder.finish()


def serving(body: bytes, kind: str, status: int = 200) -> openai.OpenAI:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers={"content-type": kind})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return openai.OpenAI(base_url="http://test/v1", api_key="k", max_retries=0, http_client=client)


def streaming(body: bytes) -> openai.OpenAI:
    return serving(body, "text/event-stream")


@pytest.mark.parametrize("response", answers())
def test_an_answer_validates_against_the_sdks_own_types(response: ir.Response) -> None:
    body = CODEC.encode_response(response, SHOWN)
    SdkResponse.model_validate_json(body)
    for event in streamed(response).split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        validated = EVENT.validate_json(data.removeprefix(b"data: "))
        assert name == b"event: " + validated.type.encode()


def test_the_sdk_reads_an_answer() -> None:
    client = serving(CODEC.encode_response(FOREIGN, SHOWN), "application/json")
    response = client.responses.create(model="acme/model", input="hi")
    assert response.id == "resp_shown"
    assert response.model == "acme/model"
    assert response.output_text == "See there."
    assert [item.type for item in response.output] == [
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "reasoning",
        "function_call",
        "custom_tool_call",
        "image_generation_call",
    ]
    assert response.usage is not None
    assert response.usage.input_tokens == 30
    assert response.usage.input_tokens_details.cached_tokens == 10
    assert response.usage.output_tokens_details.reasoning_tokens == 8
    assert response.usage.total_tokens == 50


@pytest.mark.parametrize("response", answers())
def test_the_sdk_streams_what_it_reads_whole(response: ir.Response) -> None:
    events = list(
        streaming(streamed(response)).responses.create(model="m", input="hi", stream=True)
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    whole = serving(CODEC.encode_response(response, SHOWN), "application/json")
    assert last.response.to_dict() == whole.responses.create(model="m", input="hi").to_dict()


@pytest.mark.parametrize("response", answers())
def test_the_sdks_stream_helper_accumulates(response: ir.Response) -> None:
    text, arguments = [], []
    with streaming(streamed(response)).responses.stream(model="m", input="hi") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text.append(event.delta)
            elif event.type == "response.function_call_arguments.delta":
                arguments.append(event.delta)
        if response.choices and response.choices[0].finish in ("length", "content_filter"):
            return
        final = stream.get_final_response()
    assert "".join(text) == final.output_text
    called = [item.arguments for item in final.output if item.type == "function_call"]
    assert "".join(arguments) == "".join(called)


def test_the_sdk_parses_structured_output() -> None:
    class Person(pydantic.BaseModel):
        name: str
        age: int

    response = CODEC.decode_response(golden("structured", "response.json"))
    client = serving(CODEC.encode_response(response, SHOWN), "application/json")
    parsed = client.responses.parse(model="m", input="hi", text_format=Person)
    assert parsed.output_parsed == Person(name="Jane", age=54)


def test_the_sdk_raises_its_own_class_for_an_error() -> None:
    client = serving(dialect().error_body(LIMITED), "application/json", 429)
    with pytest.raises(openai.RateLimitError, match="too fast") as caught:
        client.responses.create(model="m", input="hi")
    assert caught.value.code == "rate_limit_exceeded"


def started() -> bytes:
    encoder = CODEC.stream_encoder(SHOWN)
    out = encoder.feed([ir.Start(), ir.PartStart(0, ir.Text("")), ir.TextDelta(0, "So ")])
    return out + encoder.fail(LIMITED)


@pytest.mark.parametrize(
    "failing",
    [
        started,
        lambda: CODEC.stream_encoder(SHOWN).fail(LIMITED),
        lambda: dialect().error_event(LIMITED),
        lambda: b": keepalive\n\n" + dialect().error_event(LIMITED),
    ],
)
def test_the_sdk_raises_when_a_stream_fails(failing: Callable[[], bytes]) -> None:
    with pytest.raises(openai.APIError, match="too fast"):
        list(streaming(failing()).responses.create(model="m", input="hi", stream=True))
    with (
        pytest.raises(openai.APIError, match="too fast"),
        streaming(failing()).responses.stream(model="m", input="hi") as stream,
    ):
        stream.until_done()


def test_a_failed_stream_ends_with_the_failed_response_that_codex_waits_for() -> None:
    last = started().rstrip().rpartition(b"\ndata: ")[2]
    event = EVENT.validate_json(last)
    assert event.type == "response.failed"
    assert event.response.error is not None
    assert event.response.error.message == "too fast"
    assert json.loads(last)["response"]["id"] == "resp_shown"


def test_the_sdk_lists_models() -> None:
    from omniroute.formats.base import ModelEntry

    body = dialect().model_list([ModelEntry("acme/one", "acme")])
    listed = list(serving(body, "application/json").models.list())
    assert [model.id for model in listed] == ["acme/one"]
