"""Real processes for fault tests: a gateway on free ports, and an upstream that can be held.

Everything waits for events with generous limits; nothing here asserts how long something took.
Only processes that a test started are signalled, each by its own id.
"""

import json
import os
import queue
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

API_KEY = "test-key-0123456789"
WAIT_S = 30.0

ROOT = Path(__file__).resolve().parents[2]


def eventually(what: Callable[[], Any], limit_s: float = WAIT_S) -> Any:
    """The first true value of `what`; errors of a process that is just away count as false."""
    deadline_s = time.monotonic() + limit_s
    last: BaseException | None = None
    while time.monotonic() < deadline_s:
        try:
            value = what()
        except (httpx.HTTPError, OSError, sqlite3.OperationalError) as error:
            last = error
        else:
            if value:
                return value
            last = None
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {limit_s} s: {what} ({last!r})")


@contextmanager
def simulator_process() -> Iterator[str]:
    """The address of a simulator that is a process of its own, without a version."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "omniroute.simulator", "--fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
    # Only the child holds the socket now: should it die, connections are refused and do not hang.
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


class Upstream:
    """An OpenAI-style upstream in this process. The model `held` streams until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.streaming = threading.Event()  # a held stream has sent its first event
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with suppress(ConnectionError):
                    if body.get("stream"):
                        self._stream(body["model"])
                    else:
                        self._answer(body["model"])

            def _answer(self, model: str) -> None:
                payload = json.dumps(
                    {
                        "id": "c1",
                        "object": "chat.completion",
                        "created": 1,
                        "model": model,
                        "choices": [
                            {
                                "index": 0,
                                "message": {"role": "assistant", "content": "hello"},
                                "finish_reason": "stop",
                            }
                        ],
                        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
                    }
                ).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def _stream(self, model: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self._event({"content": "first"})
                if model == "held":
                    upstream.streaming.set()
                    upstream.let_go.wait(WAIT_S)
                for number in range(5):
                    self._event({"content": f" {number}"})
                self._event({}, finish="stop")
                self._chunk(b"data: [DONE]\n\n")
                self._chunk(b"")

            def _event(self, delta: dict[str, str], finish: str | None = None) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                event = {"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}
                self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

            def _chunk(self, data: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: object) -> None:
                pass  # a killed worker resets its connections; that is what is tested

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Gateway:
    """`python -m omniroute serve` with its data dir, configuration file and captured output."""

    def __init__(self, folder: Path, upstream: Upstream, *, number: int = 1) -> None:
        self.folder = folder
        self.data_dir = folder / "d"
        self.config_file = folder / "omniroute.toml"
        self.upstream = upstream
        self._out = folder / f"out{number}"
        self._err = folder / f"err{number}"
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""
        self.dashboard = ""

    # Starting

    def configure(
        self, *, workers: int = 1, models: tuple[str, ...] = ("plain",), server: str = ""
    ) -> None:
        text = f"""
[server]
port = 0
dashboard_port = 0
workers = {workers}
{server}
[[providers]]
id = "acme"
format = "openai"
base_url = "{self.upstream.url}"
models = {json.dumps(models)}
[[connections]]
provider = "acme"
api_key = "upstream-key"
[[keys]]
name = "test"
key = "{API_KEY}"
"""
        draft = self.config_file.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.config_file)

    def spawn(self, *options: str) -> "subprocess.Popen[bytes]":
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "omniroute", "serve", "--no-open"),
                    *("--config", str(self.config_file), "--data-dir", str(self.data_dir)),
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        return self.process

    def start(self, *options: str) -> "Gateway":
        process = self.spawn(*options)

        def is_ready() -> bool:
            assert process.poll() is None, f"it ended: {self.stderr()}"
            return any(line.startswith("READY ") for line in self.stdout().splitlines())

        eventually(is_ready)
        words = next(x for x in self.stdout().splitlines() if x.startswith("READY ")).split()
        self.endpoint, self.dashboard = words[1], words[2]
        return self

    def stdout(self) -> str:
        return self._out.read_text()

    def stderr(self) -> str:
        return self._err.read_text()

    # Looking

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> dict[int, str]:
        """Process id → module of every child of the supervisor."""
        return children_of(self.pid)

    def child(self, module: str) -> int:
        return eventually(lambda: next((p for p, m in self.children().items() if m == module), 0))

    def status(self) -> dict[str, Any]:
        token = (self.data_dir / "admin.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.dashboard}/api/status", headers=headers, timeout=WAIT_S)
        answer.raise_for_status()
        return answer.json()

    def forget(self) -> None:
        """Nothing is held against any account or model any more: for tests that share a gateway."""
        token = (self.data_dir / "admin.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        httpx.post(
            f"{self.dashboard}/api/resilience/reset", json={}, headers=headers, timeout=WAIT_S
        ).raise_for_status()

    def worker(self, number: int) -> dict[str, Any]:
        return next(w for w in self.status()["workers"] if w["worker"] == number)

    def history(self) -> dict[str, str]:
        """Request id → outcome of everything written to the database so far."""
        path = self.data_dir / "omniroute.sqlite"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=WAIT_S)
        try:
            return dict(connection.execute("SELECT id, outcome FROM requests"))
        finally:
            connection.close()

    # Using

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.endpoint,
            headers={"authorization": f"Bearer {API_KEY}"},
            timeout=WAIT_S,
            trust_env=False,
        )

    def chat(self, client: httpx.Client, model: str = "acme/plain") -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        return client.post("/v1/chat/completions", json=body)

    # Ending

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status; nothing may have had to be killed on the way there."""
        assert self.process is not None
        status = self.process.wait(2 * WAIT_S)
        assert "did not leave in time" not in self.stderr(), self.stderr()
        return status

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def clean_up(self) -> None:
        """Whatever the test did, nothing of it lives on."""
        if self.process is None:
            return
        left = list(self.children())
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> dict[int, str]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return {}
    modules = {}
    for child in map(int, found):
        with suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"-m" in words:
                modules[child] = words[words.index(b"-m") + 1].decode()
    return modules


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


class HeldStream:
    """A streamed request in a thread: begun, then waiting for the upstream to be let go."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._first: queue.Queue[bytes] = queue.Queue()
        self.text = ""
        self.request_id = ""
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._first.get(timeout=WAIT_S)

    def _run(self) -> None:
        body = {
            "model": "acme/held",
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
        }
        try:
            with (
                self._gateway.client() as client,
                client.stream("POST", "/v1/chat/completions", json=body) as answer,
            ):
                self.request_id = answer.headers["x-request-id"]
                for chunk in answer.iter_bytes():
                    self.text += chunk.decode()
                    self._first.put(chunk)
        except httpx.HTTPError as error:
            self.error = error
            self._first.put(b"")

    def finish(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def assert_whole(self) -> None:
        self.finish()
        assert self.error is None
        assert self.text.rstrip().endswith("data: [DONE]")
        assert " 4" in self.text


class Load:
    """Clients that ask one after the other, each on its own connection, until they are stopped."""

    def __init__(self, gateway: Gateway, clients: int = 6) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.finished: list[str] = []
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        client = self._gateway.client()
        while not self._stop.is_set():
            try:
                answer = self._gateway.chat(client)
            except httpx.HTTPError as error:
                with self._lock:
                    self.failed.append(repr(error))
                client.close()
                client = self._gateway.client()
                continue
            with self._lock:
                if answer.status_code == 200 and "hello" in answer.text:
                    self.finished.append(answer.headers["x-request-id"])
                else:
                    self.failed.append(f"{answer.status_code} {answer.text}")
        client.close()

    def wait_for(self, more: int) -> None:
        """Until that many further requests have finished."""
        target = len(self.finished) + more
        eventually(lambda: len(self.finished) >= target)


@contextmanager
def load(gateway: Gateway, clients: int = 6) -> Iterator[Load]:
    running = Load(gateway, clients)
    for thread in running._threads:
        thread.start()
    try:
        yield running
    finally:
        running._stop.set()
        for thread in running._threads:
            thread.join(WAIT_S)
