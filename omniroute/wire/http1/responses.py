"""The responses of one upstream connection, one exchange at a time.

As strict as the reader of requests, and tolerant only where no meaning is at stake: a missing
reason phrase, blanks after a chunk size, a body on what may have none (it stays unread and makes
the connection unfit for reuse). All refusals carry status 502.
"""

import re
from typing import NoReturn

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
    response_parser,
)
from omniroute.wire.http1.reader import AWAITING, CHUNKED, UNTIL_CLOSE, MessageReader

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: .*)?")

# Interim answers in front of one final answer; more is an upstream that talks in its sleep.
_INTERIM_COUNT = 16


class Response(msgspec.Struct, frozen=True, gc=False):
    """The head of one final response, framing already decided."""

    status: int
    headers: Fields
    """In the order sent, names in lower case, values without surrounding blanks."""
    fields: dict[bytes, bytes]
    """The same by name, repeated ones joined by ", "."""
    keep_alive: bool
    content_length: int | None
    chunked: bool


class ResponseReader(MessageReader):
    """Reads responses: `start`, `feed`, `next_response`, then `next_body` until b"", and again."""

    __slots__ = (
        "_interim_count",
        "_keep_alive",
        "_known_head",
        "_known_line",
        "_known_method",
        "_known_response",
        "_method",
        "_parse",
        "_told",
    )

    def __init__(self, limits: Limits, parser: ParserName = "auto") -> None:
        super().__init__(limits, ChunkedDecoder(pad=True))
        self._parse = response_parser(parser)
        self._known_line: bytes | None = None
        self._method = b""
        self._known_method = b""
        self._known_head = b""
        self._known_response: Response | None = None  # which that head is, to that method
        self._told = (0, 1)
        self._keep_alive = True
        self._interim_count = 0

    def start(self, method: bytes) -> None:
        """Begin an exchange: a request with this method goes out now.

        Raises ProtocolError when the upstream has spoken unasked, RuntimeError when the exchange
        before this one has not been completed or has left the connection unfit.
        """
        self._raise_failure()
        if self._position != len(self._buffer):
            self._fail(502, "the upstream sent bytes that nothing had asked for")
        if not self.reusable:
            raise RuntimeError("this connection is not fit for another exchange")
        self._method = method
        self._remaining = AWAITING
        self._interim_count = 0

    @property
    def complete(self) -> bool:
        """Whether no exchange is under way: its body has been read to the end."""
        return self._remaining == 0

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: complete, kept alive, and no byte left over."""
        return (
            self._remaining == 0
            and self._keep_alive
            and self._position == len(self._buffer)
            and not self._ended
        )

    @property
    def answered(self) -> bool:
        """Whether any byte of an answer has arrived in this exchange."""
        return self._remaining != AWAITING or self._interim_count > 0 or self.buffered_bytes > 0

    def next_response(self) -> Response | None:
        """The final head, interim ones (1xx) skipped; None when more bytes are needed.

        Raises ProtocolError; RuntimeError when no exchange waits for a head.
        """
        self._raise_failure()
        if self._remaining != AWAITING:
            raise RuntimeError("no exchange waits for a response")
        while True:
            head = self._take_head()
            if head is None:
                return None
            response = self._known_response
            if response is None or head != self._known_head or self._method != self._known_method:
                try:
                    response = self._response(head)
                except Refusal as refusal:
                    self._fail(502, str(refusal))
            if response is not None:
                self._known_head = head
                self._known_method = self._method
                self._known_response = response
                self._begin_body(response)
                return response
            self._interim_count += 1
            if self._interim_count > _INTERIM_COUNT:
                self._fail(502, "too many interim responses")

    def eof(self) -> None:
        """The upstream will send no more. Raises ProtocolError when that cuts a message.

        What has arrived can still be read; a body without other framing is complete by it.
        """
        self._end()

    def _fail(self, status: int, message: str) -> NoReturn:
        """Give up this connection; whatever rule was broken, the upstream broke it."""
        super()._fail(502, message)

    def _begin_body(self, response: Response) -> None:
        self._keep_alive = response.keep_alive
        if _has_no_body(response.status, self._method):
            self._remaining = 0
        elif response.chunked:
            self._chunks.reset()
            self._remaining = CHUNKED
        elif response.content_length is not None:
            self._remaining = response.content_length
        else:
            self._remaining = UNTIL_CLOSE

    def _response(self, head: bytes) -> Response | None:
        """What a head says; None for an interim one."""
        self._examine(head)
        if self._first_line != self._known_line:
            match = _STATUS_LINE.fullmatch(self._first_line)
            if match is None:
                raise Refusal("the status line is malformed")
            self._told = int(match[2]), int(match[1])
            self._known_line = self._first_line
        status, http_minor = self._told
        if status == 101:
            raise Refusal("the upstream switched protocols unasked")
        headers = self._parse(head)
        if len(headers) != self._field_count:
            raise Refusal("the head is malformed")
        if status < 200:
            return None
        fields = merge(headers)
        content_length, chunked = framing(fields, http_minor)
        keep_alive = keeps_alive(fields.get(b"connection"), http_minor)
        if content_length is None and not chunked and not _has_no_body(status, self._method):
            keep_alive = False  # its end is the end of the connection
        return Response(status, headers, fields, keep_alive, content_length, chunked)


def _has_no_body(status: int, method: bytes) -> bool:
    """RFC 9112 6.3, 1 and 2."""
    return status in (204, 304) or method == b"HEAD" or (method == b"CONNECT" and status < 300)
