"""The chunked transfer coding (RFC 9112 7.1), strict.

Accepted: 1 to 16 hexadecimal digits, well-formed chunk extensions (ignored), well-formed trailer
fields (dropped). Refused: signs, "0x", bare CR or LF, anything between data and its CR LF, chunks
beyond a tebibyte, extensions or trailers beyond their caps, framing fields in trailers. The caps
hold for the whole body, so that a body of one-byte chunks cannot carry a kilobyte with each.
"""

import re

from omniroute.wire.http1.heads import Refusal

_EXTENSION_BYTES = 16384
_TRAILER_BYTES = 16384
_LINE_BYTES = 4096
_CHUNK_BYTES = 1 << 40

# States of `_left` beside "so many bytes of chunk data are to come".
_SIZE = 0
_DELIMITER = -1
_TRAILERS = -2
_DONE = -3

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_SIZE_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"((?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*)"
    rb"([ \t]*)"
)
_TRAILER = re.compile(rb"(" + _TOKEN + rb"):[\t \x21-\x7e\x80-\xff]*")
_FORBIDDEN_TRAILERS = frozenset({b"content-length", b"transfer-encoding", b"host"})
_X, _LARGE_X = b"xX"


class ChunkedDecoder:
    """Decodes one body at a time; the caller keeps the bytes that are not yet consumed.

    `pad` accepts blanks after a chunk size, which some upstreams send to keep the line's length.
    """

    __slots__ = ("_extension_bytes", "_left", "_pad", "_trailer_bytes", "position")

    def __init__(self, *, pad: bool) -> None:
        self._pad = pad
        self.position = 0
        self.reset()

    def reset(self) -> None:
        """Make ready for the next body."""
        self._left = _SIZE
        self._extension_bytes = 0
        self._trailer_bytes = 0

    @property
    def done(self) -> bool:
        """Whether the body and its trailers are complete."""
        return self._left == _DONE

    def decode(self, buffer: bytes, position: int) -> bytes:
        """All chunk data that `buffer` holds from `position` on, joined; b"" if there is none.

        Leaves in `.position` how far it has read: past the body when `.done`, else to the bytes
        that need company. Raises Refusal.
        """
        have = len(buffer)
        left = self._left
        pieces: list[bytes] = []
        while True:
            if left > 0:
                end = position + left
                if end > have:
                    if position < have:
                        pieces.append(buffer[position:])
                        left = end - have
                        position = have
                    break
                pieces.append(buffer[position:end])
                position = end
                left = _DELIMITER
            if left == _DELIMITER:
                delimiter = buffer[position : position + 2]
                if delimiter != b"\r\n":
                    if len(delimiter) == 2 or not b"\r".startswith(delimiter):
                        raise Refusal("chunk data is longer than its size")
                    break
                position += 2
                left = _SIZE
            if left == _SIZE:
                end = buffer.find(b"\r\n", position, position + _LINE_BYTES)
                if end < 0:
                    _check_unfinished(buffer, position)
                    break
                left = self._size(buffer[position:end])
                position = end + 2
                if left:
                    continue
                left = _TRAILERS
            position, left = self._skip_trailers(buffer, position)
            break
        self._left = left
        self.position = position
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _size(self, line: bytes) -> int:
        """The size that a line announces, 0 for the last chunk."""
        # The plain case without a regular expression. isalnum() keeps out sign, blank and
        # underscore, which int() would take; so does the test for x.
        if line.isalnum() and len(line) <= 16 and _X not in line and _LARGE_X not in line:
            try:
                size = int(line, 16)
            except ValueError:
                raise Refusal("chunk size is not hexadecimal") from None
        else:
            match = _SIZE_LINE.fullmatch(line)
            if match is None or (match[3] and not self._pad):
                raise Refusal("chunk size line is malformed")
            self._extension_bytes += len(match[2]) + len(match[3])
            if self._extension_bytes > _EXTENSION_BYTES:
                raise Refusal("too many chunk extensions")
            size = int(match[1], 16)
        if size > _CHUNK_BYTES:
            raise Refusal("chunk size is absurd")
        return size

    def _skip_trailers(self, buffer: bytes, position: int) -> tuple[int, int]:
        while True:
            end = buffer.find(b"\r\n", position, position + _LINE_BYTES)
            if end < 0:
                _check_unfinished(buffer, position)
                return position, _TRAILERS
            if end == position:
                return position + 2, _DONE
            match = _TRAILER.fullmatch(buffer, position, end)
            if match is None:
                raise Refusal("trailer field is malformed")
            if match[1].lower() in _FORBIDDEN_TRAILERS:
                raise Refusal("framing field among the trailers")
            self._trailer_bytes += end + 2 - position
            if self._trailer_bytes > _TRAILER_BYTES:
                raise Refusal("too many trailers")
            position = end + 2


def _check_unfinished(buffer: bytes, position: int) -> None:
    """Refuse early what no further byte can mend: a line too long, or ended by a bare LF."""
    if len(buffer) - position >= _LINE_BYTES:
        raise Refusal("chunk size line or trailer is too long")
    if buffer.find(b"\n", position) >= 0:
        raise Refusal("bare LF in chunked framing")
