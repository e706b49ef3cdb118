"""One data-plane process: wires link, state and gateway together, and knows when to leave.

`python -m omniroute.worker`, started by the supervisor only. Its life:

1. import everything and wait for `go`: control has then made keys and state and has published the
   snapshot of *this* start, so that no request meets yesterday's configuration;
2. serve; `ready` once the listening socket is accepted from; `beat` from the Trio loop twice a
   second, so that a loop that hangs, in whatever call, falls silent and is replaced;
3. leave when told to drain, when the supervisor is gone (end of file), or when the state's files
   were replaced under it: stop accepting at once, finish running requests within the limit, exit.
   Who asks for a process again is the supervisor; leaving is always right here.

Signals of the terminal go to the whole process group; the supervisor answers them, so this
process ignores them.
"""

import argparse
import gc
import logging
import signal
import socket
import sys
from pathlib import Path

import trio

from omniroute import logs
from omniroute.gateway.server import Gateway
from omniroute.installation import Installation, InstallationError
from omniroute.link import Link, LinkError, Message
from omniroute.state.interface import State, StateError, StateMissing
from omniroute.state.lmdb_state import open_state

BEAT_S = 0.5

# Control replaces a deleted state within a second or so; meanwhile there is none to open.
_STATE_RETRY_S = 0.05
_STATE_WAIT_S = 30.0

# Young collections are cheap when most garbage dies by reference count, as here; the default
# threshold of 700 would walk the live connections some hundred times a second under load. Measured:
# 2-5 % less CPU per request.
_GC_THRESHOLDS = (20_000, 20, 50)

_log = logging.getLogger("omniroute.worker")


def main(argv: list[str] | None = None) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    logs.tell_where_it_hangs()
    parser = argparse.ArgumentParser(prog="omniroute.worker")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--worker-id", type=int, required=True)
    parser.add_argument("--log-level", default="info", choices=logs.LEVELS)
    parser.add_argument("--log-format", default="text", choices=logs.FORMATS)
    parser.add_argument("--log-rotation", type=logs.Rotation.parse)
    given = parser.parse_args(argv)
    logs.configure(
        f"worker-{given.worker_id}",
        level=given.log_level,
        format_=given.log_format,
        directory=given.data_dir / logs.FILES_IN,
        rotation=given.log_rotation,
    )
    worker = Worker(
        data_dir=given.data_dir,
        worker_id=given.worker_id,
        listener=socket.socket(fileno=given.listen_fd),
        link_socket=socket.socket(fileno=given.link_fd),
    )
    status = 0
    try:
        trio.run(worker.run)
    except* (InstallationError, StateError) as group:
        for problem in group.exceptions:
            _log.error("%s", problem)
        status = 1
    return status


def spare_the_collector() -> None:
    """Take what lives now, and lives as long as the process, out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


class Worker:
    """The process's parts. `run` returns when the process should exit."""

    def __init__(
        self, *, data_dir: Path, worker_id: int, listener: socket.socket, link_socket: socket.socket
    ) -> None:
        self._data_dir = data_dir
        self._id = worker_id
        self._listener = listener
        self._link_socket = link_socket
        self._drain_timeout_s = 0.0

    async def run(self) -> None:
        link = Link(self._link_socket)
        try:
            go = await self._wait_for_go(link)
            if go is not None:
                self._drain_timeout_s = float(go["drain_timeout_s"])
                await self._serve(link, int(go["map_bytes"]))
        finally:
            self._listener.close()
            with trio.move_on_after(0, shield=True):
                await link.aclose()

    async def _wait_for_go(self, link: Link) -> Message | None:
        """The `go` message; None when this process is not wanted any more."""
        while (message := await link.receive()) is not None:
            if message["type"] == "go":
                return message
            if message["type"] == "drain":
                return None
        return None

    async def _serve(self, link: Link, map_bytes: int) -> None:
        installation = Installation.open(self._data_dir, create=False)
        state = await self._open_state(installation, map_bytes)
        try:
            gateway = Gateway(state, installation, self._id)
            spare_the_collector()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, link, gateway)
                nursery.start_soon(self._beat, link, state, gateway)
                async with trio.open_nursery() as serving:
                    await serving.start(gateway.serve, self._listener)
                    await link.send("ready")
                nursery.cancel_scope.cancel()
        finally:
            state.close()

    async def _open_state(self, installation: Installation, map_bytes: int) -> State:
        give_up_s = trio.current_time() + _STATE_WAIT_S
        while True:
            try:
                return open_state(installation.lmdb_dir, map_bytes=map_bytes, create=False)
            except StateMissing:
                if trio.current_time() >= give_up_s:
                    raise
            await trio.sleep(_STATE_RETRY_S)

    async def _obey(self, link: Link, gateway: Gateway) -> None:
        """Leave when the supervisor says so, and when there is none any more."""
        try:
            while (message := await link.receive()) is not None:
                if message["type"] == "drain":
                    gateway.drain(float(message["limit_s"]))
        except LinkError:
            _log.exception("the supervisor sent what is no message; leaving")
        else:
            _log.warning("the supervisor is gone; leaving")
        gateway.drain(self._drain_timeout_s)

    @staticmethod
    def _note(gateway: Gateway) -> None:
        try:
            gateway.note_running()
        except StateError:
            _log.exception("how far the running requests are could not be noted")

    async def _beat(self, link: Link, state: State, gateway: Gateway) -> None:
        leaving = False
        while True:
            await link.send("beat", inflight=gateway.inflight)
            self._note(gateway)
            if not leaving and not state.in_place():
                # Settling into a deleted file would lose counters and history quietly.
                _log.error("the state's files were removed or replaced; leaving for a fresh start")
                leaving = True
                gateway.drain(self._drain_timeout_s)
            await trio.sleep(BEAT_S)


if __name__ == "__main__":
    sys.exit(main())
