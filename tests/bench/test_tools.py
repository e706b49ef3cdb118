"""The compiled mock and load generator: what they send, and that nothing wrong passes as right.

Load is tried against a scripted server that gives one prepared answer to each request; mock is
spoken to over a plain socket.
"""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.processes

MARKER = "End of the mock answer."


# ---- load --------------------------------------------------------------------------------------


def json_answer(body: str, *, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return (head + body).encode()


def text_event(number: int) -> str:
    return f'data: {{"choices":[{{"delta":{{"content":"t{number:05d} "}}}}]}}\n\n'


FINISH = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n'
DONE = "data: [DONE]\n\n"


def stream_answer(*events: str) -> bytes:
    chunks = "".join(f"{len(event):x}\r\n{event}\r\n" for event in events)
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n".encode()


RIGHT_STREAM = [text_event(0), text_event(1), text_event(2), FINISH, DONE]


def read_request(peer: socket.socket) -> bytes:
    """One request with its Content-Length body; nothing at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    [length] = re.findall(rb"Content-Length: (\d+)", head)
    while len(body) < int(length):
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


class Scripted:
    """Answers each request on any connection with the same pieces, slowly if told so."""

    def __init__(self, pieces: Sequence[bytes], *, close: bool = False, wait_s: float = 0) -> None:
        self.requests: list[bytes] = []
        self._pieces, self._close, self._wait_s = pieces, close, wait_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(peer,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(ConnectionError):
            while request := read_request(peer):
                self.requests.append(request)
                time.sleep(self._wait_s)
                for piece in self._pieces:
                    peer.sendall(piece)
                if self._close:
                    return

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


def load(tools: Path, port: int, *options: str) -> dict[str, Any]:
    argv = [str(tools / "load"), "--url", f"http://127.0.0.1:{port}/v1/chat/completions"]
    argv += ["--connections", "1", "--timeout", "5", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if result["wrong"] else 0)
    return result


def load_scripted(
    tools: Path, pieces: Sequence[bytes], *options: str, close: bool = False, wait_s: float = 0
) -> tuple[dict[str, Any], list[bytes]]:
    server = Scripted(pieces, close=close, wait_s=wait_s)
    try:
        return load(tools, server.port, *options), server.requests
    finally:
        server.end()


@pytest.mark.parametrize(
    "pieces",
    [
        [json_answer(MARKER)],
        [json_answer(MARKER)[:30], json_answer(MARKER)[30:]],
        [bytes([byte]) for byte in json_answer(MARKER)],
        [stream_answer(MARKER[:4], MARKER[4:])],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + json_answer(MARKER)],
        [json_answer(MARKER, headers="Connection: close\r\n")],
    ],
    ids=["whole", "two pieces", "bytes", "chunked", "after 100", "closing"],
)
def test_a_right_answer_counts_however_it_comes(tools: Path, pieces: list[bytes]) -> None:
    close = b"close" in pieces[0]
    result, requests = load_scripted(tools, pieces, "--requests", "3", close=close)
    assert (result["completed"], result["wrong"]) == (3, 0)
    assert len(requests) == 3


def test_an_answer_framed_by_the_end_of_the_connection_counts(tools: Path) -> None:
    pieces = [b"HTTP/1.0 200 OK\r\n\r\n", MARKER.encode()]
    result, _ = load_scripted(tools, pieces, "--requests", "2", close=True)
    assert (result["completed"], result["wrong"]) == (2, 0)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([json_answer("something else")], "body"),
        ([json_answer(MARKER, status="503 Busy")], "status"),
        ([json_answer(MARKER)[:-3]], "cut"),
        ([b""], "cut"),
        ([b"HTTP/2 200\r\n\r\n"], "framing"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"], "framing"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "framing"),
        ([json_answer(MARKER) + b"more"], "framing"),
    ],
)
def test_a_wrong_answer_is_counted_under_its_kind(
    tools: Path, pieces: list[bytes], kind: str
) -> None:
    result, _ = load_scripted(tools, pieces, "--requests", "1", close=True)
    assert result["wrong_kinds"] == {kind: 1}


def test_an_answer_must_equal_the_expected_body_to_the_byte(tools: Path, tmp_path: Path) -> None:
    expected = tmp_path / "body"
    expected.write_text(MARKER)
    options = ["--requests", "1", "--expect-body", str(expected)]
    assert load_scripted(tools, [json_answer(MARKER)], *options)[0]["wrong"] == 0
    result, _ = load_scripted(tools, [json_answer(MARKER + " ")], *options)
    assert result["wrong_kinds"] == {"body": 1}


def test_an_answer_that_never_ends_is_a_timeout(tools: Path) -> None:
    options = ["--requests", "1", "--timeout", "0.2"]
    result, _ = load_scripted(tools, [json_answer(MARKER)[:-3]], *options)
    assert result["wrong_kinds"] == {"timeout": 1}


@pytest.mark.parametrize(
    "pieces",
    [
        [stream_answer(*RIGHT_STREAM)],
        [bytes([byte]) for byte in stream_answer(*RIGHT_STREAM)],
        [stream_answer("".join(RIGHT_STREAM))],
        [stream_answer(*"".join(RIGHT_STREAM))],
        [stream_answer("".join(RIGHT_STREAM).replace("\n", "\r\n"))],
        [stream_answer(": keep\n\n", *RIGHT_STREAM)],
    ],
    ids=["events", "bytes", "one chunk", "tiny chunks", "CRLF", "comment"],
)
def test_a_right_stream_counts_however_it_is_cut(tools: Path, pieces: list[bytes]) -> None:
    options = ["--requests", "2", "--stream", "--events", "3"]
    result, _ = load_scripted(tools, pieces, *options)
    assert (result["completed"], result["wrong"], result["events"]) == (2, 0, 6)


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([text_event(0), text_event(2), FINISH, DONE], "events"),
        ([text_event(0), text_event(1), FINISH, DONE], "events"),
        ([text_event(0), text_event(1), text_event(1), text_event(2), FINISH, DONE], "events"),
        ([text_event(1), text_event(0), text_event(2), FINISH, DONE], "events"),
        ([*RIGHT_STREAM[:3], text_event(3), FINISH, DONE], "events"),
        ([*RIGHT_STREAM[:3], DONE], "end"),
        ([*RIGHT_STREAM[:3], FINISH, FINISH, DONE], "end"),
        ([*RIGHT_STREAM[:4]], "end"),
        ([*RIGHT_STREAM, DONE], "end"),
        ([*RIGHT_STREAM, FINISH], "end"),
        ([*RIGHT_STREAM[:4], USAGE, DONE], "usage"),
        ([*RIGHT_STREAM, "data: tail without its line end"], "end"),
    ],
)
def test_a_wrong_stream_is_counted_under_its_kind(
    tools: Path, events: list[str], kind: str
) -> None:
    options = ["--requests", "1", "--stream", "--events", "3"]
    result, _ = load_scripted(tools, [stream_answer(*events)], *options)
    assert result["wrong_kinds"] == {kind: 1}


def test_a_stream_cut_before_its_end_is_wrong(tools: Path) -> None:
    options = ["--requests", "1", "--stream", "--events", "3"]
    result, _ = load_scripted(tools, [stream_answer(*RIGHT_STREAM)[:-5]], *options, close=True)
    assert result["wrong_kinds"] == {"cut": 1}


def test_usage_that_was_asked_for_must_come(tools: Path) -> None:
    options = ["--requests", "1", "--stream", "--events", "3", "--usage"]
    with_usage = stream_answer(*RIGHT_STREAM[:4], USAGE, DONE)
    assert load_scripted(tools, [with_usage], *options)[0]["wrong"] == 0
    result, requests = load_scripted(tools, [stream_answer(*RIGHT_STREAM)], *options)
    assert result["wrong_kinds"] == {"usage": 1}
    assert b'"include_usage":true' in requests[0]


def test_each_request_is_valid_json_of_the_asked_size_with_its_own_number_and_key(
    tools: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("key-a\nkey-b\n")
    options = ["--requests", "3", "--keys", str(keys), "--body-bytes", "1500"]
    _, requests = load_scripted(tools, [json_answer(MARKER)], *options)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
    contents = [json.loads(body)["messages"][-1]["content"] for body in bodies]
    assert [len(body) for body in bodies] == [1500] * 3
    assert [content[:19] for content in contents] == [
        f"Request {number:010d}:" for number in range(3)
    ]
    presented = [re.findall(rb"Bearer (\S+)", request)[0] for request in requests]
    assert presented == [b"key-a", b"key-b", b"key-a"]


def test_an_open_loop_charges_a_stall_to_every_request_it_held_up(tools: Path) -> None:
    """One connection, each answer 0.1 s late, 100 requests a second for 0.1 s: ten become due
    while the first is waited for. From their due times the last took nearly a second."""
    options = ["--rate", "100", "--duration", "0.095", "--warmup", "0"]
    result, _ = load_scripted(tools, [json_answer(MARKER)], *options, wait_s=0.1)
    assert (result["completed"], result["wrong"]) == (10, 0)
    assert result["latency_us"]["max"] >= 10 * 100_000 - 95_000
    assert result["latency_us"]["p50"] >= 5 * 100_000 - 50_000


def test_percentiles_rise_and_stay_within_the_extremes(tools: Path) -> None:
    result, _ = load_scripted(tools, [json_answer(MARKER)], "--requests", "50", "--cdf")
    latency = result["latency_us"]
    values = [value for _, value in latency["cdf"]]
    assert values == sorted(values)
    assert latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert latency["count"] == 50


def test_no_server_is_wrong_and_ends(tools: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result = load(tools, port, "--duration", "0.1", "--timeout", "0.2")
    assert result["wrong_kinds"].keys() == {"connect"}
    assert result["completed"] == 0


# ---- mock --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mock_port(tools: Path) -> Iterator[int]:
    argv = [str(tools / "mock"), "--events", "5", "--pace-ms", "0", "--burst", "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1])
        process.terminate()


def request(body: str, *, headers: str = "", method: str = "POST") -> bytes:
    head = f"{method} /v1/chat/completions HTTP/1.1\r\nHost: mock\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def exchange(port: int, *pieces: bytes) -> bytes:
    """Sends the pieces with `Connection: close` in the last request; all that came back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
        received = b""
        while piece := peer.recv(65536):
            received += piece
        return received


def stats(port: int) -> dict[str, int]:
    answer = exchange(port, b"GET /stats HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
    counters: dict[str, int] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return counters


CLOSE = "Connection: close\r\n"
STREAM = '{"model":"mock-3-0","stream":true}'


def data_of(answer: bytes) -> list[str]:
    return re.findall(r"data: (.*)", answer.decode())


def is_stream(answer: bytes) -> bool:
    return b"text/event-stream" in answer


@pytest.mark.parametrize(
    ("body", "streamed"),
    [
        ('{"stream":true}', True),
        ('{"model":"x", "stream" : \n true}', True),
        ('{"stream":false}', False),
        ("{}", False),
        ('{"messages":[{"content":"\\"stream\\":true"}]}', False),
        ('{"messages":[{"content":"\\\\"}],"stream":true}', True),
        ('{"metadata":{"stream":true}}', False),
        ('{"a":[{"stream":true}],"stream":false}', False),
        ('{"a":{"b":[1,"}]{["]},"stream":true}', True),
    ],
)
def test_a_stream_is_sent_only_when_the_request_itself_asks(
    mock_port: int, body: str, streamed: bool
) -> None:
    assert is_stream(exchange(mock_port, request(body, headers=CLOSE))) == streamed


def test_the_unstreamed_answer_is_json_with_the_marker(mock_port: int) -> None:
    answer = exchange(mock_port, request("{}", headers=CLOSE))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["choices"][0]["message"]["content"].endswith(MARKER)
    assert 600 <= len(body) <= 800


@pytest.mark.parametrize("model", ["mock-7-0", "mock-7-1", "mock-7-0-3", "mock-7-0-100"])
def test_the_models_name_sets_the_events(mock_port: int, model: str) -> None:
    body = json.dumps({"model": model, "stream": True})
    *events, done = data_of(exchange(mock_port, request(body, headers=CLOSE)))
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    assert [delta.get("content") for delta in deltas] == [*(f"t{n:05d} " for n in range(7)), None]
    assert deltas[0]["role"] == "assistant"
    assert json.loads(events[-1])["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"
    assert not any("usage" in json.loads(event) for event in events)


def test_usage_comes_only_when_asked_for_and_as_vendors_send_it(mock_port: int) -> None:
    options = {"include_usage": True}
    body = json.dumps({"model": "mock-3-0", "stream": True, "stream_options": options})
    *events, usage, done = data_of(exchange(mock_port, request(body, headers=CLOSE)))
    assert all(json.loads(event)["usage"] is None for event in events)
    assert json.loads(usage)["usage"]["completion_tokens"] == 3
    assert json.loads(usage)["choices"] == []
    assert done == "[DONE]"


def test_pipelined_requests_are_answered_in_order(mock_port: int) -> None:
    pipelined = request(STREAM) + request("{}") + request(STREAM) + request("{}", headers=CLOSE)
    answer = exchange(mock_port, pipelined).decode()
    kinds = re.findall(r"Content-Type: ([a-z/-]+)", answer)
    assert kinds == ["text/event-stream", "application/json"] * 2
    assert answer.count("[DONE]") == 2


def test_a_request_may_come_byte_by_byte(mock_port: int) -> None:
    answer = exchange(mock_port, *(bytes([byte]) for byte in request(STREAM, headers=CLOSE)))
    assert is_stream(answer)


def test_chunked_request_bodies_are_read(mock_port: int) -> None:
    head = f"POST / HTTP/1.1\r\nHost: m\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n"
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in (STREAM[:9], STREAM[9:]))
    whole = (head + chunks + "0\r\n\r\n").encode()
    assert is_stream(exchange(mock_port, whole))
    assert is_stream(exchange(mock_port, *(bytes([byte]) for byte in whole)))


def test_the_body_is_called_for_when_the_client_waits_for_that(mock_port: int) -> None:
    whole = request("{}", headers=CLOSE + "Expect: 100-continue\r\n")
    answer = exchange(mock_port, whole[:-2], whole[-2:])
    assert answer.count(b"200 OK") == 1
    assert answer.startswith((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200"))


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_framing_in_doubt_is_refused_and_the_connection_closed(mock_port: int, head: bytes) -> None:
    before = stats(mock_port)["bad_requests"]
    assert exchange(mock_port, head).startswith(b"HTTP/1.1 400")
    assert stats(mock_port)["bad_requests"] == before + 1


def test_a_reader_that_leaves_is_counted_and_a_stalled_one_stops_only_itself(
    mock_port: int,
) -> None:
    before = stats(mock_port)
    with socket.create_connection(("127.0.0.1", mock_port), timeout=10) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(request('{"model":"mock-99999-0","stream":true}'))
        assert is_stream(exchange(mock_port, request(STREAM, headers=CLOSE)))
        during = stats(mock_port)
        assert during["streams_open"] == before["streams_open"] + 1
    while (after := stats(mock_port))["streams_open"]:
        time.sleep(0.01)
    assert after["streams_aborted"] == before["streams_aborted"] + 1


def test_load_and_mock_agree_on_paced_and_unpaced_streams(tools: Path, mock_port: int) -> None:
    for model in ("mock-20-1", "mock-20-0", "mock-20-0-1"):
        options = ["--connections", "20", "--requests", "100", "--stream", "--model", model]
        result = load(tools, mock_port, *options)
        assert (result["wrong"], result["events"]) == (0, 2000)
