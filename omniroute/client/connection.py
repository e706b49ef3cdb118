"""HTTP to the gateway of this data directory, or to the one at a given address.

The private socket is the way: it is there whatever ports were chosen, and nobody else can listen on
it, so the admin token of the data directory cannot come into wrong hands. The dashboard's port is
asked only where there can be no such socket (on Windows, or with a path too long for one). For
another machine an admin key comes from the environment.
"""

import contextlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from omniroute.client.request import GatewayError, Request

TOKEN_FILE: Final = "admin.token"
SOCKET_FILE: Final = "control.sock"
KEY_VARIABLE: Final = "OMNIROUTE_ADMIN_KEY"
_SOCKET_PATH_BYTES: Final = 104  # unix(4): 104 on macOS, 108 on Linux, with the zero at the end
_PIECE_BYTES: Final = 64 << 10
_ANSWER_S: Final = 120.0


@dataclass(frozen=True)
class Place:
    """Where the gateway is asked, and with what. Made by `local` or `remote`."""

    token: str
    socket_path: Path | None
    url: str
    token_from: str


def local(data_dir: Path, dashboard_url: str) -> Place:
    """The gateway of a data directory. Raises GatewayError."""
    file = data_dir / TOKEN_FILE
    try:
        token = file.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise GatewayError(
            f"there is no gateway in {data_dir} ({TOKEN_FILE} is missing). Start one with "
            "`omniroute`, or name its directory with --data-dir"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(
            f"{file} cannot be read: {error}. Run this as the user who runs the gateway"
        ) from error
    path = data_dir / SOCKET_FILE
    can_be = hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) < _SOCKET_PATH_BYTES
    return Place(token, path if can_be else None, dashboard_url, str(file))


def remote(url: str, environment: Mapping[str, str] = os.environ) -> Place:
    """The gateway at an address, asked with an admin key. Raises GatewayError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayError(f"--url {url} is not the address of a gateway: http://host:port")
    key = environment.get(KEY_VARIABLE, "")
    if not key:
        raise GatewayError(
            f"--url needs an admin key in the environment variable {KEY_VARIABLE}; make one on the "
            "gateway's machine with `omniroute admin-keys create`"
        )
    return Place(key, None, url.rstrip("/"), KEY_VARIABLE)


class Gateway:
    """A gateway that answers. Each call makes a connection of its own. Raises GatewayError."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def ask(self, request: Request) -> Any:
        """The JSON of the answer; None where it has none."""
        with self._answer(request) as response:
            content = response.read()
        if response.status == 204 or not content:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise GatewayError("the answer is not JSON; is this the port of a gateway?") from error

    def download(self, request: Request) -> Iterator[bytes]:
        """The answer in pieces."""
        with self._answer(request) as response:
            while piece := response.read(_PIECE_BYTES):
                yield piece

    def lines(self, request: Request) -> Iterator[str]:
        """The data of each server-sent event, until the gateway ends the feed."""
        with self._answer(request, wait_s=None) as response:
            while line := response.readline():
                if line.startswith(b"data: "):
                    yield line[6:].decode().rstrip("\n")

    @contextlib.contextmanager
    def _answer(
        self, request: Request, wait_s: float | None = _ANSWER_S
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(wait_s)
        try:
            response = _exchange(connection, request, self._headers(request))
            if response.status >= 300:
                raise self._refusal(response)
            with response:
                yield response
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise GatewayError(
                f"the gateway does not run (nothing answers at {self._shown()}). Start it with "
                "`omniroute`, or name another with --data-dir or --url"
            ) from error
        except PermissionError as error:
            raise GatewayError(
                f"{self._shown()} is not open to this user; run this as the user who runs the "
                "gateway"
            ) from error
        except TimeoutError as error:
            raise GatewayError(f"the gateway at {self._shown()} does not answer") from error
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(
                f"the gateway at {self._shown()} cannot be asked: {error}"
            ) from error
        finally:
            connection.close()

    def _refusal(self, response: http.client.HTTPResponse) -> GatewayError:
        content = response.read()
        if response.status == 401:
            return GatewayError(
                f"the gateway at {self._shown()} does not accept what is in "
                f"{self._place.token_from}; is it another installation's?"
            )
        try:
            error = json.loads(content)["error"]
            lines = [str(error["message"])]
            details = error.get("details", ())
            if len(details) > 1:
                lines += [f"  {each['field']}: {each['message']}" for each in details]
        except (ValueError, KeyError, TypeError):
            lines = [f"the gateway answered {response.status} {response.reason}"]
        return GatewayError("\n".join(lines))

    def _connection(self, wait_s: float | None) -> http.client.HTTPConnection:
        if self._place.socket_path is not None:
            return _OverSocket(self._place.socket_path, wait_s)
        parts = urlsplit(self._place.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=wait_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=wait_s)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"authorization": f"Bearer {self._place.token}", "user-agent": "omniroute-cli"}
        if self._place.socket_path is not None:
            headers["x-omniroute-forwarded"] = "for=local;proto=http"
        if isinstance(request.body, Path):
            headers["content-length"] = str(request.body.stat().st_size)
        if request.body is not None:
            headers["content-type"] = request.media_type
        return {**headers, **request.headers}

    def _shown(self) -> str:
        return str(self._place.socket_path or self._place.url)


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, wait_s: float | None) -> None:
        super().__init__("localhost", timeout=wait_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _exchange(
    connection: http.client.HTTPConnection, request: Request, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    query = urlencode(
        {name: value for name, value in request.query.items() if value is not None}, doseq=True
    )
    target = f"{request.path}?{query}" if query else request.path
    if isinstance(request.body, Path):
        with request.body.open("rb") as file:
            connection.request(request.method, target, body=file, headers=headers)
    else:
        content = None if request.body is None else json.dumps(request.body).encode()
        connection.request(request.method, target, body=content, headers=headers)
    return connection.getresponse()
