"""Does a connection work? Asked as its traffic would go, and told so that a person can act.

First the provider's list of models is asked for; where there is none, or where it is given to
anybody and so proves no key, the shortest chat request follows. Names, proxies, TLS and egress
policy are those of the traffic (`net`). Nothing is retried, and nothing counts against limits or
health. What an upstream says is cut and told without the credential.
"""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
import trio

from omniroute import __version__
from omniroute.config.urls import root_url
from omniroute.control.diagnosis import (
    HELP,
    Answer,
    Fault,
    Unanswered,
    fault_of,
    read_models,
    said_by,
    sentence_of,
    unanswered,
)
from omniroute.installation import Installation, InstallationError
from omniroute.net.connector import Connector
from omniroute.net.destination import origin_of, unsendable
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import open_readiness
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot

ANSWER_S: Final = 20.0
ANSWER_BYTES: Final = 4 << 20
AT_ONCE: Final = 8


class Outcome(msgspec.Struct):
    """How a test went. `fault` is "" when it works; `said` is the provider's own sentence."""

    id: str
    ok: bool
    fault: Fault
    message: str
    help: str
    said: str
    status: int  # of HTTP; 0 without an answer
    via: Literal["", "models", "chat"]
    proxied: bool
    latencyMs: int
    models: list[str]


_ROOT_PATHS: Final[Mapping[str, str]] = {
    "openai": "/models",
    "openai-responses": "/models",
    "claude": "/v1/models",
    "gemini": "/v1beta/models",
}
_LEAST_SECRET: Final = 8  # characters
_PING: Final = [{"role": "user", "content": "ping"}]
_BODIES: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "openai": lambda model: {"model": model, "messages": _PING, "max_tokens": 1},
    "openai-responses": lambda model: {"model": model, "input": "ping", "max_output_tokens": 16},
    "claude": lambda model: {"model": model, "messages": _PING, "max_tokens": 1},
    "gemini": lambda model: {
        "contents": [{"role": "user", "parts": [{"text": "ping"}]}],
        "generationConfig": {"maxOutputTokens": 1},
    },
}


class Prober:
    """Asks on behalf of one snapshot's connections. Made by `probing`."""

    def __init__(
        self, snapshot: Snapshot, installation: Installation, connector: Connector
    ) -> None:
        self._snapshot = snapshot
        self._installation = installation
        self._connector = connector
        self._environment_proxies = EnvironmentProxies(os.environ)
        self._providers = {view.id: view for view in snapshot.providers}
        self._connections = {view.id: view for view in snapshot.connections}

    async def probe(self, id_: str, model: str = "") -> Outcome:
        """How the connection with this id works; `model` is the one that a chat asks for."""
        connection = self._connections.get(id_)
        if connection is None:
            return _not_configured(id_, "The connection, or its provider, is switched off.")
        provider = self._providers[connection.provider]
        if provider.needs:
            return _not_configured(id_, provider.needs)
        began = time.monotonic()
        asking = _Asking(self, provider, connection)
        outcome = await asking.outcome(model)
        outcome.latencyMs = round((time.monotonic() - began) * 1000)
        return outcome

    async def ask(
        self,
        method: str,
        url: str,
        provider: ProviderView,
        connection: ConnectionView,
        *,
        credential: str,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        """The answer of an upstream. Raises Unanswered."""
        # Imported here: only those who ask pay for it at start.
        import httpx

        from omniroute.net.http_client import ConnectorTransport

        try:
            origin = origin_of(url, provider, connection, self._snapshot, self._environment_proxies)
        except ValueError:
            raise Unanswered("wrong base URL", "The base URL is not valid.") from None
        headers = _headers(provider, credential)
        if (name := unsendable(headers)) is not None:
            raise Unanswered(
                "bad key", f"Its header {name!r} holds characters that no header may hold."
            )
        transport = ConnectorTransport(
            self._connector,
            proxy=origin.proxy,
            ca_file=origin.ca_file,
            allow_private=origin.allow_private,
            answer_s=ANSWER_S,
            answer_bytes=ANSWER_BYTES,
        )
        content = None if body is None else msgspec.json.encode(body)
        try:
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                answer = await client.request(method, url, headers=headers, content=content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(error, proxied=origin.proxy is not None) from error
        return Answer(answer.status_code, answer.content)

    def credential(self, connection: ConnectionView) -> str:
        """Raises InstallationError."""
        if not connection.secret:
            return ""
        return self._installation.decrypt(connection.secret).decode()

    def is_proxied(self, provider: ProviderView, connection: ConnectionView) -> bool:
        with contextlib.suppress(ValueError):
            origin = origin_of(
                connection.url, provider, connection, self._snapshot, self._environment_proxies
            )
            return origin.proxy is not None
        return False


class _Asking:
    """The questions about one connection."""

    def __init__(self, prober: Prober, provider: ProviderView, connection: ConnectionView) -> None:
        self._prober = prober
        self._provider = provider
        self._connection = connection
        self._credential = ""
        self._models: list[str] = []

    async def outcome(self, model: str) -> Outcome:
        try:
            self._credential = self._prober.credential(self._connection)
            found = None if model else await self._by_models()
            return found or await self._by_chat(model)
        except Unanswered as error:
            return self._told(error.fault, str(error))
        except InstallationError as error:
            return self._told("bad key", str(error))

    async def _by_models(self) -> Outcome | None:
        """None when the list says nothing about whether the connection works."""
        url = models_url(self._provider, self._connection)
        if url is None:
            return None
        answer = await self._ask("GET", url, self._credential)
        if answer.status == 200:
            listed = read_models(self._provider.format, answer.content)
            if listed is None:
                return None
            self._models = listed
            if self._credential and (await self._ask("GET", url, "")).status == 200:
                return None  # anybody gets it
            count = f"{len(listed)} models" if len(listed) != 1 else "1 model"
            return self._told("", f"It works: the provider lists {count}.", answer, "models")
        fault = fault_of(answer, of_models=True)
        if fault in ("bad key", "region block", "no credit", "rate limit"):
            return self._told(fault, sentence_of(fault, answer), answer, "models")
        return None

    async def _by_chat(self, wished: str) -> Outcome:
        listed = [model.id for model in self._provider.models]
        model = wished or next(iter([*self._models[:1], *listed]), "")
        if not model:
            return self._told(
                "wrong base URL", "The provider lists no models; name one to ask it for an answer."
            )
        url = self._connection.url.replace("{model}", quote(model, safe="/:@")).replace(
            "{method}", "generateContent"
        )
        body = _BODIES[self._provider.format](model)
        answer = await self._ask("POST", url, self._credential, body)
        if 200 <= answer.status < 300 and _is_object(answer.content):
            return self._told("", f"It works: {model} answers.", answer, "chat")
        fault = fault_of(answer, of_models=False)
        return self._told(fault, sentence_of(fault, answer, model), answer, "chat")

    async def _ask(
        self, method: str, url: str, credential: str, body: dict[str, Any] | None = None
    ) -> Answer:
        return await self._prober.ask(
            method, url, self._provider, self._connection, credential=credential, body=body
        )

    def _told(
        self,
        fault: Fault,
        message: str,
        answer: Answer | None = None,
        via: Literal["", "models", "chat"] = "",
    ) -> Outcome:
        said = "" if answer is None or not fault else said_by(answer.content)
        return Outcome(
            id=self._connection.id,
            ok=not fault,
            fault=fault,
            message=self._without_credential(message),
            help=HELP.get(fault, ""),
            said=self._without_credential(said),
            status=0 if answer is None else answer.status,
            via=via,
            proxied=self._prober.is_proxied(self._provider, self._connection),
            latencyMs=0,
            models=self._models,
        )

    def _without_credential(self, text: str) -> str:
        # Headers of one's own may hold another; short ones are words.
        own = (value for _, value in self._provider.headers if len(value) >= _LEAST_SECRET)
        for secret in filter(None, (self._credential, *own)):
            text = text.replace(secret, "[secret]")
        return text


@contextlib.asynccontextmanager
async def probing(snapshot: Snapshot, installation: Installation) -> AsyncIterator[Prober]:
    """A prober with connections of its own, which end with it."""
    readiness = open_readiness()
    connector = Connector(
        readiness,
        connect_s=snapshot.upstream.connect_s,
        default_ca_file=snapshot.upstream.ca_file,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        yield Prober(snapshot, installation, connector)
        nursery.cancel_scope.cancel()


async def probe_all(prober: Prober, ids: list[str]) -> list[Outcome]:
    """Each of them, some at a time, in their order."""
    outcomes: dict[str, Outcome] = {}
    some = trio.CapacityLimiter(AT_ONCE)

    async def probe(id_: str) -> None:
        async with some:
            outcomes[id_] = await prober.probe(id_)

    async with trio.open_nursery() as nursery:
        for id_ in ids:
            nursery.start_soon(probe, id_)
    return [outcomes[id_] for id_ in ids]


def models_url(provider: ProviderView, connection: ConnectionView) -> str | None:
    """Where the provider lists its models; None when its format has no such place."""
    path = _ROOT_PATHS.get(provider.format)
    root, _, query = root_url(provider.format, connection.base_url or provider.base_url).partition(
        "?"
    )
    if path is None or not root:
        return None
    if provider.format == "gemini" and root.rpartition("/")[2].startswith("v1"):
        path = "/models"
    return f"{root}{path}?{query}" if query else root + path


def _headers(provider: ProviderView, credential: str) -> dict[str, str]:
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"OmniRoute/{__version__}",
        **dict(provider.headers),
    }
    if credential and provider.auth_header:
        headers[provider.auth_header] = provider.auth_value.replace("{credential}", credential)
    return headers


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(content), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _not_configured(id_: str, message: str) -> Outcome:
    return Outcome(id_, False, "not configured", message, "", "", 0, "", False, 0, [])
