"""The error family of the data plane, and the one table: error -> status, type, code, per dialect.

Whatever goes wrong while a request is served becomes a `GatewayError` of one `ErrorKind`; its
message says what went wrong, where, and what would be right. A dialect renders it in its own shape
(`formats/`); nothing else decides a status. Messages never hold a credential.
"""

from enum import Enum
from typing import NamedTuple


class ErrorRow(NamedTuple):
    """How a kind of error is told. `retryable`: would the same request be right a little later?"""

    status: int
    openai_type: str
    openai_code: str | None
    retryable: bool


class ErrorKind(Enum):
    """Every kind of error this gateway itself can answer with.

    Status and type are those with which the OpenAI service answers the like case, because its SDKs
    choose exception class and retry by them (platform.openai.com, "Error codes").
    """

    BAD_REQUEST = ErrorRow(400, "invalid_request_error", None, False)
    MISSING_KEY = ErrorRow(401, "invalid_request_error", "missing_api_key", False)
    BAD_KEY = ErrorRow(401, "invalid_request_error", "invalid_api_key", False)
    FORBIDDEN_HOST = ErrorRow(403, "invalid_request_error", "host_not_allowed", False)
    FORBIDDEN_ORIGIN = ErrorRow(403, "invalid_request_error", "origin_not_allowed", False)
    FORBIDDEN_ADDRESS = ErrorRow(403, "invalid_request_error", "ip_not_allowed", False)
    SUSPICIOUS_CONTENT = ErrorRow(400, "invalid_request_error", "suspicious_content", False)
    NOT_FOUND = ErrorRow(404, "invalid_request_error", "unknown_url", False)
    UNKNOWN_MODEL = ErrorRow(404, "invalid_request_error", "model_not_found", False)
    METHOD_NOT_ALLOWED = ErrorRow(405, "invalid_request_error", "method_not_allowed", False)
    REQUEST_TIMEOUT = ErrorRow(408, "invalid_request_error", "request_timeout", True)
    BODY_TOO_LARGE = ErrorRow(413, "invalid_request_error", "request_too_large", False)
    UNSUPPORTED_ENCODING = ErrorRow(415, "invalid_request_error", "unsupported_encoding", False)
    NOT_CONFIGURED = ErrorRow(400, "invalid_request_error", "provider_not_configured", False)
    LOOP_DETECTED = ErrorRow(508, "server_error", "loop_detected", False)
    INTERNAL = ErrorRow(500, "server_error", "internal_error", True)
    OVERLOADED = ErrorRow(503, "server_error", "gateway_overloaded", True)
    NOT_READY = ErrorRow(503, "server_error", "not_ready", True)
    CONTROL_UNAVAILABLE = ErrorRow(503, "server_error", "control_unavailable", True)
    UPSTREAM_REFUSED = ErrorRow(502, "upstream_error", "upstream_unreachable", True)
    UPSTREAM_BROKEN = ErrorRow(502, "upstream_error", "upstream_broken", True)
    UPSTREAM_TIMEOUT = ErrorRow(504, "upstream_error", "upstream_timeout", True)
    UPSTREAM_ERROR = ErrorRow(502, "upstream_error", "upstream_error", True)
    EGRESS_REFUSED = ErrorRow(502, "upstream_error", "egress_refused", False)
    AMBIGUOUS_MODEL = ErrorRow(400, "invalid_request_error", "ambiguous_model", False)
    KEY_EXPIRED = ErrorRow(401, "invalid_request_error", "key_expired", False)
    KEY_DISABLED = ErrorRow(403, "invalid_request_error", "key_disabled", False)
    OUTSIDE_SCHEDULE = ErrorRow(403, "invalid_request_error", "outside_schedule", False)
    MODEL_NOT_ALLOWED = ErrorRow(403, "invalid_request_error", "model_not_allowed", False)
    IDEMPOTENCY_MISMATCH = ErrorRow(422, "invalid_request_error", "idempotency_key_reused", False)
    RATE_LIMITED = ErrorRow(429, "rate_limit_error", "rate_limit_exceeded", True)
    CONCURRENCY = ErrorRow(429, "rate_limit_error", "concurrency_limit_exceeded", True)
    BUDGET_EXCEEDED = ErrorRow(429, "insufficient_quota", "insufficient_quota", False)
    ALL_UNAVAILABLE = ErrorRow(503, "server_error", "all_targets_unavailable", True)


class LimitState(NamedTuple):
    """A limit that refused a request, as headers tell it; see `Dialect.error_headers`."""

    measure: str  # what is counted: requests, tokens; anything else is told in words only
    limit: int
    remaining: int
    resets_s: float  # until something is free again, in seconds from now


class GatewayError(Exception):
    """Something a client must be told. Rendered once, by the dialect of the client.

    `status`, `type`, `code` default to the row of `kind`; an upstream's own answer overrides them,
    so that SDKs see what the provider said. `retry_after_s`: when waiting helps, how long.
    `limit`: the limit of ours that was met, where one was.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        param: str | None = None,
        status: int | None = None,
        error_type: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        limit: LimitState | None = None,
    ) -> None:
        super().__init__(message)
        row = kind.value
        self.kind = kind
        self.message = message
        self.param = param
        self.status = row.status if status is None else status
        self.openai_type = row.openai_type if error_type is None else error_type
        self.openai_code = row.openai_code if code is None else code
        self.retry_after_s = retry_after_s
        self.limit = limit
