"""Documents that are not what they should be: what decoding raises, and about which member."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding can raise for bytes that are not what they should be."""


def member_of(text: str) -> str | None:
    """The member that a message of msgspec is about, for the `param` of a refusal.

    `stream` of "… - at `$.stream`", `model` of "… required field `model`"; None where it is about
    all of the document.
    """
    _, found, rest = text.rpartition("`$.")
    if found:
        return rest.rstrip("`") or None
    if "required field" in text:
        return text.rpartition("field `")[2].rstrip("`")
    return None
