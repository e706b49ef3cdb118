"""Names and values that every part of this format shares."""

from typing import Final

import msgspec

FORMAT: Final = "openai"

NOTHING: Final = msgspec.Raw(b"null")

DONE: Final = b"data: [DONE]\n\n"

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding can raise for bytes that are not what they should be."""
