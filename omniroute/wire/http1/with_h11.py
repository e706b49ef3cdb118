"""Heads through h11: the reference in tests, and the fallback where httptools is missing.

A connection object lives for one head, so h11 never sees a body. Pure Python and some forty times
slower than llhttp.
"""

import re

import h11

from omniroute.wire.http1.heads import Fields, Refusal

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_ASKING = h11.Request(method="GET", target="/", headers=[("host", "a")])


def request_fields(head: bytes) -> Fields:
    """Fields of a complete request head. Raises Refusal."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 1)
    return _read(connection, head)


def response_fields(head: bytes) -> Fields:
    """Fields of a complete response head. Raises Refusal."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=len(head) + 1)
    connection.send(_ASKING)
    connection.send(h11.EndOfMessage())
    return _read(connection, head)


def _read(connection: h11.Connection, head: bytes) -> Fields:
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
