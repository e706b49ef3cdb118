"""Heads of answers: whole, and never more lines than were meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.gateway import answers
from omniroute.gateway.answers import (
    DateLine,
    echoed_request_id,
    head,
    header_value,
    passed_headers,
)
from omniroute.wire.http1 import Limits, Response, ResponseReader


def read(data: bytes) -> Response:
    reader = ResponseReader(Limits())
    reader.start(b"POST")
    reader.feed(data)
    response = reader.next_response()
    assert response is not None
    return response


def make(**changes) -> bytes:
    values = {
        "status": 200,
        "content_type": answers.JSON,
        "length": 5,
        "date": DateLine().line(),
        "request_id": b"req_1",
        "extra": b"",
        "keep_alive": True,
    }
    values.update(changes)
    return head(values.pop("status"), values.pop("content_type"), values.pop("length"), **values)


def test_a_head_with_a_length():
    response = read(make())
    assert response.status == 200
    assert response.content_length == 5
    assert not response.chunked
    assert response.keep_alive
    assert response.fields[b"content-type"] == b"application/json"
    assert response.fields[b"x-request-id"] == b"req_1"
    assert b"connection" not in response.fields


def test_a_head_of_a_stream():
    response = read(make(length=None, chunked=True, extra=answers.STREAM_HEADERS))
    assert response.chunked
    assert response.content_length is None
    assert response.fields[b"cache-control"] == b"no-cache"
    assert response.fields[b"x-accel-buffering"] == b"no"


def test_a_head_without_framing_ends_with_the_connection():
    response = read(make(length=None, keep_alive=False))
    assert not response.chunked
    assert response.content_length is None
    assert response.fields[b"connection"] == b"close"


def test_an_empty_body_has_its_length_told():
    assert read(make(length=0)).content_length == 0


@pytest.mark.parametrize("status", [200, 302, 404, 429, 499, 502, 529, 599])
def test_every_status_has_a_line(status):
    assert read(make(status=status)).status == status


def test_the_date_is_a_date_of_http_and_moves_on(monkeypatch):
    dates = DateLine()
    monkeypatch.setattr(answers.time, "time", lambda: 784111777.3)
    line = dates.line()
    assert line == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    monkeypatch.setattr(answers.time, "time", lambda: 784111777.9)
    assert dates.line() is line
    monkeypatch.setattr(answers.time, "time", lambda: 784111778.0)
    assert dates.line() == b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"


# --- nothing from outside begins another line ---------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("acme/plain-1.5", b"acme/plain-1.5"),
        ("with space", b"with space"),
        ("a%20b", b"a%20b"),
        ("modèle", b"mod%C3%A8le"),
        ("a\r\nset-cookie: x=1", b"a%0D%0Aset-cookie: x=1"),
        ("a\tb", b"a%09b"),
        ("a\x00b", b"a%00b"),
        ("a\x7fb", b"a%7Fb"),
        ("", b""),
    ],
)
def test_a_text_becomes_a_header_value(text, value):
    assert header_value(text) == value


@given(st.text(max_size=100))
def test_no_text_leaves_its_header(text):
    value = header_value(text)
    assert re.fullmatch(rb"[\x20-\x7e]*", value)
    response = read(make(extra=b"x-omniroute-model: %b\r\n" % value))
    assert response.fields[b"x-omniroute-model"] == value.strip()


def test_only_what_helps_a_client_is_passed_on():
    lines = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nretry-after: 7\r\nx-ratelimit-remaining: 3\r\n"
        b"x-ratelimit-reset-tokens: 6m0s\r\nopenai-processing-ms: 12\r\nx-should-retry: true\r\n"
        b"set-cookie: session=secret\r\nserver: cloudflare\r\nopenai-organization: owner\r\n"
        b"x-request-id: theirs\r\nconnection: keep-alive\r\nvia: 1.1 x\r\nx-ratelimit: 1\r\n\r\n"
    )
    passed = passed_headers(read(lines))
    assert passed == (
        b"retry-after: 7\r\nx-ratelimit-remaining: 3\r\nx-ratelimit-reset-tokens: 6m0s\r\n"
        b"openai-processing-ms: 12\r\nx-should-retry: true\r\n"
    )


def test_a_clients_own_id_is_echoed_under_its_own_header():
    assert echoed_request_id({}) == b""
    assert echoed_request_id({b"x-request-id": b"mine-1"}) == b"x-client-request-id: mine-1\r\n"


def test_a_long_id_of_a_client_is_cut():
    line = echoed_request_id({b"x-request-id": b"x" * 10_000})
    assert line == b"x-client-request-id: %b\r\n" % (b"x" * 200)
