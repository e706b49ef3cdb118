"""The requests of one client connection, in order.

A following request stays unparsed in the buffer until the present one's body has been read, so
what a client pipelines costs nothing but its bytes. See `RequestReader` for the rules.
"""

import re

import msgspec

from omniroute.wire.http1.chunked import ChunkedDecoder
from omniroute.wire.http1.heads import (
    Fields,
    Limits,
    ParserName,
    Refusal,
    framing,
    keeps_alive,
    merge,
    request_parser,
)
from omniroute.wire.http1.reader import CHUNKED, MessageReader

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]+")  # visible ASCII, and no fragment
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
# A name or IPv4 address, or an IPv6 address in brackets; no user, no escapes.
_HOST = re.compile(rb"(?:[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Request(msgspec.Struct, frozen=True, gc=False):
    """The head of one request, framing already decided."""

    method: bytes
    target: bytes
    """Origin form, or "*" with OPTIONS; visible ASCII only."""
    http_minor: int
    headers: Fields
    """In the order sent, names in lower case, values without surrounding blanks."""
    fields: dict[bytes, bytes]
    """The same by name, repeated ones joined by ", "."""
    keep_alive: bool
    expect_continue: bool
    content_length: int | None
    chunked: bool


class RequestReader(MessageReader):
    """Reads requests: `feed`, `next_request`, then `next_body` until b"", and again.

    Refused with 400 beyond the grammar of RFC 9112: Content-Length with Transfer-Encoding or more
    than one length (equal ones, too), any coding but one "chunked", chunked in HTTP/1.0, folded
    lines, bare CR or LF, a missing, repeated or odd Host (also in HTTP/1.0), targets not in origin
    form. 501: methods outside the common seven, CONNECT among them. 505: versions other than 1.0
    and 1.1. 417: expectations other than 100-continue. Upgrade is ignored. One empty line before a
    request is tolerated (RFC 9112 2.2), a second is not.
    """

    __slots__ = (
        "_asked",
        "_blank_seen",
        "_known_head",
        "_known_host",
        "_known_line",
        "_known_request",
        "_parse",
    )

    def __init__(self, limits: Limits, parser: ParserName = "auto") -> None:
        super().__init__(limits, ChunkedDecoder(pad=False))
        self._parse = request_parser(parser)
        self._known_line: bytes | None = None
        self._blank_seen = False
        self._known_host: bytes | None = None
        self._known_head = b""
        self._known_request: Request | None = None  # which that head is
        self._asked = (b"", b"", 1)

    @property
    def idle(self) -> bool:
        """Whether the connection rests between messages: nothing begun, nothing buffered."""
        return self._remaining == 0 and self._position == len(self._buffer)

    def next_request(self) -> Request | None:
        """The next head, or None when more bytes are needed.

        Raises ProtocolError; RuntimeError when the present body has not been read to its end.
        """
        if self._remaining:
            self._raise_failure()
            raise RuntimeError("the body of the present request has not been read")
        if self._position == len(self._buffer):
            return None
        if self._buffer[self._position] == 13 and not self._skip_blank():
            return None
        head = self._take_head()
        if head is None:
            return None
        self._blank_seen = False
        request = self._known_request
        if request is None or head != self._known_head:
            try:
                request = self._request(head)
            except Refusal as refusal:
                self._fail(400, str(refusal))
            self._known_head = head
            self._known_request = request
        if request.chunked:
            self._chunks.reset()
            self._remaining = CHUNKED
        elif request.content_length:
            self._remaining = request.content_length
        return request

    def eof(self) -> None:
        """The client will send no more. Raises ProtocolError when that cuts a message.

        What has arrived whole can still be read.
        """
        self._end()

    def _request(self, head: bytes) -> Request:
        self._examine(head)
        if self._first_line != self._known_line:
            self._asked = self._read_line(self._first_line)
            self._known_line = self._first_line
        method, target, http_minor = self._asked
        headers = self._parse(head)
        if len(headers) != self._field_count:
            raise Refusal("the head is malformed")
        fields = merge(headers)
        host = fields.get(b"host")
        if host != self._known_host or host is None:
            if host is None or not _HOST.fullmatch(host):
                raise Refusal("the host field is missing or malformed")
            self._known_host = host
        content_length, chunked = framing(fields, http_minor)
        expect = fields.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            self._fail(417, "the only known expectation is 100-continue")
        return Request(
            method,
            target,
            http_minor,
            headers,
            fields,
            keeps_alive(fields.get(b"connection"), http_minor),
            expect is not None and http_minor == 1,
            content_length,
            chunked,
        )

    def _read_line(self, line: bytes) -> tuple[bytes, bytes, int]:
        """Method, target and minor version of an acceptable request line."""
        words = line.split(b" ")
        if len(words) != 3:
            raise Refusal("the request line is not method, target, version")
        method, target, version = words
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            if _VERSION.fullmatch(version):
                self._fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
            raise Refusal("the HTTP version is malformed")
        if method not in _METHODS:
            if _TOKEN.fullmatch(method):
                self._fail(501, "the method is not known here")
            raise Refusal("the method is malformed")
        if target[:1] != b"/" and (target != b"*" or method != b"OPTIONS"):
            raise Refusal("the target is not in origin form")
        if not _TARGET.fullmatch(target):
            raise Refusal("the target holds a forbidden character")
        return method, target, int(version[-1:])

    def _skip_blank(self) -> bool:
        """Pass over one empty line; False when its LF has not arrived."""
        start = self._buffer[self._position : self._position + 2]
        if start == b"\r":
            self._starve()
            return False
        if start != b"\r\n" or self._blank_seen:
            self._fail(400, "more than one empty line before a request")
        self._blank_seen = True
        self._position += 2
        return self._position < len(self._buffer)
