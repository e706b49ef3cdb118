"""Listening sockets: bound once, and a taken port names its holder."""

import os
import socket
import sys

import pytest

from omniroute import ports


def test_port_zero_takes_a_free_port_and_its_url_names_it() -> None:
    with ports.listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        assert ports.url(sock, "127.0.0.1") == f"http://127.0.0.1:{port}"
        assert ports.url(sock, "0.0.0.0") == f"http://127.0.0.1:{port}"
        assert ports.url(sock, "::1") == f"http://[::1]:{port}"
        with socket.create_connection(("127.0.0.1", port), 5):
            pass


def test_listening_sockets_are_not_inherited_by_accident() -> None:
    with ports.listen("127.0.0.1", 0) as sock:
        assert not sock.get_inheritable()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="holders are found in /proc")
def test_a_taken_port_is_refused_naming_the_holder() -> None:
    with ports.listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=f"port {port} .* pid {os.getpid()} "):
            ports.listen("127.0.0.1", port)


def test_a_name_that_does_not_resolve_is_a_clear_error() -> None:
    with pytest.raises(ports.PortTaken, match="cannot listen on"):
        ports.listen("no-such-host.invalid", 0)


def test_a_foreign_address_is_a_clear_error() -> None:
    with pytest.raises(ports.PortTaken, match=r"cannot listen on 192\.0\.2\.1"):
        ports.listen("192.0.2.1", 0)
