"""Logs: one line a record, machine-readable on demand, and never a secret."""

import io
import json
import logging
import signal
import subprocess
import sys

import pytest

from omniroute import logs


@pytest.fixture
def restore_logging():  # type: ignore[no-untyped-def]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    ours = logging.getLogger("omniroute").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("omniroute").setLevel(ours)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETVALUE0123456789",
        "authorization=SECRETVALUE0123456789",
        '{"api_key": "SECRETVALUE0123456789"}',
        "x-api-key: SECRETVALUE0123456789",
        "GET /v1beta/models?key=SECRETVALUE0123456789&alt=sse",
        "proxy http://user:SECRETVALUE0123456789@proxy:8080",
        "Incorrect API key provided: sk-SECRETVALUE0123456789.",
        "sk-omni-SECRETVALUE0123456789 is unknown",
        "password='SECRETVALUE0123456789'",
        "refresh_token: SECRETVALUE0123456789",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    cleaned = logs.redact(text)
    assert "SECRETVALUE" not in cleaned
    assert "[redacted]" in cleaned


def test_plain_sentences_stay_as_they_are() -> None:
    text = "worker 2 (pid 411) replaced after 5.0 s; snapshot 12 keyed by acme/main"
    assert logs.redact(text) == text


def test_tracebacks_are_redacted(restore_logging: None) -> None:
    stream = io.StringIO()
    logs.configure("test", stream=stream)
    try:
        raise ValueError("token=x Authorization: Bearer SECRETVALUE")
    except ValueError:
        logging.getLogger("omniroute.test").exception("it failed")
    assert "ValueError" in stream.getvalue()
    assert "SECRETVALUE" not in stream.getvalue()


def test_json_lines_carry_the_fields(restore_logging: None) -> None:
    stream = io.StringIO()
    logs.configure("control", format_="json", stream=stream)
    logging.getLogger("omniroute.control").info(
        "published", extra={"fields": {"version": 3, "message": "no override"}}
    )
    entry = json.loads(stream.getvalue())
    assert entry["message"] == "published"
    assert entry["version"] == 3
    assert entry["level"] == "info"
    assert entry["process"] == "control"


def test_the_level_holds(restore_logging: None) -> None:
    stream = io.StringIO()
    logs.configure("test", level="warning", stream=stream)
    logging.getLogger("omniroute.x").info("quiet")
    logging.getLogger("omniroute.x").warning("loud")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the signal is POSIX's")
@pytest.mark.processes
def test_a_hanging_process_tells_where_when_asked() -> None:
    code = """
import time
from omniroute import logs
def deep_inside():
    print("up", flush=True)
    time.sleep(60)
logs.tell_where_it_hangs()
deep_inside()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGUSR1)
    while "deep_inside" not in (line := process.stderr.readline()):
        assert line
    process.kill()
    process.communicate()
