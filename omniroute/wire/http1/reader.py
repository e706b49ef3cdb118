"""What both readers share: the buffer, the search for the end of a head, the body.

The buffer is the very object handed to `feed` whenever nothing was left over, so a body that
arrives in pieces passes through uncopied. When something was left over the two are joined anew:
quadratic in the number of feeds, but only over one head or one read, and far below what receiving
so small pieces costs anyway.

A peer repeats itself. A head that is the very one before means the same, and is not looked into;
where any byte differs, it is examined and parsed whole: remembering single lines costs more.
"""

import copy
from typing import NoReturn

from omniroute.wire.http1.chunked import ChunkedDecoder
from omniroute.wire.http1.heads import (
    HEAD_END,
    Limits,
    ProtocolError,
    Refusal,
    damage_in,
    damage_in_part,
)

# States of `_remaining` beside "so many bytes of body are to come"; 0 is "no body under way".
CHUNKED = -1
UNTIL_CLOSE = -2
FAILED = -3
AWAITING = -4  # the head of a response

# What may lie in the buffer beyond one head: the largest single read, with room to spare.
_READ_BYTES = 1 << 18


class MessageReader:
    """The part of a reader that does not depend on the direction."""

    __slots__ = (
        "_buffer",
        "_chunks",
        "_ended",
        "_error",
        "_field_count",
        "_first_line",
        "_limits",
        "_position",
        "_remaining",
        "_searched",
    )

    def __init__(self, limits: Limits, chunks: ChunkedDecoder) -> None:
        self._limits = limits
        self._chunks = chunks
        self._buffer = b""
        self._position = 0
        self._searched = 0  # bytes after _position known to hold no end of a head
        self._first_line = b""  # of the head examined last
        self._field_count = 0  # its lines between the first and the blank one
        self._remaining = 0
        self._ended = False
        self._error: tuple[int, str] | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer. Raises ProtocolError when more lies unread than may."""
        if self._position == len(self._buffer):
            self._buffer = data
            self._position = 0
        else:
            if len(self._buffer) - self._position > self._limits.head_bytes + _READ_BYTES:
                self._fail(400, "too much was sent ahead")
            self._buffer = self._buffer[self._position :] + data
            self._position = 0

    @property
    def buffered_bytes(self) -> int:
        """Bytes taken and not yet given out. Stop reading while it exceeds one head."""
        return len(self._buffer) - self._position

    def next_body(self) -> bytes | None:
        """The next piece of body, as large as what has arrived allows.

        b"" means that the body is complete, None that more bytes are needed. Raises ProtocolError.
        """
        remaining = self._remaining
        if remaining > 0:
            buffer = self._buffer
            position = self._position
            have = len(buffer) - position
            if not have:
                self._starve()
                return None
            if have <= remaining:
                self._remaining = remaining - have
                self._buffer = b""
                self._position = 0
                return buffer[position:] if position else buffer
            self._remaining = 0
            self._position = end = position + remaining
            return buffer[position:end]
        if remaining == 0:
            return b""
        return self._next_unmeasured()

    def _fail(self, status: int, message: str) -> NoReturn:
        """Give up this connection: raise now, and again whenever the reader is asked."""
        self._error = (status, message)
        self._remaining = FAILED
        raise ProtocolError(status, message)

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise ProtocolError(*self._error)

    def _starve(self) -> None:
        """More bytes are needed: an error when none will come."""
        if self._ended:
            self._fail(400, "the connection ended inside a message")

    def _end(self) -> None:
        """No more bytes will come: an error at once if those at hand do not complete a message."""
        self._ended = True
        self._raise_failure()
        remaining = self._remaining
        have = self.buffered_bytes
        if remaining == CHUNKED:
            probe = copy.copy(self._chunks)
            try:
                probe.decode(self._buffer, self._position)
            except Refusal:
                return  # what is wrong, next_body says
            cut = not probe.done
        elif remaining == AWAITING or (remaining == 0 and have):
            cut = self._buffer.find(HEAD_END, self._position) < 0
        else:
            cut = remaining > have
        if cut:
            self._starve()

    def _next_unmeasured(self) -> bytes | None:
        self._raise_failure()
        if self._remaining == CHUNKED:
            return self._next_chunks()
        if self._remaining != UNTIL_CLOSE:
            raise RuntimeError("the head has not been read")
        data = self._buffer[self._position :]
        self._buffer = b""
        self._position = 0
        if not data:
            if not self._ended:
                return None
            self._remaining = 0
        return data

    def _next_chunks(self) -> bytes | None:
        chunks = self._chunks
        try:
            data = chunks.decode(self._buffer, self._position)
        except Refusal as refusal:
            self._fail(400, str(refusal))
        if chunks.position == len(self._buffer):
            self._buffer = b""  # an idle connection should not hold its last body
            self._position = 0
        else:
            self._position = chunks.position
        if chunks.done:
            self._remaining = 0
        elif not data:
            self._starve()
            return None
        return data

    def _take_head(self) -> bytes | None:
        """The next complete head, as it came."""
        buffer = self._buffer
        position = self._position
        end = buffer.find(HEAD_END, position + self._searched)
        if end < 0:
            self._check_part()
            self._starve()
            return None
        end += 4
        self._searched = 0
        self._position = end
        return buffer if end == len(buffer) and not position else buffer[position:end]

    def _examine(self, head: bytes) -> None:
        """Refuses a head with forbidden bytes or beyond the limits; notes first line and count."""
        lines = head.split(b"\r\n")
        if damage_in(lines):
            self._fail(400, "control character or bare CR or LF in the head")
        self._first_line = lines[0]
        self._field_count = len(lines) - 3
        if len(lines[0]) > self._limits.line_bytes:
            self._fail(414, "the first line is too long")
        if len(head) > self._limits.head_bytes or self._field_count > self._limits.header_count:
            self._fail(431, "the head is too large")

    def _check_part(self) -> None:
        """Refuse a head that is not complete, and could not become right, as early as possible."""
        buffer = self._buffer
        position = self._position
        if damage_in_part(buffer, position + self._searched):
            self._fail(400, "control character or bare CR or LF in the head")
        have = len(buffer) - position
        limits = self._limits
        if have > limits.line_bytes and not 0 <= buffer.find(b"\r\n", position) <= (
            position + limits.line_bytes
        ):
            self._fail(414, "the first line is too long")
        if have > limits.head_bytes:
            self._fail(431, "the head is too large")
        self._searched = max(0, have - 3)
