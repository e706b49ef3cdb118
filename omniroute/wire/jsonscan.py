"""Edits of a JSON object's own bytes: members found, replaced, removed, added, the rest untouched.

Passthrough changes a few top-level members of a client's request and must not touch the others,
nor pay for decoding them. `find_members` gives the spans (contract in
`omniroute._speedups.jsonscan_py`; a compiled twin runs where it is built); the three edits are
pure functions on them. A span belongs to the very body it was found in: after an edit, scan
again, or work from the last member to the first when only values are replaced. `holds_string` (of
the same twins) looks for strings at any depth.
"""

import re

from omniroute._speedups import (
    DuplicateMember,
    JsonScanError,
    Member,
    find_members,
    holds_string,
)

__all__ = [
    "DuplicateMember",
    "JsonScanError",
    "Member",
    "find_members",
    "holds_string",
    "insert_member",
    "remove_member",
    "replace_value",
]

_OPENING = re.compile(rb"[ \t\n\r]*(?P<brace>\{)[ \t\n\r]*")


def replace_value(body: bytes, member: Member, value: bytes) -> bytes:
    """Return the object with the member's value replaced by `value`, which is JSON."""
    return b"".join((body[: member.value_start], value, body[member.value_end :]))


def remove_member(body: bytes, member: Member) -> bytes:
    """Return the object without the member and without the comma that set it apart."""
    return b"".join((body[: member.member_start], body[member.member_end :]))


def insert_member(body: bytes, name: bytes, value: bytes) -> bytes:
    """Return the object with a first member added; `value` is JSON, `name` plain UTF-8 text.

    The caller knows that the object has no member of that name yet (two would mean two things to
    two parsers). Raises ValueError for a name that would need escaping, JsonScanError when the
    body does not begin as an object.
    """
    if any(byte < 0x20 or byte in b'"\\' for byte in name):
        raise ValueError(f"a member name that needs escaping: {name!r}")
    opening = _OPENING.match(body)
    if opening is None:
        raise JsonScanError("not a JSON object", len(body) - len(body.lstrip(b" \t\n\r")))
    inside = opening.end("brace")
    separator = b"" if body[opening.end() : opening.end() + 1] == b"}" else b","
    return b"".join((body[:inside], b'"', name, b'":', value, separator, body[inside:]))
