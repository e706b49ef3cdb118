"""`omniroute demo`: what it writes, prints, and leaves behind (nothing)."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, cast

import pytest

from omniroute import demo
from omniroute.config import load
from omniroute.simulator.scenario import LISTED

WAIT_S = 60


def test_its_configuration_is_valid_and_names_the_simulator(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.toml"
    file.write_text(demo.config_text(4711))
    (provider,) = load({}, {}, file, tmp_path).providers
    assert provider.base_url == "http://127.0.0.1:4711/v1"
    assert provider.models == tuple(LISTED)
    assert tomllib.loads(demo.config_text(1))["providers"][0]["id"] == demo.PROVIDER


def test_variables_of_an_installation_are_dropped_and_where_to_listen_is_kept() -> None:
    foreign = set(demo._foreign_variables())
    assert {
        "INITIAL_PASSWORD",
        "OMNIROUTE_ADMIN_INITIAL_PASSWORD",
        "DATA_DIR",
        "OMNIROUTE_CONFIG",
        "OMNIROUTE_ENCRYPTION_KEY",
        "OMNIROUTE_SERVER_PROXY",
        "REQUIRE_API_KEY",
    } <= foreign
    assert not foreign & {"PORT", "OMNIROUTE_SERVER_PORT", "OMNIROUTE_SERVER_WORKERS", "PATH"}


def test_each_client_format_names_a_model_that_exists() -> None:
    for client in demo.CLIENT_FORMATS:
        prefix, _, model = client.model.partition("/")
        assert prefix == demo.PROVIDER
        assert model in LISTED
        # Gemini names the model and asks for a stream in the path.
        assert client.body.get("model") == client.model or client.model in client.path
        assert client.body.get("stream") is True or "streamGenerateContent" in client.path


def test_events_are_taken_out_of_a_stream() -> None:
    lines = io.BytesIO(b': keepalive\n\ndata: {"a":1}\n\ndata:{"b":2}\r\n\r\ndata: [DONE]\n\n')
    assert list(demo._events(cast("HTTPResponse", lines))) == [{"a": 1}, {"b": 2}]


def test_a_gateway_that_is_not_there_is_told_and_nothing_raises(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        demo._ask(demo.CLIENT_FORMATS[0], endpoint, "key")
    assert "failed" in capsys.readouterr().out


class Demo:
    """A running demo and what it has printed so far."""

    def __init__(self, home: Path) -> None:
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        # Things of the person's own, none of which may matter.
        (home / "omniroute.toml").write_text("broken = ")
        (home / ".env").write_text("INITIAL_PASSWORD=not-this-one\n")
        environment = os.environ | {
            "HOME": str(home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "OMNIROUTE_SERVER_DASHBOARD_PORT": "0",
            "OMNIROUTE_SERVER_PROXY": "http://127.0.0.1:9",
            "INITIAL_PASSWORD": "nor-this-one",
            "http_proxy": "http://127.0.0.1:9",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omniroute", "demo", "--port", "0", "--no-open"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            env=environment,
        )
        self.output = ""

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        assert self.process.stderr is not None
        pytest.fail(f"ended without {text!r}:\n{self.output}\n{self.process.stderr.read()}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=WAIT_S)
        return self.process.returncode


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_streamed_answers_keeps_serving_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    running = Demo(tmp_path)
    try:
        running.read_until("Ctrl-C stops")
        password = re.search(r"admin password\s+(\S+)", running.output)
        key = re.search(r"API key\s+(sk-\S+)", running.output)
        endpoint = re.search(r"^READY http://127\.0\.0\.1:(\d+) ", running.output, re.MULTILINE)
        assert password is not None
        assert "this-one" not in password[1]
        for client in demo.CLIENT_FORMATS:
            assert f"{client.name}: POST {client.path}" in running.output
        assert running.output.count("You said: Hello, gateway!") == len(demo.CLIENT_FORMATS) == 4
        assert "failed" not in running.output
        assert key is not None
        assert endpoint is not None
        answer = _chat(int(endpoint[1]), key[1], "demo/long-3")
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert any(running.temporary.iterdir())
        assert running.end(number) == 0
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()
    assert not any(running.temporary.iterdir())


def _chat(port: int, key: str, model: str) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer
