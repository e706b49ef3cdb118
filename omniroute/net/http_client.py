"""HTTP calls off the hot path (quotas, provider tests, sign-ins): httpx over our own connector.

`ConnectorTransport` is the transport to give to `httpx.AsyncClient`: names, egress policy, proxies
and TLS are the connector's, redirects are followed by nobody. One connection per call, whole
answers only, bounded in size and time. Errors are httpx's own, with our sentences.
"""

from typing import Final

import httpx
import trio

from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.transport import Transport
from omniroute.wire.http1 import Limits, ProtocolError, ResponseReader, header_lines, request_line

HEAD_LIMITS: Final = Limits(head_bytes=65536, header_count=200)
ANSWER_BYTES: Final = 8 << 20
ANSWER_S: Final = 30.0
_OURS: Final = frozenset({b"connection", b"accept-encoding", b"content-length", b"host"})


class ConnectorTransport(httpx.AsyncBaseTransport):
    """Calls by way of one proxy and one set of TLS and egress settings."""

    def __init__(
        self,
        connector: Connector,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        allow_private: bool = False,
        answer_s: float = ANSWER_S,
        answer_bytes: int = ANSWER_BYTES,
    ) -> None:
        self._connector = connector
        self._proxy = proxy
        self._ca_file = ca_file
        self._allow_private = allow_private
        self._answer_s = answer_s
        self._answer_bytes = answer_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer. httpx.ConnectError, ReadTimeout, ReadError or RemoteProtocolError."""
        url = request.url
        origin = Origin(
            scheme=url.scheme,
            host=url.host,
            port=url.port or (443 if url.scheme == "https" else 80),
            proxy=self._proxy,
            ca_file=self._ca_file,
            allow_private=self._allow_private,
        )
        data = await self._encoded(request)
        try:
            transport = await self._connector.connect(origin)
        except ConnectFailed as error:
            raise httpx.ConnectError(str(error), request=request) from error
        reader = ResponseReader(HEAD_LIMITS)
        reader.start(request.method.encode("ascii"))
        try:
            with trio.fail_after(self._answer_s):
                await transport.send(data)
                while (response := reader.next_response()) is None:
                    await self._more(transport, reader)
                body = b""
                while True:
                    piece = reader.next_body()
                    if piece is None:
                        await self._more(transport, reader)
                        continue
                    if not piece:
                        break
                    body += piece
                    if len(body) > self._answer_bytes:
                        raise httpx.ReadError(
                            f"the answer is larger than {self._answer_bytes} bytes", request=request
                        )
        except trio.TooSlowError:
            raise httpx.ReadTimeout(
                f"no answer within {self._answer_s:g} s", request=request
            ) from None
        except ProtocolError as error:
            raise httpx.RemoteProtocolError(error.message, request=request) from error
        except OSError as error:
            raise httpx.ReadError(str(error), request=request) from error
        finally:
            transport.close()
        return httpx.Response(response.status, headers=list(response.headers), content=body)

    @staticmethod
    async def _encoded(request: httpx.Request) -> bytes:
        body = await request.aread()
        headers = [(b"host", request.url.netloc), (b"accept-encoding", b"identity")]
        headers += [
            (name.lower(), value)
            for name, value in request.headers.raw
            if name.lower() not in _OURS
        ]
        headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        line = request_line(request.method.encode("ascii"), request.url.raw_path)
        return line + header_lines(headers) + b"\r\n" + body

    @staticmethod
    async def _more(transport: Transport, reader: ResponseReader) -> None:
        data = await transport.recv()
        if data:
            reader.feed(data)
        elif reader.answered:
            reader.eof()
        else:
            raise ConnectionResetError("it closed the connection without an answer")
