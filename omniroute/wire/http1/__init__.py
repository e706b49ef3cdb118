"""HTTP/1.1 without I/O: readers for both directions and the few writers a gateway needs.

The gate owns the framing, the parser parses heads. A reader gathers bytes to the end of a head,
checks them, hands exactly that head to httptools (or h11, see `heads`), applies its own semantic
rules to the fields, and decodes the body itself. So no parser library ever decides where a message
ends, and whatever either library would let through is refused here, once.

A reader is told what arrived by `feed` and asked by `next_request` or `next_response` and
`next_body`; `None` always means "more bytes are needed". Every refusal is a `ProtocolError`, after
which the reader gives nothing but that error and the connection is to be closed.
"""

from omniroute.wire.http1.heads import Limits, ParserName, ProtocolError
from omniroute.wire.http1.requests import Request, RequestReader
from omniroute.wire.http1.responses import Response, ResponseReader
from omniroute.wire.http1.writers import (
    LAST_CHUNK,
    chunk,
    header_lines,
    request_line,
    status_line,
)

__all__ = [
    "LAST_CHUNK",
    "Limits",
    "ParserName",
    "ProtocolError",
    "Request",
    "RequestReader",
    "Response",
    "ResponseReader",
    "chunk",
    "header_lines",
    "request_line",
    "status_line",
]
