"""What a request would count, estimated: for targets that cannot be asked.

Four bytes of text to a token, images by the service's rule of thumb, PDF pages by their size. Good
for deciding whether a conversation still fits, which is what clients ask for; not for billing.
"""

from typing import Final

from omniroute.formats import ir
from omniroute.formats.claude.requests import decode_request

BYTES_PER_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1600  # of one at the size from which on the service scales down
# A page of a PDF is seen as text and as image; half a hundred kilobytes is a usual page.
_PDF_BYTES_PER_TOKEN: Final = 25
_TURN_TOKENS: Final = 4


def estimate_input_tokens(body: bytes) -> int:
    """Tokens that a count_tokens request would be told. FormatError for what is no request."""
    return estimated(decode_request(body))


def estimated(request: ir.Request) -> int:
    """Tokens of a request of any format."""
    size = sum(_bytes(part) for part in request.system)
    size += sum(_bytes(part) for message in request.messages for part in message.parts)
    for tool in request.tools:
        size += len(tool.name.encode()) + len(tool.description.encode())
        size += len(bytes(tool.schema)) + len(bytes(tool.raw))
    return size // BYTES_PER_TOKEN + _TURN_TOKENS * len(request.messages) + 1


def _bytes(part: ir.Part) -> int:
    match part:
        case ir.Text() | ir.Refusal():
            return len(part.text.encode())
        case ir.Reasoning():
            return len(part.text.encode()) + len(part.data)
        case ir.ToolCall():
            return len(part.name.encode()) + len(part.arguments.encode())
        case ir.ToolResult():
            return sum(_bytes(inner) for inner in part.parts)
        case ir.Image():
            return IMAGE_TOKENS * BYTES_PER_TOKEN
        case ir.File() if part.media_type.startswith("text/"):
            return len(part.data) * 3 // 4
        case ir.File() | ir.Audio():
            return len(part.data) * BYTES_PER_TOKEN // _PDF_BYTES_PER_TOKEN
        case ir.Opaque():
            return len(bytes(part.raw))
