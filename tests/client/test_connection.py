"""The way to a gateway: which one, with what, and what is said when there is none."""

from pathlib import Path

import pytest

from omniroute.client.connection import Gateway, local, remote
from omniroute.client.request import GatewayError, Request


def test_a_directory_without_a_gateway_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no gateway in"):
        local(tmp_path, "http://x")


def test_a_token_that_cannot_be_read_names_the_user(tmp_path: Path) -> None:
    (tmp_path / "admin.token").mkdir()
    with pytest.raises(GatewayError, match="as the user who runs the gateway"):
        local(tmp_path, "http://x")


@pytest.mark.parametrize("url", ["", "localhost:20129", "ftp://x", "http://"])
def test_an_address_is_a_url(url: str) -> None:
    with pytest.raises(GatewayError, match="address"):
        remote(url, {"OMNIROUTE_ADMIN_KEY": "k"})


def test_an_address_needs_a_key() -> None:
    with pytest.raises(GatewayError, match="OMNIROUTE_ADMIN_KEY"):
        remote("http://x", {})


def test_the_port_is_asked_only_where_there_can_be_no_socket(tmp_path: Path) -> None:
    """Whoever listens on the port of a gateway that does not run must not be given the token."""
    (tmp_path / "admin.token").write_text("t")
    assert local(tmp_path, "http://x").socket_path == tmp_path / "control.sock"
    long = tmp_path / ("x" * 100)
    long.mkdir()
    (long / "admin.token").write_text("t")
    assert local(long, "http://x").socket_path is None


def test_a_stale_socket_is_a_gateway_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_text("t")
    (tmp_path / "control.sock").touch()
    with pytest.raises(GatewayError, match="does not run"):
        Gateway(local(tmp_path, "")).ask(Request("GET", "/api/status", {}))


def test_an_unknown_host_is_said(tmp_path: Path) -> None:
    place = remote("http://127.0.0.1:1", {"OMNIROUTE_ADMIN_KEY": "k"})
    with pytest.raises(GatewayError, match=r"127\.0\.0\.1:1"):
        Gateway(place).ask(Request("GET", "/", {}))
