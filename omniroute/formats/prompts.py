"""Text around the instructions of a request, in the client's own bytes.

The same edit as `edits.with_system_prompt`, in the same places, without decoding the request: only
the members that hold instructions are written anew, and everything else is forwarded byte for byte,
what this gateway has never heard of included.

Contract: the texts stand before and after all instructions that the request begins with. A plain
string stays a string, its texts set apart by a blank line; a list gets parts of its own, so marks
of prompt caches stay where they were. None for a request in which no place for them can be found:
it is the codec's then, or the upstream's to refuse.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from omniroute.formats.edits import ANNOUNCEMENTS, INSTRUCTING, MAX_ANNOUNCEMENT
from omniroute.formats.misread import UNREADABLE
from omniroute.wire.jsonscan import (
    JsonScanError,
    Member,
    find_members,
    insert_member,
    replace_value,
)

_BETWEEN: Final = rb"\n\n"  # of two texts in one JSON string

_encode = msgspec.json.Encoder().encode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class _NoPlace(Exception):
    """The request has no place for instructions; what stands where one would be."""


_UNREADABLE: Final = (_NoPlace, JsonScanError, *UNREADABLE)


class Places(NamedTuple):
    """Where requests of one dialect hold their instructions."""

    apart: tuple[bytes, ...]  # members that hold them apart from the turns; the first is made
    turns: bytes = b""  # member whose first entries may hold them, too
    part: bytes = b'{"type":"text","text":%b}'  # of a list of content
    in_parts: bool = False  # what stands apart is an object with a list of parts


CHAT: Final = Places((), b"messages")
RESPONSES: Final = Places((b"instructions",), b"input", b'{"type":"input_text","text":%b}')
CLAUDE: Final = Places((b"system",), b"messages")
GEMINI: Final = Places(
    (b"systemInstruction", b"system_instruction"), part=b'{"text":%b}', in_parts=True
)


class _Entry(Struct, gc=False):
    role: str = ""


class _Part(Struct, gc=False):
    text: str | None = None


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_part = msgspec.json.Decoder(_Part).decode


def with_prompt(body: bytes, places: Places, prefix: str, suffix: str) -> bytes | None:
    """The body with texts before and after its instructions; "" for none of that side."""
    try:
        return _edited(body, places, prefix, suffix)
    except _UNREADABLE:
        return None


def _edited(body: bytes, places: Places, prefix: str, suffix: str) -> bytes:
    members = find_members(body, tuple(filter(None, (*places.apart, places.turns))))
    apart = next((members[name] for name in places.apart if name in members), None)
    turns = members.get(places.turns)
    if len(members) > 2 or (places.in_parts and len(members) > 1):
        raise _NoPlace("instructions in two spellings")
    said = b"null" if apart is None else body[apart.value_start : apart.value_end]
    entries = _entries(body, turns)
    leading = _leading(entries)
    is_apart = said not in (b"null", b'""') or (bool(places.apart) and not leading)
    before_apart = prefix if is_apart else ""
    after_apart = suffix if is_apart and not leading else ""
    edits: list[tuple[Member, bytes]] = []
    added: bytes | None = None
    if before_apart or after_apart:
        made = _around_apart(said, before_apart, after_apart, places)
        if apart is None:
            added = made
        else:
            edits.append((apart, made))
    before_turns = "" if is_apart else prefix
    after_turns = suffix if leading or not is_apart else ""
    if before_turns or after_turns:
        if turns is None:
            raise _NoPlace("no messages")
        told = _around_leading(entries, leading, before_turns, after_turns, places)
        edits.append((turns, told))
    edits.sort(key=lambda edit: edit[0].value_start, reverse=True)
    for member, value in edits:
        body = replace_value(body, member, value)
    return body if added is None else insert_member(body, places.apart[0], added)


def _entries(body: bytes, turns: Member | None) -> list[Raw]:
    """The turns; none where they are one plain text."""
    if turns is None or body[turns.value_start : turns.value_start + 1] == b'"':
        return []
    return _decode_raws(body[turns.value_start : turns.value_end])


def _leading(entries: Sequence[Raw]) -> int:
    count = 0
    for entry in entries:
        if _decode_entry(entry).role not in INSTRUCTING:
            break
        count += 1
    return count


def _around_leading(
    entries: Sequence[Raw], leading: int, prefix: str, suffix: str, places: Places
) -> bytes:
    """The turns with the texts in those that instruct; a new one where there is none."""
    kept = [bytes(entry) for entry in entries]
    if not leading:
        kept.insert(0, b'{"role":"system","content":%b}' % _around(b"null", prefix, suffix, places))
    else:
        if prefix:
            kept[0] = _around_entry(kept[0], prefix, "", places)
        if suffix:
            kept[leading - 1] = _around_entry(kept[leading - 1], "", suffix, places)
    return b"[%b]" % b",".join(kept)


def _around_entry(entry: bytes, prefix: str, suffix: str, places: Places) -> bytes:
    content = find_members(entry, (b"content",)).get(b"content")
    if content is None:
        raise _NoPlace("a message without content")
    said = entry[content.value_start : content.value_end]
    return replace_value(entry, content, _around(said, prefix, suffix, places))


def _around_apart(said: bytes, prefix: str, suffix: str, places: Places) -> bytes:
    if not places.in_parts:
        return _around(said, prefix, suffix, places)
    if said == b"null":
        return b'{"parts":%b}' % _around(b"[]", prefix, suffix, places)
    held = find_members(said, (b"parts",)).get(b"parts")
    if held is None:
        raise _NoPlace("instructions without parts")
    parts = said[held.value_start : held.value_end]
    return replace_value(said, held, _around(parts, prefix, suffix, places))


def _around(said: bytes, prefix: str, suffix: str, places: Places) -> bytes:
    """Content, a text or a list of parts, with texts around it."""
    first, last = (_encode(text) if text else b"" for text in (prefix, suffix))
    if said == b"null" or said[:1] == b'"':
        if said[:1] == b'"' and prefix and _announces(_decode_text(said)):
            said = b"[%b]" % (places.part % said)
        else:
            texts = [first, b"" if said == b"null" else said, last]
            return b'"%b"' % _BETWEEN.join(text[1:-1] for text in texts if len(text) > 2)
    if said[:1] != b"[":
        raise _NoPlace("content of no known kind")
    parts = [bytes(part) for part in _decode_raws(said)]
    if first:
        parts.insert(_announcements(parts), places.part % first)
    if last:
        parts.append(places.part % last)
    return b"[%b]" % b",".join(parts)


def _announcements(parts: Sequence[bytes]) -> int:
    count = 0
    for part in parts:
        text = _decode_part(part).text
        if text is None or not _announces(text):
            break
        count += 1
    return count


def _announces(text: str) -> bool:
    return len(text) <= MAX_ANNOUNCEMENT and text.startswith(ANNOUNCEMENTS)
