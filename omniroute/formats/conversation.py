"""Which conversation a request belongs to, where the client does not say: a fingerprint.

A conversation is known by how it begins: its instructions, all that stands before the first turn of
the user, that turn, and the names of its tools. Later turns are appended and change none of it, so
every request of one conversation has the same fingerprint, and an account whose prompt cache holds
its beginning can be asked again.

Contract: linear in the body; content is hashed as it was written, not decoded. Marks of prompt
caches move from turn to turn, so they do not count, and a text counts the same as a string and as
a part. Two conversations that begin with the same words are one: the fingerprint chooses an account
and nothing else. A body that cannot be read has none (b"").
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from omniroute.formats.misread import UNREADABLE

_NOTHING: Final = Raw(b"null")
_MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})
_BYTES: Final = 16

Beginning: TypeAlias = tuple[Iterable[bytes], Iterable[str]]
"""What a conversation begins with, piece by piece, and the names of its tools."""


def fingerprint(body: bytes, beginning: Callable[[bytes], Beginning]) -> bytes:
    """16 bytes; b"" where the body is none of the format that `beginning` reads."""
    made = blake2b(digest_size=_BYTES)
    try:
        pieces, tools = beginning(body)
        for piece in pieces:
            made.update(b"%d:" % len(piece))
            made.update(piece)
        for name in sorted(tools):
            made.update(b"tool %b\n" % name.encode())
    except UNREADABLE:
        return b""
    return made.digest()


class _Named(Struct, gc=False):
    name: str = ""


class _Tool(Struct, gc=False):
    """A tool of any of these formats: its name stands at its top or in its definition."""

    name: str = ""
    function: _Named | None = None
    custom: _Named | None = None

    @property
    def called(self) -> str:
        inner = self.function or self.custom
        return self.name if inner is None else inner.name


class _Turn(Struct, gc=False):
    role: str = ""
    content: Raw = _NOTHING


class _Messages(Struct, gc=False):
    messages: list[_Turn] | None = None
    prompt: Raw = _NOTHING  # of the legacy completions
    system: Raw = _NOTHING  # of Claude
    tools: list[_Tool] | None = None
    functions: list[_Tool] | None = None


class _Input(Struct, gc=False):
    input: Raw = _NOTHING
    instructions: Raw = _NOTHING
    tools: list[_Tool] | None = None


class _Content(Struct, gc=False):
    role: str = "user"
    parts: Raw = _NOTHING


class _Declared(Struct, gc=False):
    functionDeclarations: list[_Named] | None = None
    function_declarations: list[_Named] | None = None


class _Contents(Struct, gc=False):
    contents: list[_Content] | None = None
    systemInstruction: _Content | None = None
    system_instruction: _Content | None = None
    tools: list[_Declared] | None = None


_decode_messages = msgspec.json.Decoder(_Messages).decode
_decode_input = msgspec.json.Decoder(_Input).decode
_decode_items = msgspec.json.Decoder(list[_Turn]).decode
_decode_contents = msgspec.json.Decoder(_Contents).decode
_decode_parts = msgspec.json.Decoder(list[dict[str, Raw]]).decode


def of_messages(body: bytes) -> Beginning:
    """For OpenAI chat, the legacy completions and Claude."""
    read = _decode_messages(body)
    turns = [(turn.role, turn.content) for turn in read.messages or ()]
    named = [tool.called for tool in (*(read.tools or ()), *(read.functions or ()))]
    return _told((("system", read.system), ("user", read.prompt)), turns), named


def of_input(body: bytes) -> Beginning:
    """For Responses."""
    read = _decode_input(body)
    if bytes(read.input)[:1] == b"[":
        turns = [(turn.role, turn.content) for turn in _decode_items(read.input)]
    else:
        turns = [("user", read.input)]
    named = [tool.called for tool in read.tools or ()]
    return _told((("system", read.instructions),), turns), named


def of_contents(body: bytes) -> Beginning:
    """For Gemini."""
    read = _decode_contents(body)
    system = read.systemInstruction or read.system_instruction or _Content()
    turns = [(content.role, content.parts) for content in read.contents or ()]
    named = [
        function.name
        for tool in read.tools or ()
        for function in tool.functionDeclarations or tool.function_declarations or ()
    ]
    return _told((("system", system.parts),), turns), named


def _told(apart: Sequence[tuple[str, Raw]], turns: Sequence[tuple[str, Raw]]) -> Iterator[bytes]:
    """What stands apart from the turns, then the turns up to the user's first."""
    for role, content in apart:
        if content != _NOTHING:
            yield role.encode()
            yield from _pieces(content)
    for role, content in turns:
        yield role.encode()
        yield from _pieces(content)
        if role == "user":
            return


def _pieces(content: Raw) -> Iterator[bytes]:
    raw = bytes(content)
    if raw[:1] != b"[":
        yield raw
        return
    for part in _decode_parts(raw):
        text = part.get("text")
        if text is not None:
            yield bytes(text)
            continue
        for name in sorted(part):
            if name not in _MARKS:
                yield name.encode()
                yield bytes(part[name])
