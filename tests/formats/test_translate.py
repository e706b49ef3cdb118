"""A request's way to another format and the answer's way back, for every pair of formats."""

import json
from itertools import product

import pytest

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.quirks import THINK_TAGS
from omniroute.formats.table import CODECS, DIALECTS
from omniroute.formats.translate import Translation, decode_request
from omniroute.usage import Usage

FORMATS = ("openai", "openai-responses", "claude", "gemini")
PAIRS = list(product(FORMATS, FORMATS))
SHOWN = Shown(model="acme/m", id="req_1", created=1_700_000_000)

ANSWER = ir.Response(
    id="up_1",
    model="m",
    created=1,
    usage=Usage(input_tokens=3, output_tokens=5),
    choices=[
        ir.Choice(
            parts=[ir.Text("Hello."), ir.ToolCall("call_1", "read_file", '{"path":"a"}')],
            finish="tool_calls",
        )
    ],
)


def request() -> ir.Request:
    return ir.Request(
        origin="test",
        messages=[ir.Message("user", [ir.Text("hi")])],
        tools=[ir.Tool("read_file", "Read.")],
        sampling=ir.Sampling(max_tokens=100),
        stream=True,
    )


def test_usage_that_no_upstream_reports_is_estimated_and_said_so():
    body = b'{"choices":[{"message":{"content":"four words of text"},"finish_reason":"stop"}]}'
    out, usage, source = translation("claude", "openai").answer(body)
    assert source == "estimated"
    assert json.loads(out)["usage"]["output_tokens"] == usage.output_tokens > 0


def translation(client: str, target: str, **more) -> Translation:
    return Translation(
        CODECS[client], CODECS[target], request(), TargetModel("m", None, **more), SHOWN
    )


def texts(response: ir.Response) -> str:
    parts = [part for choice in response.choices for part in choice.parts]
    return "".join(part.text for part in parts if isinstance(part, ir.Text))


def calls(response: ir.Response) -> list[tuple[str, object]]:
    parts = [part for choice in response.choices for part in choice.parts]
    return [(p.name, json.loads(p.arguments)) for p in parts if isinstance(p, ir.ToolCall)]


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_a_whole_answer_keeps_text_and_calls(client, target):
    body = CODECS[target].encode_response(ANSWER, SHOWN)
    out, _, _ = translation(client, target).answer(body)
    seen = CODECS[client].decode_response(out)
    assert texts(seen) == "Hello."
    assert calls(seen) == [("read_file", {"path": "a"})]


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_an_answer_turns_into_a_stream_and_a_stream_into_an_answer(client, target):
    whole = CODECS[target].encode_response(ANSWER, SHOWN)
    stream, usage, source = translation(client, target).unfolded(whole)
    decoder = CODECS[client].stream_decoder(1 << 20)
    decoder.feed(stream)
    assert decoder.done
    upstream_stream, _, _ = translation(target, target).unfolded(whole)
    folded, folded_usage, _ = translation(client, target).folded(upstream_stream, 1 << 20)
    assert texts(CODECS[client].decode_response(folded)) == "Hello."
    assert source == "upstream"
    assert usage == folded_usage == ANSWER.usage


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_a_stream_is_the_same_however_it_is_cut(client, target):
    whole = CODECS[target].encode_response(ANSWER, SHOWN)
    data, _, _ = translation(target, target).unfolded(whole)
    at_once = translation(client, target).stream(1 << 20)
    expected = at_once.feed(data) + at_once.finish()
    bytewise = translation(client, target).stream(1 << 20)
    out = b"".join(bytewise.feed(data[i : i + 1]) for i in range(len(data))) + bytewise.finish()
    assert out == expected
    assert at_once.complete
    assert at_once.done
    assert at_once.generated


@pytest.mark.parametrize("client", FORMATS)
def test_a_stream_that_failed_ends_as_the_dialect_ends_one(client):
    stream = translation(client, "openai").stream(1 << 20)
    stream.feed(b'data: {"choices":[{"delta":{"content":"half"}}]}\n\n')
    ending = stream.fail(GatewayError(kind_of("UPSTREAM_BROKEN"), "it broke"))
    assert b"it broke" in ending


def kind_of(name: str):
    from omniroute.errors import ErrorKind

    return ErrorKind[name]


def test_an_error_event_of_the_upstream_is_kept_and_not_given_on():
    stream = translation("claude", "openai").stream(1 << 20)
    out = stream.feed(b'data: {"error":{"message":"overloaded"}}\n\n')
    assert stream.error is not None
    assert stream.error.message == "overloaded"
    assert b"overloaded" not in out


def test_same_format_pairs_are_translated_only_for_think_tags():
    body = b'{"choices":[{"message":{"content":"<think>a</think>b"},"finish_reason":"stop"}]}'
    plain, _, _ = translation("openai", "openai").answer(body)
    assert json.loads(plain)["choices"][0]["message"]["content"] == "<think>a</think>b"
    split, _, _ = translation("openai", "openai", quirks=frozenset({THINK_TAGS})).answer(body)
    message = json.loads(split)["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("b", "a")


@pytest.mark.parametrize("client", FORMATS)
def test_a_body_that_is_no_request_is_the_clients_fault(client):
    with pytest.raises(GatewayError) as raised:
        decode_request(CODECS[client], b'{"messages":7,"contents":7,"input":7}', PathFacts("m"))
    assert raised.value.status == 400


def test_every_codec_has_its_dialect():
    assert set(CODECS) == set(DIALECTS) == {*FORMATS, "openai-completions"}
    for name, dialect in DIALECTS.items():
        assert dialect.format == CODECS[name].format == name


@pytest.mark.parametrize("format_", DIALECTS)
def test_cleaning_touches_no_answer_but_a_chats(format_):
    body = b'{"x_groq":1, "usageMetadata" : {}, "type":"message","object":"response"}'
    changes = DIALECTS[format_].sanitised(body) != body
    assert changes == (format_ in ("openai", "openai-completions"))
    raw = b'event: ping\ndata: {"type":"ping","x_groq":1}\n\n'
    tap = DIALECTS[format_].tap(strip_usage=False, max_event_bytes=1000, sanitises=True)
    assert (tap.feed(raw) + tap.finish() != raw) == changes
