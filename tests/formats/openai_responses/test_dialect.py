"""Passthrough of the Responses format."""

import json

import pytest

from omniroute.errors import GatewayError
from omniroute.formats.base import ModelEntry, PathFacts
from omniroute.formats.openai_responses import dialect
from omniroute.formats.openai_responses.sealed import Seal, closed

DIALECT = dialect()
PATH = PathFacts()


def test_a_peek_reads_model_and_stream_and_usage_always_comes() -> None:
    peeked = DIALECT.peek(b'{"model":"acme/m","stream":true,"input":"x"}', PATH)
    assert (peeked.model, peeked.stream, peeked.include_usage) == ("acme/m", True, True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","model":"b"}', None),
        (b'{"model":"a","input":"x","\\u0069nput":"y"}', None),
        (b'{"input":"x"}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"a","stream":"yes"}', "stream"),
        (b"[]", None),
        (b"{", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_is_no_request_is_a_400(body: bytes, param: str | None) -> None:
    with pytest.raises(GatewayError) as caught:
        DIALECT.peek(body, PATH)
    assert caught.value.status == 400
    assert caught.value.param == param


def test_only_the_model_and_our_seals_are_changed() -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": closed(Seal("claude"))}
    body = json.dumps(
        {"x": [1.0], "model": "acme/m", "input": [thought, {"role": "user"}]}
    ).encode()
    out = DIALECT.upstream_body(body, DIALECT.peek(body, PATH), "m", ask_usage=True)
    assert out == b'{"x": [1.0], "model": "m", "input": [{"role": "user"}]}'


def test_the_path_is_the_connections_own() -> None:
    assert DIALECT.upstream_path("/v1/responses?a=b", "m", stream=True) == "/v1/responses?a=b"
    assert DIALECT.counting_path("/v1/responses", "m") == DIALECT.counted(1).decode() == ""


def test_a_keepalive_is_a_comment_and_nothing_closes_a_stream_that_ended_well() -> None:
    assert DIALECT.keepalive().startswith(b":")
    assert DIALECT.terminator == b""
    assert DIALECT.stream_content_type().startswith(b"text/event-stream")


def test_models_are_listed_as_openai_lists_them() -> None:
    entry = json.loads(DIALECT.model_entry(ModelEntry("acme/m", "acme")))
    assert entry == {"id": "acme/m", "object": "model", "created": 0, "owned_by": "acme"}
