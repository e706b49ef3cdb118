"""A simulator on a real socket, in the test's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import httpx
import pytest
import trio

from omniroute.simulator.app import Stats
from omniroute.simulator.server import listen, serve

WAIT_S = 10


class Running:
    """A simulator that runs, a client of it, and what it has counted."""

    def __init__(self, client: httpx.AsyncClient, stats: Stats, port: int) -> None:
        self.client = client
        self.stats = stats
        self.port = port

    async def ask(self, model: str, *, stream: bool = False, query: str = "") -> httpx.Response:
        return await self.client.send(self.request(model, stream, query))

    def request(self, model: str, stream: bool, query: str = "") -> httpx.Request:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        return self.client.build_request("POST", f"/v1/chat/completions{query}", json=body)

    async def idle(self) -> None:
        """Until no answer runs. Nobody tells, so it is polled; a fail_after stands around it."""
        while self.stats.running:  # noqa: ASYNC110
            await trio.sleep(0.001)


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    stats = Stats()
    sock = listen(0)
    port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with trio.fail_after(WAIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, sock, stats=stats))
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=WAIT_S) as client:
                yield Running(client, stats, port)
            nursery.cancel_scope.cancel()


@pytest.fixture
def simulator() -> Callable[[], AbstractAsyncContextManager[Running]]:
    return running
