"""The official google-genai SDK reads what is written here, streamed and not."""

from collections.abc import Iterator

import httpx
import pytest
from google import genai
from google.genai import errors, types

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import ModelEntry, PathFacts, Shown, TargetModel
from omniroute.formats.fold import unfold
from omniroute.formats.gemini.codec import GeminiCodec
from omniroute.formats.gemini.dialect import GeminiDialect
from omniroute.usage import Usage
from tests.formats.gemini.cases import ANSWERED, golden

CODEC = GeminiCodec()
DIALECT = GeminiDialect()
SHOWN = Shown("acme/some-model", "resp-1", 1_767_225_600)
ANSWER = ir.Response(
    id="msg_1",
    model="claude",
    origin="claude",
    usage=Usage(20, 8, 0, 12, 4),
    choices=[
        ir.Choice(
            [
                ir.Reasoning("Thinking…", "c2ln", origin="claude"),
                ir.Text("Grüße 👋\u2028"),
                ir.ToolCall("toolu_1", "look", '{"path": "/tmp"}'),
                ir.ToolCall("toolu_2", "look", "{}"),
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
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        kind = "text/event-stream" if "alt=sse" in str(request.url) else "application/json"
        return httpx.Response(self.status, content=self.body, headers={"content-type": kind})

    def client(self) -> genai.Client:
        http = httpx.Client(transport=httpx.MockTransport(self))
        options = types.HttpOptions(httpx_client=http, base_url="http://gateway.test")
        return genai.Client(api_key="a-key", http_options=options)


def streamed(answer: ir.Response) -> bytes:
    encoder = CODEC.stream_encoder(SHOWN)
    return encoder.feed(unfold(answer)) + encoder.finish()


def parts_of(responses: Iterator[types.GenerateContentResponse]) -> list[types.Part]:
    return [
        part
        for response in responses
        for candidate in response.candidates or []
        for part in (candidate.content.parts if candidate.content else None) or []
    ]


def check(parts: list[types.Part]) -> None:
    texts = [part.text for part in parts if part.text and not part.thought]
    assert "".join(texts) == "Grüße 👋\u2028"
    assert "".join(part.text or "" for part in parts if part.thought) == "Thinking…"
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("toolu_1", "look", {"path": "/tmp"}),
        ("toolu_2", "look", {}),
    ]


def test_the_sdk_reads_a_whole_answer() -> None:
    service = Service(CODEC.encode_response(ANSWER, SHOWN))
    response = service.client().models.generate_content(model="m", contents="hi")
    check(parts_of(iter([response])))
    assert response.model_version == "acme/some-model"
    assert response.candidates is not None
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    usage = response.usage_metadata
    assert usage is not None
    assert usage.prompt_token_count == 20
    assert usage.cached_content_token_count == 8
    assert usage.candidates_token_count == 8
    assert usage.thoughts_token_count == 4
    assert usage.total_token_count == 32


def test_the_sdk_reads_a_stream() -> None:
    service = Service(streamed(ANSWER))
    chunks = list(service.client().models.generate_content_stream(model="m", contents="hi"))
    check(parts_of(iter(chunks)))
    last = chunks[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 32


def test_line_separators_are_escaped_in_streams() -> None:
    """JavaScript's SDK cuts an event at them."""
    body = streamed(ANSWER)
    assert b"\\u2028" in body
    assert "\u2028".encode() not in body


@pytest.mark.parametrize("case", ANSWERED)
def test_the_sdk_reads_every_golden_answer_written_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    service = Service(CODEC.encode_response(response, SHOWN))
    read = service.client().models.generate_content(model="m", contents="hi")
    text = "".join(
        part.text for part in response.choices[0].parts if isinstance(part, ir.Text) and part.text
    )
    shown = parts_of(iter([read]))[: len(response.choices[0].parts)]
    assert "".join(part.text or "" for part in shown if not part.thought) == text
    chunks = (
        Service(streamed(response))
        .client()
        .models.generate_content_stream(model="m", contents="hi")
    )
    assert list(chunks)[-1].candidates


def test_the_state_of_another_format_survives_the_sdks_history() -> None:
    service = Service(CODEC.encode_response(ANSWER, SHOWN))
    client = service.client()
    first = client.models.generate_content(model="m", contents="hi")
    assert first.candidates is not None
    model_turn = first.candidates[0].content
    assert model_turn is not None
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=name, name="look", response={"output": name}
            )
        )
        for name in ("toolu_2", "toolu_1")
    ]
    client.models.generate_content(
        model="m",
        contents=[
            types.Content(role="user", parts=[types.Part(text="hi")]),
            model_turn,
            types.Content(role="user", parts=results),
        ],
    )
    request = CODEC.decode_request(service.asked[-1].content, PathFacts("m"))
    reasoning = request.messages[1].parts[0]
    assert reasoning == ir.Reasoning("Thinking…", "c2ln", origin="claude")
    assert [
        part.call_id for part in request.messages[2].parts if isinstance(part, ir.ToolResult)
    ] == ["toolu_2", "toolu_1"]
    sent = CODEC.encode_request(request, TargetModel("gemini-2.5-pro")).body
    assert b"Thinking" not in sent
    assert b"thoughtSignature" not in sent


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (ErrorKind.BAD_REQUEST, 400, "INVALID_ARGUMENT"),
        (ErrorKind.BAD_KEY, 401, "UNAUTHENTICATED"),
        (ErrorKind.UNKNOWN_MODEL, 404, "NOT_FOUND"),
        (ErrorKind.OVERLOADED, 503, "UNAVAILABLE"),
    ],
)
def test_the_sdk_raises_its_own_error_for_ours(kind: ErrorKind, status: int, name: str) -> None:
    error = GatewayError(kind, "what went wrong", param="contents", retry_after_s=2)
    service = Service(DIALECT.error_body(error), status)
    with pytest.raises(errors.APIError) as raised:
        service.client().models.generate_content(model="m", contents="hi")
    assert raised.value.code == status
    assert raised.value.status == name
    assert raised.value.message == "what went wrong"


def test_the_sdk_raises_an_error_in_the_middle_of_a_stream() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    begun = encoder.feed([ir.PartStart(0, ir.Text("")), ir.TextDelta(0, "Par")])
    error = GatewayError(ErrorKind.UPSTREAM_BROKEN, "it broke off")
    service = Service(begun + encoder.fail(error))
    chunks = service.client().models.generate_content_stream(model="m", contents="hi")
    assert next(chunks).text == "Par"
    with pytest.raises(errors.APIError, match="it broke off"):
        next(chunks)


def test_the_sdk_lists_models_and_counts_tokens() -> None:
    entries = [ModelEntry("acme/some-model", "acme", "Some Model", 1000, 100)]
    models = list(Service(DIALECT.model_list(entries)).client().models.list())
    assert models[0].name == "models/acme/some-model"
    assert models[0].input_token_limit == 1000
    assert models[0].output_token_limit == 100
    assert "countTokens" in (models[0].supported_actions or [])
    service = Service(DIALECT.counted(42))
    assert service.client().models.count_tokens(model="m", contents="hi").total_tokens == 42
    counted = CODEC.decode_count(service.asked[-1].content, PathFacts("m"))
    assert counted.messages == [ir.Message("user", [ir.Text("hi")])]


def test_what_the_sdk_sends_is_understood() -> None:
    service = Service(CODEC.encode_response(ANSWER, SHOWN))
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    service.client().models.generate_content(
        model="m",
        contents=[
            types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png"),
            "What is it?",
        ],
        config=types.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            top_k=40,
            max_output_tokens=99,
            stop_sequences=["END"],
            thinking_config=types.ThinkingConfig(thinking_budget=512, include_thoughts=True),
            tools=[
                types.Tool(
                    function_declarations=[
                        types.FunctionDeclaration(
                            name="look", description="d", parameters_json_schema=schema
                        )
                    ]
                )
            ],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY
                )
            ),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        ),
    )
    request = CODEC.decode_request(service.asked[-1].content, PathFacts("m"))
    assert request.system == [ir.Text("Be brief.")]
    assert request.messages[0].parts == [ir.Image("image/png", "+//+"), ir.Text("What is it?")]
    assert request.sampling.top_k == 40
    assert request.sampling.max_tokens == 99
    assert request.reasoning is not None
    assert request.reasoning.budget_tokens == 512
    assert request.tool_choice == ir.ToolChoice("required")
    assert bytes(request.tools[0].schema).startswith(b'{"type"')
