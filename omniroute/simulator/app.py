"""The simulator as a Starlette application: its routes, and one request from read to answered.

| route | does |
|---|---|
| `POST /v1/chat/completions` | answers in the OpenAI chat format, see `scenario` for the models |
| `POST /v1/responses` | the same in the OpenAI Responses format |
| `POST /v1beta/models/{model}:generateContent` | the same in the Gemini format, and |
| `POST /v1beta/models/{model}:streamGenerateContent` | streamed (`alt=sse`), or an array |
| `POST /v1beta/models/{model}:countTokens` | counts, roughly |
| `GET /v1beta/models` | lists the scenarios in the Gemini format |
| `POST /v1/messages` | the same in the Claude format |
| `POST /v1/messages/count_tokens` | counts, roughly |
| `GET /v1/models` | lists the scenarios; in the Claude format where `anthropic-version` is sent |
| `GET /_simulator/stats` | what was asked so far, for tests |

Any key is accepted, and none is needed. `Stats` holds the last request as it came, key included:
the simulator listens on loopback and is given no secret that is one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute.simulator.claude import Claude
from omniroute.simulator.delivery import Cut, deliver_stream, deliver_whole
from omniroute.simulator.dialect import Dialect, Refusal
from omniroute.simulator.gemini import Gemini
from omniroute.simulator.gemini_request import read_count_request
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.openai_responses import OpenAIResponses
from omniroute.simulator.play import Ask, play
from omniroute.simulator.scenario import LISTED, Scenario, UnknownScenario, scenario_named

__all__ = ["CLOSE_CONNECTION", "Stats", "create_app"]

# ASGI cannot say "close this connection, unanswered"; the server puts a function for it here:
# `await close(reset=False)`.
CLOSE_CONNECTION = "omniroute.close_connection"

_BODY_BYTES = 128 * 1024 * 1024
_JSON = "application/json"
_MODELS_COUNTED = 1000
_WELCOME = """\
This is OmniRoute's built-in simulator, an upstream that needs no account and no key.
It speaks OpenAI chat, OpenAI Responses and Claude under /v1, Gemini under /v1beta;
GET /v1/models lists what it can do.
"""

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


def create_app(*, pace_s: float = 0.0, stats: Stats | None = None) -> Starlette:
    """A simulator. `pace_s` lies between two events where the model's name gives no pace."""
    counted = Stats() if stats is None else stats
    chat = OpenAIChat()
    claude = Claude()

    async def models(request: Request) -> Response:
        if "anthropic-version" in request.headers:
            return JSONResponse(claude.models(LISTED))
        if "x-goog-api-key" in request.headers:  # Gemini's SDK asks at this path, too
            return JSONResponse(Gemini().models(LISTED))
        return JSONResponse(chat.models(LISTED))

    async def welcome(request: Request) -> Response:
        return PlainTextResponse(_WELCOME)

    async def told(request: Request) -> Response:
        return JSONResponse(asdict(counted))

    async def unknown(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        refusal = Refusal(status, f"{request.method} {request.url.path} is not served here.")
        return Response(chat.error(refusal), status, media_type=_JSON)

    return Starlette(
        routes=[
            Route("/", welcome),
            Route("/v1/chat/completions", _Generation(chat, counted, pace_s), methods=["POST"]),
            Route(
                "/v1/responses",
                _Generation(OpenAIResponses(), counted, pace_s),
                methods=["POST"],
            ),
            *_claude_routes(claude, counted, pace_s),
            Route("/v1/models", models),
            *_gemini_routes(counted, pace_s),
            Route("/_simulator/stats", told),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )


def _claude_routes(claude: Claude, stats: Stats, pace_s: float) -> list[Route]:
    async def count(request: Request) -> Response:
        try:
            return Response(claude.counted(await request.body()), media_type=_JSON)
        except Refusal as refusal:
            return Response(claude.error(refusal), refusal.status, media_type=_JSON)

    return [
        Route("/v1/messages", _Generation(claude, stats, pace_s), methods=["POST"]),
        Route("/v1/messages/count_tokens", count, methods=["POST"]),
    ]


def _gemini_routes(stats: Stats, pace_s: float) -> list[Route]:
    """Gemini names model and method in the path; `alt=sse` says in which form a stream comes."""
    whole = Gemini()
    events = _Generation(Gemini(stream=True), stats, pace_s)
    array = _Generation(Gemini(stream=True, array=True), stats, pace_s)

    async def streamed(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = events if b"alt=sse" in scope["query_string"].split(b"&") else array
        await chosen(scope, receive, send)

    async def count(request: Request) -> Response:
        try:
            tokens = read_count_request(await request.body(), request.path_params["model"])
        except Refusal as refusal:
            return Response(whole.error(refusal), refusal.status, media_type=_JSON)
        return JSONResponse({"totalTokens": tokens})

    async def models(request: Request) -> Response:
        return JSONResponse(whole.models(LISTED))

    # The beta is what the reference describes; the SDK of today calls v1 by itself.
    routes = [Route("/v1beta/models", models)]
    for version in ("v1beta", "v1"):
        root = f"/{version}/models/{{model:path}}"
        generation = _Generation(whole, stats, pace_s)
        routes += [
            Route(f"{root}:generateContent", generation, methods=["POST"]),
            Route(f"{root}:streamGenerateContent", _Endpoint(streamed), methods=["POST"]),
            Route(f"{root}:countTokens", count, methods=["POST"]),
        ]
    return routes


class _Endpoint:
    """An ASGI application as an endpoint: Starlette takes a plain function for something else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Generation:
    """An ASGI endpoint that answers in one dialect."""

    def __init__(self, dialect: Dialect, stats: Stats, pace_s: float) -> None:
        self._dialect = dialect
        self._stats = stats
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
        """Answer as the model's name wants it. Raises `Cut`."""
        try:
            ask = self._dialect.read(body, scope.get("path_params", {}))
            self._stats.named(ask.model)
            scenario = _scenario(ask)
            await anyio.sleep(scenario.delay_s)
            _raise_status(scenario)
        except Refusal as refusal:
            await self._refuse(refusal, send)
            return
        if scenario.fault in ("cut-head", "reset-head"):
            raise Cut(reset=scenario.fault == "reset-head")
        await self._generate(scenario, ask, send)

    async def _generate(self, scenario: Scenario, ask: Ask, send: Send) -> None:
        pieces = play(scenario, ask)

        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        if ask.stream:
            frames = self._dialect.frames(ask, scenario, pieces)
            await send(_start(200, self._dialect.stream_type, {"cache-control": "no-cache"}))
            await deliver_stream(scenario, self._dialect, frames, write, pace_s=self._pace_s)
        else:
            document = self._dialect.whole(ask, scenario, pieces)
            await send(_start(200, _JSON, {}))
            await deliver_whole(scenario, self._dialect, document, write)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        body = self._dialect.error(refusal)
        headers = refusal.headers | {"content-length": str(len(body))}
        await send(_start(refusal.status, _JSON, headers))
        await send({"type": "http.response.body", "body": body, "more_body": False})


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
