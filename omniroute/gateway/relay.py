"""The management plane on the main port: requests for /api and /dashboard passed to control.

Control listens on a private Unix socket. Bodies stream both ways without the data plane's limit;
hop-by-hop fields end here (RFC 9110 7.6.1). The client's address and scheme go along in a header
that control honours on this socket only, and that is stripped from what clients send.
"""

from typing import TYPE_CHECKING, Final

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.attempt import is_event_stream
from omniroute.net.connector import ConnectFailed, Origin
from omniroute.wire.http1 import (
    LAST_CHUNK,
    ProtocolError,
    Request,
    Response,
    chunk,
    header_lines,
    request_line,
    status_line,
)

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.upstream import Upstream

FORWARDED: Final = b"x-omniroute-forwarded"
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"expect",
        FORWARDED,
    }
)


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields that concern the far end: not hop-by-hop, not named in Connection."""
    named = {
        name.strip().lower()
        for field, value in headers
        if field == b"connection"
        for name in value.split(b",")
    }
    return [each for each in headers if each[0] not in _HOP_BY_HOP and each[0] not in named]


async def relay(connection: "ClientConnection", request: Request, control_socket: str) -> None:
    """Serve one management request by way of control."""
    pool = connection.gateway.pool
    try:
        upstream = await pool.acquire(Origin("unix", control_socket, 0), fresh=True)
    except ConnectFailed:
        raise GatewayError(
            ErrorKind.CONTROL_UNAVAILABLE,
            "The management plane is not there at the moment; it is restarted by itself.",
            retry_after_s=1,
        ) from None
    try:
        try:
            await _send_request(connection, request, upstream)
            response = await upstream.head()
        except ProtocolError as error:
            if error.status != 502:
                raise  # the client's fault, not control's
            raise _lost() from None
        except OSError:
            raise _lost() from None
        await _send_answer(connection, request, upstream, response)
    except BaseException:
        pool.discard(upstream)
        raise
    pool.release(upstream)


def _lost() -> GatewayError:
    return GatewayError(
        ErrorKind.CONTROL_UNAVAILABLE,
        "The management plane went away while answering; it is restarted by itself.",
        retry_after_s=1,
    )


async def _send_request(
    connection: "ClientConnection", request: Request, upstream: "Upstream"
) -> None:
    headers = _end_to_end(request.headers)
    headers.append((FORWARDED, f"for={connection.client_address};proto=http".encode("ascii")))
    if request.content_length is not None:
        headers.append((b"content-length", b"%d" % request.content_length))
    elif request.chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    head = request_line(request.method, request.target) + header_lines(headers) + b"\r\n"
    await upstream.send(request.method, head)
    while piece := await connection.read_body_piece(request):
        await upstream.send_more(chunk(piece) if request.chunked else piece)
    if request.chunked:
        await upstream.send_more(LAST_CHUNK)


async def _send_answer(
    connection: "ClientConnection", request: Request, upstream: "Upstream", response: Response
) -> None:
    headers = _end_to_end(response.headers)
    headers.append((b"x-request-id", connection.request_id))
    bodyless = request.method == b"HEAD" or response.status in (204, 304)
    chunked = False
    if response.content_length is not None:
        headers.append((b"content-length", b"%d" % response.content_length))
    elif not bodyless:
        chunked = request.http_minor == 1
        if chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        else:
            connection.keep_alive = False
    if not connection.keep_alive:
        headers.append((b"connection", b"close"))
    # A feed that a browser listens to would hold up a drain until its limit.
    connection.endless = request.method == b"GET" and is_event_stream(response)
    if connection.endless and connection.gateway.draining:
        connection.cancel()
    send = connection.transport.send
    head = status_line(response.status) + header_lines(headers) + b"\r\n"
    try:
        first = await upstream.body()
        await send(head + (chunk(first) if chunked else first))
        if first:
            while piece := await upstream.body():
                await send(chunk(piece) if chunked else piece)
    except ProtocolError:
        # Part of the answer may be out: a broken end is all that can still be told.
        connection.keep_alive = False
        return
    if chunked:
        await send(LAST_CHUNK)
