"""Traces for an OpenTelemetry collector: finished requests, sent in batches by OTLP over HTTP.

Switched on and set by the variables that all of OpenTelemetry uses
(opentelemetry.io/docs/specs/otel/protocol/exporter): `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or
`OTEL_EXPORTER_OTLP_ENDPOINT` to which `/v1/traces` is added; `…_HEADERS`, `…_PROTOCOL`
(`http/protobuf`, which is the default, or `http/json`), `OTEL_SERVICE_NAME`,
`OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`.

Best effort, and never in anybody's way: what waits is bounded, the oldest goes first and is
counted, and what a collector refuses for good is not sent again. The history has it all.
"""

import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import trio

from omniroute import __version__
from omniroute.control.jobs import JobFailed
from omniroute.control.otlp import PROTOBUF, PROTOCOLS, Protocol
from omniroute.control.spans import resource_spans
from omniroute.net.connector import Connector
from omniroute.net.destination import unsendable
from omniroute.net.proxies import EnvironmentProxies
from omniroute.record import Record

if TYPE_CHECKING:
    import httpx

BATCH: Final = 512
WAITING: Final = 20_000
ANSWER_S: Final = 10.0  # what the specification has for exporters
_ANSWER_BYTES: Final = 1 << 20
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
_PATH: Final = "/v1/traces"

_log = logging.getLogger("omniroute.control.telemetry")


class TelemetryInvalid(Exception):
    """The variables cannot be used; the message names the one and says why."""


@dataclass(frozen=True)
class Collector:
    """Where traces go, and what is said with them."""

    url: str
    headers: Mapping[str, str]
    resource: Mapping[str, str]
    protocol: Protocol = PROTOCOLS[PROTOBUF]

    def __repr__(self) -> str:
        return f"Collector({self.url!r})"  # headers hold credentials


def collector_of(environment: Mapping[str, str]) -> Collector | None:
    """The collector that the variables name, None where they name none. Raises TelemetryInvalid."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    url = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    if not url:
        name = "OTEL_EXPORTER_OTLP_ENDPOINT"
        url = environment.get(name, "").strip().rstrip("/")
        if not url:
            return None
        url += _PATH
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise TelemetryInvalid(f"{name} is no http:// or https:// URL")
    headers: dict[str, str] = {}
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        headers.update(_pairs(environment, variable))
        if (wrong := unsendable(headers)) is not None:
            raise TelemetryInvalid(f"{variable}: the header {wrong!r} cannot be sent")
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "").strip()
    protocol = protocol or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or PROTOBUF
    if protocol not in PROTOCOLS:
        known = " and ".join(PROTOCOLS)
        raise TelemetryInvalid(f"OTEL_EXPORTER_OTLP_PROTOCOL: what is spoken here is {known}")
    resource = _pairs(environment, "OTEL_RESOURCE_ATTRIBUTES")
    service = environment.get("OTEL_SERVICE_NAME", "").strip()
    resource["service.name"] = service or resource.get("service.name", "omniroute")
    resource.setdefault("service.version", __version__)
    return Collector(url, headers, resource, PROTOCOLS[protocol])


def _pairs(environment: Mapping[str, str], variable: str) -> dict[str, str]:
    """`a=1,b=2`, values percent-encoded (W3C Baggage, as the specification has it)."""
    pairs: dict[str, str] = {}
    for part in environment.get(variable, "").split(","):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise TelemetryInvalid(f"{variable} is not of the form name=value,name=value")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs


class Telemetry:
    """What waits to be sent, and its sending. `add` may be called from any thread."""

    def __init__(
        self,
        collector: Collector,
        post: Callable[[bytes], Awaitable["httpx.Response"]],
        waiting: int = WAITING,
    ) -> None:
        self._collector = collector
        self._post = post
        self._waiting: deque[Record] = deque(maxlen=waiting)
        self._lock = threading.Lock()
        self.sent = 0  # requests
        self.dropped = 0
        self.error = ""

    def add(self, records: Iterable[Record]) -> None:
        """Requests that have ended."""
        with self._lock:
            for record in records:
                self.dropped += len(self._waiting) == self._waiting.maxlen
                self._waiting.append(record)

    async def send(self) -> None:
        """Send what waits. Raises JobFailed when the collector cannot be reached or asks to wait;
        what was not sent waits on."""
        while batch := self._take():
            try:
                await self._send(batch)
            except BaseException:
                self._give_back(batch)
                raise

    def describe(self) -> dict[str, Any]:
        """For the status."""
        return {
            "collector": self._collector.url,
            "waiting": len(self._waiting),
            "sent": self.sent,
            "dropped": self.dropped,
            "error": self.error,
        }

    def _take(self) -> list[Record]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _give_back(self, batch: list[Record]) -> None:
        with self._lock:
            room = (self._waiting.maxlen or 0) - len(self._waiting)
            kept = batch[len(batch) - min(room, len(batch)) :]
            self.dropped += len(batch) - len(kept)
            self._waiting.extendleft(reversed(kept))

    async def _send(self, batch: list[Record]) -> None:
        import httpx

        collector = self._collector
        body = await trio.to_thread.run_sync(
            lambda: collector.protocol.encode(
                resource_spans(batch, collector.resource, __version__)
            )
        )
        try:
            answer = await self._post(body)
        except httpx.HTTPError as error:
            self.error = f"the collector cannot be reached: {error}"
            raise JobFailed(self.error) from error
        if answer.status_code in _TRY_AGAIN:
            self.error = f"the collector answered {answer.status_code}"
            raise JobFailed(self.error)
        if answer.status_code >= 300:
            self.dropped += len(batch)
            self.error = f"the collector refused {len(batch)} traces: {answer.status_code}"
            _log.error("%s", self.error)
            return
        self.sent += len(batch)
        self.error = ""


def posting(
    collector: Collector, connector: Connector, proxies: EnvironmentProxies, ca_file: str | None
) -> Callable[[bytes], Awaitable["httpx.Response"]]:
    """Sends one body to the collector. A collector in the own network is allowed: the owner of the
    process names it."""

    async def post(body: bytes) -> "httpx.Response":
        # Imported here: only those who send traces pay for it.
        import httpx

        from omniroute.net.http_client import ConnectorTransport

        parts = urlsplit(collector.url)
        transport = ConnectorTransport(
            connector,
            proxy=proxies.proxy_for(parts.scheme, parts.hostname or ""),
            ca_file=ca_file,
            allow_private=True,
            answer_s=ANSWER_S,
            answer_bytes=_ANSWER_BYTES,
        )
        headers = {
            "user-agent": f"OmniRoute/{__version__}",
            **collector.headers,
            "content-type": collector.protocol.media_type,
        }
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.post(collector.url, content=body, headers=headers)

    return post
