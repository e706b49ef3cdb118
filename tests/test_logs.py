"""Logs: one line a record, machine-readable on demand, and never a secret."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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
        "the key oma_SECRETVALUE0123456789 is not in force",
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


# --- files ---

# Files have the time of the machine.
NOW_S = time.time()


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Files:
    """A handler with a clock to turn, and what it has written."""

    def __init__(self, directory: Path, rotation: logs.Rotation) -> None:
        self.now_s = NOW_S
        self.directory = directory
        self.handler = logs.RotatingLines(directory, "worker-1", rotation, lambda: self.now_s)

    def write(self, message: str, **fields: object) -> None:
        record = logging.LogRecord("omniroute.x", logging.INFO, "", 0, message, (), None)
        record.fields = fields
        self.handler.handle(record)

    @property
    def current(self) -> Path:
        return self.directory / "worker-1.jsonl"

    def full(self) -> list[Path]:
        return sorted(path for path in self.directory.glob("*.jsonl") if logs.is_full_file(path))

    def messages(self) -> list[object]:
        return [line["message"] for path in [*self.full(), self.current] for line in lines_of(path)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_a_line_in_a_file_is_an_object_of_a_private_file(directory: Path) -> None:
    files = Files(directory, logs.Rotation())
    files.write("published", version=3)
    [line] = lines_of(files.current)
    assert line["process"] == "worker-1"
    assert line["version"] == 3
    assert files.current.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_full_is_put_aside_and_no_line_lost(directory: Path) -> None:
    files = Files(directory, logs.Rotation(file_bytes=400, files=0, days=0))
    for number in range(20):
        files.write(f"line {number}")
    assert len(files.full()) > 3
    assert all(path.stat().st_size < 400 + 200 for path in files.full())
    assert files.messages() == [f"line {number}" for number in range(20)]


def test_a_clock_that_stands_still_overwrites_no_file(directory: Path) -> None:
    files = Files(directory, logs.Rotation(file_bytes=1, files=0, days=0))
    for number in range(12):
        files.write(f"line {number}")
    assert files.messages() == [f"line {number}" for number in range(12)]


def test_only_so_many_files_are_kept(directory: Path) -> None:
    files = Files(directory, logs.Rotation(file_bytes=1, files=3, days=0))
    for number in range(10):
        files.now_s += 1
        files.write(f"line {number}")
        os.utime(files.current, (files.now_s, files.now_s))
    assert files.messages()[-1] == "line 9"
    assert len(files.full()) == 3


def test_a_file_is_put_aside_after_a_day_and_deleted_after_its_days(directory: Path) -> None:
    files = Files(directory, logs.Rotation(file_bytes=0, files=0, days=2))
    files.write("of the first day")
    files.now_s += 86_400
    files.write("of the second")
    assert [path.exists() for path in files.full()] == [True]
    [full] = files.full()
    os.utime(full, (NOW_S, NOW_S))
    os.utime(files.current, (files.now_s, files.now_s))
    assert logs.prune(directory, logs.Rotation(days=2), NOW_S + 2 * 86_400) == 0
    assert logs.prune(directory, logs.Rotation(days=2), NOW_S + 1 + 2 * 86_400) == 1
    assert files.messages() == ["of the second"]


def test_a_file_that_somebody_deletes_is_begun_anew(directory: Path) -> None:
    files = Files(directory, logs.Rotation())
    files.write("before")
    files.current.unlink()
    files.write("after")
    assert files.messages() == ["after"]


def test_what_could_not_be_written_is_told_when_it_can(directory: Path) -> None:
    directory.write_text("a file where the folder should be")
    files = Files(directory, logs.Rotation())
    for number in range(3):
        files.write(f"lost {number}")
    directory.unlink()
    files.now_s += 5
    files.write("written")
    [told, written] = files.messages()
    assert str(told).startswith("3 lines could not be written here: ")
    assert written == "written"


def test_secrets_inside_of_fields_do_not_reach_a_file(directory: Path) -> None:
    files = Files(directory, logs.Rotation())
    files.write(
        "x", headers={"auth": ["Bearer SECRETVALUE"]}, error=ValueError("key=1"), path=Path()
    )
    assert "SECRETVALUE" not in files.current.read_text()
    assert lines_of(files.current)[0]["error"] == "key=1"


def test_a_process_logs_to_its_stream_and_its_file(restore_logging: None, directory: Path) -> None:
    stream = io.StringIO()
    logs.configure("control", stream=stream, directory=directory, rotation=logs.Rotation())
    logging.getLogger("omniroute.control").info("both")
    logging.getLogger().handlers[-1].close()
    assert "control: both" in stream.getvalue()
    assert [line["message"] for line in lines_of(directory / "control.jsonl")] == ["both"]


def test_a_rotation_survives_a_command_line() -> None:
    assert logs.Rotation.parse(str(logs.Rotation(1, 2, 3))) == logs.Rotation(1, 2, 3)
