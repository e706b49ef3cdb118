"""What every request to the management plane passes first: an ASGI layer around the app.

Two doors lead to the same app. The dashboard port is open to the network it is bound to: there the
client's address is the socket's, and our forwarding header is thrown away. The private Unix socket
is reached only by the workers, which relay `/api` and `/dashboard` from the main port; there, and
only there, `X-OmniRoute-Forwarded: for=<address>;proto=<scheme>` tells who the client is.

Behind both, `Host`, `Origin` and what browsers say of a request's origin (w3.org/TR/fetch-metadata)
are checked, and the answer gets its security headers. Another port of the same host is another
origin that gets our cookie all the same: nothing of it passes but links to follow.
"""

import json
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniroute.control.content_policy import POLICY
from omniroute.control.origins import KnownHosts

FORWARDED_HEADER = b"x-omniroute-forwarded"

_POLICY_HEADER = (b"content-security-policy", POLICY.encode())
_FOREIGN = (b"cross-site", b"same-site")
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Door:
    """One way into the app. `hosts` is asked per request, since a reload may change it."""

    def __init__(self, app: ASGIApp, hosts: Callable[[], KnownHosts], *, is_private: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._is_private = is_private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # No WebSocket route exists; refusing here keeps them out of every later check.
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        scope = self._with_client(scope)
        refusal = self._refusal(scope["method"], scope["headers"])
        if refusal:
            await _answer_error(send, 403, refusal)
            return
        await self._app(scope, receive, _with_security_headers(send))

    def _with_client(self, scope: Scope) -> Scope:
        told = [value for name, value in scope["headers"] if name == FORWARDED_HEADER]
        headers = [(name, value) for name, value in scope["headers"] if name != FORWARDED_HEADER]
        changed: MutableMapping[str, Any] = {**scope, "headers": headers}
        if self._is_private:
            address, scheme = parse_forwarded(told[-1]) if told else ("unknown", "http")
            changed["client"] = (address, 0)
            changed["scheme"] = scheme
        return changed

    def _refusal(self, method: str, headers: list[tuple[bytes, bytes]]) -> str:
        """Why this request may not pass, or ""."""
        given_hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        if len(given_hosts) != 1 or len(origins) > 1:
            return "exactly one Host header is needed"
        host = given_hosts[0].decode("latin-1")
        hosts = self._hosts()
        if not hosts.is_known(host):
            return (
                "this server does not answer to that Host name; add it to [server] allowed_hosts "
                "if it should"
            )
        if origins and not hosts.is_same_site(origins[0].decode("latin-1"), host):
            return "requests from pages of another site are refused"
        said = dict(headers)
        is_foreign = said.get(b"sec-fetch-site") in _FOREIGN
        if is_foreign and (method != "GET" or said.get(b"sec-fetch-mode") != b"navigate"):
            return "requests from pages of another site are refused"
        return ""


def parse_forwarded(value: bytes) -> tuple[str, str]:
    """(client address, scheme) of the header's value; unknown parts get harmless values."""
    pairs = dict(
        (name.strip(), content.strip())
        for name, _, content in (part.partition("=") for part in value.decode("latin-1").split(";"))
    )
    scheme = pairs.get("proto", "")
    return pairs.get("for") or "unknown", scheme if scheme in ("http", "https") else "http"


def _with_security_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], *_SECURITY_HEADERS]
            if not any(name == _POLICY_HEADER[0] for name, _ in message["headers"]):
                headers.append(_POLICY_HEADER)  # pages have their own
            message = {**message, "headers": headers}
        await send(message)

    return wrapped


async def _answer_error(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": {"type": "forbidden", "message": text}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *_SECURITY_HEADERS,
        _POLICY_HEADER,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
