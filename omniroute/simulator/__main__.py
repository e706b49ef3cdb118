"""`python -m omniroute.simulator`: the simulator as a process of its own.

Alone (`--port`), it ends with SIGINT or SIGTERM. Under the supervisor (`--listen-fd`, `--link-fd`)
it says `ready` and `beat` on its link and ends with SIGTERM or when the supervisor is gone; the
terminal's SIGINT is the supervisor's to answer.
"""

import argparse
import os
import signal
import socket
import sys

import trio

from omniroute.link import Link
from omniroute.simulator.app import Stats
from omniroute.simulator.scenario import PACE_VARIABLE
from omniroute.simulator.server import listen, serve

DEFAULT_PORT = 9101
_BEAT_S = 0.5


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="omniroute.simulator", description="An AI provider that needs no key."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on loopback; 0: any")
    where.add_argument("--listen-fd", "--fd", type=int, help="a socket that already listens")
    parser.add_argument("--link-fd", type=int, help="the line to the supervisor")
    parser.add_argument(
        "--pace-ms",
        type=float,
        default=os.environ.get(PACE_VARIABLE, "0"),
        help="between two events of a stream, where the model's name gives no pace",
    )
    given = parser.parse_args(argv)
    try:
        if given.listen_fd is None:
            sock = listen(given.port)
        else:
            sock = socket.socket(fileno=given.listen_fd)
    except OSError as error:
        print(f"omniroute.simulator: cannot listen: {error.strerror}", file=sys.stderr)
        return 1
    if given.link_fd is None:
        port = sock.getsockname()[1]
        print(f"simulator on http://127.0.0.1:{port}/v1, no key needed", flush=True)
        trio.run(_run, sock, None, given.pace_ms / 1000)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        link_socket = socket.socket(fileno=given.link_fd)
        trio.run(_run, sock, link_socket, given.pace_ms / 1000)
    return 0


async def _run(sock: socket.socket, link_socket: socket.socket | None, pace_s: float) -> None:
    stats = Stats()
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_obey_signals, stop, link_socket is None)

        async def answer(task_status: trio.TaskStatus[None]) -> None:
            await serve(
                sock, pace_s=pace_s, stats=stats, shutdown=stop.wait, task_status=task_status
            )
            nursery.cancel_scope.cancel()

        await nursery.start(answer)
        if link_socket is not None:
            link = Link(link_socket)
            await link.send("ready")
            nursery.start_soon(_beat, link, stats)
            nursery.start_soon(_leave_with_supervisor, link, stop)


async def _obey_signals(
    stop: trio.Event, alone: bool, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    numbers = [signal.SIGTERM, signal.SIGINT] if alone else [signal.SIGTERM]
    with trio.open_signal_receiver(*numbers) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()


async def _beat(link: Link, stats: Stats) -> None:
    while True:
        await link.send("beat", inflight=stats.running)
        await trio.sleep(_BEAT_S)


async def _leave_with_supervisor(link: Link, stop: trio.Event) -> None:
    while await link.receive() is not None:
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
