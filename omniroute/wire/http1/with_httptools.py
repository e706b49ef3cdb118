"""Heads through httptools (llhttp): 2 µs for eight fields.

A parser lives for one head. llhttp therefore never sees a body and never decides where a message
ends, and a parser fresh from its constructor (0.4 µs) needs no reset that could be forgotten.
"""

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from omniroute.wire.http1.heads import Fields, Refusal


class _Collector:
    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: Fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp strips blanks before a value, not those after it.
        self.fields.append((name.lower(), value.rstrip()))


def request_fields(head: bytes) -> Fields:
    """Fields of a complete request head. Raises Refusal."""
    collector = _Collector()
    try:
        HttpRequestParser(collector).feed_data(head)
    except HttpParserUpgrade:
        # Raised after the last field; an upgrade is never taken up, so it means nothing.
        pass
    except HttpParserError as error:
        raise Refusal("the request head is malformed") from error
    return collector.fields


def response_fields(head: bytes) -> Fields:
    """Fields of a complete response head. Raises Refusal."""
    collector = _Collector()
    try:
        HttpResponseParser(collector).feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise Refusal("the response head is malformed") from error
    return collector.fields
