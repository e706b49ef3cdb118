"""The table of what the main port serves: path -> endpoint, tolerant of how tools are configured.

Real tools leave `/v1` out, double it (also behind a provider's path), put `/codex` before it, or
join with a slash too many; all reach the same place. The table is data; `find` is pure. A path that
the contract names but that is not built yet is known here too, so that it gets a 404 that says so,
behind the key check.
"""

import re
from enum import Enum
from typing import Final
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from omniroute.formats.base import PathFacts


class Kind(Enum):
    """What serves an endpoint."""

    CHAT = "chat"
    COUNT = "count"
    MODELS = "models"
    MODEL = "model"
    HEALTH = "health"
    READY = "ready"
    ROOT = "root"
    MANAGEMENT = "management"
    UNBUILT = "unbuilt"
    UNKNOWN = "unknown"


class Endpoint(Struct, frozen=True, gc=False):
    """Where a request target leads. `provider` is set by /v1/providers/{provider}/… paths."""

    kind: Kind
    name: str = ""  # the endpoint as logs and records name it
    format: str = "openai"  # the dialect of the client
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")
    needs_key: bool = True
    provider: str | None = None
    argument: str = ""  # the model of /v1/models/{model}
    path: PathFacts = PathFacts()


_POST: Final = (b"POST",)

# Paths below /v1.
_API: Final[dict[str, Endpoint]] = {
    "chat/completions": Endpoint(Kind.CHAT, "/v1/chat/completions", "openai", _POST),
    "completions": Endpoint(Kind.CHAT, "/v1/completions", "openai-completions", _POST),
    "responses": Endpoint(Kind.CHAT, "/v1/responses", "openai-responses", _POST),
    "messages": Endpoint(Kind.CHAT, "/v1/messages", "claude", _POST),
    "messages/count_tokens": Endpoint(Kind.COUNT, "/v1/messages/count_tokens", "claude", _POST),
    "models": Endpoint(Kind.MODELS, "/v1/models"),
    **{
        path: Endpoint(Kind.UNBUILT, f"/v1/{path}", "openai", _POST)
        for path in (
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
_LEAD: Final = re.compile(r"/*(?:(?:v1|v1beta|v1alpha|codex)/+)*")

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
    return _below(path.rstrip("/"), target)


# A model's name may hold slashes, and a colon before the method's.
_GEMINI_CALL: Final = re.compile(
    r"models/(?P<model>.+):(?P<method>generateContent|streamGenerateContent|countTokens)\Z"
)
_GEMINI_KINDS: Final = {
    "generateContent": Kind.CHAT,
    "streamGenerateContent": Kind.CHAT,
    "countTokens": Kind.COUNT,
}


def _below(path: str, target: bytes) -> Endpoint:
    lead, rest = _split_lead(path)
    if not rest.startswith("providers/"):
        return _named(lead, rest, target)
    provider, _, inner = rest.removeprefix("providers/").partition("/")
    found = _named(*_split_lead(inner), target) if provider else _UNKNOWN
    return found if found.kind is Kind.UNKNOWN else replace(found, provider=provider)


def _split_lead(path: str) -> tuple[str, str]:
    """The versions in front of a path, and what they stand before."""
    lead = _LEAD.match(path)
    end = lead.end() if lead is not None else 0
    return path[:end], path[end:]


def _named(lead: str, rest: str, target: bytes) -> Endpoint:
    call = _GEMINI_CALL.match(rest)
    if call is not None:
        method = call["method"]
        facts = PathFacts(call["model"], method == "streamGenerateContent", _wants_sse(target))
        name = f"/v1beta/models/{{model}}:{method}"
        return Endpoint(_GEMINI_KINDS[method], name, "gemini", _POST, path=facts)
    dialect = "gemini" if "beta" in lead or "alpha" in lead else "openai"
    if rest == "models":
        return replace(_API["models"], format=dialect)
    if rest.startswith("models/") and len(rest) > len("models/"):
        name = rest.removeprefix("models/")
        return Endpoint(Kind.MODEL, "/v1/models/{model}", dialect, argument=name)
    return _API.get(rest, _UNKNOWN)


def _wants_sse(target: bytes) -> bool:
    return b"alt=sse" in target.partition(b"?")[2].split(b"&")


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
