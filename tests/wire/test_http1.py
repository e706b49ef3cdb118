"""The readers piece by piece: limits, pipelining, ends, what a head tells, both parsers."""

import subprocess
import sys
from typing import Any

import pytest

from omniroute.wire.http1 import (
    Limits,
    ProtocolError,
    Request,
    RequestReader,
    Response,
    ResponseReader,
)

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest) -> Any:
    return request.param


def one_request(data: bytes, parser: Any, limits: Limits | None = None) -> Request:
    reader = RequestReader(limits or Limits(), parser)
    reader.feed(data)
    request = reader.next_request()
    assert request is not None
    return request


def refused(data: bytes, parser: Any, limits: Limits | None = None) -> int:
    with pytest.raises(ProtocolError) as caught:
        one_request(data, parser, limits)
    return caught.value.status


def started(data: bytes, parser: Any, method: bytes = b"POST") -> tuple[ResponseReader, Response]:
    reader = ResponseReader(Limits(), parser)
    reader.start(method)
    reader.feed(data)
    response = reader.next_response()
    assert response is not None
    return reader, response


def test_a_request_head_tells_all_that_was_sent(parser: Any) -> None:
    request = one_request(
        b"POST /v1/x?y=1 HTTP/1.1\r\nHOST: a:1\r\nX-A: 1 \r\nAccept: b\r\nx-a:2\r\n"
        b"Content-Length: 7\r\nExpect: 100-Continue\r\n\r\n",
        parser,
    )
    assert request.method == b"POST"
    assert request.target == b"/v1/x?y=1"
    assert request.http_minor == 1
    assert request.headers == [
        (b"host", b"a:1"),
        (b"x-a", b"1"),
        (b"accept", b"b"),
        (b"x-a", b"2"),
        (b"content-length", b"7"),
        (b"expect", b"100-Continue"),
    ]
    assert request.fields[b"x-a"] == b"1, 2"
    assert request.fields[b"accept"] == b"b"
    assert request.content_length == 7
    assert request.expect_continue
    assert not request.chunked


@pytest.mark.parametrize(
    ("minor", "connection", "kept"),
    [
        (1, None, True),
        (1, b"keep-alive", True),
        (1, b"Close", False),
        (1, b"keep-alive, close", False),
        (1, b"upgrade", True),
        (1, b"x-close", True),
        (0, None, False),
        (0, b"Keep-Alive", True),
        (0, b"te, keep-alive", True),
        (0, b"close, keep-alive", False),
    ],
)
def test_keep_alive_is_decided_by_version_and_connection(
    parser: Any, minor: int, connection: bytes | None, kept: bool
) -> None:
    line = b"" if connection is None else b"Connection: %b\r\n" % connection
    head = b"GET / HTTP/1.%d\r\nHost: a\r\n%b\r\n" % (minor, line)
    assert one_request(head, parser).keep_alive is kept


def test_http_1_0_does_not_know_100_continue(parser: Any) -> None:
    head = b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    assert not one_request(head, parser).expect_continue


def test_a_head_of_just_the_allowed_size_passes_and_one_byte_more_does_not(parser: Any) -> None:
    limits = Limits(head_bytes=200)
    padding = b"x" * (200 - len(HEAD) - len(b"X: \r\n\r\n"))
    assert len(HEAD + b"X: " + padding + b"\r\n\r\n") == 200
    one_request(HEAD + b"X: " + padding + b"\r\n\r\n", parser, limits)
    assert refused(HEAD + b"X: x" + padding + b"\r\n\r\n", parser, limits) == 431


def test_a_head_without_end_is_refused_at_the_limit(parser: Any) -> None:
    reader = RequestReader(Limits(head_bytes=200), parser)
    reader.feed(HEAD + b"X: " + b"x" * (197 - len(HEAD)))
    assert reader.next_request() is None
    reader.feed(b"x")
    with pytest.raises(ProtocolError) as caught:
        reader.next_request()
    assert caught.value.status == 431


def test_header_lines_are_counted(parser: Any) -> None:
    limits = Limits(header_count=3)
    one_request(HEAD + b"A: 1\r\nA: 1\r\n\r\n", parser, limits)
    assert refused(HEAD + b"A: 1\r\nA: 1\r\nA: 1\r\n\r\n", parser, limits) == 431


def test_a_long_target_is_refused_as_such_complete_or_not(parser: Any) -> None:
    limits = Limits(line_bytes=100)
    line = b"GET /%b HTTP/1.1" % (b"x" * 86)
    assert len(line) == 100
    one_request(line + b"\r\nHost: a\r\n\r\n", parser, limits)
    long = b"GET /%b HTTP/1.1" % (b"x" * 87)
    assert refused(long + b"\r\nHost: a\r\n\r\n", parser, limits) == 414
    reader = RequestReader(limits, parser)
    reader.feed(b"GET /" + b"x" * 96)
    with pytest.raises(ProtocolError) as caught:
        reader.next_request()
    assert caught.value.status == 414


def test_a_bare_line_feed_is_refused_without_waiting_for_the_end_of_the_head(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(b"GET / HTTP/1.1\r")
    assert reader.next_request() is None
    reader.feed(b"\nHost: a\n")
    with pytest.raises(ProtocolError):
        reader.next_request()


def test_a_refusal_stands(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n")
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            reader.next_request()
        assert caught.value.status == 505
    reader.feed(HEAD + b"\r\n")
    with pytest.raises(ProtocolError):
        reader.next_request()
    with pytest.raises(ProtocolError):
        reader.next_body()
    with pytest.raises(ProtocolError):
        reader.eof()


def test_a_refusal_quotes_nothing_of_the_message(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(b"GET /secret HTTP/1.1\r\nHost: secret/\r\nAuthorization: secret\r\n\r\n")
    with pytest.raises(ProtocolError) as caught:
        reader.next_request()
    assert "secret" not in str(caught.value)


def test_a_following_request_waits_unparsed_until_the_body_is_read(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Content-Length: 2\r\n\r\nhi" + b"GET / HTTP/0.1\r\n\r\n")
    assert reader.next_request() is not None
    with pytest.raises(RuntimeError):
        reader.next_request()
    assert reader.next_body() == b"hi"
    assert reader.next_body() == b""
    assert reader.buffered_bytes == len(b"GET / HTTP/0.1\r\n\r\n")
    with pytest.raises(ProtocolError):
        reader.next_request()


def test_what_is_sent_ahead_is_bounded(parser: Any) -> None:
    reader = RequestReader(Limits(head_bytes=1024), parser)
    reader.feed(HEAD + b"\r\n" + b"x" * 1000)
    assert reader.next_request() is not None

    def send_ahead() -> None:
        while reader.buffered_bytes < 1 << 20:
            reader.feed(b"x" * 1024)

    with pytest.raises(ProtocolError):
        send_ahead()
    assert reader.buffered_bytes < 1 << 19


def test_a_request_without_body_needs_no_read(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed((HEAD + b"\r\n") * 2)
    assert reader.next_request() is not None
    assert reader.next_body() == b""
    assert reader.next_request() is not None
    assert reader.next_request() is None


def test_idle_means_between_messages(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    assert reader.idle
    reader.feed(b"P")
    assert not reader.idle
    reader.feed(HEAD[1:] + b"Content-Length: 2\r\n\r\n")
    reader.next_request()
    assert not reader.idle
    reader.feed(b"hi")
    assert reader.next_body() == b"hi"
    assert reader.idle
    reader.feed(b"\r\n")
    assert reader.next_request() is None
    assert reader.idle
    reader.eof()


def test_a_body_that_arrives_alone_is_given_out_uncopied(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Content-Length: 2000\r\n\r\n")
    reader.next_request()
    piece = b"x" * 1000
    reader.feed(piece)
    assert reader.next_body() is piece
    assert reader.next_body() is None
    reader.feed(piece)
    assert reader.next_body() is piece
    assert reader.next_body() == b""


def test_chunks_that_have_arrived_together_are_given_out_together(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n4\r\nfg")
    reader.next_request()
    assert reader.next_body() == b"abcdefg"
    assert reader.next_body() is None
    reader.feed(b"hi\r\n0\r\n")
    assert reader.next_body() == b"hi"
    assert reader.next_body() is None
    reader.feed(b"\r\n")
    assert reader.next_body() == b""
    assert reader.idle


def test_chunk_extensions_are_bounded_over_the_whole_body(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    reader.next_request()
    chunk = b"1;a=" + b"x" * 1000 + b"\r\nx\r\n"

    def send_chunks() -> None:
        for _ in range(20):
            reader.feed(chunk)
            reader.next_body()

    with pytest.raises(ProtocolError):
        send_chunks()


@pytest.mark.parametrize("line", [b"1;" + b"x" * 5000, b"0\r\nX: " + b"x" * 5000])
def test_a_line_without_end_in_chunked_framing_is_refused(parser: Any, line: bytes) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + line)
    reader.next_request()
    with pytest.raises(ProtocolError):
        reader.next_body()


def test_trailers_are_bounded(parser: Any) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 4000)
    reader.next_request()
    with pytest.raises(ProtocolError):
        reader.next_body()


def test_what_arrived_whole_can_be_read_after_the_end(parser: Any) -> None:
    for framing in (
        b"Content-Length: 2\r\n\r\nhi",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ):
        reader = RequestReader(Limits(), parser)
        reader.feed(HEAD + framing + HEAD + b"\r\n")
        reader.next_request()
        reader.eof()
        assert reader.next_body() == b"hi"
        assert reader.next_body() == b""
        assert reader.next_request() is not None
        assert reader.next_request() is None


@pytest.mark.parametrize(
    "cut",
    [
        b"Content-Length: 2\r\n\r\nh",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        b"Content-Length: 0\r\n\r\nGET / HTTP",
    ],
)
def test_an_end_inside_a_message_is_refused_at_once(parser: Any, cut: bytes) -> None:
    reader = RequestReader(Limits(), parser)
    reader.feed(HEAD + cut)
    reader.next_request()
    with pytest.raises(ProtocolError) as caught:
        reader.eof()
    assert caught.value.status == 400


def test_a_response_head_tells_all_that_was_sent(parser: Any) -> None:
    _, response = started(
        b"HTTP/1.1 429 Slow down\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 1 \r\n\r\n",
        parser,
    )
    assert response.status == 429
    assert response.headers == [
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"content-length", b"1"),
    ]
    assert response.content_length == 1
    assert response.keep_alive
    assert not response.chunked


def test_exchanges_follow_each_other_on_one_connection(parser: Any) -> None:
    reader = ResponseReader(Limits(), parser)
    for _ in range(3):
        assert reader.reusable
        reader.start(b"POST")
        assert not reader.complete
        assert not reader.reusable
        assert not reader.answered
        assert reader.next_response() is None
        reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        assert reader.answered
        response = reader.next_response()
        assert response is not None
        assert response.chunked
        assert reader.next_body() == b"hi"
        assert reader.next_body() is None
        assert not reader.complete
        reader.feed(b"0\r\n\r\n")
        assert reader.next_body() == b""
        assert reader.complete


def test_a_body_until_close_is_complete_by_the_end_alone(parser: Any) -> None:
    reader, response = started(b"HTTP/1.1 200 OK\r\n\r\nab", parser)
    assert not response.keep_alive
    assert response.content_length is None
    assert reader.next_body() == b"ab"
    assert reader.next_body() is None
    reader.feed(b"cd")
    reader.eof()
    assert not reader.complete
    assert reader.next_body() == b"cd"
    assert reader.next_body() == b""
    assert reader.complete
    assert not reader.reusable


def test_an_upstream_that_speaks_unasked_is_not_used_again(parser: Any) -> None:
    reader, _ = started(b"HTTP/1.1 204 No Content\r\n\r\n", parser)
    assert reader.reusable
    reader.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert not reader.reusable
    with pytest.raises(ProtocolError) as caught:
        reader.start(b"POST")
    assert caught.value.status == 502


def test_an_idle_upstream_may_close(parser: Any) -> None:
    reader, _ = started(b"HTTP/1.1 204 No Content\r\n\r\n", parser)
    reader.eof()
    assert not reader.reusable
    with pytest.raises(RuntimeError):
        reader.start(b"POST")


def test_a_refused_response_leaves_the_connection_unfit(parser: Any) -> None:
    reader, _ = started(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", parser)
    for _ in range(2):
        with pytest.raises(ProtocolError):
            reader.next_body()
    assert not reader.complete
    assert not reader.reusable


def test_endless_interim_responses_are_refused(parser: Any) -> None:
    reader = ResponseReader(Limits(), parser)
    reader.start(b"POST")
    reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
    with pytest.raises(ProtocolError):
        reader.next_response()


def test_the_steps_of_an_exchange_cannot_be_taken_out_of_order(parser: Any) -> None:
    reader = ResponseReader(Limits(), parser)
    with pytest.raises(RuntimeError):
        reader.next_response()
    reader.start(b"POST")
    with pytest.raises(RuntimeError):
        reader.next_body()
    with pytest.raises(RuntimeError):
        reader.start(b"POST")


def test_a_response_head_is_bounded_too(parser: Any) -> None:
    reader = ResponseReader(Limits(head_bytes=100), parser)
    reader.start(b"POST")
    reader.feed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100)
    with pytest.raises(ProtocolError) as caught:
        reader.next_response()
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("value", "imported"), [("", "httptools"), ("0", "httptools"), ("1", "h11")]
)
def test_the_parser_follows_the_environment(value: str, imported: str) -> None:
    program = (
        "import sys; from omniroute.wire.http1 import *; RequestReader(Limits());"
        "ResponseReader(Limits()); print([m for m in ('httptools', 'h11') if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"OMNIROUTE_NO_EXTENSIONS": value, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == f"['{imported}']"
