"""Gemini's passthrough: paths, peeks, taps of both stream forms, errors and lists."""

import json
from typing import Any

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import gemini
from omniroute.formats.base import Codec, Dialect, ModelEntry, PathFacts
from omniroute.formats.gemini.dialect import StreamTap
from omniroute.formats.gemini.identity import MARK_BYTES, NO_SIGNATURE, Sealed, seal
from omniroute.usage import Usage
from tests.formats.gemini.cases import ANSWERED, MAX_EVENT_BYTES, cuts, golden

DIALECT: Dialect = gemini.dialect()
CODEC: Codec = gemini.codec()
PATH = PathFacts("acme/gemini-3-pro", stream=True)
ROOT = "/v1beta/models/{model}:generateContent"
BROKEN = GatewayError(ErrorKind.UPSTREAM_BROKEN, "it broke off")


def test_codec_and_dialect_name_their_format() -> None:
    assert DIALECT.format == CODEC.format == gemini.FORMAT == "gemini"


def test_every_feature_says_how_it_is_carried() -> None:
    for how in gemini.CARRIED.values():
        assert how.startswith(("native", "mapped: ", "lost: "))


@pytest.mark.parametrize(
    ("path", "model", "stream", "target"),
    [
        (ROOT, "gemini-3-pro", False, "/v1beta/models/gemini-3-pro:generateContent"),
        (
            ROOT,
            "gemini-3-pro",
            True,
            "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        ),
        (
            f"{ROOT}?x=1",
            "a/b c",
            True,
            "/v1beta/models/a/b%20c:streamGenerateContent?x=1&alt=sse",
        ),
        (
            "/v1/publishers/google/models/{model}:{method}",
            "m",
            True,
            "/v1/publishers/google/models/m:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_model_and_method_stand_in_the_path(
    path: str, model: str, stream: bool, target: str
) -> None:
    assert DIALECT.upstream_path(path, model, stream=stream) == target


def test_counting_has_its_own_method() -> None:
    assert DIALECT.counting_path(ROOT, "m") == "/v1beta/models/m:countTokens"
    assert json.loads(DIALECT.counted(7)) == {"totalTokens": 7}


def test_the_path_says_model_and_stream() -> None:
    body = b'{"contents":[]}'
    peeked = DIALECT.peek(body, PATH)
    assert (peeked.model, peeked.stream) == ("acme/gemini-3-pro", True)
    assert DIALECT.upstream_body(body, peeked, "gemini-3-pro", ask_usage=True) is body
    assert DIALECT.peek(body, PathFacts("models/x")).model == "x"


def test_sealed_signatures_of_others_never_reach_the_service() -> None:
    sealed = seal(Sealed("claude", "c2ln"))
    call = {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": sealed}
    own = {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"}
    result = [{"functionResponse": {"name": "look", "response": {"output": "x"}}}]
    contents = [
        {"role": "user", "parts": [{"text": "look"}]},
        {"role": "model", "parts": [own]},
        {"role": "user", "parts": result},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": result},
    ]
    body = json.dumps({"contents": contents, "generationConfig": {"topK": 3}}).encode()
    sent = DIALECT.upstream_body(body, DIALECT.peek(body, PATH), "gemini-3-pro", ask_usage=False)
    read = json.loads(sent)
    signatures = [read["contents"][at]["parts"][0].get("thoughtSignature") for at in (1, 3)]
    assert signatures == ["c2ln", NO_SIGNATURE]
    assert read["generationConfig"] == {"topK": 3}
    assert read["contents"][4]["parts"] == result


def test_what_only_looks_sealed_is_left_to_the_service() -> None:
    body = b'{"contents":7,"note":"' + MARK_BYTES + b'"}'
    peeked = DIALECT.peek(body, PATH)
    assert DIALECT.upstream_body(body, peeked, "m", ask_usage=False) is body


def test_a_model_in_the_body_follows_the_path() -> None:
    body = b'{"model":"models/acme/x", "contents":[ ]}'
    peeked = DIALECT.peek(body, PATH)
    assert DIALECT.upstream_body(body, peeked, "y", ask_usage=False) == (
        b'{"model":"models/y", "contents":[ ]}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"",
        b'{"contents":',
        b'{"contents":[],"contents":[]}',
        b'{"contents":[],"c\\u006fntents":[]}',
        b'{"generationConfig":{},"generation_config":{}}',
    ],
)
def test_a_body_with_two_meanings_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        DIALECT.peek(body, PATH)
    assert refused.value.status == 400


def test_a_path_without_a_model_is_refused() -> None:
    with pytest.raises(GatewayError, match="names no model"):
        DIALECT.peek(b"{}", PathFacts())


def tapped(pieces: list[bytes], *, sse: bool) -> tuple[bytes, StreamTap]:
    tap = StreamTap(max_event_bytes=MAX_EVENT_BYTES, sse=sse)
    out = b"".join(tap.feed(piece) for piece in pieces)
    return out + tap.finish(), tap


@pytest.mark.parametrize("case", ANSWERED)
def test_events_pass_byte_for_byte(case: str) -> None:
    stream = golden(case, "stream.sse")
    for pieces in cuts(stream):
        out, tap = tapped(pieces, sse=True)
        assert out == stream
        assert tap.complete
        assert tap.generated
        assert tap.usage == CODEC.decode_response(golden(case, "response.json")).usage


@pytest.mark.parametrize("case", ANSWERED)
def test_without_alt_the_same_chunks_are_one_array(case: str) -> None:
    stream = golden(case, "stream.sse")
    chunks = [json.loads(event[6:]) for event in stream.decode().split("\r\n\r\n") if event]
    for pieces in cuts(stream):
        out, _ = tapped(pieces, sse=False)
        assert json.loads(out) == chunks


@pytest.mark.parametrize("sse", [True, False])
def test_an_error_in_the_stream_is_kept_for_the_caller(sse: bool) -> None:
    tap = StreamTap(max_event_bytes=MAX_EVENT_BYTES, sse=sse)
    begun = tap.feed(golden("error", "stream.sse"))
    assert tap.error is not None
    assert tap.error.type == "RESOURCE_EXHAUSTED"
    assert not tap.complete
    ended = begun + tap.finish() + tap.fail(BROKEN)
    if sse:
        assert json.loads(ended.split(b"data: ")[-1])["error"]["code"] == 502
    else:
        assert json.loads(ended)[-1]["error"]["code"] == 502


def test_an_error_as_bare_json_is_seen_too() -> None:
    _, tap = tapped([golden("error", "response.json")], sse=True)
    assert tap.error is not None
    assert tap.error.code == "429"


def test_an_array_that_never_began_ends_as_one() -> None:
    keepalive = DIALECT.keepalive(sse=False)
    assert json.loads(keepalive + tapped([], sse=False)[0]) == []
    failed = json.loads(keepalive + DIALECT.error_event(BROKEN, sse=False))
    assert failed[0]["error"]["status"] == "UNAVAILABLE"


def test_a_stream_without_a_finish_reason_is_cut() -> None:
    stream = golden("plain", "stream.sse")
    _, tap = tapped([stream[: stream.rindex(b"data: ")]], sse=True)
    assert tap.generated
    assert not tap.complete
    assert tap.characters == len("Hello there,")


def test_an_empty_text_is_nothing_generated() -> None:
    tap = StreamTap(max_event_bytes=MAX_EVENT_BYTES)
    tap.feed(b'data: {"candidates":[{"content":{"parts":[{"text":""}]},"index":0}]}\n\n')
    assert not tap.generated


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":400,"message":"m","status":"S"}}', ("m", "S", "400")),
        (b'[{"error":{"code":400,"message":"m"}}]', ("m", None, "400")),
        (b'{"error":"m"}', ("m", None, None)),
        (b"[]", ("no explanation", None, None)),
        (b"<html>\n502</html>", ("<html> 502</html>", None, None)),
        (b"", ("no explanation", None, None)),
    ],
)
def test_an_upstreams_error_is_understood(body: bytes, expected: Any) -> None:
    error = DIALECT.upstream_error(body)
    assert (error.message, error.type, error.code) == expected


def test_an_error_has_googles_shape() -> None:
    error = GatewayError(ErrorKind.UPSTREAM_ERROR, "slow down", status=429, retry_after_s=1.5)
    body = json.loads(DIALECT.error_body(error))["error"]
    assert (body["code"], body["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert body["details"][-1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "1.5s",
    }


def test_usage_of_an_answer_counts_thoughts_as_output() -> None:
    usage = DIALECT.answer_usage(golden("usage_cached", "response.json"))
    assert usage == Usage(2162, 2027, 0, 38, 18)
    assert DIALECT.answer_usage(b"{}") is None
    assert DIALECT.answer_usage(b"nonsense") is None


def test_a_model_says_its_limits() -> None:
    entry = ModelEntry("acme/x", "acme", "X", 100, 10)
    shown = json.loads(DIALECT.model_entry(entry))
    assert shown["name"] == "models/acme/x"
    assert (shown["inputTokenLimit"], shown["outputTokenLimit"]) == (100, 10)
    assert json.loads(DIALECT.model_list([entry]))["models"] == [shown]


def test_content_types_follow_the_form() -> None:
    assert DIALECT.stream_content_type() == b"text/event-stream"
    assert DIALECT.stream_content_type(sse=False).startswith(b"application/json")
    assert DIALECT.keepalive().startswith(b":")
    assert DIALECT.terminator == b""
