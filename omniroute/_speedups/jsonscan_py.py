"""Members of a JSON object found in its bytes: the Python twin, and the reference.

Contract: one pass over the body, no recursion, work linear in its length. Only depth 1 is read:
names are compared as the strings they mean ("mod\\u0065l" is "model"), values are skipped by
matching quotes and brackets. The scanner is no validator: whatever a strict JSON decoder accepts,
it accepts, and sees the same members; what it lets through besides (a wrong literal, a control
character in a string) is the decoder's to refuse. Bytes that are not a JSON object, a string or
bracket left open, brackets that do not match, and anything broken at depth 1 are errors.
"""

import re
from typing import Final

from omniroute._speedups.contract import MAX_DEPTH, DuplicateMember, JsonScanError, Member

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_SCALAR: Final = re.compile(rb"[0-9A-Za-z+\-.]+")
_STRUCTURE: Final = re.compile(rb'["\[\]{}]')
_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb'|u([0-9a-fA-F]{4})|(["\\/bfnrt])|())'
)
_LETTERS: Final = {
    b'"': b'"',
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_OPEN_TO_CLOSE: Final = {0x5B: 0x5D, 0x7B: 0x7D}


def find_members(body: bytes, names: tuple[bytes, ...]) -> dict[bytes, Member]:
    """Return where the members named in `names` stand in the object `body`, in its order.

    Names are given in UTF-8, unescaped. Raises DuplicateMember when one of them appears twice,
    JsonScanError when the body is not an object or is broken where the scanner looks.
    """
    if type(body) is not bytes:
        raise TypeError(f"find_members() takes bytes, not {type(body).__name__}")
    if type(names) is not tuple or any(type(name) is not bytes for name in names):
        raise TypeError("names are a tuple of bytes")
    found: dict[bytes, Member] = {}
    size = len(body)
    at = _skip_space(body, 0)
    if body[at : at + 1] != b"{":
        raise JsonScanError("not a JSON object", at)
    at = _skip_space(body, at + 1)
    comma_before = -1
    if body[at : at + 1] == b"}":
        return _at_end(body, at + 1, found)
    while True:
        key_start = at
        if body[at : at + 1] != b'"':
            raise JsonScanError("expected a member name", at)
        at = _skip_string(body, at)
        name = body[key_start + 1 : at - 1]
        if b"\\" in name:
            name = _unescape(name, key_start)
        at = _skip_space(body, at)
        if body[at : at + 1] != b":":
            raise JsonScanError("expected ':'", at)
        value_start = _skip_space(body, at + 1)
        value_end = _skip_value(body, value_start)
        at = _skip_space(body, value_end)
        separator = body[at : at + 1]
        if separator not in (b",", b"}"):
            raise JsonScanError("expected ',' or '}'", at)
        next_key = _skip_space(body, at + 1) if separator == b"," else size
        if name in names:
            if name in found:
                raise DuplicateMember(name, key_start)
            if comma_before >= 0:
                found[name] = Member(comma_before, key_start, value_start, value_end, value_end)
            else:
                end = next_key if separator == b"," else value_end
                found[name] = Member(key_start, key_start, value_start, value_end, end)
        if separator == b"}":
            return _at_end(body, at + 1, found)
        comma_before = at
        at = next_key


def _at_end(body: bytes, at: int, found: dict[bytes, Member]) -> dict[bytes, Member]:
    at = _skip_space(body, at)
    if at != len(body):
        raise JsonScanError("data after the object", at)
    return found


def _skip_space(body: bytes, at: int) -> int:
    match = _SPACE.match(body, at)
    return at if match is None else match.end()


def _skip_string(body: bytes, start: int) -> int:
    """Return the offset after the string that opens at `start`."""
    quote = start
    while True:
        quote = body.find(b'"', quote + 1)
        if quote < 0:
            raise JsonScanError("unterminated string", start)
        # Escaped if an odd run of backslashes precedes. Runs before two quotes never overlap,
        # so counting backwards stays linear.
        before = quote - 1
        while body[before] == _BACKSLASH:
            before -= 1
        if (quote - before) & 1:
            return quote + 1


def _skip_value(body: bytes, start: int) -> int:
    """Return the offset after the value that begins at `start`."""
    first = body[start] if start < len(body) else 0
    if first == _QUOTE:
        return _skip_string(body, start)
    if first in _OPEN_TO_CLOSE:
        return _skip_nested(body, start)
    match = _SCALAR.match(body, start)
    if match is None:
        raise JsonScanError("expected a value", start)
    return match.end()


def _skip_nested(body: bytes, start: int) -> int:
    closers: list[int] = []
    at = start
    while True:
        match = _STRUCTURE.search(body, at)
        if match is None:
            raise JsonScanError("unterminated array or object", start)
        at = match.start()
        byte = body[at]
        if byte == _QUOTE:
            at = _skip_string(body, at)
            continue
        closer = _OPEN_TO_CLOSE.get(byte)
        if closer is not None:
            if len(closers) + 1 == MAX_DEPTH:
                raise JsonScanError(f"nested deeper than {MAX_DEPTH}", at)
            closers.append(closer)
        elif closers.pop() != byte:
            raise JsonScanError("mismatched bracket", at)
        at += 1
        if not closers:
            return at


def _unescape(name: bytes, key_start: int) -> bytes:
    """Return the string an escaped name means; a lone surrogate becomes its three-byte form,
    which equals no valid UTF-8."""

    def unescaped(match: re.Match[bytes]) -> bytes:
        high, low, unit, letter, _ = match.groups()
        if letter is not None:
            return _LETTERS[letter]
        if high is not None:
            code = 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)
        elif unit is not None:
            code = int(unit, 16)
        else:
            raise JsonScanError("bad escape in a member name", key_start)
        return chr(code).encode("utf-8", "surrogatepass")

    return _ESCAPE.sub(unescaped, name)


def holds_string(body: bytes, names: tuple[bytes, ...]) -> bool:
    """Whether one of `names` stands between two double quotes, at any depth and in any place.

    Quotes count wherever they are, also where JSON escapes them, and the names as they are written:
    no string that is one of them is overlooked unless an escape spells it.
    """
    start = body.find(b'"') + 1
    while start:
        end = body.find(b'"', start)
        if end >= 0 and body[start:end] in names:
            return True
        start = end + 1
    return False
