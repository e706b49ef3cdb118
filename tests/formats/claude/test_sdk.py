"""The official anthropic SDK reads what is written here, streamed and not."""

from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from anthropic.types import Message

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import ModelEntry, PathFacts, Shown, TargetModel
from omniroute.formats.claude.codec import ClaudeCodec
from omniroute.formats.claude.dialect import ClaudeDialect
from omniroute.formats.fold import unfold
from omniroute.usage import Usage
from tests.formats.claude.cases import ANSWERED, golden

CODEC = ClaudeCodec()
DIALECT = ClaudeDialect()
SHOWN = Shown("acme/some-model", "id-1", 1_767_225_600)
ANSWER = ir.Response(
    id="chatcmpl-1",
    model="gpt",
    origin="openai",
    usage=Usage(20, 8, 2, 12, 4),
    choices=[
        ir.Choice(
            [
                ir.Reasoning("Thinking…", "sealed state", origin="openai-responses", id="rs_1"),
                ir.Text("Grüße 👋\u2028", citations=[ir.Citation("https://x.test", "X")]),
                ir.ToolCall("call_1", "look", '{"path": "/tmp"}'),
                ir.ToolCall("functions.look:1", "look", ""),
            ],
            "stop",
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

    def client(self) -> anthropic.Anthropic:
        http = httpx2.Client(transport=httpx2.MockTransport(self))
        return anthropic.Anthropic(
            api_key="a-key", base_url="http://gateway.test", http_client=http, max_retries=0
        )

    def ask(self, **fields: Any) -> Message:
        arguments: Any = {
            "model": "m",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "hi"}],
        } | fields
        return self.client().messages.create(**arguments)

    def stream(self) -> Message:
        messages: Any = [{"role": "user", "content": "hi"}]
        with self.client().messages.stream(model="m", max_tokens=1, messages=messages) as stream:
            return stream.get_final_message()


def streamed(answer: ir.Response) -> bytes:
    encoder = CODEC.stream_encoder(SHOWN)
    return encoder.feed(unfold(answer)) + encoder.finish()


def check(message: Message) -> None:
    assert message.id == "msg_id-1"
    assert message.model == "acme/some-model"
    assert message.stop_reason == "tool_use"
    thinking, text, first, second = message.content
    assert thinking.type == "thinking"
    assert thinking.thinking == "Thinking…"
    assert text.type == "text"
    assert text.text == "Grüße 👋\u2028"
    assert text.citations is not None
    assert text.citations[0].type == "web_search_result_location"
    assert first.type == "tool_use"
    assert (first.id, first.name, first.input) == ("call_1", "look", {"path": "/tmp"})
    assert second.type == "tool_use"
    assert second.input == {}
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (10, 8)
    assert (usage.cache_creation_input_tokens, usage.output_tokens) == (2, 12)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 4


def test_the_sdk_reads_a_whole_answer() -> None:
    check(Service(CODEC.encode_response(ANSWER, SHOWN)).ask())


def test_the_sdk_reads_a_stream() -> None:
    check(Service(streamed(ANSWER)).stream())


@pytest.mark.parametrize("case", ANSWERED)
def test_the_sdk_reads_every_golden_answer_written_again(case: str) -> None:
    given = Message.model_validate(msgspec.json.decode(golden(case, "response.json")))
    response = CODEC.decode_response(golden(case, "response.json"))
    whole = Service(CODEC.encode_response(response, SHOWN)).ask()
    in_stream = Service(streamed(response)).stream()
    for message in (whole, in_stream):
        kept = message.content[: len(given.content)]  # a refusal's words come behind
        assert [block.to_dict() for block in kept] == [block.to_dict() for block in given.content]
        assert message.stop_reason == given.stop_reason
        assert message.stop_sequence == given.stop_sequence
        assert message.usage.input_tokens == given.usage.input_tokens
        assert message.usage.output_tokens == given.usage.output_tokens


@pytest.mark.parametrize("case", ANSWERED)
def test_the_sdk_reads_the_golden_streams_themselves(case: str) -> None:
    given = Message.model_validate(msgspec.json.decode(golden(case, "response.json")))
    message = Service(golden(case, "stream.sse")).stream()
    assert [b.to_dict() for b in message.content] == [b.to_dict() for b in given.content]


def test_a_keepalive_anywhere_does_not_disturb_the_sdk() -> None:
    keepalive = DIALECT.keepalive()
    body = keepalive + streamed(ANSWER).replace(b"\n\n", b"\n\n" + keepalive)
    check(Service(body).stream())


def test_the_state_of_another_format_survives_the_sdks_history_and_never_reaches_claude() -> None:
    service = Service(CODEC.encode_response(ANSWER, SHOWN))
    first = service.ask()
    results: Any = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "seen"}
        for block in first.content
        if block.type == "tool_use"
    ]
    history: Any = [
        {"role": "user", "content": "hi"},
        first.to_param(),
        {"role": "user", "content": results},
    ]
    service.ask(messages=history)
    body = service.asked[-1].content
    request = CODEC.decode_request(body, PathFacts())
    assert request.messages[1].parts[0] == ir.Reasoning(
        "Thinking…", "sealed state", origin="openai-responses", id="rs_1"
    )
    assert b"Thinking" not in CODEC.encode_request(request, TargetModel("claude-opus-4-7")).body
    passed = DIALECT.upstream_body(body, DIALECT.peek(body, PathFacts()), "x", ask_usage=False)
    assert b"omniroute-sealed" not in passed
    again = CODEC.decode_request(passed, PathFacts())
    assert [type(part).__name__ for part in again.messages[1].parts] == [
        "Text",
        "ToolCall",
        "ToolCall",
    ]


def test_the_state_of_a_call_survives_the_sdks_history() -> None:
    call = ir.ToolCall("call_1", "look", "{}", "thought signature", "gemini")
    answer = ir.Response(choices=[ir.Choice([call], "tool_calls")])
    for service in (Service(CODEC.encode_response(answer, SHOWN)), Service(streamed(answer))):
        streams = service.body.startswith(b"event:")
        first = service.stream() if streams else service.ask()
        history: Any = [
            {"role": "user", "content": "hi"},
            first.to_param(),
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "x"}],
            },
        ]
        asking = Service(CODEC.encode_response(ANSWER, SHOWN))
        asking.ask(messages=history)
        request = CODEC.decode_request(asking.asked[-1].content, PathFacts())
        assert request.messages[1].parts == [call]


@pytest.mark.parametrize(
    ("kind", "raised", "name"),
    [
        (ErrorKind.BAD_REQUEST, anthropic.BadRequestError, "invalid_request_error"),
        (ErrorKind.BAD_KEY, anthropic.AuthenticationError, "authentication_error"),
        (ErrorKind.FORBIDDEN_HOST, anthropic.PermissionDeniedError, "permission_error"),
        (ErrorKind.UNKNOWN_MODEL, anthropic.NotFoundError, "not_found_error"),
        (ErrorKind.OVERLOADED, anthropic.APIStatusError, "overloaded_error"),
        (ErrorKind.UPSTREAM_BROKEN, anthropic.InternalServerError, "api_error"),
        (ErrorKind.UPSTREAM_TIMEOUT, anthropic.APIStatusError, "timeout_error"),
    ],
)
def test_the_sdk_raises_its_own_error_for_ours(
    kind: ErrorKind, raised: type[anthropic.APIStatusError], name: str
) -> None:
    error = GatewayError(kind, "what went wrong")
    service = Service(DIALECT.error_body(error), error.status)
    with pytest.raises(raised, match="what went wrong") as caught:
        service.ask()
    assert caught.value.body == {"type": "error", "error": {"type": name, "message": error.message}}


def test_an_upstreams_own_type_stays() -> None:
    error = GatewayError(ErrorKind.UPSTREAM_ERROR, "slow down", error_type="rate_limit_error")
    assert b'"type":"rate_limit_error"' in DIALECT.error_body(error)


def test_the_sdk_raises_an_error_in_the_middle_of_a_stream() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    begun = encoder.feed([ir.Start(), ir.PartStart(0, ir.Text("")), ir.TextDelta(0, "Par")])
    error = GatewayError(ErrorKind.UPSTREAM_BROKEN, "it broke off")
    service = Service(begun + encoder.fail(error))
    with pytest.raises(anthropic.APIStatusError, match="it broke off"):
        service.stream()


def test_the_sdk_lists_models_and_counts_tokens() -> None:
    entries = [ModelEntry("acme/some-model", "acme", "Some Model", 1000, 100, 1_767_225_600)]
    models = list(Service(DIALECT.model_list(entries)).client().models.list())
    assert [(model.id, model.display_name) for model in models] == [
        ("acme/some-model", "Some Model")
    ]
    assert (models[0].max_input_tokens, models[0].max_tokens) == (1000, 100)
    assert models[0].created_at.year == 2026
    one = Service(DIALECT.model_entry(entries[0])).client().models.retrieve("acme/some-model")
    assert one == models[0]
    assert list(Service(DIALECT.model_list([])).client().models.list()) == []
    counted = Service(DIALECT.counted(42)).client()
    messages: Any = [{"role": "user", "content": "hi"}]
    assert counted.messages.count_tokens(model="m", messages=messages).input_tokens == 42
