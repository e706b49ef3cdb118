"""What another format needs back with its reasoning, kept in `encrypted_content`.

A client of this format sends reasoning items back as they came, and `encrypted_content` is opaque
to it. So a signature that Claude or Gemini made travels through the client in a seal that names its
origin, and only that origin ever gets it again. The seal is not secret and proves nothing: whoever
made the signature checks it. Its prefix tells it from what the real service makes, which lets
passthrough take such items out (`without_seals`) when a conversation moves to the real service.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from omniroute.formats.openai_responses.wire import dump, reader
from omniroute.wire.jsonscan import JsonScanError, find_members, replace_value

PREFIX: Final = "omni1."
_MARK: Final = f'"{PREFIX}'.encode()


class Seal(msgspec.Struct, frozen=True, omit_defaults=True):
    """`call_id` is set where the signature belongs to a tool call and not to reasoning."""

    origin: str = ""
    signature: str = ""
    data: str = ""
    call_id: str = ""


_read_seal = reader(Seal)


def closed(seal: Seal) -> str:
    """The seal as `encrypted_content`."""
    return PREFIX + urlsafe_b64encode(dump(seal)).decode().rstrip("=")


def opened(encrypted_content: str) -> Seal | None:
    """The seal in `encrypted_content`; None where it is the service's own or damaged."""
    if not encrypted_content.startswith(PREFIX):
        return None
    text = encrypted_content[len(PREFIX) :]
    try:
        return _read_seal(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        return None


class _Sealable(msgspec.Struct):
    type: str | None = None
    encrypted_content: str | None = None


class _Body(msgspec.Struct):
    input: list[msgspec.Raw]


_read_body = reader(_Body)
_read_sealable = reader(_Sealable)


def without_seals(body: bytes) -> bytes:
    """A request's own bytes without the reasoning items that this gateway sealed."""
    if _MARK not in body:
        return body
    try:
        items = _read_body(body).input
        kept = [item for item in items if not _is_sealed(item)]
        member = find_members(body, (b"input",)).get(b"input")
    except (msgspec.MsgspecError, JsonScanError, UnicodeDecodeError):
        return body  # not a request of this format: the service says what is wrong with it
    if member is None or len(kept) == len(items):
        return body
    return replace_value(body, member, b"[" + b",".join(map(bytes, kept)) + b"]")


def _is_sealed(item: msgspec.Raw) -> bool:
    if _MARK not in bytes(item):
        return False
    try:
        read = _read_sealable(item)
    except msgspec.MsgspecError:
        return False
    content = read.encrypted_content or ""
    return read.type == "reasoning" and content.startswith(PREFIX)
