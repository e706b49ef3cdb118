"""What an owner sees of a running gateway: every figure is that of requests which were really made.

The playground, the feed, the request log, metrics, traces and log files of real processes.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.processes.harness import API_KEY, WAIT_S, Gateway, eventually

pytestmark = pytest.mark.processes

CHAT = {"model": "acme/plain", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def running(gateway: Gateway) -> Gateway:
    gateway.configure(workers=2)
    return gateway.start()


def owner(gateway: Gateway) -> httpx.Client:
    token = (gateway.data_dir / "admin.token").read_text().strip()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=gateway.dashboard, headers=headers, timeout=WAIT_S)


def ask(gateway: Gateway, count: int = 1, **more: Any) -> None:
    with gateway.client() as client:
        for _ in range(count):
            assert client.post("/v1/chat/completions", json=CHAT | more).status_code == 200


def requests(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/usage/call-logs", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["requests"]
    return found


def test_requests_come_to_the_log_the_sums_and_the_metrics(running: Gateway) -> None:
    ask(running, 3)
    with owner(running) as client:
        found = eventually(lambda: len(all_ := requests(client)) == 3 and all_)
        assert {each["connection"] for each in found} == {"acme/main"}
        assert all(each["total_us"] >= each["overhead_us"] > 0 for each in found)
        detail = client.get(f"/api/usage/call-logs/{found[0]['id']}").json()
        assert [attempt["status"] for attempt in detail["attempts"]] == [200]
        [row] = client.get("/api/usage/analytics?by=provider").json()["rows"]
        assert (row["requests"], row["input_tokens"], row["output_tokens"]) == (3, 9, 3)
        text = client.get("/metrics").text
        assert 'omniroute_requests_total{cache="",model="plain",provider="acme"' in text
        assert 'omniroute_process_memory_bytes{process="worker-2"}' in text
        assert API_KEY not in text
        own = dict(client.headers)
    with running.client() as client:
        assert client.get("/metrics", headers={"authorization": ""}).status_code == 401
        assert client.get("/metrics", headers={"authorization": own["authorization"]}).is_success


def test_the_playground_takes_the_way_of_all_requests(running: Gateway) -> None:
    with owner(running) as client:
        body = {"body": CHAT | {"stream": True}}
        with client.stream("POST", "/api/playground/chat", json=body) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            text = "".join(answer.iter_text())
        assert text.rstrip().endswith("data: [DONE]")
        logged = {"key_id": "dashboard/playground"}
        [record] = eventually(lambda: requests(client, **logged))
        assert (record["status"], record["stream"]) == (200, True)
        wrong = client.post("/api/playground/chat", json={"body": CHAT | {"model": "none/x"}})
        assert wrong.status_code == 404
        keys = client.get("/api/keys").text
        assert "playground" not in keys


def test_a_playground_that_is_left_ends_its_upstream_call(gateway: Gateway) -> None:
    gateway.configure(models=("held",))
    gateway.start()
    with owner(gateway) as client:
        body = {"body": CHAT | {"model": "acme/held", "stream": True}}
        with client.stream("POST", "/api/playground/chat", json=body) as answer:
            assert "first" in next(answer.iter_text())
        # The upstream is still held: only leaving can have ended it.
        [record] = eventually(lambda: requests(client))
        assert record["outcome"] == "cancelled"


def test_the_feed_tells_of_requests_and_goes_on_where_it_was(running: Gateway) -> None:
    with owner(running) as client:

        def follow(place: str = "", until: int = 1) -> list[tuple[str, dict[str, Any]]]:
            """The ids and data of the next events, from when the feed is connected."""
            events: list[tuple[str, dict[str, Any]]] = []
            headers = {"last-event-id": place} if place else {}
            with client.stream("GET", "/api/live?kind=request", headers=headers) as feed:
                id_ = ""
                for line in feed.iter_lines():
                    if line == ": connected" and not place:
                        threading.Thread(target=ask, args=(running, 2)).start()
                    if line.startswith("id: "):
                        id_ = line.removeprefix("id: ")
                    if line.startswith("data: "):
                        events.append((id_, json.loads(line.removeprefix("data: "))))
                        if len(events) == until:
                            break
            return events

        [(place, first)] = follow()
        [(_, second)] = follow(place)
        assert (first["connection"], second["connection"]) == ("acme/main", "acme/main")
        assert first["id"] != second["id"]


def test_log_lines_of_all_processes_are_in_files_and_in_the_console(running: Gateway) -> None:
    with owner(running) as client:
        running.configure(workers=2, server='[log]\nlevel = "nonsense"')

        def refused() -> Any:
            lines = client.get("/api/logs/console?level=error&process=control").json()["lines"]
            return [line for line in lines if "configuration refused" in line["message"]]

        assert eventually(refused)
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (running.data_dir / "logs").iterdir()
    }
    assert modes["control.jsonl"] == 0o600
    assert set(modes.values()) == {0o600}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """The URL of a collector of traces, and what it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


def test_traces_come_to_a_collector(
    gateway: Gateway, collector: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, sent = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    gateway.configure()
    gateway.start()
    ask(gateway)
    eventually(lambda: sent)
    spans = sent[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [span["name"] for span in spans] == ["chat acme/plain", "chat plain"]
    assert spans[1]["parentSpanId"] == spans[0]["spanId"]
    with owner(gateway) as client:
        traces = eventually(lambda: client.get("/api/status").json()["traces"])
        assert traces["collector"] == f"{url}/v1/traces"
