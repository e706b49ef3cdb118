"""Passthrough of the Claude format: bytes kept, usage read, errors held back."""

import json
from typing import Any

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import PathFacts, Tap, UpstreamError
from omniroute.formats.claude import count_tokens_response, dialect, estimate_input_tokens
from omniroute.formats.claude.identity import Sealed, seal
from omniroute.formats.ir import FormatError
from omniroute.usage import Usage
from tests.formats.claude.cases import ANSWERED, MAX_EVENT_BYTES, cuts, golden

DIALECT = dialect()


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "acme/m", "max_tokens": 9, "messages": [], **fields}).encode()


def passed(given: bytes, model: str = "m") -> bytes:
    peeked = DIALECT.peek(given, PathFacts())
    return DIALECT.upstream_body(given, peeked, model, ask_usage=True)


def tap() -> Tap:
    return DIALECT.tap(strip_usage=True, max_event_bytes=MAX_EVENT_BYTES)


def test_only_the_models_name_is_changed() -> None:
    given = body(messages=[{"role": "user", "content": "é \\u00e9"}], unknown={"a": [1.50]})
    assert passed(given) == given.replace(b"acme/m", b"m")
    assert passed(given, "acme/m") is given


def test_sealed_state_of_others_is_cut_out_and_nothing_else() -> None:
    sealed = seal(Sealed("gemini", "x"))
    own = {"type": "thinking", "thinking": "own", "signature": "EqQB"}
    citation = {"type": "web_search_result_location", "encrypted_index": sealed}
    text = {"type": "text", "text": "cited", "citations": [citation]}
    history = [
        {"role": "user", "content": f"what is {sealed}?"},
        {"role": "assistant", "content": [{**own, "signature": sealed}, own, text]},
        {"role": "assistant", "content": [{**own, "signature": sealed}]},
    ]
    sent = json.loads(passed(body(messages=history)))
    assert sent["messages"] == [
        history[0],
        {"role": "assistant", "content": [own, {"type": "text", "text": "cited"}]},
    ]


def test_thinking_is_off_where_the_service_would_want_the_thought_of_another() -> None:
    """With thinking on, a turn that calls tools has to begin with the service's own thought."""
    thought = {"type": "thinking", "thinking": "hm", "signature": seal(Sealed("gemini", "x"))}
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
    given = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [thought, call]},
            {"role": "user", "content": [result]},
        ],
    }
    sent = json.loads(passed(json.dumps(given).encode(), "claude-sonnet-4-5"))
    assert sent["messages"][1]["content"] == [call]
    assert sent.get("thinking", {"type": "disabled"}) == {"type": "disabled"}


def test_messages_that_are_none_are_left_to_the_upstream() -> None:
    given = body(messages=seal(Sealed("gemini")))
    assert passed(given) == given.replace(b"acme/m", b"m")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not a Messages request"),
        (b'{"messages":[]}', "model"),
        (b'{"model":""}', "`model` is empty"),
        (b'{"model":"a","model":"b"}', "once"),
        (b'{"model":"a","str\\u0065am":true,"stream":false}', "once"),
        (b'{"model":"a","stream":"yes"}', "stream"),
    ],
)
def test_what_is_no_request_is_refused(given: bytes, words: str) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        DIALECT.peek(given, PathFacts())
    assert caught.value.kind is ErrorKind.BAD_REQUEST


def test_paths() -> None:
    path = "/v1/messages?beta=true"
    assert DIALECT.upstream_path(path, "m", stream=True) == path
    assert DIALECT.counting_path(path, "m") == "/v1/messages/count_tokens?beta=true"
    assert count_tokens_response(7) == b'{"input_tokens":7}'


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_passes_byte_for_byte_however_it_is_cut(case: str) -> None:
    stream = golden(case, "stream.sse")
    expected = DIALECT.answer_usage(golden(case, "response.json"))
    for pieces in cuts(stream):
        reading = tap()
        assert b"".join([*map(reading.feed, pieces), reading.finish()]) == stream
        assert reading.done
        assert reading.complete
        assert reading.usage == expected
        assert reading.generated


def test_the_tap_keeps_an_error_back() -> None:
    stream = golden("error", "stream.sse")
    reading = tap()
    given_on = reading.feed(stream)
    assert b"overloaded_error" not in given_on
    assert stream.startswith(given_on)
    assert reading.error == UpstreamError("Overloaded", "overloaded_error")
    assert not reading.complete


def test_nothing_is_generated_before_the_first_delta() -> None:
    stream = golden("plain", "stream.sse")
    reading = tap()
    reading.feed(stream[: stream.index(b"event: content_block_delta")])
    assert not reading.generated
    reading.feed(stream[stream.index(b"event: content_block_delta") :])
    assert reading.generated
    assert reading.characters == len("Hi! My name is Claude.")


def test_usage_of_a_whole_answer_counts_the_cache_in() -> None:
    assert DIALECT.answer_usage(golden("usage_cached", "response.json")) == Usage(
        188_563, 188_086, 456, 393
    )
    assert DIALECT.answer_usage(b"{}") is None
    assert DIALECT.answer_usage(b"<html>") is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            b'{"type":"error","error":{"type":"rate_limit_error","message":"slow",'
            b'"details":{"error_code":"ramp"}}}',
            UpstreamError("slow", "rate_limit_error", "ramp"),
        ),
        (b'{"error":"no"}', UpstreamError("no")),
        (b'{"message":"no"}', UpstreamError("no")),
        (b"<html> bad  gateway", UpstreamError("<html> bad gateway")),
        (b"", UpstreamError("no explanation")),
    ],
)
def test_an_upstreams_error_is_read_whatever_its_shape(
    given: bytes, expected: UpstreamError
) -> None:
    assert DIALECT.upstream_error(given) == expected


def test_an_estimate_grows_with_what_is_sent_but_not_with_the_size_of_an_image() -> None:
    def estimate(content: Any) -> int:
        return estimate_input_tokens(body(messages=[{"role": "user", "content": content}]))

    def image(size: int) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": "A" * size}
        return {"type": "image", "source": source}

    assert estimate("word " * 100) == 125 + 5
    assert estimate([image(100)]) == estimate([image(1_000_000)]) > 1000
    with pytest.raises(FormatError):
        estimate_input_tokens(b"{}")
