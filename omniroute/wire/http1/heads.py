"""From the bytes of one head to its fields: byte rules, the two parsers, rules of framing.

Invariants:

- A head that passes `damage_in` holds no control character but tabs inside lines and the CR LF
  pairs that end them.
- A parser returns exactly one field per line. The readers compare the counts, so a library that
  folds lines, joins repeated fields or stops early is caught instead of believed.
- Both parsers return the same fields for every head that the gate lets through: names in lower
  case, values without surrounding blanks, in the order sent.
"""

import importlib.util
import os
import re
from collections.abc import Callable
from typing import Literal

import msgspec

Fields = list[tuple[bytes, bytes]]
HeadParser = Callable[[bytes], Fields]
ParserName = Literal["auto", "httptools", "h11"]

HEAD_END = b"\r\n\r\n"

# Lengths beyond this are no lengths (an exabyte), and 18 digits overflow nobody's integers.
_LENGTH_DIGITS = 18

# Fields of which a second one makes two messages out of one.
_SINGLE = (b"content-length", b"transfer-encoding", b"host")

# Every byte that may not stand inside a line becomes NUL: one translate and one memchr find all.
_DAMAGE = bytes(0 if (c < 32 and c != 9) or c == 127 else c for c in range(256))
_DAMAGE_IN_PART = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")


class ProtocolError(Exception):
    """The peer broke HTTP/1.1 or a limit; the connection cannot be used any more.

    `status` is what to answer a client (400, 414, 417, 431, 501, 505), or 502 when an upstream
    broke the rules. `message` names the rule and quotes nothing that the peer sent.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one head. Precedents: node 16 KiB, nginx 32 KiB, h11 16 KiB, IIS 16 KiB."""

    head_bytes: int = 65536
    """The whole head with its blank line; beyond it 431."""

    header_count: int = 100
    """Header lines; beyond it 431."""

    line_bytes: int = 16384
    """The request line, and so the target; beyond it 414."""


class Refusal(Exception):
    """A rule broken by a head; the reader turns it into its own `ProtocolError`."""


def damage_in(lines: list[bytes]) -> bool:
    """Whether lines that were split at CR LF hold a control character, tab excepted."""
    return 0 in b"".join(lines).translate(_DAMAGE)


def damage_in_part(buffer: bytes, start: int) -> bool:
    """The same from `start` on, for a head not yet complete; a CR at the very end may be whole."""
    return _DAMAGE_IN_PART.search(buffer, start) is not None


def merge(headers: Fields) -> dict[bytes, bytes]:
    """One value per name, repeated fields joined by commas (RFC 9110 5.3).

    Raises Refusal where a repeated field would change the meaning of the message: also equal
    lengths are refused, because the next hop may count differently.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        fields.clear()
        for name, value in headers:
            if name not in fields:
                fields[name] = value
            elif name in _SINGLE:
                raise Refusal(f"more than one {name.decode()} field")
            else:
                fields[name] += b", " + value
    return fields


def framing(fields: dict[bytes, bytes], http_minor: int) -> tuple[int | None, bool]:
    """(content length, chunked) by RFC 9112 6.3, except that every doubt is a Refusal."""
    if b"content_length" in fields or b"transfer_encoding" in fields:
        # Gateways in the CGI tradition read an underscore as a dash.
        raise Refusal("a framing field is spelt with an underscore")
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise Refusal("both content-length and transfer-encoding")
        if http_minor == 0:
            raise Refusal("transfer-encoding in HTTP/1.0")
        if coding != b"chunked" and coding.lower() != b"chunked":
            raise Refusal("transfer-encoding is not chunked")
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise Refusal("content-length is not a length")
    return int(length), False


def keeps_alive(connection: bytes | None, http_minor: int) -> bool:
    """Whether the connection outlives the message (RFC 9112 9.3); "close" beats "keep-alive"."""
    if connection is None:
        return http_minor == 1
    options = connection.lower()
    if options == b"keep-alive":
        return True
    if options == b"close":
        return False
    listed = {option.strip() for option in options.split(b",")}
    if b"close" in listed:
        return False
    return http_minor == 1 or b"keep-alive" in listed


def _auto() -> Literal["httptools", "h11"]:
    refused = os.environ.get("OMNIROUTE_NO_EXTENSIONS", "") not in ("", "0")
    return "h11" if refused or importlib.util.find_spec("httptools") is None else "httptools"


_AUTO = _auto()


def request_parser(name: ParserName) -> HeadParser:
    """The function that turns one request head into its fields; it raises Refusal.

    "auto" is httptools, or h11 where httptools is missing or OMNIROUTE_NO_EXTENSIONS is set.
    """
    if (_AUTO if name == "auto" else name) == "httptools":
        from omniroute.wire.http1 import with_httptools

        return with_httptools.request_fields
    from omniroute.wire.http1 import with_h11

    return with_h11.request_fields


def response_parser(name: ParserName) -> HeadParser:
    """The same for a response head."""
    if (_AUTO if name == "auto" else name) == "httptools":
        from omniroute.wire.http1 import with_httptools

        return with_httptools.response_fields
    from omniroute.wire.http1 import with_h11

    return with_h11.response_fields
