"""The official openai SDK reads what is written here, streamed and not, and is read itself."""

from typing import Any

import httpx2
import msgspec
import openai
import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import completions, ir
from omniroute.formats.base import ModelEntry, PathFacts, Shown, TargetModel
from omniroute.formats.fold import unfold
from omniroute.formats.openai_chat import codec, dialect
from omniroute.usage import Usage
from tests.formats.openai_chat.cases import ANSWERED, golden

CODEC = codec()
DIALECT = dialect()
SHOWN = Shown("acme/some-model", "chatcmpl-1", 1_767_225_600)
ANSWER = ir.Response(
    id="msg_1",
    model="claude",
    origin="claude",
    usage=Usage(20, 8, 2, 12, 4),
    choices=[
        ir.Choice(
            [
                ir.Reasoning("Thinking…", "proof", origin="claude"),
                ir.Text("Grüße 👋\u2028", citations=[ir.Citation("https://x.test", "X")]),
                ir.ToolCall("call_1", "look", '{"path": "/tmp"}'),
                ir.ToolCall("toolu_2", "look", ""),
            ],
            "tool_calls",
        )
    ],
)


class Service:
    """Answers the SDK's requests with prepared bytes, and keeps what it was asked."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body = body
        self.status = status
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        streams = b'"stream":true' in request.content.replace(b" ", b"")
        kind = "text/event-stream" if streams else "application/json"
        return httpx2.Response(self.status, content=self.body, headers={"content-type": kind})

    def client(self) -> openai.OpenAI:
        http = httpx2.Client(transport=httpx2.MockTransport(self))
        return openai.OpenAI(
            api_key="a-key", base_url="http://gateway.test/v1", http_client=http, max_retries=0
        )


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(
        model="acme/some-model", messages=[{"role": "user", "content": "Hi"}], **more
    )


def test_the_sdk_reads_a_whole_answer() -> None:
    answer = ask(Service(CODEC.encode_response(ANSWER, SHOWN)).client())
    assert answer.id == "chatcmpl-1"
    assert answer.model == "acme/some-model"
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Grüße 👋\u2028"
    assert choice.message.reasoning_content == "Thinking…"
    assert choice.message.annotations[0].url_citation.url == "https://x.test"
    calls = choice.message.tool_calls
    assert [(call.id, call.function.arguments) for call in calls] == [
        ("call_1", '{"path": "/tmp"}'),
        ("toolu_2", "{}"),
    ]
    assert answer.usage.prompt_tokens == 20
    assert answer.usage.prompt_tokens_details.cached_tokens == 8
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4
    assert answer.usage.total_tokens == 32


def test_the_sdk_adds_a_stream_up_to_the_whole_answer() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(ANSWER)) + encoder.finish()
    service = Service(stream)
    with service.client().chat.completions.stream(
        model="acme/some-model",
        messages=[{"role": "user", "content": "Hi"}],
        stream_options={"include_usage": True},
    ) as events:
        final = events.get_final_completion()
    whole = ask(Service(CODEC.encode_response(ANSWER, SHOWN)).client())
    assert final.usage == whole.usage
    streamed, unstreamed = final.choices[0], whole.choices[0]
    assert streamed.finish_reason == unstreamed.finish_reason
    assert streamed.message.content == unstreamed.message.content
    assert streamed.message.reasoning_content == unstreamed.message.reasoning_content
    assert [
        (call.id, call.function.name, call.function.arguments)
        for call in streamed.message.tool_calls
    ] == [
        (call.id, call.function.name, call.function.arguments)
        for call in unstreamed.message.tool_calls
    ]


@pytest.mark.parametrize("case", ANSWERED)
def test_the_sdk_reads_every_golden_answer_written_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    answer = ask(Service(CODEC.encode_response(response, SHOWN)).client())
    assert len(answer.choices) == len(response.choices)
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(response)) + encoder.finish()
    chunks = list(ask(Service(stream).client(), stream=True))
    assert [chunk.usage for chunk in chunks][-1] == answer.usage
    for number, choice in enumerate(answer.choices):
        deltas = [part for chunk in chunks for part in chunk.choices if part.index == number]
        assert deltas[0].delta.role == "assistant"
        assert deltas[-1].finish_reason == choice.finish_reason
        assert sum(part.finish_reason is not None for part in deltas) == 1
        text = "".join(part.delta.content or "" for part in deltas)
        assert text == (choice.message.content or "")


def test_usage_is_streamed_to_those_who_asked_only() -> None:
    encoder = CODEC.stream_encoder(SHOWN._replace(include_usage=False))
    stream = encoder.feed(unfold(ANSWER)) + encoder.finish()
    assert b'"usage"' not in stream
    assert stream.endswith(b"data: [DONE]\n\n")


def test_the_sdk_raises_what_fits_an_error() -> None:
    error = GatewayError(ErrorKind.UNKNOWN_MODEL, "no such model", param="model")
    service = Service(DIALECT.error_body(error), error.status)
    with pytest.raises(openai.NotFoundError) as raised:
        ask(service.client())
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"


def test_the_sdk_notices_a_stream_that_fails() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(ANSWER)[:5])
    stream += encoder.fail(GatewayError(ErrorKind.UPSTREAM_BROKEN, "the upstream broke off"))
    with pytest.raises(openai.APIError, match="broke off"):
        list(ask(Service(stream).client(), stream=True))


def test_the_sdk_reads_the_model_list() -> None:
    entries = [ModelEntry("acme/plain", "acme", created=5), ModelEntry("acme/think", "acme")]
    listed = Service(DIALECT.model_list(entries)).client().models.list()
    assert [(model.id, model.owned_by) for model in listed.data] == [
        ("acme/plain", "acme"),
        ("acme/think", "acme"),
    ]
    one = Service(DIALECT.model_entry(entries[0])).client().models.retrieve("acme/plain")
    assert one.created == 5


def test_what_the_sdk_sends_survives_the_way_to_another_provider() -> None:
    service = Service(CODEC.encode_response(ANSWER, SHOWN))
    tool = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    }
    ask(service.client(), tools=[tool], tool_choice="required", temperature=0.5)
    request = CODEC.decode_request(service.asked[0].content, PathFacts())
    assert request.tool_choice == ir.ToolChoice("required")
    again = CODEC.encode_request(request, TargetModel("m"))
    sent = msgspec.json.decode(again.body)
    assert sent["tools"] == [tool]
    assert sent["temperature"] == 0.5
    assert sent["model"] == "m"


def test_the_sdk_reads_legacy_completions() -> None:
    legacy = completions.codec()
    client = Service(legacy.encode_response(ANSWER, SHOWN)).client()
    answer = client.completions.create(model="acme/some-model", prompt="Hi")
    assert answer.choices[0].text == "Grüße 👋\u2028"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 32

    encoder = legacy.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(ANSWER)) + encoder.finish()
    chunks = list(
        Service(stream)
        .client()
        .completions.create(model="acme/some-model", prompt="Hi", stream=True)
    )
    text = "".join(part.text for chunk in chunks for part in chunk.choices)
    assert text == "Grüße 👋\u2028"
    assert chunks[-1].usage == answer.usage
