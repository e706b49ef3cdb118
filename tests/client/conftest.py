"""A gateway's management plane in a thread, on its private socket and on a port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.control.api.services import Services
from omniroute.control.serving import private_socket
from omniroute.installation import Installation
from tests.control.conftest import (  # noqa: F401
    access,
    clock,
    configuration,
    quick_hashing,
    services,
    state,
    store,
)
from tests.control.served import served


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One whose files are there."""
    return Installation.open(tmp_path, create=True)


@pytest.fixture
def data_dir(services: Services) -> Iterator[Path]:  # noqa: F811
    """Of a gateway that answers on its private socket."""
    sock = private_socket(services.installation.control_socket)
    with served(services, sock, is_private=True):
        yield services.installation.data_dir


@pytest.fixture
def url(services: Services) -> Iterator[str]:  # noqa: F811
    """Of a gateway that answers on the dashboard's port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with served(services, listener, is_private=False):
        yield f"http://127.0.0.1:{port}"
