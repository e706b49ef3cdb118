"""What must come back unchanged through another's hands: tool names, call ids, signatures.

The service takes tool names and ids of letters, digits, `_` and `-` only. Anything else is mapped,
always to the same, so that a call and its result, and the same conversation a turn later, still
belong together.

A thinking block's `signature` is the proof that Claude wrote it. State of another format can ride
in that place through a Claude client, sealed together with the name of its origin; when it comes
back it is opened and belongs to that origin again. A sealed one is never sent to Claude
(`without_sealed` cuts it out of requests that pass through), and Claude's own are never sealed.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Final

import msgspec

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
# 128 today, 64 at first and still so at compatible services.
_NAME_CHARS: Final = 64
_ID_CHARS: Final = 128

ANSWER_TOOL: Final = "omniroute_answer"
"""The tool a model without schemas for answers is made to call: its input is the answer."""

CALL_STATE: Final = "\0call"
"""The id of a sealed state that belongs to the call behind it; no format makes such an id."""

MARK: Final = "omniroute-sealed:"
MARK_BYTES: Final = MARK.encode()


def is_plain(text: str, limit: int = _NAME_CHARS) -> bool:
    return len(text) <= limit and _PLAIN.fullmatch(text) is not None


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def call_id(given: str) -> str:
    """The id of a call as this format takes it; equal ids stay equal, different ones different."""
    if is_plain(given, _ID_CHARS):
        return given
    return f"{_FORBIDDEN.sub('_', given)[:_NAME_CHARS]}_{_digest(given)}".lstrip("_")


class ToolNames:
    """The names of one request's tools, as they are sent; `mapped` leads back."""

    __slots__ = ("_sent", "_taken", "mapped")

    def __init__(self, names: list[str]) -> None:
        self.mapped: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        self._taken = {name for name in names if is_plain(name)}

    def sent(self, name: str) -> str:
        """The name to send for the client's name."""
        known = self._sent.get(name)
        if known is None:
            known = self._sent[name] = name if is_plain(name) else self._chosen(name)
            if known != name:
                self.mapped[known] = name
        return known

    def _chosen(self, name: str) -> str:
        candidate = _FORBIDDEN.sub("_", name)[:_NAME_CHARS]
        if candidate in self._taken or not candidate:
            cut = _NAME_CHARS - 13
            candidate = f"{candidate[:cut] or 'tool'}_{_digest(name)}"
        self._taken.add(candidate)
        return candidate


class Sealed(msgspec.Struct, omit_defaults=True, gc=False):
    """State of another format on its way through a Claude client."""

    origin: str
    signature: str = ""
    data: str = ""
    id: str = ""
    summary: bool = False
    call: bool = False  # belongs to the tool call behind the block


_decode = msgspec.json.Decoder(Sealed).decode


def seal(state: Sealed) -> str:
    """The state as the text of a signature. Even without state: the block is not Claude's."""
    return MARK + urlsafe_b64encode(msgspec.json.encode(state)).decode()


def unseal(signature: str) -> Sealed | None:
    """What `seal` closed; None for a signature of Claude's own, or a damaged one."""
    if not signature.startswith(MARK):
        return None
    try:
        return _decode(urlsafe_b64decode(signature[len(MARK) :]))
    except (ValueError, msgspec.MsgspecError):
        return None


_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_contents = msgspec.json.Decoder(str | list[msgspec.Raw])
_citing = msgspec.json.Decoder(dict[str, msgspec.Raw])


def without_sealed(messages: bytes) -> bytes:
    """A request's `messages` without what other formats left in them; Claude's own stays.

    Raises msgspec.MsgspecError for what is no list of messages.
    """
    kept: list[dict[str, msgspec.Raw]] = []
    for message in _messages.decode(messages):
        content = message.get("content")
        if content is not None and MARK_BYTES in bytes(content):
            blocks = _contents.decode(content)
            if isinstance(blocks, list):
                own = [block for block in map(_without_mark, blocks) if block is not None]
                if not own:
                    continue  # nothing but reasoning of another's: the turn is empty for Claude
                message["content"] = msgspec.Raw(msgspec.json.encode(own))
        kept.append(message)
    return msgspec.json.encode(kept)


def _without_mark(block: msgspec.Raw) -> msgspec.Raw | None:
    if MARK_BYTES not in bytes(block):
        return block
    members = _citing.decode(block)
    kind = bytes(members.get("type", b""))
    if kind == b'"thinking"':
        return None
    if kind == b'"text"' and MARK_BYTES in bytes(members.get("citations", b"")):
        citations = msgspec.json.decode(members["citations"], type=list[msgspec.Raw])
        own = [citation for citation in citations if MARK_BYTES not in bytes(citation)]
        members["citations"] = msgspec.Raw(msgspec.json.encode(own))
        return msgspec.Raw(msgspec.json.encode(members))
    return block  # the mark is part of what somebody wrote
