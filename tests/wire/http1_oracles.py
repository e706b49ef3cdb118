"""Other people's HTTP as a judge of ours, and the properties that hold for any bytes at all.

`check_requests` and `check_response` raise AssertionError when a property fails; hypothesis and the
fuzzer feed them.
"""

import random
from typing import Any

import h11
import httptools

from tests.wire.http1_driver import corpus, cuts, told_requests, told_response

Message = tuple[bytes, bytes, bytes]  # method or status, target, body

_SPLICES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\x0b", b"\x80", b":", b";", b",",
    b"0", b"5", b"+", b"-", b"0x", b"_", b'"', b"chunked", b"identity", b"close", b"keep-alive",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n", b"Connection: close\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"HTTP/1.1",
    b"HTTP/1.0", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"ffffffffffffffff", b"00000000",
]  # fmt: skip


def seeds() -> tuple[list[bytes], list[bytes]]:
    """Requests and responses to start from."""
    return (
        [case["data"] for case in corpus("requests.toml")],
        [case["data"] for case in corpus("responses.toml")],
    )


def mutate(data: bytes, generator: random.Random, *, others: list[bytes]) -> bytes:
    """`data` damaged in one to six places."""
    for _ in range(generator.randint(1, 6)):
        start = generator.randint(0, len(data))
        end = min(len(data), start + generator.choice([0, 0, 1, 1, 2, 8, 40]))
        kind = generator.randrange(6)
        if kind == 0:
            data = data[:start] + data[end:]
        elif kind == 1:
            data = data[:end] + data[start:end] + data[end:]
        elif kind == 2:
            data = data[:start] + bytes([generator.randrange(256)]) + data[start + 1 :]
        elif kind == 3:
            data = data[:start] + generator.choice(_SPLICES) + data[end:]
        elif kind == 4:
            data = data[:start].swapcase() + data[start:]
        else:
            other = generator.choice(others)
            data = data[:start] + other[generator.randint(0, len(other)) :]
    return data


def check_requests(data: bytes, seed: int) -> None:
    """Both parsers agree, cuts change nothing, and nobody reads other messages than we do."""
    told = told_requests([data], "httptools")
    assert told_requests([data], "h11") == told
    for pieces in cuts(data, seed):
        assert told_requests(pieces, "httptools") == told, pieces
    ours = [line.encode("latin-1") for line in told if not line.startswith("!")]
    for theirs in (by_httptools(data), by_h11(data)):
        # They may be stricter and stop earlier; they may go on only where we refused.
        both = min(len(ours), len(theirs))
        assert [b"%b %b [%b]" % message for message in theirs[:both]] == ours[:both]


def check_response(data: bytes, seed: int) -> None:
    """Both parsers agree, and cuts change nothing."""
    for method in (b"POST", b"HEAD"):
        for end in (False, True):
            told = told_response([data], "httptools", method, end=end)
            assert told_response([data], "h11", method, end=end) == told
            for pieces in cuts(data, seed):
                assert told_response(pieces, "httptools", method, end=end) == told, pieces


class _Messages:
    """Callbacks of httptools that gather whole requests."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.parser: Any = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.url = self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append((self.parser.get_method(), self.url, self.body))


def by_httptools(data: bytes) -> list[Message]:
    """The whole messages that llhttp finds in a stream it frames by itself."""
    found = _Messages()
    try:
        found.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        # It takes all that follows for another protocol, and drops the body of this request.
        return found.messages[:-1]
    except httptools.HttpParserError:
        pass
    return found.messages


def by_h11(data: bytes) -> list[Message]:
    """The whole messages that h11 finds, one connection for each."""
    messages: list[Message] = []
    while data:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        request: h11.Request | None = None
        body = b""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:
                return messages
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                messages.append((request.method, request.target, body))
                break
            else:
                return messages
        data = connection.trailing_data[0]
    return messages
