"""Try an installed OmniRoute as its user would: `doctor`, then a streamed answer through `demo`.

Runs with the Python of the environment under test, from anywhere but the checkout, and with the
standard library alone: what it finds is what the wheel brought. Exit status 0 means that the
gateway started, refused a request without a key, streamed an answer, and stopped when asked to.
"""

import argparse
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

START_S = 60.0
STOP_S = 40.0
ANSWER_S = 30.0
API_KEY = re.compile(r"\bsk-omni-[A-Za-z0-9_-]+")


class SmokeError(Exception):
    """Something that a user would have seen go wrong; the message says what."""


def environment(dashboard_port: int) -> dict[str, str]:
    """This process's environment without what would steer the gateway from outside."""
    steering = ("OMNIROUTE_", "PYTHONPATH", "PORT", "HOSTNAME", "DATA_DIR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | {"OMNIROUTE_SERVER_DASHBOARD_PORT": str(dashboard_port), "PYTHONUNBUFFERED": "1"}


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def doctor(data_dir: str) -> None:
    """Run `omniroute doctor`; print what it says of the compiled speedups."""
    command = [sys.executable, "-P", "-m", "omniroute", "doctor", "--data-dir", data_dir]
    ran = subprocess.run(
        command,
        env=environment(*free_ports(1)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ANSWER_S,
        check=False,
    )
    print(ran.stdout.rstrip())
    if ran.returncode != 0:
        raise SmokeError(f"omniroute doctor ended with status {ran.returncode}")


@contextmanager
def demo(port: int, dashboard_port: int) -> Iterator["queue.Queue[str]"]:
    """A running `omniroute demo`; its lines of output come through the queue."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "omniroute", "demo", "--port", str(port)],
        env=environment(dashboard_port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()
    said: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            lines.put(line)
        lines.put("")  # the end of the output: it has stopped

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield lines
        process.send_signal(signal.SIGTERM)
        if (status := process.wait(STOP_S)) != 0:
            raise SmokeError(f"omniroute demo stopped with status {status}")
    except BaseException:
        sys.stderr.write("".join(said[-60:]))
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def printed_key(lines: "queue.Queue[str]") -> str:
    """The API key that the gateway prints once at its start."""
    deadline = time.monotonic() + START_S
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if not line:
            raise SmokeError("omniroute demo ended before it printed an API key")
        if found := API_KEY.search(line):
            return found.group()
    raise SmokeError(f"no API key was printed within {START_S:.0f} s")


def wait_until_ready(port: int) -> None:
    """Ask `/readyz` until it answers 200."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass  # not listening yet: that is what is being waited for
        time.sleep(0.1)
    raise SmokeError(f"/readyz did not answer 200 within {START_S:.0f} s")


def ask(
    port: int, method: str, path: str, *, key: str = "", body: object = None
) -> tuple[int, bytes]:
    """One request; its status and its whole body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def streamed_answer(port: int, key: str) -> str:
    """The text that a streamed chat completion of the first listed model puts together."""
    status, listed = ask(port, "GET", "/v1/models", key=key)
    if status != 200:
        raise SmokeError(f"/v1/models answered {status}: {listed[:300]!r}")
    model = json.loads(listed)["data"][0]["id"]
    request = {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    if (status := ask(port, "POST", "/v1/chat/completions", body=request)[0]) != 401:
        raise SmokeError(f"a request without a key was answered {status}, not 401")
    status, answer = ask(port, "POST", "/v1/chat/completions", key=key, body=request)
    if status != 200:
        raise SmokeError(f"{model} answered {status}: {answer[:300]!r}")
    events = [
        line.removeprefix("data:").strip()
        for line in answer.decode().splitlines()
        if line.startswith("data:")
    ]
    if not events or events[-1] != "[DONE]":
        raise SmokeError(f"the stream of {model} did not end with [DONE]: {answer[-300:]!r}")
    deltas = [
        choice["delta"].get("content") or ""
        for event in events[:-1]
        for choice in json.loads(event)["choices"]
    ]
    text = "".join(deltas)
    if not text:
        raise SmokeError(f"the stream of {model} held no text: {answer[:300]!r}")
    return f"{model}: {text}"


def main() -> int:
    """Run the trial; 0 when all of it went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only-doctor", action="store_true", help="start no gateway")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as data_dir:
            doctor(data_dir)
        if options.only_doctor:
            return 0
        port, dashboard_port = free_ports(2)
        with demo(port, dashboard_port) as lines:
            key = printed_key(lines)
            wait_until_ready(port)
            print("streamed through the gateway:", streamed_answer(port, key)[:100])
    except SmokeError as error:
        print(f"smoke test failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
