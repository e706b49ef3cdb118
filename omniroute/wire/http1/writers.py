"""Heads and chunks as bytes. What comes from outside cannot end a line here."""

import re
from http import HTTPStatus

LAST_CHUNK = b"0\r\n\r\n"
"""Ends a chunked body without trailers."""

_TOKEN_CHARS = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What may not stand in a name or value becomes NUL; the search for NUL is one memchr.
_NAME = bytes(c if c in _TOKEN_CHARS else 0 for c in range(256))
_VALUE = bytes(0 if (c < 32 and c != 9) or c == 127 else c for c in range(256))
_REQUEST_LINE = re.compile(rb"[A-Z]+ [\x21-\x7e]+")
_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


def chunk(data: bytes) -> bytes:
    """`data` as one chunk; b"" for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def status_line(status: int) -> bytes:
    """The status line with the usual phrase, or with none. Raises ValueError outside 100-599."""
    line = _STATUS_LINES.get(status)
    if line is not None:
        return line
    if not 100 <= status <= 599:
        raise ValueError(f"{status} is not an HTTP status")
    return b"HTTP/1.1 %d \r\n" % status


def request_line(method: bytes, target: bytes) -> bytes:
    """The request line. Raises ValueError when blank, control or non-ASCII bytes are in it."""
    line = b"%b %b" % (method, target)
    if not _REQUEST_LINE.fullmatch(line):
        raise ValueError("method or target is not fit for a request line")
    return line + b" HTTP/1.1\r\n"


def header_lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Header lines without the blank line after the last.

    Raises ValueError when a name is no token or a value holds a control character, so that no
    value can begin another field or another message.
    """
    names = [name for name, _ in headers]
    if b"" in names or 0 in b"".join(names).translate(_NAME):
        raise ValueError("a header name is not a token")
    if 0 in b"".join([value for _, value in headers]).translate(_VALUE):
        raise ValueError("a header value holds a control character")
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])
