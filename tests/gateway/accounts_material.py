"""Several accounts behind one gateway: what each answers is told by name, and what it was asked is
remembered. And a second worker that shares the state of the first."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import trio

from omniroute.gateway.server import Gateway
from omniroute.net.transport import memory_pair
from tests.gateway.chat_material import FINISH, chunk, request
from tests.gateway.conftest import UPSTREAM_KEY, Answer, Harness, MemoryStream, RawClient

Act = Callable[[Any], Awaitable[None]]
"""What an account does with one request, given the upstream's side of the connection."""


def account(provider: str, name: str, more: str = "") -> str:
    """A connection as the configuration has it, known to `Accounts` as `provider/name`."""
    return (
        f'[[connections]]\nprovider = "{provider}"\nname = "{name}"\n'
        f'api_key = "key-of-{provider}/{name}"\n{more}\n'
    )


def provider(
    id_: str, *names: str, models: Sequence[str] = ("plain",), more: str = "", limits: str = ""
) -> str:
    """A provider of its own with accounts of these names, each with these limits."""
    head = (
        f'[[providers]]\nid = "{id_}"\nformat = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
        f"models = {json.dumps(list(models))}\n{more}\n"
    )
    return head + "".join(
        account(id_, name, f"priority = {place}\n{limits}")
        for place, name in enumerate(names or ("main",))
    )


def combo(name: str, *models: str, more: str = "") -> str:
    return f'[[combos]]\nname = "{name}"\nmodels = {json.dumps(models)}\n{more}\n'


def key(name: str, more: str = "") -> str:
    """A client's key `sk-of-…`."""
    return f'[[keys]]\nname = "{name}"\nkey = "sk-of-{name}"\n{more}\n'


def says(text: str = "ok", tokens: int = 3, extra: bytes = b"") -> Act:
    """An answer: whole or streamed, as it was asked for."""

    async def act(side: Any) -> None:
        if side.streams:
            await side.start_stream()
            await side.event(chunk(text))
            await side.event(FINISH)
            usage = {"prompt_tokens": 7, "completion_tokens": tokens}
            await side.event(json.dumps({"id": "c", "choices": [], "usage": usage}).encode())
            await side.end_stream()
            return
        message = {"role": "assistant", "content": text}
        answer = {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": tokens},
        }
        await side.answer(json.dumps(answer).encode(), 200, extra)

    return act


def fails(status: int, message: str = "no", extra: bytes = b"", **error: Any) -> Act:
    """An error in OpenAI's shape."""

    async def act(side: Any) -> None:
        body = {"error": {"message": message, **error}}
        await side.answer(json.dumps(body).encode(), status, extra)

    return act


def after(seconds: float, act: Act) -> Act:
    """The same, later."""

    async def late(side: Any) -> None:
        await trio.sleep(seconds)
        await act(side)

    return late


def until(event: trio.Event, act: Act) -> Act:
    """The same, once something has happened."""

    async def held(side: Any) -> None:
        await event.wait()
        await act(side)

    return held


class Accounts:
    """The scripted upstream of `memory_gateway`: every account answers what it was told to.

    The last thing told to an account holds for all requests that follow. An account that was told
    nothing answers with its own name.
    """

    def __init__(self, **told: Act) -> None:
        self.asked: list[str] = []  # "provider/name model", in order
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._told: dict[str, list[Act]] = {}
        for name, act in told.items():
            self.tell(name.replace("_", "/"), act)

    def tell(self, name: str, *acts: Act) -> None:
        """What an account ("acme/main"), or a model of it ("acme/main plain"), does from now on."""
        self._told[name] = list(acts)

    async def __call__(self, side: Any) -> None:
        while True:
            head, body = await side.request()
            read = json.loads(body)
            name = _account_of(head)
            target = f"{name} {read.get('model', '')}"
            side.streams = bool(read.get("stream"))
            self.asked.append(target)
            self.bodies.append(read)
            self.times.append(trio.current_time())
            acts = self._told.get(target) or self._told.get(name) or [says(name)]
            await (acts.pop(0) if len(acts) > 1 else acts[0])(side)


def _account_of(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() in ("authorization", "x-api-key"):
            credential = value.removeprefix("Bearer ")
            if credential == UPSTREAM_KEY:
                return "acme/main"
            return credential.removeprefix("key-of-")
    raise AssertionError(f"no credential in {head!r}")


async def ask(
    harness: Harness, model: str = "acme/plain", *, key: str = "test", extra: str = "", **more: Any
) -> Answer:
    """One chat request on a connection of its own, to its end; of a new conversation."""
    client = await harness.client()
    await post(client, model, key=key, extra=extra, **more)
    return await client.answer()


async def post(
    client: RawClient, model: str, *, key: str = "test", extra: str = "", **more: Any
) -> None:
    credential = "sk-test-1234567890" if key == "test" else f"sk-of-{key}"
    more.setdefault("messages", [{"role": "user", "content": uuid4().hex}])
    await client.post(request(model, **more), key=credential, extra=extra)


def told(answer: Answer) -> str:
    """The text of an answer, streamed or whole, or the message of an error."""
    if answer.body.startswith((b"data:", b":", b"event:")):
        lines = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
        deltas = [
            choice["delta"] for line in lines for choice in json.loads(line).get("choices", ())
        ]
        return "".join(delta.get("content") or "" for delta in deltas)
    read = json.loads(answer.body)
    if "error" in read:
        return str(read["error"]["message"])
    return str(read["choices"][0]["message"]["content"])


def reserved(harness: Harness) -> dict[str, int]:
    """What is reserved at every limit of the configuration, where anything is."""
    gateway = harness.gateway
    meters = {
        meter
        for own in (
            *(principal.meters for principal in gateway.view.principals.values()),
            *(target.meters for targets in gateway.view.targets.values() for target in targets),
        )
        for meter in own
    }
    ordered = sorted(meters, key=lambda meter: meter.key)
    readings = gateway.limits.readings(ordered, gateway.now_ms())
    return {
        meter.key: reading.reserved
        for meter, reading in zip(ordered, readings, strict=True)
        if reading.reserved
    }


def used(harness: Harness, meter_key: str) -> int:
    """What was used of one limit."""
    gateway = harness.gateway
    for own in (
        *(principal.meters for principal in gateway.view.principals.values()),
        *(target.meters for targets in gateway.view.targets.values() for target in targets),
    ):
        for meter in own:
            if meter.key == meter_key:
                return gateway.limits.readings([meter], gateway.now_ms())[0].used
    raise KeyError(meter_key)


@asynccontextmanager
async def second_worker(harness: Harness) -> AsyncIterator[Harness]:
    """Another gateway over the same shared state and the same upstreams."""
    first = harness.gateway
    async with trio.open_nursery() as nursery:
        gateway = Gateway(
            harness.state,
            first._installation,
            worker_id=1,
            environment={},
            clock=trio.current_time,
            wall_ns=first._wall_ns,
        )
        await gateway.start(harness.connector)  # type: ignore[attr-defined]
        nursery.start_soon(gateway.sweep)
        await nursery.start(gateway.flights.run)

        async def connect() -> trio.abc.Stream:
            ours, theirs = memory_pair()
            nursery.start_soon(gateway.serve_connection, theirs, "192.0.2.2")
            return MemoryStream(ours)

        yield Harness(gateway, harness.state, connect)
        nursery.cancel_scope.cancel()
