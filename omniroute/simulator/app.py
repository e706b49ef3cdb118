"""The simulator as a Starlette application: its routes.

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
| `/p/NAME/…` | all of these as the provider NAME, where every model is served: see `mounts` |
| `/p/NAME/…` | and what vendors tell about an account's quotas: see `quota_endpoints` |
| `/_simulator/mounts…` | writes the scripts of these providers: see `scripting` |
| `GET /_simulator/stats` | what was asked so far, for tests |

Any key is accepted, and none is needed.
"""

from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from omniroute.simulator.claude import Claude
from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini import Gemini
from omniroute.simulator.gemini_request import read_count_request
from omniroute.simulator.generation import CLOSE_CONNECTION, Generation, Stats, credential_of
from omniroute.simulator.mounts import Mounts
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.openai_responses import OpenAIResponses
from omniroute.simulator.quota_endpoints import ENDPOINTS, QuotaEndpoint
from omniroute.simulator.scenario import LISTED
from omniroute.simulator.scripting import scripting_routes

__all__ = ["CLOSE_CONNECTION", "Stats", "create_app"]

_JSON = "application/json"
_WELCOME = """\
This is OmniRoute's built-in simulator, an upstream that needs no account and no key.
It speaks OpenAI chat, OpenAI Responses and Claude under /v1, Gemini under /v1beta;
GET /v1/models lists what it can do. Below /p/NAME it plays the provider NAME, whose
outages and quotas are written at /_simulator/mounts/NAME.
"""


def create_app(
    *, pace_s: float = 0.0, stats: Stats | None = None, mounts: Mounts | None = None
) -> Starlette:
    """A simulator. `pace_s` lies between two events where the model's name gives no pace."""
    counted = Stats() if stats is None else stats
    provided = Mounts() if mounts is None else mounts
    chat = OpenAIChat()

    async def welcome(request: Request) -> Response:
        return PlainTextResponse(_WELCOME)

    async def told(request: Request) -> Response:
        return JSONResponse(asdict(counted))

    async def unknown(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        refusal = Refusal(status, f"{request.method} {request.url.path} is not served here.")
        return Response(chat.error(refusal), status, media_type=_JSON)

    formats = _format_routes(counted, provided, pace_s)
    quotas = [_quota_route(path, endpoint, provided) for path, endpoint in ENDPOINTS.items()]
    return Starlette(
        routes=[
            Route("/", welcome),
            *formats,
            Mount("/p/{mount}", routes=[*formats, *quotas]),
            *scripting_routes(provided),
            Route("/_simulator/stats", told),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )


def _format_routes(stats: Stats, mounts: Mounts, pace_s: float) -> list[BaseRoute]:
    """What is served alike at the root and below each mount."""
    chat, claude = OpenAIChat(), Claude()

    async def models(request: Request) -> Response:
        if "anthropic-version" in request.headers:
            return JSONResponse(claude.models(LISTED))
        if "x-goog-api-key" in request.headers:  # Gemini's SDK asks at this path, too
            return JSONResponse(Gemini().models(LISTED))
        return JSONResponse(chat.models(LISTED))

    answering = Generation("openai", chat, stats, mounts, pace_s)
    responses = Generation("openai-responses", OpenAIResponses(), stats, mounts, pace_s)
    return [
        Route("/v1/chat/completions", answering, methods=["POST"]),
        Route("/v1/responses", responses, methods=["POST"]),
        *_claude_routes(claude, stats, mounts, pace_s),
        Route("/v1/models", models),
        *_gemini_routes(stats, mounts, pace_s),
    ]


def _claude_routes(claude: Claude, stats: Stats, mounts: Mounts, pace_s: float) -> list[BaseRoute]:
    async def count(request: Request) -> Response:
        try:
            return Response(claude.counted(await request.body()), media_type=_JSON)
        except Refusal as refusal:
            return Response(claude.error(refusal), refusal.status, media_type=_JSON)

    answering = Generation("claude", claude, stats, mounts, pace_s)
    return [
        Route("/v1/messages", answering, methods=["POST"]),
        Route("/v1/messages/count_tokens", count, methods=["POST"]),
    ]


def _gemini_routes(stats: Stats, mounts: Mounts, pace_s: float) -> list[BaseRoute]:
    """Gemini names model and method in the path; `alt=sse` says in which form a stream comes."""
    whole = Gemini()
    answering = Generation("gemini", whole, stats, mounts, pace_s)
    events = Generation("gemini", Gemini(stream=True), stats, mounts, pace_s)
    array = Generation("gemini", Gemini(stream=True, array=True), stats, mounts, pace_s)

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
    routes: list[BaseRoute] = [Route("/v1beta/models", models)]
    for version in ("v1beta", "v1"):
        root = f"/{version}/models/{{model:path}}"
        routes += [
            Route(f"{root}:generateContent", answering, methods=["POST"]),
            Route(f"{root}:streamGenerateContent", _Endpoint(streamed), methods=["POST"]),
            Route(f"{root}:countTokens", count, methods=["POST"]),
        ]
    return routes


def _quota_route(path: str, endpoint: QuotaEndpoint, mounts: Mounts) -> BaseRoute:
    async def answer(request: Request) -> Response:
        try:
            name = request.path_params["mount"]
            standings = mounts.standings(name, credential_of(request.scope))
        except Refusal as refusal:
            return Response(OpenAIChat().error(refusal), refusal.status, media_type=_JSON)
        return JSONResponse(endpoint.write(standings))

    return Route(path, answer, methods=[endpoint.method])


class _Endpoint:
    """An ASGI application as an endpoint: Starlette takes a plain function for something else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
