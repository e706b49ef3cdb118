"""The table of what the main port serves: path -> endpoint, tolerant of how tools are configured.

Real tools leave `/v1` out, double it (also behind a provider's path), put `/codex` before it, or
join with a slash too many; all reach the same place. The table is data; `find` is pure. A path that
the contract names but that is not built yet is known here too, so that it gets a 404 that says so,
behind the key check.
"""

import re
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote


class Kind(Enum):
    """What serves an endpoint."""

    CHAT = "chat"
    MODELS = "models"
    MODEL = "model"
    HEALTH = "health"
    READY = "ready"
    ROOT = "root"
    MANAGEMENT = "management"
    UNBUILT = "unbuilt"
    UNKNOWN = "unknown"


class Endpoint(NamedTuple):
    """Where a request target leads. `provider` is set by /v1/providers/{provider}/… paths."""

    kind: Kind
    name: str = ""  # the endpoint as logs and records name it
    format: str = ""
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")
    needs_key: bool = True
    provider: str | None = None
    argument: str = ""  # the model of /v1/models/{model}


_POST: Final = (b"POST",)

# Paths below /v1.
_API: Final[dict[str, Endpoint]] = {
    "chat/completions": Endpoint(Kind.CHAT, "/v1/chat/completions", "openai", _POST),
    "models": Endpoint(Kind.MODELS, "/v1/models", "openai"),
    **{
        path: Endpoint(Kind.UNBUILT, f"/v1/{path}", "openai", _POST)
        for path in (
            "completions",
            "responses",
            "messages",
            "messages/count_tokens",
            "embeddings",
            "images/generations",
            "audio/transcriptions",
            "audio/speech",
            "moderations",
            "rerank",
        )
    },
}
_TOP: Final[dict[str, Endpoint]] = {
    "/": Endpoint(Kind.ROOT, "/", needs_key=False),
    "/healthz": Endpoint(Kind.HEALTH, "/healthz", needs_key=False),
    "/readyz": Endpoint(Kind.READY, "/readyz", needs_key=False),
}
_MANAGEMENT: Final = Endpoint(Kind.MANAGEMENT, "/api", methods=(), needs_key=False)
_UNKNOWN: Final = Endpoint(Kind.UNKNOWN, methods=())
_LEAD: Final = re.compile(r"/*(?:(?:v1|codex)/+)*")

# The paths nearly every request has, found without any work.
EXACT: Final[dict[bytes, Endpoint]] = {
    f"/v1/{path}".encode(): endpoint for path, endpoint in _API.items()
} | {path.encode(): endpoint for path, endpoint in _TOP.items()}


def find(target: bytes) -> Endpoint:
    """The endpoint of a request target (path and query); `Kind.UNKNOWN` when there is none."""
    exact = EXACT.get(target)
    if exact is not None:
        return exact
    raw = target.partition(b"?")[0].decode("latin-1")
    if raw in ("/api", "/dashboard", "/metrics") or raw.startswith(("/api/", "/dashboard/")):
        return _MANAGEMENT
    path = unquote(raw)
    top = _TOP.get(path)
    if top is not None:
        return top
    return _below_v1(path.rstrip("/"))


def _below_v1(path: str) -> Endpoint:
    rest = _without_lead(path)
    if not rest.startswith("providers/"):
        return _named(rest)
    provider, _, inner = rest.removeprefix("providers/").partition("/")
    found = _named(_without_lead(inner)) if provider else _UNKNOWN
    return found if found.kind is Kind.UNKNOWN else found._replace(provider=provider)


def _without_lead(path: str) -> str:
    lead = _LEAD.match(path)
    return path if lead is None else path[lead.end() :]


def _named(rest: str) -> Endpoint:
    found = _API.get(rest)
    if found is not None:
        return found
    if rest.startswith("models/") and len(rest) > len("models/"):
        name = rest.removeprefix("models/")
        return Endpoint(Kind.MODEL, "/v1/models/{model}", "openai", argument=name)
    return _UNKNOWN


def query_key(target: bytes) -> bytes | None:
    """The API key of a `?key=` parameter, as Gemini clients send it; None when there is none."""
    _, mark, query = target.partition(b"?")
    if not mark:
        return None
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"key":
            return unquote(value.decode("latin-1")).encode("utf-8")
    return None
