"""Hypercorn on the two doors: the dashboard port's inherited socket and the private one."""

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.types import ASGIApp

# A rest of the requests in hand; the management plane has none that run long.
_GRACEFUL_S = 3.0
_KEEP_ALIVE_S = 75


class SocketUnusable(Exception):
    """The private socket cannot be made; the message says why."""


def private_socket(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, 0600 from the first moment, replacing a stale one.

    It is bound under another name and moved into place, so that a client sees the old socket or
    the new one, never none. Raises SocketUnusable.
    """
    draft = path.with_name(f".{os.getpid()}.sock")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        draft.unlink(missing_ok=True)
        sock.bind(str(draft))
        sock.listen(128)
        draft.rename(path)
    except OSError as error:
        sock.close()
        raise SocketUnusable(f"cannot listen on {path}: {error}") from error
    finally:
        os.umask(mask)
    return sock


async def serve_app(
    app: ASGIApp, sock: socket.socket, until: Callable[[], Awaitable[None]]
) -> None:
    """Serve on a listening socket until `until` returns; the socket is closed at the end."""
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.accesslog = None
    config.errorlog = logging.getLogger("omniroute.control.http")
    config.errorlog.setLevel(logging.WARNING)  # the supervisor prints the URLs
    config.include_server_header = False
    config.graceful_timeout = _GRACEFUL_S
    config.keep_alive_timeout = _KEEP_ALIVE_S
    await serve(app, config, shutdown_trigger=until, mode="asgi")  # type: ignore[arg-type]
