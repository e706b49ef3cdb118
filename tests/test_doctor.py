"""`omniroute doctor` tells what works and what does not, and its status says whether all does."""

import io
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute import _speedups
from omniroute.config import load
from omniroute.doctor import (
    doctor,
    examine_data_dir,
    examine_parser,
    examine_port,
    examine_speedups,
)
from omniroute.installation import Installation


@pytest.fixture
def listening_server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def listening(listening_server: socket.socket) -> int:
    """A port on which somebody listens and never answers."""
    port: int = listening_server.getsockname()[1]
    return port


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def report(directory: Path, providers: str) -> tuple[int, list[str]]:
    file = directory / "omniroute.toml"
    file.write_text("[server]\nport = 0\ndashboard_port = 0\n" + providers)
    out = io.StringIO()
    settings = load({}, {}, file, directory, working_dir=directory)
    status = doctor(directory / "data", settings, out)
    return status, out.getvalue().splitlines()


def provider(id_: str, port: int) -> str:
    return f'[[providers]]\nid = "{id_}"\nformat = "openai"\nbase_url = "http://127.0.0.1:{port}"\n'


def test_a_provider_that_answers_is_reached(tmp_path: Path, listening: int) -> None:
    status, lines = report(tmp_path, provider("acme", listening))
    assert status == 0
    assert lines[-1].startswith(f"ok    acme/default   127.0.0.1:{listening} reached in")


def test_a_provider_that_does_not_answer_is_broken_and_the_others_are_tried(
    tmp_path: Path, listening: int, closed_port: int
) -> None:
    status, lines = report(tmp_path, provider("gone", closed_port) + provider("acme", listening))
    assert status == 1
    assert lines[-2].startswith("FAIL  gone/default")
    assert lines[-1].startswith("ok    acme/default")


def test_a_proxy_that_does_not_answer_is_broken(
    tmp_path: Path, listening: int, closed_port: int
) -> None:
    text = provider("acme", listening) + f'proxy = "http://u:hunter2@127.0.0.1:{closed_port}"\n'
    status, lines = report(tmp_path, text)
    assert status == 1
    assert "proxy" in lines[-1]
    assert "hunter2" not in "\n".join(lines)


def test_a_provider_that_lacks_something_is_a_warning(tmp_path: Path) -> None:
    status, lines = report(tmp_path, '[[providers]]\nid = "openai"\n')
    assert status == 0
    assert lines[-1] == "warn  openai         OpenAI needs an api_key."


def test_a_configuration_without_providers_is_a_warning(tmp_path: Path) -> None:
    status, lines = report(tmp_path, "")
    assert status == 0
    assert lines[-1].startswith("warn  providers")


# --- data directory ---


def test_a_directory_that_is_not_there_yet_is_fine_and_is_not_made(tmp_path: Path) -> None:
    finding = examine_data_dir(tmp_path / "data")
    assert finding.level == "ok"
    assert not (tmp_path / "data").exists()


def test_a_whole_installation_is_fine(tmp_path: Path) -> None:
    Installation.open(tmp_path / "data", create=True, environment={})
    finding = examine_data_dir(tmp_path / "data")
    assert (finding.level, "mode 0700" in finding.text) == ("ok", True)


def test_an_open_directory_is_a_warning_and_stays_as_it_is(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    Installation.open(data_dir, create=True, environment={})
    data_dir.chmod(0o755)
    assert examine_data_dir(data_dir).level == "warn"
    assert data_dir.stat().st_mode & 0o777 == 0o755


def test_a_lost_key_is_broken(tmp_path: Path) -> None:
    Installation.open(tmp_path / "data", create=True, environment={})
    (tmp_path / "data" / "encryption.key").unlink()
    finding = examine_data_dir(tmp_path / "data")
    assert (finding.level, "encryption.key" in finding.text) == ("FAIL", True)


# --- ports ---


def test_a_free_port_is_fine(closed_port: int) -> None:
    assert examine_port("port", "127.0.0.1", closed_port).level == "ok"


def test_a_port_that_somebody_else_holds_is_broken_and_the_holder_is_named(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omniroute.doctor.ANSWER_S", 0.1)
    finding = examine_port("port", "127.0.0.1", listening)
    assert finding.level == "FAIL"
    if sys.platform == "linux":
        assert f"pid {os.getpid()}" in finding.text


def test_a_port_on_which_the_gateway_answers_is_fine(listening_server: socket.socket) -> None:
    def answer() -> None:
        client, _ = listening_server.accept()
        with client:
            assert client.recv(4096).startswith(b"GET /healthz ")
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    finding = examine_port("port", "127.0.0.1", listening_server.getsockname()[1])
    thread.join()
    assert (finding.level, "OmniRoute is running" in finding.text) == ("ok", True)


def test_an_address_that_is_not_ours_is_broken() -> None:
    assert examine_port("port", "192.0.2.1", 20128).level == "FAIL"  # RFC 5737: for examples


# --- extensions ---


def test_twins_are_told_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_speedups, "COMPILED", False)
    monkeypatch.setattr(_speedups, "FALLBACK_REASON", "no compiler")
    finding = examine_speedups()
    assert finding.level == "warn"
    assert "NOT COMPILED" in finding.text
    assert "no compiler" in finding.text


def test_compiled_extensions_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_speedups, "COMPILED", True)
    assert examine_speedups().level == "ok"


def test_a_missing_fast_parser_is_told_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine_parser().text == "httptools"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    finding = examine_parser()
    assert (finding.level, "NOT INSTALLED" in finding.text) == ("warn", True)
