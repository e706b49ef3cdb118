"""Control as a client of the data plane: the playground's requests take the way of all others.

They come with a key of their own (`insider`), so that the request log says whose they are.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import trio

from omniroute import __version__
from omniroute.control.insider import playground_key
from omniroute.installation import Installation
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.transport import Transport
from omniroute.wire.http1 import Limits, ProtocolError, ResponseReader, header_lines, request_line

_HEAD_LIMITS: Final = Limits(head_bytes=65536, header_count=200)
_ANSWER_S: Final = 330.0  # between two pieces: a little longer than workers wait for upstreams
_SHOWN: Final = b"x-omniroute-"


class DataPlaneSilent(Exception):
    """The data plane gives no answer that could be read; the message says why."""


class Answered(NamedTuple):
    """The head of an answer, and its body as it comes. `pieces` must be closed."""

    status: int
    media_type: str
    headers: Mapping[str, str]  # those of the gateway itself
    pieces: AsyncIterator[bytes]


class DataPlane:
    """The workers, as control reaches them. `endpoint` is the root of the data port's URL."""

    def __init__(self, endpoint: str, connector: Connector, installation: Installation) -> None:
        parts = urlsplit(endpoint)
        self._origin = Origin(
            scheme="http", host=parts.hostname or "", port=parts.port or 80, allow_private=True
        )
        self._host = parts.netloc
        self._connector = connector
        self._key = playground_key(installation)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Ask; returns when the head of the answer is there. Raises DataPlaneSilent."""
        try:
            transport = await self._connector.connect(self._origin)
        except ConnectFailed as error:
            raise DataPlaneSilent(f"the data port cannot be reached: {error}") from error
        reader = ResponseReader(_HEAD_LIMITS)
        reader.start(b"POST")
        try:
            await transport.send(self._head(path, body, headers) + body)
            while (response := reader.next_response()) is None:
                await _more(transport, reader)
        except BaseException as error:
            transport.close()
            if isinstance(error, OSError | ProtocolError | trio.TooSlowError):
                raise DataPlaneSilent(f"the data plane did not answer: {error}") from error
            raise
        fields = {name.lower(): value for name, value in response.headers}
        return Answered(
            response.status,
            fields.get(b"content-type", b"application/octet-stream").decode("latin-1"),
            {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in fields.items()
                if name.startswith(_SHOWN)
            },
            _pieces(transport, reader),
        )

    def _head(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [
            (b"host", self._host.encode("latin-1")),
            (b"user-agent", f"OmniRoute/{__version__} playground".encode()),
            (b"authorization", f"Bearer {self._key}".encode()),
            (b"content-type", b"application/json"),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        return request_line(b"POST", path.encode("latin-1")) + header_lines(lines) + b"\r\n"


async def _pieces(transport: Transport, reader: ResponseReader) -> AsyncIterator[bytes]:
    """The body. When it is closed early the connection goes, and with it the upstream call."""
    try:
        while True:
            piece = reader.next_body()
            if piece:
                yield bytes(piece)
            elif piece is None:
                await _more(transport, reader)
            else:
                return
    finally:
        transport.close()


async def _more(transport: Transport, reader: ResponseReader) -> None:
    with trio.fail_after(_ANSWER_S):
        data = await transport.recv()
    if data:
        reader.feed(data)
    elif reader.answered:
        reader.eof()
    else:
        raise ConnectionResetError("it closed the connection")
