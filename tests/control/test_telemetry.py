"""Traces reach a collector that listens on a socket, and get in nobody's way when it does not."""

import json
from typing import Any

import httpx
import pytest
import trio

from omniroute.control.jobs import JobFailed
from omniroute.control.otlp import JSON, PROTOBUF, PROTOCOLS
from omniroute.control.telemetry import (
    BATCH,
    Collector,
    Telemetry,
    TelemetryInvalid,
    collector_of,
    posting,
)
from omniroute.net.connector import Connector
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import open_readiness
from omniroute.record import Record


class Listener:
    """A collector: keeps what it is sent, answers with a status that can be turned."""

    def __init__(self) -> None:
        self.status = 200
        self.heads: list[str] = []
        self.bodies: list[Any] = []
        self.port = 0

    async def answer(self, stream: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        [length] = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        while len(body) < length:
            body += await stream.receive_some()
        self.heads.append(head.decode())
        self.bodies.append(json.loads(body))
        answer = f"HTTP/1.1 {self.status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        await stream.send_all(answer.encode())
        await stream.aclose()

    def traces(self) -> list[str]:
        """The request ids of all spans that came, in their order."""
        return [id_ for body in self.bodies for id_ in ids_in(body)]


def ids_in(body: Any) -> list[str]:
    """The request ids in an export."""
    return [
        attribute["value"]["stringValue"]
        for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        for attribute in span["attributes"]
        if attribute["key"] == "omniroute.request.id"
    ]


class Post:
    """Sends to nobody: keeps the ids, or fails."""

    def __init__(self) -> None:
        self.fails = True
        self.meanwhile: list[Record] = []
        self.telemetry = Telemetry(
            Collector("http://x", {}, {}, PROTOCOLS[JSON]), self.post, waiting=3
        )
        self.ids: list[str] = []

    async def post(self, body: bytes) -> httpx.Response:
        if self.fails:
            self.telemetry.add(self.meanwhile)
            raise httpx.ConnectError("no such host")
        self.ids += ids_in(json.loads(body))
        return httpx.Response(200)


@pytest.fixture
async def listener(nursery: trio.Nursery) -> Listener:
    made = Listener()
    [listening] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    made.port = listening.socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, made.answer, [listening])
    return made


@pytest.fixture
async def telemetry(listener: Listener, nursery: trio.Nursery) -> Telemetry:
    readiness = open_readiness()
    nursery.start_soon(readiness.run)
    collector = collector_of(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.port}",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20eDp5",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_SERVICE_NAME": "gate",
        }
    )
    assert collector is not None
    post = posting(collector, Connector(readiness), EnvironmentProxies({}), None)
    return Telemetry(collector, post)


def records(*names: int) -> list[Record]:
    return [Record(id=str(name), started_ms=name) for name in names]


async def test_what_ended_reaches_the_collector(telemetry: Telemetry, listener: Listener) -> None:
    await telemetry.send()
    assert listener.bodies == []
    telemetry.add(records(*range(BATCH + 1)))
    await telemetry.send()
    assert len(listener.bodies) == 2
    assert listener.traces() == [str(number) for number in range(BATCH + 1)]
    assert listener.heads[0].startswith("POST /v1/traces HTTP/1.1")
    assert "authorization: Basic eDp5" in listener.heads[0]
    assert "content-type: application/json" in listener.heads[0]
    assert (telemetry.sent, telemetry.dropped, telemetry.error) == (BATCH + 1, 0, "")


@pytest.mark.parametrize("status", [429, 503])
async def test_what_a_collector_cannot_take_now_is_sent_later(
    telemetry: Telemetry, listener: Listener, status: int
) -> None:
    telemetry.add(records(1, 2))
    listener.status = status
    with pytest.raises(JobFailed, match=str(status)):
        await telemetry.send()
    listener.status = 200
    telemetry.add(records(3))
    await telemetry.send()
    assert listener.traces() == ["1", "2", "1", "2", "3"]
    assert telemetry.error == ""


async def test_what_it_refuses_for_good_is_not_sent_again(
    telemetry: Telemetry, listener: Listener
) -> None:
    telemetry.add(records(1))
    listener.status = 400
    await telemetry.send()
    await telemetry.send()
    assert listener.traces() == ["1"]
    assert telemetry.dropped == 1
    assert "400" in telemetry.describe()["error"]


@pytest.mark.parametrize(
    ("before", "meanwhile", "kept"),
    [((1, 2, 3, 4), (), ["2", "3", "4"]), ((1, 2, 3), (4, 5), ["3", "4", "5"])],
)
async def test_what_waits_is_bounded_and_the_oldest_goes(
    before: tuple[int, ...], meanwhile: tuple[int, ...], kept: list[str]
) -> None:
    post = Post()
    post.meanwhile = records(*meanwhile)
    post.telemetry.add(records(*before))
    with pytest.raises(JobFailed, match="no such host"):
        await post.telemetry.send()
    told = post.telemetry.describe()
    assert (told["waiting"], told["dropped"]) == (3, len(before) + len(meanwhile) - 3)
    post.fails = False
    await post.telemetry.send()
    assert post.ids == kept


def test_no_variable_is_no_collector() -> None:
    assert collector_of({}) is None
    url = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318"}
    assert collector_of(url | {"OTEL_SDK_DISABLED": "true"}) is None


def test_the_variables_mean_what_they_mean_everywhere() -> None:
    collector = collector_of(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318/",
            "OTEL_EXPORTER_OTLP_HEADERS": "a=1, b = two%20words",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=3",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=home",
        }
    )
    assert collector is not None
    assert collector.url == "http://x:4318/v1/traces"
    assert collector.headers == {"a": "3", "b": "two words"}
    assert collector.resource["service.name"] == "omniroute"
    assert collector.resource["deployment.environment"] == "home"
    assert collector.protocol is PROTOCOLS[PROTOBUF]
    exact = collector_of({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://x/y"})
    assert exact is not None
    assert exact.url == "https://x/y"


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "x:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:port"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "a"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_HEADERS": "a=%0ASECRET"},
    ],
)
def test_what_cannot_be_used_is_named_without_its_value(variables: dict[str, str]) -> None:
    with pytest.raises(TelemetryInvalid, match="OTEL_EXPORTER_OTLP_") as error:
        collector_of(variables)
    assert "SECRET" not in str(error.value)


def test_headers_are_not_shown() -> None:
    assert "SECRET" not in repr(Collector("http://x", {"authorization": "SECRET"}, {}))
