"""Starting: what is printed once, and every way in which a start is refused."""

import os
import re
import socket
from collections.abc import Callable

import httpx
import pytest

from tests.processes.harness import Gateway, eventually

pytestmark = pytest.mark.processes


def test_the_first_start_tells_password_link_and_key_once(
    gateways: Callable[[], Gateway],
) -> None:
    first = gateways()
    first.configure()
    without_keys = first.config_file.read_text().split("[[keys]]")[0]
    first.config_file.write_text(without_keys)
    first.start()
    told = first.stdout()
    password = re.search(r"admin password +(\S+)", told)
    link = re.search(r"#link=(\S+)", told)
    key = re.search(r"API key +(sk-omni-\S+)", told)
    assert password
    assert link
    assert key

    headers = {"authorization": f"Bearer {key[1]}"}
    url = f"{first.endpoint}/v1/models"
    assert httpx.get(url, headers=headers).status_code == 200
    assert httpx.get(url).status_code == 401
    sign_in = f"{first.dashboard}/api/auth/login"
    assert eventually(lambda: httpx.post(sign_in, json={"link": link[1]})).status_code == 200
    assert httpx.post(sign_in, json={"link": link[1]}).status_code == 401
    assert httpx.post(sign_in, json={"password": password[1]}).status_code == 200
    assert first.stop() == 0
    for secret in (password[1], link[1], key[1]):
        assert secret not in first.stderr()

    second = gateways().start()
    assert "First start" not in second.stdout()
    assert httpx.get(f"{second.endpoint}/v1/models", headers=headers).status_code == 200
    assert second.stop() == 0


def test_nothing_in_the_data_dir_is_open_to_others(gateway: Gateway) -> None:
    gateway.configure()
    gateway.start()
    eventually(gateway.status)
    assert gateway.data_dir.stat().st_mode & 0o077 == 0
    for path in gateway.data_dir.rglob("*"):
        assert path.lstat().st_mode & 0o077 == 0, path


def test_the_dashboard_is_reachable_through_the_main_port(gateway: Gateway) -> None:
    gateway.configure()
    gateway.start()
    url = f"{gateway.endpoint}/dashboard/"
    page = eventually(lambda: (answer := httpx.get(url)).status_code == 200 and answer)
    assert "<title>OmniRoute</title>" in page.text
    assert httpx.get(f"{gateway.endpoint}/api/status").status_code == 401
    token = (gateway.data_dir / "admin.token").read_text().strip()
    status = httpx.get(
        f"{gateway.endpoint}/api/status", headers={"authorization": f"Bearer {token}"}
    )
    assert status.json()["workers"][0]["state"] == "ready"


def test_a_taken_port_is_refused_and_named(gateway: Gateway) -> None:
    gateway.configure()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway.spawn("--port", str(port))
        assert gateway.wait() == 2
        assert f"port {port}" in gateway.stderr()
        assert f"pid {os.getpid()}" in gateway.stderr()


def test_a_wrong_configuration_is_refused_at_the_start(gateway: Gateway) -> None:
    gateway.configure()
    gateway.config_file.write_text(gateway.config_file.read_text() + "\n[server]\nprot = 1\n")
    gateway.spawn()
    assert gateway.wait() == 2
    assert "omniroute.toml" in gateway.stderr()


def test_one_data_dir_serves_one_gateway(gateways: Callable[[], Gateway]) -> None:
    first = gateways()
    first.configure()
    first.start()
    second = gateways()
    second.spawn()
    assert second.wait() == 2
    assert "another omniroute" in second.stderr()
    assert first.stop() == 0


def test_a_lost_encryption_key_is_refused_not_replaced(gateways: Callable[[], Gateway]) -> None:
    first = gateways()
    first.configure()
    first.start()
    assert first.stop() == 0
    (first.data_dir / "encryption.key").unlink()
    second = gateways()
    second.spawn()
    assert second.wait() == 2
    assert "encryption.key is missing" in second.stderr()
