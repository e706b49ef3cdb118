"""Heads through h11: the reference in tests, and the fallback where httptools is missing.

A connection object lives for one head, so h11 never sees a body. Pure Python and some forty times
slower than llhttp.
"""

import re

import h11

from omniroute.wire.http1.heads import Fields, Refusal

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_HOST = b"host: a"
_ASKING = h11.Request(method="GET", target="/", headers=[("host", "a")])


def request_fields(first: bytes, lines: list[bytes]) -> Fields:
    """Fields of lines of a request head that begins with `first`. Raises Refusal."""
    if any(line[:5].lower() == b"host:" for line in lines):
        return _read(h11.Connection(h11.SERVER, _limit(first, lines)), first, lines)
    # h11 reads no request without a host; here it may be among the lines that are known already.
    hosted = [_HOST, *lines]
    return _read(h11.Connection(h11.SERVER, _limit(first, hosted)), first, hosted)[1:]


def response_fields(first: bytes, lines: list[bytes]) -> Fields:
    """Fields of lines of a response head that begins with `first`. Raises Refusal."""
    connection = h11.Connection(h11.CLIENT, _limit(first, lines))
    connection.send(_ASKING)
    connection.send(h11.EndOfMessage())
    return _read(connection, first, lines)


def _limit(first: bytes, lines: list[bytes]) -> int:
    return len(first) + sum(map(len, lines)) + 2 * len(lines) + 5


def _read(connection: h11.Connection, first: bytes, lines: list[bytes]) -> Fields:
    head = b"\r\n".join((first, *lines, b"", b""))
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Refusal("the head is malformed") from error
    if not isinstance(event, h11.Request | h11.Response | h11.InformationalResponse):
        raise Refusal("the head is malformed")
    fields = list(event.headers)
    for place, (name, _) in enumerate(fields):
        if name == b"content-length":
            # h11 turns "5, 5" into "5"; the rule wants the value as it was sent.
            sent = _LENGTH.search(head)
            if sent is None:
                raise Refusal("the head is malformed")
            fields[place] = (name, sent[1])
    return fields
