"""Heads of answers, as bytes. Pure; the connection sends them.

Every answer carries a date and our request id. What comes from outside (a model's name, a client's
own request id) can never begin another header line.
"""

import time
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

from omniroute.wire.http1 import Response, status_line

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Nothing in between may hold an SSE answer back or keep it (nginx reads x-accel-buffering).
STREAM_HEADERS: Final = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"

# What an upstream's answer may tell the client beside its body. Its cookies, its server software
# and the names of its owner's account end here.
PASSED: Final = frozenset(
    {
        b"openai-processing-ms",
        b"openai-version",
        b"openai-model",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
    }
)
# Where a dialect's SDK looks for the id of a request, beside x-request-id.
REQUEST_ID_ALIASES: Final = {"claude": b"request-id"}
_PASSED_PREFIX: Final = b"x-ratelimit-"
_MAX_ECHO_BYTES: Final = 200


class DateLine:
    """The `date` header line, made anew at most once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
        return self._line


def header_value(text: str) -> bytes:
    """Text of any origin as a header value: visible ASCII, the rest percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~").encode("ascii")


def passed_headers(response: Response) -> bytes:
    """The lines of an upstream's answer that the client is told, too."""
    lines = b""
    for name, value in response.headers:
        if name in PASSED or name.startswith(_PASSED_PREFIX):
            lines += b"%b: %b\r\n" % (name, value)
    return lines


def echoed_request_id(fields: dict[bytes, bytes]) -> bytes:
    """The client's own id given back under its own header; ours stays the key of all logs."""
    own = fields.get(b"x-request-id")
    if own is None:
        return b""
    return b"x-client-request-id: %b\r\n" % own[:_MAX_ECHO_BYTES]


def head(
    status: int,
    content_type: bytes,
    length: int | None,
    *,
    date: bytes,
    request_id: bytes,
    extra: bytes,
    keep_alive: bool,
    chunked: bool = False,
) -> bytes:
    """A whole head with its blank line. `extra` is finished header lines."""
    if length is not None:
        framing = b"content-length: %d\r\n" % length
    elif chunked:
        framing = b"transfer-encoding: chunked\r\n"
    else:
        framing = b""
    return b"%b%bcontent-type: %b\r\n%bx-request-id: %b\r\n%b%b\r\n" % (
        status_line(status),
        date,
        content_type,
        framing,
        request_id,
        extra,
        b"" if keep_alive else b"connection: close\r\n",
    )
