"""What Gemini clients send, in all spellings, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.fold import fold
from omniroute.formats.gemini.codec import GeminiCodec
from tests.formats.gemini.cases import CASES, MAX_EVENT_BYTES, golden

CODEC = GeminiCodec()
PATH = PathFacts("m", stream=True)
USER: dict[str, Any] = {"role": "user", "parts": [{"text": "Hello"}]}


def decoded(*contents: Any, **fields: Any) -> ir.Request:
    body = {"contents": list(contents) or [USER]} | fields
    return CODEC.decode_request(json.dumps(body).encode(), PATH)


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}} | more}


def result(name: str, output: str, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": output}} | more}


def ids_of(request: ir.Request) -> tuple[list[str], list[str]]:
    parts = [part for message in request.messages for part in message.parts]
    called = [part.id for part in parts if isinstance(part, ir.ToolCall)]
    answered = [part.call_id for part in parts if isinstance(part, ir.ToolResult)]
    return called, answered


def test_both_spellings_mean_the_same() -> None:
    camel = decoded(
        {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        systemInstruction={"parts": [{"text": "s"}]},
        generationConfig={"maxOutputTokens": 5, "thinkingConfig": {"thinkingBudget": 3}},
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        tools=[{"functionDeclarations": [{"name": "f"}]}],
    )
    snake = decoded(
        {"parts": [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}]},
        system_instruction={"parts": [{"text": "s"}]},
        generation_config={"max_output_tokens": 5, "thinking_config": {"thinking_budget": 3}},
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        tools=[{"function_declarations": [{"name": "f"}]}],
    )
    assert camel == snake


def test_one_member_in_two_spellings_is_refused() -> None:
    with pytest.raises(ir.FormatError, match="two spellings"):
        decoded(generationConfig={}, generation_config={})


def test_calls_without_ids_get_stable_ones_and_results_find_them() -> None:
    contents = [
        USER,
        {"role": "model", "parts": [call("a"), call("b"), call("a")]},
        {"role": "user", "parts": [result("b", "2"), result("a", "1"), result("a", "3")]},
    ]
    called, answered = ids_of(decoded(*contents))
    assert len(set(called)) == 3
    assert answered == [called[1], called[0], called[2]]
    longer = [*contents, {"role": "model", "parts": [call("a")]}]
    again, _ = ids_of(decoded(*longer))
    assert again[:3] == called
    assert again[3] not in called


def test_results_find_their_call_by_id_before_name_and_order() -> None:
    request = decoded(
        USER,
        {"role": "model", "parts": [call("a", id="x"), call("a", id="y")]},
        {"role": "user", "parts": [result("a", "1", id="y"), result("a", "2")]},
    )
    assert ids_of(request) == (["x", "y"], ["y", "x"])


def test_a_result_without_a_call_keeps_an_id_of_its_own() -> None:
    _, answered = ids_of(decoded({"role": "function", "parts": [result("a", "1")]}))
    assert answered[0].startswith("call_")


def test_results_stand_before_the_other_parts_of_their_message() -> None:
    request = decoded(
        USER,
        {"role": "model", "parts": [call("a")]},
        {"role": "user", "parts": [{"text": "and"}, result("a", "1")]},
    )
    kinds = [type(part).__name__ for part in request.messages[2].parts]
    assert kinds == ["ToolResult", "Text"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}, ir.Audio("audio/mp3", "aGk=")),
        (
            {"inlineData": {"mimeType": "video/mp4", "data": "aGk=", "displayName": "v"}},
            ir.File("video/mp4", "aGk=", filename="v"),
        ),
        ({"inlineData": {"mimeType": "image/png", "data": "_-8="}}, ir.Image("image/png", "/+8=")),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/x.png"}},
            ir.File("image/png", file_id="gs://bucket/x.png", origin="gemini"),
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.org/x.png"}},
            ir.Image("image/png", url="https://e.org/x.png"),
        ),
    ],
)
def test_media_become_what_they_are(part: dict[str, Any], expected: ir.Part) -> None:
    assert decoded({"role": "user", "parts": [part]}).messages[0].parts == [expected]


def test_numbers_may_be_written_as_protobuf_writes_them() -> None:
    request = decoded(generationConfig={"topK": 40.0, "maxOutputTokens": "5", "seed": 7.0})
    assert request.sampling == ir.Sampling(top_k=40, max_tokens=5, seed=7)


def test_what_has_no_field_stays_with_its_origin() -> None:
    request = decoded(
        safetySettings=[],
        cachedContent="cachedContents/x",
        generationConfig={"responseModalities": ["TEXT"], "temperature": 1},
        toolConfig={"retrievalConfig": {"languageCode": "de"}},
        novelty={"a": 1},
    )
    assert set(request.extra) == {
        "safetySettings",
        "cachedContent",
        "generationConfig",
        "toolConfig",
        "novelty",
    }
    assert bytes(request.extra["generationConfig"]) == b'{"responseModalities":["TEXT"]}'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "contents"),
        (b'{"contents":[]}', "contents"),
        (b'{"contents":"x"}', None),
        (b'{"contents":[{"role":"assistant","parts":[]}]}', "contents[0].role"),
        (b'{"contents":[{"parts":[{"text":5}]}]}', None),
        (b'{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}', "contents[0]"),
        (
            b'{"contents":[{"role":"model","parts":[{"functionCall":{"args":[]}}]}]}',
            "functionCall.args",
        ),
        (
            b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"topK":1e99}}',
            "generationConfig.topK",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_says_where(body: bytes, param: str | None) -> None:
    with pytest.raises(ir.FormatError) as refused:
        CODEC.decode_request(body, PATH)
    if param is not None:
        assert refused.value.param == param


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, file: str) -> bytes:
    """A golden file with one value replaced, or with bytes changed."""
    body = golden(draw(st.sampled_from(CASES)), file)
    if draw(st.booleans()) and not file.endswith("sse"):
        document = json.loads(body)
        at: Any = document
        while isinstance(at, dict | list) and at:
            key: Any = draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
            if draw(st.integers(0, 2)) == 0 or not isinstance(at[key], dict | list):
                at[key] = draw(JSON)
                break
            at = at[key]
        return json.dumps(document).encode("utf-8", "surrogatepass")
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=4)) + body[start + draw(st.integers(0, 4)) :]


@given(damaged("request.json"))
def test_a_damaged_request_is_read_or_refused(body: bytes) -> None:
    try:
        request = CODEC.decode_request(body, PATH)
        for origin in ("gemini", "openai"):
            request.origin = origin
            CODEC.encode_request(request, TargetModel("gemini-2.5-pro"))
    except (ir.FormatError, ir.CannotCarry):
        pass


@given(damaged("response.json"))
def test_a_damaged_answer_is_read_or_refused(body: bytes) -> None:
    try:
        response = CODEC.decode_response(body)
    except ir.FormatError:
        return
    CODEC.encode_response(response, Shown("m", "i", 0))


@given(damaged("stream.sse"), st.integers(1, 40))
def test_a_damaged_stream_is_read_or_refused(stream: bytes, step: int) -> None:
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    encoder = CODEC.stream_encoder(Shown("m", "i", 0, sse=False))
    try:
        events = [
            event
            for at in range(0, len(stream), step)
            for event in decoder.feed(stream[at : at + step])
        ]
        events += decoder.finish()
        fold(events)
    except ir.FormatError:
        return
    json.loads(encoder.feed(events) + encoder.finish())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decode in (
        lambda: CODEC.decode_request(body, PATH),
        lambda: CODEC.decode_count(body, PATH),
        lambda: CODEC.decode_response(body),
        lambda: CODEC.stream_decoder(40).feed(b"data: " + body + b"\n\n"),
    ):
        try:
            decode()
        except ir.FormatError:
            continue


def test_an_event_beyond_the_limit_is_a_format_error() -> None:
    with pytest.raises(ir.FormatError):
        CODEC.stream_decoder(10).feed(b"data: " + b"x" * 50)


def test_endless_nesting_is_a_format_error() -> None:
    deep = b"[" * 100_000
    with pytest.raises(ir.FormatError):
        CODEC.decode_request(b'{"contents":' + deep, PATH)
    schema = b'{"a":' * 5000 + b"1" + b"}" * 5000
    body = (
        b'{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":'
        b'[{"name":"f","parametersJsonSchema":' + schema + b"}]}]}"
    )
    try:
        request = CODEC.decode_request(body, PATH)
        request.origin = "openai"
        CODEC.encode_request(request, TargetModel("gemini-2.5-pro"))
    except (ir.FormatError, ir.CannotCarry):
        pass
