"""What h11 writes we read, what others decode we decode, and damage is judged alike by all."""

import random
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.wire.http1 import RequestReader, ResponseReader
from tests.wire.http1_driver import LIMITS, cuts, requests, told_requests, told_response
from tests.wire.http1_oracles import (
    by_h11,
    by_httptools,
    check_requests,
    check_response,
    mutate,
    seeds,
)

REQUESTS, RESPONSES = seeds()
# Such as leave their connection in order, so that others may follow.
WHOLE_REQUESTS = [
    data for data in REQUESTS if "!" not in "".join(told_requests([data], "httptools"))
]
REUSABLE_RESPONSES = [
    data for data in RESPONSES if told_response([data], "httptools")[-1] == "reusable"
]

names = st.from_regex(rb"x-[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,12}", fullmatch=True)
values = st.from_regex(
    rb"(?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True
)
fields = st.lists(st.tuples(names, values), max_size=8)
targets = st.from_regex(rb"/[!\"$-~]{0,30}", fullmatch=True)
bodies = st.lists(st.binary(max_size=300), max_size=5)


def written_by_h11(connection: Any, start: Any, pieces: list[bytes]) -> bytes:
    parts = [connection.send(start)]
    parts += [connection.send(h11.Data(data=piece)) for piece in pieces]
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(parts)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    target=targets,
    headers=fields,
    pieces=bodies,
    chunked=st.booleans(),
    seed=st.integers(0, 1 << 32),
)
@settings(max_examples=150, deadline=None)
def test_we_read_the_requests_that_h11_writes(
    method: str,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    chunked: bool,
    seed: int,
) -> None:
    body = b"".join(pieces)
    framing = (
        (b"Transfer-Encoding", b"chunked") if chunked else (b"Content-Length", b"%d" % len(body))
    )
    sent = [(b"Host", b"a"), *headers, framing]
    data = written_by_h11(
        h11.Connection(h11.CLIENT), h11.Request(method=method, target=target, headers=sent), pieces
    )
    for cut in cuts(data, seed) if len(data) < 400 else [[data]]:
        for parser in ("httptools", "h11"):
            ((request, read),) = requests(RequestReader(LIMITS, parser), cut)  # type: ignore[arg-type]
            assert read == body
            assert (request.method, request.target) == (method.encode(), target)
            assert request.headers == [(name.lower(), value) for name, value in sent]
            assert request.chunked is chunked


@given(status=st.integers(200, 599), headers=fields, pieces=bodies, chunked=st.booleans())
@settings(max_examples=150, deadline=None)
def test_we_read_the_responses_that_h11_writes(
    status: int, headers: list[tuple[bytes, bytes]], pieces: list[bytes], chunked: bool
) -> None:
    if status in (204, 304):
        pieces = []
    body = b"".join(pieces)
    framing = (
        (b"Transfer-Encoding", b"chunked") if chunked else (b"Content-Length", b"%d" % len(body))
    )
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_event()
    data = written_by_h11(
        server, h11.Response(status_code=status, headers=[*headers, framing]), pieces
    )
    expected = [f"{status} [{body.decode('latin-1')}]", "reusable"]
    assert told_response([data], "httptools", b"GET") == expected
    assert told_response([data], "h11", b"GET") == expected


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    extension = st.sampled_from([b"", b"", b"", b";a", b";a=b", b' ; a="b;\\"c"', b";a;b=1"])
    size = st.sampled_from([b"%x", b"%X", b"0%x", b"%08x"])
    body = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=100), max_size=6)):
        body += draw(size) % len(data) + draw(extension) + b"\r\n" + data + b"\r\n"
    trailers = draw(st.lists(st.tuples(names, values), max_size=2))
    return (
        body
        + draw(st.sampled_from([b"0", b"000"]))
        + draw(extension)
        + b"\r\n"
        + b"".join(b"%b: %b\r\n" % trailer for trailer in trailers)
        + b"\r\n"
    )


@given(body=chunked_bodies())
@settings(max_examples=200, deadline=None)
def test_three_decoders_of_chunks_agree(body: bytes) -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    data += b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    (told, following) = told_requests([data], "httptools")
    assert following == "GET /next []"
    by_others = [by_h11(data), by_httptools(data)]
    for messages in by_others:
        # llhttp does not take blanks before an extension, which the grammar allows.
        if messages or b" ;" not in body:
            assert b"%b %b [%b]" % messages[0] == told.encode("latin-1")


@given(start=st.sampled_from(REQUESTS), generator=st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_damaged_requests_are_judged_alike_by_both_parsers_and_under_any_cut(
    start: bytes, generator: random.Random
) -> None:
    check_requests(mutate(start, generator, others=REQUESTS), generator.randrange(1 << 30))


@given(start=st.sampled_from(RESPONSES), generator=st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_damaged_responses_are_judged_alike_by_both_parsers_and_under_any_cut(
    start: bytes, generator: random.Random
) -> None:
    check_response(mutate(start, generator, others=RESPONSES), generator.randrange(1 << 30))


@given(
    first=st.sampled_from(WHOLE_REQUESTS),
    generator=st.randoms(use_true_random=False),
    parser=st.sampled_from(["httptools", "h11"]),
)
@settings(max_examples=400, deadline=None)
def test_a_request_is_judged_the_same_whatever_came_before(
    first: bytes, generator: random.Random, parser: Any
) -> None:
    before = told_requests([first], parser)
    for then in (first, mutate(first, generator, others=WHOLE_REQUESTS)):
        assert told_requests([first, then], parser) == before + told_requests([then], parser)


@given(
    first=st.sampled_from(REUSABLE_RESPONSES),
    generator=st.randoms(use_true_random=False),
    parser=st.sampled_from(["httptools", "h11"]),
)
@settings(max_examples=400, deadline=None)
def test_a_response_is_judged_the_same_whatever_came_before(
    first: bytes, generator: random.Random, parser: Any
) -> None:
    for then in (first, mutate(first, generator, others=REUSABLE_RESPONSES)):
        for method in (b"POST", b"HEAD"):
            reader = ResponseReader(LIMITS, parser)
            told_response([first], parser, reader=reader)
            told = told_response([then], parser, method, reader=reader)
            assert told == told_response([then], parser, method)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_messages_or_a_refusal_and_no_other_error(data: bytes) -> None:
    check_requests(data, 0)
    check_response(data, 0)


@pytest.mark.parametrize("data", REQUESTS)
def test_nobody_reads_other_messages_than_we_do_from_the_corpus(data: bytes) -> None:
    check_requests(data, 0)
