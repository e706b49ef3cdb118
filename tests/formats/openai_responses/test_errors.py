"""Errors of the Responses format."""

import json

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.openai_responses.errors import (
    error_body,
    error_frame,
    response_error,
    status_of,
    upstream_error,
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}', ("m", "t", "c", "p")),
        (b'{"error":{"message":"m","code":429}}', ("m", None, "429", None)),
        (b'{"error":"m"}', ("m", None, None, None)),
        (b'{"type":"error","message":"m","code":"c"}', ("m", None, "c", None)),
        (b'{"detail":"m"}', ("m", None, None, None)),
        (b'{"response":{"error":{"message":"m","code":"c"}}}', ("m", None, "c", None)),
        (b"<h1>Bad\n gateway</h1>", ("<h1>Bad gateway</h1>", None, None, None)),
        (b"", ("no explanation", None, None, None)),
    ],
)
def test_whatever_an_upstream_says_is_told(body: bytes, said: tuple[str | None, ...]) -> None:
    assert upstream_error(body) == said


def test_a_long_answer_is_quoted_shortened() -> None:
    assert len(upstream_error(b"x" * 5000).message) == 2000


def test_an_error_event_is_flat_and_nested() -> None:
    error = GatewayError(ErrorKind.UPSTREAM_TIMEOUT, "late")
    frame = json.loads(error_frame(error, 7).partition(b"data: ")[2])
    assert frame == {
        "type": "error",
        "sequence_number": 7,
        "code": "upstream_timeout",
        "message": "late",
        "param": None,
        **json.loads(error_body(error)),
    }


def test_a_response_always_says_a_code() -> None:
    bad = GatewayError(ErrorKind.BAD_REQUEST, "no")
    assert json.loads(response_error(bad)) == {"code": "invalid_prompt", "message": "no"}


def test_a_status_follows_code_and_type() -> None:
    assert status_of("rate_limit_exceeded", "") == 429
    assert status_of("invalid_image", "") == 400
    assert status_of("", "invalid_request_error") == 400
    assert status_of("anything", "server_error") == 502
