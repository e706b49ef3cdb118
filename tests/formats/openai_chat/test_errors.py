"""Errors of upstreams as they are read, and errors as clients are told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.openai_chat import (
    DONE,
    UpstreamError,
    error_body,
    error_event,
    keepalive,
    upstream_error,
)
from omniroute.formats.openai_chat.errors import MAX_QUOTED_CHARACTERS
from tests.formats.openai_chat.material import tap_all

# --- errors of upstreams ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            b'{"error":{"message":"m","type":"t","param":"p","code":"c"}}',
            UpstreamError("m", "t", "c", "p"),
        ),
        (b'{"error":{"message":"m","code":429}}', UpstreamError("m", None, "429")),
        (b'{"error":{"message":null,"type":"t"}}', UpstreamError("no explanation", "t")),
        (b'{"error":"m"}', UpstreamError("m")),
        (b'{"message":"m"}', UpstreamError("m")),
        (b'{"detail":"m"}', UpstreamError("m")),
        (
            b'{"object":"error","message":"m","type":"NotFoundError","param":null,"code":404}',
            UpstreamError("m", "NotFoundError", "404"),
        ),
        (
            b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]',
            UpstreamError("m", None, "400"),
        ),
        (b"{}", UpstreamError("no explanation")),
        (b"", UpstreamError("no explanation")),
        (b"[]", UpstreamError("[]")),
        (b"  <html>\n <b>Bad   Gateway</b>\n", UpstreamError("<html> <b>Bad Gateway</b>")),
        (b'{"error":{"message":{"odd":1}}}', UpstreamError('{"error":{"message":{"odd":1}}}')),
        (b'{"detail":[{"loc":["body"]}]}', UpstreamError('{"detail":[{"loc":["body"]}]}')),
        (b"\xff\xfe", UpstreamError("\ufffd\ufffd")),
    ],
)
def test_what_an_upstream_says_of_a_failure_is_read(body, error):
    assert upstream_error(body) == error


@pytest.mark.parametrize(
    "body",
    [b"x" * 100_000, b'{"error":{"message":"%b"}}' % (b"x" * 100_000), b'{"x":' + b"[" * 99_999],
)
def test_what_is_quoted_is_shortened(body):
    assert len(upstream_error(body).message) <= MAX_QUOTED_CHARACTERS


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reading_of_errors(body):
    assert upstream_error(body).message


# --- what clients are told --------------------------------------------------------------------

ERROR = GatewayError(ErrorKind.UPSTREAM_ERROR, 'it said "no"\n', param="model", code="teapot")


def test_an_error_has_the_shape_that_sdks_read():
    assert json.loads(error_body(ERROR)) == {
        "error": {
            "message": 'it said "no"\n',
            "type": "upstream_error",
            "param": "model",
            "code": "teapot",
        }
    }


def test_a_stream_that_fails_ends_with_an_error_event_and_the_terminator():
    last = error_event(ERROR)
    assert last == b"data: " + error_body(ERROR) + b"\n\n" + DONE
    tap, out = tap_all(last)  # what another gateway of our kind reads of it
    assert tap.error is not None
    assert tap.error.message == ERROR.message
    assert out == DONE


def test_a_keepalive_is_a_comment():
    tap, out = tap_all(keepalive())
    assert out == keepalive()
    assert not tap.generated
    assert keepalive().startswith(b":")
