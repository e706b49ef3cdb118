"""Who may ask: the key, the name the gateway is called by, the web page a request comes from.

A key check is one digest and one look-up, no query language anywhere. Names that somebody else's
DNS could point here (rebinding) and web pages that nobody listed (drive-by requests) are refused;
addresses cannot be rebound, and editors and desktop programs have schemes of their own.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.endpoints import query_key
from omniroute.gateway.view import Principal, View
from omniroute.wire.http1 import Request

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection

MAX_KNOWN_HOSTS: Final = 64  # spellings of Host remembered as good; beyond it each is judged anew


class Gatekeeper:
    """The checks of one worker, with what it remembers of the last ones."""

    def __init__(self, key_digest: Callable[[bytes], bytes]) -> None:
        self._key_digest = key_digest
        self._known_hosts: set[bytes] = set()
        self._view: View | None = None  # whose names the known hosts are

    def principal(self, connection: "ClientConnection", view: View, request: Request) -> Principal:
        """Who asks, by the key presented in whichever way its dialect does. GatewayError (401)."""
        fields = request.fields
        header = fields.get(b"authorization")
        token = None
        if header is not None:
            # A client repeats its header on a kept connection. Comparing it with the one that was
            # judged last tells nobody anything, and saves the digest.
            known = connection.credential
            if known is not None and known[0] is view and known[1] == header:
                return known[2]
            token = _bearer_token(header)
        presented = (
            token
            or fields.get(b"x-api-key")
            or fields.get(b"x-goog-api-key")
            or query_key(request.target)
        )
        if presented:
            # The digest needs the signing key, so timing the look-up tells a caller nothing.
            principal = view.principals.get(self._key_digest(presented))
            if principal is None and not view.server.require_api_key:
                principal = view.anonymous
            if principal is not None:
                if token and header is not None:  # else another header may say who asks
                    connection.credential = (view, header, principal)
                return principal
        if not view.server.require_api_key:
            return view.anonymous
        if not presented:
            raise GatewayError(
                ErrorKind.MISSING_KEY,
                "No API key given. Send the key that OmniRoute printed at its first start, or one "
                "of [[keys]], as `Authorization: Bearer …`.",
            )
        raise GatewayError(
            ErrorKind.BAD_KEY,
            "This API key is not known here. Send a key of this gateway, not one of a provider.",
        )

    def check_names(self, view: View, fields: Mapping[bytes, bytes]) -> None:
        """GatewayError (403) for a Host or a web origin that is not ours."""
        if view is not self._view:
            self._view = view
            self._known_hosts.clear()
        host = fields[b"host"]
        if host not in self._known_hosts:
            if not host_allowed(host.decode("latin-1"), view.hosts):
                raise GatewayError(
                    ErrorKind.FORBIDDEN_HOST,
                    f"The Host {host.decode('latin-1')!r} is not a name of this gateway. If it "
                    "should be, add it to server.allowed_hosts.",
                )
            if len(self._known_hosts) < MAX_KNOWN_HOSTS:
                self._known_hosts.add(host)
        origin = fields.get(b"origin")
        if origin is not None and not origin_allowed(origin, host, view.cors_origins):
            raise GatewayError(
                ErrorKind.FORBIDDEN_ORIGIN,
                f"Pages of {origin.decode('latin-1')!r} may not call this gateway. If they should, "
                "add this origin to server.cors_origins.",
            )


def _bearer_token(header: bytes) -> bytes | None:
    scheme, _, token = header.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def host_allowed(host: str, names: frozenset[str]) -> bool:
    """Is a Host value an address, loopback, or one of `names`?"""
    name = host.lower()
    if name.startswith("["):
        return True
    name = name.partition(":")[0].rstrip(".")
    if name in names or name.endswith(".localhost"):
        return True
    return all(part.isdigit() for part in name.split(".")) and name.count(".") == 3


def origin_allowed(origin: bytes, host: bytes, listed: frozenset[bytes]) -> bool:
    """May a page of this origin call? Its own pages and the listed ones may."""
    if b"*" in listed or origin in listed:
        return True
    if origin == b"null":
        return False  # a sandboxed frame of anybody
    parts = urlsplit(origin.decode("latin-1"))
    if parts.scheme not in ("http", "https"):
        return True
    return parts.netloc.encode("latin-1") == host


def cors_headers(view: View, fields: Mapping[bytes, bytes]) -> bytes:
    """The lines that let a page of a listed origin read the answer."""
    origin = fields.get(b"origin")
    if origin is None:
        return b""
    if b"*" in view.cors_origins or origin in view.cors_origins:
        return (
            b"access-control-allow-origin: %b\r\nvary: origin\r\n"
            b"access-control-expose-headers: *\r\n" % origin
        )
    return b"vary: origin\r\n"
