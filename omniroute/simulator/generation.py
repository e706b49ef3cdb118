"""One request to generate, from its body read to its answer sent, in one wire format.

What happens is decided elsewhere: by the model's name (`scenario`), or, where the URL names a
mount, by the script of that simulated provider (`mounts`). `Stats` counts both alike and holds the
last request as it came, key included: the simulator listens on loopback and is given no secret that
is one.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from omniroute.simulator.delivery import Cut, deliver_stream, deliver_whole
from omniroute.simulator.dialect import Dialect, Refusal
from omniroute.simulator.mounts import Mounts, Visit
from omniroute.simulator.play import Ask, play
from omniroute.simulator.scenario import HEAD_FAULTS, Scenario, UnknownScenario, scenario_named

__all__ = ["CLOSE_CONNECTION", "Generation", "Stats", "credential_of"]

# ASGI cannot say "close this connection, unanswered"; the server puts a function for it here:
# `await close(reset=False)`.
CLOSE_CONNECTION = "omniroute.close_connection"

_BODY_BYTES = 128 * 1024 * 1024
_JSON = "application/json"
_MODELS_COUNTED = 1000

_MESSAGES: Mapping[int, str] = {
    401: "The API key is wrong: this is a simulated error.",
    403: "The key may not use this model: this is a simulated error.",
    429: "The rate limit is reached: this is a simulated error.",
    503: "The model is overloaded: this is a simulated error.",
}
_CODES: Mapping[int, str] = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


@dataclass(slots=True)
class Stats:
    """What was asked of this simulator; read directly, or as JSON under `/_simulator/stats`."""

    requests: int = 0
    """Generation requests received, refused ones included."""
    running: int = 0
    finished: int = 0
    """Answers that went out as intended, simulated errors included."""
    cut: int = 0
    """Answers that were cut on purpose."""
    disconnected: int = 0
    """Requests whose client left before the end."""
    by_model: dict[str, int] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    """The last request: method, path, query, headers as pairs in order, body."""

    def received(self, scope: Scope, body: bytes) -> None:
        self.requests += 1
        self.last = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")]
                for name, value in scope["headers"]
            ],
            "body": body.decode("utf-8", "replace"),
        }

    def named(self, model: str) -> None:
        if model in self.by_model or len(self.by_model) < _MODELS_COUNTED:
            self.by_model[model] = self.by_model.get(model, 0) + 1


class Generation:
    """An ASGI endpoint that answers in one dialect."""

    def __init__(
        self, format_name: str, dialect: Dialect, stats: Stats, mounts: Mounts, pace_s: float
    ) -> None:
        self._format = format_name
        self._dialect = dialect
        self._stats = stats
        self._mounts = mounts
        self._pace_s = pace_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(scope, receive)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            self._stats.received(scope, b"")
            await self._refuse(refusal, send)
            return
        stats = self._stats
        stats.received(scope, body)
        stats.running += 1
        end = "disconnected"

        async def send_noting_the_end(message: Message) -> None:
            nonlocal end
            # Before the send: a server may report the finished exchange as a disconnect.
            if not message.get("more_body", True):
                end = "finished"
            await send(message)

        try:
            async with anyio.create_task_group() as tasks:

                async def leave_with_client() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    tasks.cancel_scope.cancel()

                tasks.start_soon(leave_with_client)
                try:
                    await self._answer(scope, body, send_noting_the_end)
                except Cut as cut:
                    end = "cut"
                    close: Callable[..., Awaitable[None]] = scope["extensions"][CLOSE_CONNECTION]
                    await close(reset=cut.reset)
                tasks.cancel_scope.cancel()
        finally:
            stats.running -= 1
            setattr(stats, end, getattr(stats, end) + 1)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        """Answer as the model's name or the mount's script wants it. Raises `Cut`."""
        try:
            ask = self._dialect.read(body, scope.get("path_params", {}))
            self._stats.named(ask.model)
            with self._visit(scope, body, ask) as visit:
                scenario = visit.scenario
                await anyio.sleep(scenario.delay_s)
                _raise_status(scenario)
                if scenario.fault in HEAD_FAULTS:
                    raise Cut(reset=scenario.fault == "reset-head")
                await self._generate(visit, send)
        except Refusal as refusal:
            await self._refuse(refusal, send)

    @contextmanager
    def _visit(self, scope: Scope, body: bytes, ask: Ask) -> Iterator[Visit]:
        mount = scope.get("path_params", {}).get("mount")
        if mount is None:
            yield Visit(ask, _scenario(ask))
            return
        with self._mounts.visit(mount, credential_of(scope), self._format, ask, body) as visit:
            yield visit

    async def _generate(self, visit: Visit, send: Send) -> None:
        scenario, ask = visit.scenario, visit.ask
        pieces = visit.count(play(scenario, ask))

        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        if ask.stream:
            frames = self._dialect.frames(ask, scenario, pieces)
            headers = {"cache-control": "no-cache", **visit.headers}
            await send(_start(200, self._dialect.stream_type, headers))
            await deliver_stream(scenario, self._dialect, frames, write, pace_s=self._pace_s)
        else:
            document = self._dialect.whole(ask, scenario, pieces)
            await send(_start(200, _JSON, visit.headers))
            await deliver_whole(scenario, self._dialect, document, write)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        body = self._dialect.error(refusal) if refusal.body is None else refusal.body
        headers = refusal.headers | {"content-length": str(len(body))}
        await send(_start(refusal.status, _JSON, headers))
        await send({"type": "http.response.body", "body": body, "more_body": False})


def credential_of(scope: Scope) -> str:
    """The credential that a request carries, wherever its format carries it; "" for none."""
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if token:
        return token.strip()
    for name in ("x-api-key", "x-goog-api-key"):
        if name in headers:
            return headers[name]
    return scheme or QueryParams(scope["query_string"]).get("key", "")


async def _read(scope: Scope, receive: Receive) -> bytes:
    body = bytearray()
    async for chunk in Request(scope, receive).stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise Refusal(413, f"The body of the request exceeds {_BODY_BYTES} bytes.")
    return bytes(body)


def _scenario(ask: Ask) -> Scenario:
    try:
        return scenario_named(ask.model)
    except UnknownScenario as error:
        message = f"The model {ask.model!r} does not exist: {error}"
        raise Refusal(404, message, "model", "model_not_found") from None


def _raise_status(scenario: Scenario) -> None:
    if scenario.status == 200:
        return
    headers = {}
    if scenario.retry_after_s is not None:
        headers["retry-after"] = str(scenario.retry_after_s)
    status = scenario.status
    message = _MESSAGES.get(status, f"This is a simulated error of status {status}.")
    raise Refusal(status, message, None, _CODES.get(status), headers)


def _start(status: int, content_type: str, headers: Mapping[str, str]) -> Message:
    pairs = {"content-type": content_type, "x-omniroute-simulator": "1", **headers}
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }
