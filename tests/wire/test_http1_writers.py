"""Heads and chunks as bytes, and what may not get into them."""

import pytest

from omniroute.wire.http1 import LAST_CHUNK, chunk, header_lines, request_line, status_line
from tests.wire.http1_driver import told_requests


@pytest.mark.parametrize("size", [1, 9, 15, 16, 255, 4096, 70000])
def test_written_chunks_read_as_their_data(size: int) -> None:
    data = b"x" * size
    head = request_line(b"POST", b"/") + header_lines(
        [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    )
    message = head + b"\r\n" + chunk(data) + chunk(b"") + chunk(b"end") + LAST_CHUNK
    assert told_requests([message], "httptools") == [f"POST / [{data.decode()}end]"]


def test_no_data_is_no_chunk_because_an_empty_chunk_is_the_last() -> None:
    assert chunk(b"") == b""


def test_status_lines() -> None:
    assert status_line(200) == b"HTTP/1.1 200 OK\r\n"
    assert status_line(429) == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert status_line(529) == b"HTTP/1.1 529 \r\n"
    for status in (0, 99, 600, 2000):
        with pytest.raises(ValueError, match="status"):
            status_line(status)


def test_header_lines_end_each_field_and_not_the_head() -> None:
    assert header_lines([(b"a", b"1"), (b"x-b", b"")]) == b"a: 1\r\nx-b: \r\n"
    assert header_lines([]) == b""


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"\0", b"\x7f", b"\x1b[0m"])
def test_a_value_cannot_end_its_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="value"):
        header_lines([(b"a", b"1"), (b"x", value)])


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b" a", b"caf\xe9", b"(a)"])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="name"):
        header_lines([(b"a", b"1"), (name, b"1")])


@pytest.mark.parametrize(
    ("method", "target"),
    [(b"GET", b"/a b"), (b"GET", b"/\r\nX: y"), (b"GET", b""), (b"G T", b"/"), (b"", b"/")],
)
def test_method_and_target_stay_in_the_request_line(method: bytes, target: bytes) -> None:
    with pytest.raises(ValueError, match="request line"):
        request_line(method, target)
