"""Serve the simulator on one listening socket, by Hypercorn's Trio worker.

Loopback only, without TLS: it is an upstream for the machine it runs on. Hypercorn's connection
(`TCPServer`) is used without its `serve`, because a faulty upstream also has to close connections
before it has answered a byte, and ASGI has no word for that.
"""

import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from starlette.types import ASGIApp, Receive, Scope, Send

from omniroute.simulator.app import CLOSE_CONNECTION, Stats, create_app
from omniroute.simulator.mounts import Mounts

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

__all__ = ["listen", "serve"]

_BACKLOG = 1024
# Longer than the gateway keeps an unused connection, so that it is never we who close first.
_KEEP_ALIVE_S = 120.0
_HEAD_BYTES = 128 * 1024
_GRACE_S = 0.5
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes any free one. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


async def serve(
    sock: socket.socket,
    *,
    pace_s: float = 0.0,
    stats: Stats | None = None,
    mounts: Mounts | None = None,
    shutdown: Callable[[], Awaitable[None]] = trio.sleep_forever,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on `sock`, which is taken over and closed at the end, until `shutdown` returns.

    Running answers then have half a second. `task_status` starts once connections are accepted.
    """
    config = Config()
    config.keep_alive_timeout = _KEEP_ALIVE_S
    config.keep_alive_max_requests = 1 << 62
    config.h11_max_incomplete_size = _HEAD_BYTES
    config.include_server_header = False
    config.loglevel = "WARNING"
    context = WorkerContext(None)
    app = create_app(pace_s=pace_s, stats=stats, mounts=mounts)
    sock.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    async with trio.open_nursery() as connections, listener:
        async with trio.open_nursery() as accepting:
            handler = partial(_connection, app, config, context)
            await accepting.start(
                partial(trio.serve_listeners, handler, [listener], handler_nursery=connections)
            )
            task_status.started()
            await shutdown()
            accepting.cancel_scope.cancel()
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + _GRACE_S


async def _connection(
    app: ASGIApp, config: Config, context: WorkerContext, stream: trio.SocketStream
) -> None:
    # Typed for TLS streams, of which it uses what both have.
    wrapped = ASGIWrapper(cast("ASGIFramework", _closable(app, stream)))
    await TCPServer(wrapped, config, context, {}, cast(Any, stream))


def _closable(app: ASGIApp, stream: trio.SocketStream) -> ASGIApp:
    """The same application, able to close the connection that it answers on."""

    async def close(*, reset: bool) -> None:
        if reset:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        await stream.aclose()

    async def closable(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][CLOSE_CONNECTION] = close
        await app(scope, receive, send)

    return closable
