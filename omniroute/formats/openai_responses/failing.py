"""How a Responses stream ends that fails while it passes through untouched.

Of the stream before nothing is known then, so ids and numbers begin anew. SDKs raise at `error`,
Codex reads `response.failed`.
"""

from omniroute.errors import GatewayError
from omniroute.formats.openai_responses import errors, objects


def failure(error: GatewayError) -> bytes:
    """The two events that end a stream in failure."""
    frame = objects.Frame("resp_failed", "", 0)
    failed = frame.json("failed", error=errors.response_error(error))
    return errors.error_frame(error, 0) + (
        b'event: response.failed\ndata: {"type":"response.failed","sequence_number":1,'
        b'"response":%b}\n\n' % failed
    )
