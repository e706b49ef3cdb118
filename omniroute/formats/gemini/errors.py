"""Errors as Google's APIs tell them, and as they tell them to us.

Source: google.rpc.Status in its HTTP form (`error.code`, `message`, `status`, `details`), AIP-193;
google.rpc.QuotaFailure for the limit that was met, google.rpc.RetryInfo for how long to wait. The
google-genai SDK chooses its exception by the HTTP status and shows `status` and `message`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats.base import UpstreamError
from omniroute.formats.gemini import wire
from omniroute.formats.misread import UNREADABLE

MAX_QUOTED_CHARACTERS: Final = 2000

_STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def status_name(status: int) -> str:
    """The canonical name of an HTTP status."""
    return _STATUS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")


def error_body(error: GatewayError) -> bytes:
    shown: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": status_name(error.status),
    }
    details: list[dict[str, Any]] = []
    if error.openai_code is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": error.openai_code.upper(),
                "domain": "omniroute",
            }
        )
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [violation],
            }
        )
    if error.limit is not None:
        met = error.limit
        exceeded = {
            "quotaMetric": f"omniroute/{met.measure}",
            "quotaValue": str(met.limit),
            "description": error.message,
        }
        details.append(
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [exceeded]}
        )
    if error.retry_after_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{error.retry_after_s:g}s",
            }
        )
    if details:
        shown["details"] = details
    return msgspec.json.encode({"error": shown})


_decode_error = msgspec.json.Decoder(wire.ErrorBody | list[wire.ErrorBody]).decode


def upstream_error(body: bytes) -> UpstreamError:
    """Read an error of the service (alone or in a stream's array); the unreadable is quoted."""
    try:
        read = _decode_error(body)
    except UNREADABLE:
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(text[:MAX_QUOTED_CHARACTERS] or "no explanation")
    if isinstance(read, list):
        read = read[0] if read else wire.ErrorBody()
    error = read.error
    if error is None or isinstance(error, str):
        return UpstreamError((error or "no explanation")[:MAX_QUOTED_CHARACTERS])
    code = None if error.code is None else str(error.code)
    message = (error.message or "no explanation")[:MAX_QUOTED_CHARACTERS]
    return UpstreamError(message, error.status, code)
