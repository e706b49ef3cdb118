"""The app on a socket, in a thread of its own, for clients that block."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import trio

from omniroute.assets import dashboard_dir
from omniroute.control.api.services import Services
from omniroute.control.app import build_app
from omniroute.control.door import Door
from omniroute.control.origins import KnownHosts
from omniroute.control.serving import serve_app


@contextlib.contextmanager
def served(services: Services, listener: socket.socket, *, is_private: bool) -> Iterator[None]:
    """Serves behind its door until the block ends."""
    app = build_app(services, dashboard_dir())
    door = Door(app, lambda: KnownHosts("127.0.0.1", []), is_private=is_private)
    ending: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []

    async def serve() -> None:
        end = trio.Event()
        ending.append((trio.lowlevel.current_trio_token(), end))
        await serve_app(door, listener, end.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        yield
    finally:
        while not ending:
            thread.join(0.01)
        ((token, end),) = ending
        token.run_sync_soon(end.set)
        thread.join()
