"""Does a request refer to content that it does not hold, so that its bytes do not bound its tokens?

A text never counts more tokens than it has bytes. A stored file, the page behind a URL, an earlier
answer or what a tool of the service itself finds do; so do pictures and sound, which count by
their size and not by the bytes that they were packed into. Limits reserve more where this says yes.

Contract: linear, and without decoding content. It may say yes too often (a text parameter that is
called "image_url"), but never no of a request that refers by a name that is in its dialect's table:
names count wherever they stand, one written with escapes counts as all of them, and a tool that is
not known to be the client's own is taken for the service's. What a service does beside its public
reference (a model that searches by itself) cannot be seen here.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from omniroute.formats.misread import UNREADABLE
from omniroute.wire.jsonscan import JsonScanError, find_members, holds_string

# A letter, digit or underscore in an escape: no serializer writes one, and it could spell a name.
_ESCAPED_NAME: Final = re.compile(rb"\\u00(?:3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")

Tools: TypeAlias = Callable[[bytes], bool]
"""Whether the value of `tools` holds one that is not the client's own."""


class References(NamedTuple):
    """How requests of one dialect refer to what is not in them."""

    names: tuple[bytes, ...]  # as they stand between quotes
    beginnings: re.Pattern[bytes] | None  # of strings that only begin so
    members: tuple[bytes, ...]  # top-level ones that refer wherever they are set, and `tools`
    foreign: Tools

    def found(self, body: bytes) -> bool:
        """Whether `body`, a request of the dialect, refers to anything."""
        if holds_string(body, self.names):
            return True
        if self.beginnings is not None and self.beginnings.search(body) is not None:
            return True
        if body.find(b"\\") >= 0 and _ESCAPED_NAME.search(body) is not None:
            return True
        try:
            members = find_members(body, self.members)
        except JsonScanError:
            return True  # twice the same name, or no request: not ours to bound
        for name, span in members.items():
            value = body[span.value_start : span.value_end]
            if value != b"null" and (name != b"tools" or self.foreign(value)):
                return True
        return False


def references(
    names: Iterable[str],
    foreign: Tools,
    members: Iterable[str] = (),
    beginnings: Iterable[str] = (),
) -> References:
    """`names` are strings as they stand between quotes, `beginnings` those that only begin so."""
    began = b"|".join(re.escape(beginning.encode()) for beginning in beginnings)
    return References(
        tuple(name.encode() for name in names),
        re.compile(b'"(?:' + began + b")") if began else None,
        (b"tools", *(name.encode() for name in members)),
        foreign,
    )


class _Typed(Struct, gc=False):
    type: str | None = None


_decode_typed = msgspec.json.Decoder(list[_Typed]).decode
_decode_gemini = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def foreign_by_type(own: frozenset[str | None]) -> Tools:
    """For dialects whose tools say their type; `own` are those that the client runs."""

    def foreign(value: bytes) -> bool:
        try:
            return any(tool.type not in own for tool in _decode_typed(value))
        except UNREADABLE:
            return True

    return foreign


def _foreign_to_gemini(value: bytes) -> bool:
    own = {"functionDeclarations", "function_declarations"}
    try:
        return any(not own.issuperset(tool) for tool in _decode_gemini(value))
    except UNREADABLE:
        return True


# Source: the vendors' references for requests, November 2026, and those of compatible services:
# Azure (data_sources), OpenRouter (plugins, ":online"), xAI (search_parameters), Qwen
# (enable_search), Mistral (document_url), vLLM (video_url, audio_url), Groq (documents).
CHAT: Final = references(
    (
        "audio",
        "audio_url",
        "data_sources",
        "document_url",
        "documents",
        "enable_search",
        "file",
        "file_id",
        "image",
        "image_url",
        "input_audio",
        "input_image",
        "plugins",
        "search_parameters",
        "video_url",
        "web_search_options",
    ),
    foreign_by_type(frozenset({None, "function", "custom"})),
)
RESPONSES: Final = references(
    (
        "file_id",
        "file_url",
        "image_url",
        "input_audio",
        "input_file",
        "input_image",
        "item_reference",
    ),
    foreign_by_type(frozenset({"function", "custom", "namespace"})),
    members=("previous_response_id", "conversation", "prompt"),
    # Calls of the service's own tools, and reasoning that it stored: known by their ids alone.
    beginnings=("image_generation", "web_search", "file_search", "code_interpreter", "rs_"),
)
CLAUDE: Final = references(
    ("container_upload", "document", "file", "file_id", "image"),
    foreign_by_type(frozenset({None, "custom"})),
    members=("container", "mcp_servers"),
)
GEMINI: Final = references(
    ("fileData", "file_data", "inlineData", "inline_data"),
    _foreign_to_gemini,
    members=("cachedContent", "cached_content"),
)
