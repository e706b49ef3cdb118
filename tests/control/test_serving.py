"""Hypercorn serves on sockets that it was given; the private one is private from the start."""

import socket
import stat
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from omniroute.control.serving import SocketUnusable, private_socket, serve_app


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_the_private_socket_is_for_its_owner_and_replaces_a_stale_one(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    for _ in range(2):
        with private_socket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_too_long_for_a_socket_is_an_error_in_words(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with pytest.raises(SocketUnusable, match="cannot listen on"):
        private_socket(folder / "control.sock")


async def test_both_kinds_of_sockets_are_served_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    end = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_app, app, tcp, end.wait))
            nursery.start_soon(partial(serve_app, app, private_socket(path), end.wait))
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://127.0.0.1:{port}/over-tcp")
            assert answer.text == "/over-tcp"
            assert "server" not in answer.headers
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport) as client:
                assert (await client.get("http://localhost/over-unix")).text == "/over-unix"
            end.set()
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", port)
