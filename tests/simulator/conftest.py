"""A simulator on a real socket, in the test's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from omniroute.simulator.app import Stats
from omniroute.simulator.mounts import Mounts
from omniroute.simulator.server import listen, serve

WAIT_S = 10


NOON_S = 1_800_000_000.0


class Clock:
    """The hour of simulated providers, which only a test moves."""

    def __init__(self) -> None:
        self.now_s = NOON_S

    def __call__(self) -> float:
        return self.now_s


class Running:
    """A simulator that runs, a client of it, what it has counted, its providers' clock."""

    def __init__(self, client: httpx.AsyncClient, stats: Stats, port: int, clock: Clock) -> None:
        self.client = client
        self.stats = stats
        self.port = port
        self.clock = clock

    async def ask(self, model: str, *, stream: bool = False, query: str = "") -> httpx.Response:
        return await self.client.send(self.request(model, stream, query))

    def request(self, model: str, stream: bool, query: str = "") -> httpx.Request:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        return self.client.build_request("POST", f"/v1/chat/completions{query}", json=body)

    async def script(self, mount: str, **script: Any) -> dict[str, Any]:
        """Writes a provider's script; `account` names the account that it is for."""
        account = script.pop("account", None)
        place = f"/_simulator/mounts/{mount}" + (f"/accounts/{account}" if account else "")
        answer = await self.client.put(place, json=script)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def told(self, mount: str) -> dict[str, Any]:
        return (await self.client.get(f"/_simulator/mounts/{mount}")).json()

    async def at(
        self, mount: str, *, key: str = "one", model: str = "glm-4.7", say: str = "Hi"
    ) -> httpx.Response:
        """One request in the chat format at a provider."""
        body = {"model": model, "messages": [{"role": "user", "content": say}]}
        headers = {"authorization": f"Bearer {key}"}
        return await self.client.post(f"/p/{mount}/v1/chat/completions", json=body, headers=headers)

    async def idle(self) -> None:
        """Until no answer runs. Nobody tells, so it is polled; a fail_after stands around it."""
        while self.stats.running:  # noqa: ASYNC110
            await trio.sleep(0.001)


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    stats = Stats()
    clock = Clock()
    sock = listen(0)
    port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with trio.fail_after(WAIT_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, sock, stats=stats, mounts=Mounts(clock)))
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=WAIT_S) as client:
                yield Running(client, stats, port, clock)
            nursery.cancel_scope.cancel()


@pytest.fixture
def simulator() -> Callable[[], AbstractAsyncContextManager[Running]]:
    return running
