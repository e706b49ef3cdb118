"""Errors of upstreams as this format's vendors write them, and ours as OpenAI's SDKs read them.

Source: the API reference of OpenAI, "Error codes". No I/O, no clock.
"""

from typing import Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat.wire import DONE


class _ErrorDetail(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _ErrorBody(msgspec.Struct, gc=False):
    error: _ErrorDetail | str | None = None
    object: str | None = None  # vLLM's errors are bare: {"object": "error", "message": …}
    message: str | None = None
    detail: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


# Google's service for this format wraps the object in a list.
_decode_error = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody], strict=False).decode

MAX_QUOTED_CHARACTERS: Final = 2000


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error body or event of an upstream; anything unreadable is quoted, shortened."""
    try:
        found = _decode_error(body)
        read = found if isinstance(found, _ErrorBody) else found[0]
    except (*UNREADABLE, IndexError):
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS] or "no explanation")
    error = read.error
    if isinstance(error, str):
        return UpstreamError(error[:MAX_QUOTED_CHARACTERS])
    if error is not None:
        code = None if error.code is None else str(error.code)
        message = (error.message or "no explanation")[:MAX_QUOTED_CHARACTERS]
        return UpstreamError(message, error.type, code, error.param)
    text = read.message or read.detail or "no explanation"
    code = None if read.code is None else str(read.code)
    return UpstreamError(text[:MAX_QUOTED_CHARACTERS], read.type, code, read.param)


def is_bare_error(payload: bytes) -> bool:
    """Whether an object without the `error` member is an error all the same (vLLM's)."""
    try:
        read = _decode_error(payload)
    except UNREADABLE:
        return False
    return isinstance(read, _ErrorBody) and read.object == "error"


class _ErrorOut(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str | None


class _ErrorEnvelope(msgspec.Struct):
    error: _ErrorOut


def error_body(error: GatewayError) -> bytes:
    """An error in the shape that OpenAI's SDKs read."""
    return msgspec.json.encode(
        _ErrorEnvelope(_ErrorOut(error.message, error.openai_type, error.param, error.openai_code))
    )


def error_event(error: GatewayError) -> bytes:
    """How a stream that has begun ends when it fails: an error event, then the terminator."""
    return b"data: " + error_body(error) + b"\n\n" + DONE


def keepalive() -> bytes:
    """What keeps a silent stream open: a comment, which every SSE reader passes over."""
    return b": keepalive\n\n"
