"""Reload never drops a request, a wrong file never takes over, and the end is orderly."""

import signal
import time

import httpx
import pytest

from tests.processes.harness import Gateway, HeldStream, Upstream, eventually, is_alive

pytestmark = pytest.mark.processes


def models(gateway: Gateway) -> set[str]:
    with gateway.client() as client:
        return {model["id"] for model in client.get("/v1/models").json()["data"]}


def test_a_changed_file_reloads_without_dropping_a_stream(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.configure(models=("plain",))
    gateway.start()
    stream = HeldStream(gateway)
    gateway.configure(models=("plain", "added"))
    eventually(lambda: "acme/added" in models(gateway))
    upstream.let_go.set()
    stream.assert_whole()


def test_sighup_reloads_what_no_file_change_tells(gateway: Gateway, upstream: Upstream) -> None:
    key_file = gateway.folder / "key"
    key_file.write_text("first-key-0123")
    gateway.configure()
    text = gateway.config_file.read_text()
    gateway.config_file.write_text(
        f'{text}\n[[keys]]\nname = "from-file"\nkey = "file:{key_file}"\n'
    )
    gateway.start()
    stream = HeldStream(gateway)

    def is_accepted(key: str) -> bool:
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.get(f"{gateway.endpoint}/v1/models", headers=headers, timeout=30)
        return answer.status_code == 200

    assert is_accepted("first-key-0123")
    assert not is_accepted("second-key-0123")
    key_file.write_text("second-key-0123")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: is_accepted("second-key-0123"))
    assert not is_accepted("first-key-0123")
    upstream.let_go.set()
    stream.assert_whole()


def test_a_wrong_file_keeps_the_old_configuration(gateway: Gateway) -> None:
    gateway.configure(models=("plain",))
    gateway.start()
    before = gateway.status()["configuration"]["snapshot_version"]
    good = gateway.config_file.read_text()
    gateway.config_file.write_text(good.replace('format = "openai"', 'format = "opnai"'))
    error = eventually(lambda: gateway.status()["configuration"]["error"])
    assert "omniroute.toml" in error
    assert "format" in error
    assert any("format" in problem for problem in gateway.status()["problems"])
    assert gateway.status()["configuration"]["snapshot_version"] == before
    assert models(gateway) == {"acme/plain"}
    with gateway.client() as client:
        assert gateway.chat(client).status_code == 200

    gateway.config_file.write_text(good)
    eventually(lambda: gateway.status()["configuration"]["error"] == "")


def test_sigterm_lets_a_running_stream_finish(gateway: Gateway, upstream: Upstream) -> None:
    gateway.configure(workers=2)
    gateway.start()
    children = list(gateway.children())
    stream = HeldStream(gateway)
    gateway.signal(signal.SIGTERM)

    def is_refused() -> bool:
        try:
            httpx.get(f"{gateway.endpoint}/healthz", timeout=1)
        except httpx.ConnectError:
            return True
        except httpx.HTTPError:
            return False
        return False

    eventually(is_refused)
    assert gateway.process is not None
    assert gateway.process.poll() is None
    upstream.let_go.set()
    stream.assert_whole()
    assert gateway.wait() == 0
    assert not any(is_alive(pid) for pid in children)
    assert gateway.history()[stream.request_id] == "ok"


def test_draining_ends_at_its_limit(gateway: Gateway) -> None:
    gateway.configure(server="drain_timeout_s = 0.5")
    gateway.start()
    stream = HeldStream(gateway)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    stream.finish()
    # It was cut, and says so to the client and in the history.
    assert " 4" not in stream.text
    assert "error" in stream.text
    assert gateway.history()[stream.request_id] != "ok"


def test_a_second_signal_stops_at_once(gateway: Gateway) -> None:
    gateway.configure(workers=2, server="drain_timeout_s = 600.0")
    gateway.start()
    children = list(gateway.children())
    stream = HeldStream(gateway)
    gateway.signal(signal.SIGTERM)
    eventually(lambda: "stopping" in gateway.stderr())
    time.sleep(0.5)  # sooner, it would be the same signal delivered twice
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 1
    assert not any(is_alive(pid) for pid in children)
    stream.finish()


def test_the_interrupt_key_drains_like_sigterm(gateway: Gateway) -> None:
    gateway.configure()
    gateway.start()
    children = list(gateway.children())
    gateway.signal(signal.SIGINT)
    assert gateway.wait() == 0
    assert not any(is_alive(pid) for pid in children)
