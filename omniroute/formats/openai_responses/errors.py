"""Errors of this format: the body, the end of a failed stream, and what upstreams say.

A failed stream ends as the service ends one: `error`, at which the official SDK raises, then
`response.failed`, which Codex waits for. The nested object is what the service sends, the flat
members are what it documents; clients read either, so `error` has both.
"""

from typing import Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_responses import wire
from omniroute.formats.openai_responses.wire import dump

MAX_QUOTED_CHARACTERS: Final = 2000

_STATUS: Final[dict[str, int]] = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "server_is_overloaded": 503,
    "slow_down": 503,
}


def status_of(code: str, kind: str) -> int:
    """The HTTP status that an error inside a stream would have had."""
    known = _STATUS.get(code)
    if known is not None:
        return known
    return 400 if kind == "invalid_request_error" or code.startswith("invalid_") else 502


class _ErrorBody(msgspec.Struct, gc=False):
    error: wire.ErrorIn | str | None = None
    response: "_Failed | None" = None
    message: str | None = None
    detail: str | None = None
    code: str | int | None = None


class _Failed(msgspec.Struct, gc=False):
    error: wire.ErrorIn | None = None


_read_body = msgspec.json.Decoder(_ErrorBody).decode


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error body or event; anything unreadable is quoted, shortened."""
    try:
        read = _read_body(body)
    except UNREADABLE:
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS] or "no explanation")
    error = read.error
    if error is None and read.response is not None:
        error = read.response.error
    if isinstance(error, str):
        return UpstreamError(error[:MAX_QUOTED_CHARACTERS])
    if error is None:
        error = wire.ErrorIn(read.message or read.detail, read.code)
    message = (error.message or "no explanation")[:MAX_QUOTED_CHARACTERS]
    code = None if error.code is None else str(error.code)
    return UpstreamError(message, error.type, code, error.param)


class _ErrorOut(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str | None


class _Envelope(msgspec.Struct):
    error: _ErrorOut


def _out(error: GatewayError) -> _ErrorOut:
    return _ErrorOut(error.message, error.openai_type, error.param, error.openai_code)


def error_body(error: GatewayError) -> bytes:
    """The body of an error answer; the same as in chat completions."""
    return dump(_Envelope(_out(error)))


class _ErrorEvent(msgspec.Struct, tag="error", tag_field="type"):
    sequence_number: int
    code: str | None
    message: str
    param: str | None
    error: _ErrorOut


def error_frame(error: GatewayError, sequence_number: int) -> bytes:
    """The event `error`."""
    event = _ErrorEvent(sequence_number, error.openai_code, error.message, error.param, _out(error))
    return b"event: error\ndata: " + dump(event) + b"\n\n"


class _ResponseError(msgspec.Struct):
    code: str
    message: str


def response_error(error: GatewayError) -> bytes:
    """The `error` of a response object, whose codes are fewer; it must have one."""
    code = error.openai_code
    if code is None:
        code = {429: "rate_limit_exceeded", 400: "invalid_prompt"}.get(error.status, "server_error")
    return dump(_ResponseError(code, error.message))
