"""Errors in this format's shape, and what an upstream of this format says of its own.

Source: Anthropic's API reference, "Errors". SDKs choose the exception by the status and show the
type; inside a stream the status is 200 and the type is all there is.
"""

from typing import Final

import msgspec
from msgspec import Struct

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE

MAX_QUOTED_CHARACTERS: Final = 2000

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN: Final = frozenset(_TYPES.values()) | {"api_error"}


def error_type(status: int) -> str:
    """The service's type for a status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


class _ErrorOut(Struct):
    type: str
    message: str


class _Envelope(Struct):
    error: _ErrorOut
    type: str = "error"


def error_body(error: GatewayError) -> bytes:
    """An error as Anthropic's SDKs read it. An upstream's own type stays if it is one of these."""
    own = error.openai_type
    # OpenAI calls nearly everything of the client's invalid_request_error; the status knows more.
    specific = own in _KNOWN and own != "invalid_request_error"
    kind = own if specific else error_type(error.status)
    return msgspec.json.encode(_Envelope(_ErrorOut(kind, error.message)))


def error_event(error: GatewayError) -> bytes:
    """The end of a stream that fails: nothing follows it."""
    return b"event: error\ndata: " + error_body(error) + b"\n\n"


class _Details(Struct, gc=False):
    error_code: str | None = None


class _Error(Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    details: _Details | None = None


class _Body(Struct, gc=False):
    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None


_decode = msgspec.json.Decoder(_Body, strict=False).decode


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error body or event; what cannot be read is quoted, shortened."""
    try:
        read = _decode(body)
    except UNREADABLE:
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS] or "no explanation")
    error = read.error
    if isinstance(error, str):
        return UpstreamError(error[:MAX_QUOTED_CHARACTERS] or "no explanation")
    if error is None:
        text = read.message or read.detail or "no explanation"
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS])
    code = error.details.error_code if error.details is not None else None
    if code is None and error.code is not None:
        code = str(error.code)
    message = (error.message or "no explanation")[:MAX_QUOTED_CHARACTERS]
    return UpstreamError(message, error.type, code)
