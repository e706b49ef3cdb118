"""Members outside the dialect taken out of answers and chunks, the rest byte for byte as it was.

Strict clients fail at what vendors add at the top level (`x_groq`, `usage_breakdown`) or at values
that the SDK's types do not know (`service_tier` of another's words). `sanitise` removes both, on
request; reasoning and other members inside of choices are what clients look for, and stay.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from omniroute.formats.misread import UNREADABLE
from omniroute.wire.jsonscan import JsonScanError, find_members, remove_member
from omniroute.wire.sse import event_data

ALLOWED: Final[Mapping[str, frozenset[bytes] | None]] = {
    "id": None,
    "object": None,
    "created": None,
    "model": None,
    "choices": None,
    "usage": None,
    "system_fingerprint": None,
    "metadata": None,
    "moderation": None,
    "error": None,
    "service_tier": frozenset(
        {b'"auto"', b'"default"', b'"flex"', b'"scale"', b'"priority"', b'"fast"', b"null"}
    ),
}
"""Top-level members of the SDK's types; where not None, the JSON values that they know."""

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def sanitise(raw: bytes, allowed: Mapping[str, frozenset[bytes] | None] = ALLOWED) -> bytes:
    """An answer's body, or one SSE event of a stream, without members outside of `allowed`.

    What is no JSON object (a comment, the terminator, something broken) stays as it is.
    """
    if raw.lstrip(b" \t\r\n")[:1] == b"{":
        return _sanitised(raw, allowed)
    payload = event_data(raw)
    if payload[:1] != b"{":
        return raw
    kept = _sanitised(payload, allowed)
    if kept is payload:
        return raw
    other = [line for line in raw.splitlines() if line and not _is_data(line)]
    data = [b"data: " + line for line in kept.split(b"\n")]
    return b"\n".join([*other, *data]) + b"\n\n"


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data:") or line == b"data"


def _sanitised(body: bytes, allowed: Mapping[str, frozenset[bytes] | None]) -> bytes:
    try:
        members = _decode_members(body)
    except UNREADABLE:
        return body
    for name, value in members.items():
        known = allowed.get(name)
        if name in allowed and (known is None or bytes(value) in known):
            continue
        encoded = name.encode("utf-8", "surrogatepass")
        try:
            # Cuts of neighbours share a comma, so each is sought in what the last one left.
            body = remove_member(body, find_members(body, (encoded,))[encoded])
        except (JsonScanError, KeyError):
            return body  # twice the same name, or one that is no text: whose, is not ours to say
    return body
