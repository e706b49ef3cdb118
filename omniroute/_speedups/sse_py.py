"""Server-sent events split out of a byte stream: the Python twin, and the reference.

Contract (WHATWG HTML, section 9.2.6, on bytes):
 - A line ends with CRLF, LF or CR; a blank line ends an event. An event is the bytes from the end
   of the one before up to and including its blank line, so the events and the tail, joined, are
   the stream itself, but for a byte order mark at its start, which is dropped as the standard's
   decoding does. A stray blank line is an event of its own, without data.
 - However the stream is cut into chunks, the events are the same. A CR at the end of a chunk may
   be half of a CRLF, so what it completes is held until the next byte or `finish`.
 - Work is linear in the bytes fed, also when they come one at a time; memory is bounded by
   `max_event_bytes` plus one chunk.
"""

from typing import Final, final

from omniroute._speedups.contract import SseTooLong

_BOM: Final = b"\xef\xbb\xbf"
_CR: Final = 0x0D


@final
class SseReader:
    """Splits one stream into raw events.

    Invariants between calls: `_held` is the unfinished event; no line end in
    `_held[:_scanned]` is left unread; `_line_start` is where its last, open line begins.
    """

    __slots__ = ("_at_start", "_failed", "_held", "_line_start", "_scanned", "max_event_bytes")

    def __init__(self, max_event_bytes: int) -> None:
        if max_event_bytes < 1:
            raise ValueError("max_event_bytes must be at least 1")
        self.max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._scanned = 0
        self._line_start = 0
        self._at_start = True
        self._failed = False

    @property
    def tail(self) -> bytes:
        """What was fed since the last complete event."""
        return bytes(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the events they complete.

        Raises SseTooLong when an event, complete or not, exceeds `max_event_bytes`, and from
        then on always: the stream cannot be followed any further.
        """
        if type(chunk) is not bytes:
            raise TypeError(f"feed() takes bytes, not {type(chunk).__name__}")
        if self._failed:
            raise SseTooLong(self.max_event_bytes, [])
        held = self._held
        data: bytes | bytearray = chunk
        if held:
            held += chunk
            data = held
        if self._at_start:
            if len(data) < len(_BOM) and data == _BOM[: len(data)]:
                if data is chunk:
                    held += chunk
                return []
            self._at_start = False
            if data.startswith(_BOM):
                if data is chunk:
                    data = chunk = chunk[len(_BOM) :]
                else:
                    del held[: len(_BOM)]

        events: list[bytes] = []
        size = len(data)
        event_start = 0
        line_start = self._line_start
        # The next LF and the next CR are both remembered and sought again only when passed:
        # otherwise a stream of one kind would be searched to its end for the other at each line.
        next_lf = _find(data, b"\n", self._scanned, size)
        next_cr = _find(data, b"\r", self._scanned, size)
        while True:
            line_end = min(next_lf, next_cr)
            if line_end == size:
                break
            after = line_end + 1
            if line_end == next_cr:
                if after == size:
                    break
                if next_lf == after:
                    after += 1
            if line_end == line_start:
                if after - event_start > self.max_event_bytes:
                    raise self._fail(events)
                events.append(bytes(data[event_start:after]))
                event_start = after
            line_start = after
            if next_lf < after:
                next_lf = _find(data, b"\n", after, size)
            if next_cr < after:
                next_cr = _find(data, b"\r", after, size)

        if size - event_start > self.max_event_bytes:
            raise self._fail(events)
        self._scanned = line_end - event_start
        self._line_start = line_start - event_start
        if data is held:
            del held[:event_start]
        elif event_start < size:
            held += chunk[event_start:]
        return events

    def finish(self) -> list[bytes]:
        """Say that the stream has ended; return the event a final CR completes, if one does.

        What then stays in `tail` was cut off; the standard discards it. Not to be fed again.
        """
        held = self._held
        if held and held[-1] == _CR and self._line_start == len(held) - 1:
            events = [bytes(held)]
            held.clear()
            self._scanned = self._line_start = 0
            return events
        return []

    def _fail(self, events: list[bytes]) -> SseTooLong:
        self._failed = True
        self._held = bytearray()
        return SseTooLong(self.max_event_bytes, events)


def event_data(raw: bytes) -> bytes:
    """Return the event's data: its `data` fields joined with LF, b"" if there is none.

    Reads up to the first blank line. A last line without an end counts, so that a tail can be
    looked at, too.
    """
    if (
        raw.startswith(b"data: ")
        and raw.endswith(b"\n\n")
        and raw.count(b"\n") == 2
        and b"\r" not in raw
    ):
        return raw[6:-2]
    return b"\n".join(_fields(raw, b"data"))


def event_type(raw: bytes) -> bytes:
    """Return the value of the event's last `event` field; b"" if there is none ("message")."""
    values = _fields(raw, b"event")
    return values[-1] if values else b""


def _find(data: bytes | bytearray, byte: bytes, start: int, size: int) -> int:
    at = data.find(byte, start)
    return size if at < 0 else at


def _fields(raw: bytes, name: bytes) -> list[bytes]:
    values = []
    for line in raw.splitlines():
        if not line:
            break
        field, _, value = line.partition(b":")
        if field == name:
            values.append(value[1:] if value.startswith(b" ") else value)
    return values
