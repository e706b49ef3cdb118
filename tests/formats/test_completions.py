"""Legacy text completions: a prompt in, a text out."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import completions, ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.fold import unfold
from omniroute.formats.openai_chat import codec as chat_codec
from omniroute.usage import Usage

CODEC = completions.codec()
SHOWN = Shown("acme/m", "cmpl-1", 7)


def read(**members: Any) -> ir.Request:
    body = msgspec.json.encode({"model": "m", "prompt": "Say", **members})
    return CODEC.decode_request(body, PathFacts())


@pytest.mark.parametrize("prompt", ["Say", ["Say"]])
def test_a_prompt_is_what_the_user_says(prompt: Any) -> None:
    request = read(prompt=prompt, max_tokens=5, stop="x", stream=True, user="u")
    assert request.messages == [ir.Message("user", [ir.Text("Say")])]
    assert request.sampling == ir.Sampling(max_tokens=5, stop=["x"])
    assert (request.stream, request.include_usage, request.user) == (True, False, "u")


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2]], ["a", "b"], [], None, 5])
def test_prompts_that_cannot_be_carried_are_refused_by_name(prompt: Any) -> None:
    with pytest.raises(ir.FormatError) as raised:
        read(prompt=prompt)
    assert raised.value.param == "prompt"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"prompt":', b'{"prompt":"a","stop":5}', b"\xff"])
def test_what_is_no_request_is_an_error_of_the_format(body: bytes) -> None:
    with pytest.raises(ir.FormatError):
        CODEC.decode_request(body, PathFacts())


def test_what_chat_has_no_place_for_is_reported_as_lost() -> None:
    request = read(suffix="end", echo=True, best_of=3, logprobs=2, logit_bias=None)
    encoded = chat_codec().encode_request(request, TargetModel("m"))
    assert encoded.losses == ["best_of", "echo", "logprobs", "suffix"]
    assert read(echo=False, best_of=1, suffix=None).extra == {}


ANSWER = ir.Response(
    choices=[
        ir.Choice(
            [ir.Reasoning("hm"), ir.Text("Hé"), ir.Text("llo"), ir.ToolCall("a", "f")], "length"
        ),
        ir.Choice([ir.Refusal("no"), ir.Opaque("x", Raw(b"1"))], "refusal", index=1),
    ],
    usage=Usage(3, output_tokens=2),
)


def test_an_answer_is_its_text() -> None:
    whole = msgspec.json.decode(CODEC.encode_response(ANSWER, SHOWN))
    assert (whole["object"], whole["id"], whole["model"]) == ("text_completion", "cmpl-1", "acme/m")
    assert [(each["text"], each["finish_reason"]) for each in whole["choices"]] == [
        ("Héllo", "length"),
        ("no", "content_filter"),
    ]
    assert whole["usage"]["total_tokens"] == 5


def test_a_stream_adds_up_to_the_answer() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(ANSWER)) + encoder.finish()
    events = stream.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [msgspec.json.decode(line[6:]) for line in events[:-2]]
    texts = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == {0: "Héllo", 1: "no"}
    assert chunks[-1]["usage"]["total_tokens"] == 5


def test_a_stream_without_anything_still_ends() -> None:
    encoder = CODEC.stream_encoder(SHOWN._replace(include_usage=False))
    stream = encoder.finish()
    assert b'"finish_reason":"stop"' in stream
    assert stream.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in stream


def test_a_stream_that_fails_ends_with_an_error() -> None:
    encoder = CODEC.stream_encoder(SHOWN)
    assert b"gone" in encoder.fail(GatewayError(ErrorKind.UPSTREAM_BROKEN, "gone"))


def test_no_provider_is_asked_in_this_format() -> None:
    with pytest.raises(ir.CannotCarry):
        CODEC.encode_request(read(), TargetModel("m"))
    with pytest.raises(ir.FormatError):
        CODEC.decode_response(b"{}")
    with pytest.raises(ir.FormatError):
        CODEC.stream_decoder(10)
