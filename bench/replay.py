"""The way of one request, replayed in memory: no sockets, no scheduling, the same each time.

`replay` serves one client that sends the same request again and again over a connection kept alive,
with an upstream that answers at once; everything between the two is the gateway as it runs, the
LMDB state included. What it costs is what this project's own code costs: `bench.instructions`
counts it, and a profiler can be put around it.

    python -m bench.replay full 20000            # CPU time of a request, best of five
    python -m bench.replay full 5000 --profile   # where it goes, by function
"""

import argparse
import contextlib
import cProfile
import gc
import pstats
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bench import profiles
from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.gateway.server import Gateway
from omniroute.installation import Installation
from omniroute.net.connector import Connector, Origin
from omniroute.net.readiness import open_readiness
from omniroute.net.transport import Transport
from omniroute.snapshot import encode
from omniroute.state.lmdb_state import open_state

PROFILES = ("bare", "full")
WARM_UP = 300  # requests, until caches are filled and bytecode has specialised
_TEXT = b"hello " * 150
_BODY = (
    b'{"model":"bench/mock","messages":[{"role":"user","content":"%b"}],"max_tokens":256}' % _TEXT
)
_ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"mock","choices":[{"index":'
    b'0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],"usage":{'
    b'"prompt_tokens":200,"completion_tokens":100,"total_tokens":300}}' % (b"x" * 500)
)
_ANSWERED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_ANSWER),
    _ANSWER,
)


class _Wire:
    """A transport that never waits."""

    hung_up = False
    has_unread = False

    def on_hangup(self, callback: Callable[[], None] | None) -> None:
        """Nobody hangs up."""

    def interrupt(self, error: BaseException) -> bool:
        return False

    def close(self) -> None:
        """Nothing to release."""

    def abort(self) -> None:
        """Nothing to reset."""

    async def wait(self) -> None:
        """There is always something."""

    async def send(self, data: bytes) -> None:
        """Taken at once."""


class _Upstream(_Wire):
    async def recv(self) -> bytes:
        return _ANSWERED


class _Client(_Wire):
    """Asks `requests` times, and wants an answer each time."""

    def __init__(self, request: bytes, requests: int) -> None:
        self._request = request
        self._left = requests

    async def recv(self) -> bytes:
        if not self._left:
            return b""
        self._left -= 1
        return self._request

    async def send(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(data[:500])


class _Connector(Connector):
    async def connect(self, origin: Origin) -> Transport:
        return _Upstream()


Replay = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def replaying(profile: str, directory: Path) -> AsyncIterator[Replay]:
    """Gives `await replay(requests)`, warmed up. `directory` is for the state and the settings."""
    text = profiles.bare(9) if profile == "bare" else profiles.full(9, profiles.FULL_PARTS)
    file = directory / "omniroute.toml"
    file.write_text(text)
    file.chmod(0o600)
    installation = Installation.ephemeral(directory)
    state = open_state(directory / "lmdb", map_bytes=64 << 20, create=True)
    try:
        state.rebuild([])
        snapshot = compile_snapshot(load({}, {}, file, directory), (), (), installation)
        state.publish_snapshot(encode(snapshot, installation))
        gateway = Gateway(state, installation, environment={})
        await gateway.start(_Connector(open_readiness()))
        request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:20128\r\n"
            b"authorization: Bearer %b\r\nuser-agent: bench/1\r\naccept: */*\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (profiles.client_keys()[7].encode(), len(_BODY), _BODY)
        )

        async def replay(requests: int) -> None:
            await gateway.serve_connection(_Client(request, requests), "127.0.0.1")
            state.forget([key for key, _ in state.drain(requests)])

        await replay(WARM_UP)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        yield replay
    finally:
        state.close()


@contextlib.contextmanager
def in_memory_directory() -> Iterator[Path]:
    """A scratch directory, in memory where the system has such a place."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench.replay", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("requests", type=int, nargs="?", default=10_000)
    parser.add_argument("--profile", dest="by_function", action="store_true")
    given = parser.parse_args()
    with in_memory_directory() as directory:
        trio.run(_measure, given.profile, directory, given.requests, given.by_function)


async def _measure(profile: str, directory: Path, requests: int, by_function: bool) -> None:
    async with replaying(profile, directory) as replay:
        if by_function:
            profiler = cProfile.Profile()
            profiler.enable()
            await replay(requests)
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(60)
            return
        best = float("inf")
        for _ in range(5):
            began = time.process_time()
            await replay(requests)
            best = min(best, (time.process_time() - began) / requests)
        print(f"{profile}: {best * 1e6:.1f} µs of CPU a request, best of five runs of {requests}")


if __name__ == "__main__":
    main()
