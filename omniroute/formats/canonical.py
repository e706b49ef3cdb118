"""A request as bytes that say all that influences its answer, and nothing else.

Two requests with the same canonical bytes may be answered by one answer; that is what a cache asks.

Contract: the order of members and white space in JSON make no difference; neither does the client's
format, where two of them say the same (a system prompt, the ids of calls, a default that is spelt
out). What one format says and others cannot is kept under its origin, so it equals only its like.
Left out is what changes the delivery and not the answer: streaming, usage in the stream, who asks
(`user`, `metadata`), prompt caches, the tier of service.

The bytes are JSON, deterministic for this version of the project and not made to be read back.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.thinking import is_off

_VERSION: Final = 1
"""Part of the bytes: what is stored under those of another version is never found."""

_encode = msgspec.json.Encoder(order="deterministic").encode
# Fractions stay as they are written: 1.10 is 1.1 to a computer, and another version to a reader.
_decode = msgspec.json.Decoder(float_hook=lambda text: Raw(text.encode("ascii"))).decode

# Members of `extra` that say who asks, how to deliver, or how the service is to keep the prompt.
_BESIDE: Final = frozenset(
    {
        "cache_control",
        "client_metadata",
        "labels",
        "metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "stream_options",
    }
)
_MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})


def canonical(request: ir.Request, model: str) -> bytes:
    """What is asked of `model`, the upstream's name or any other that stands for what answers."""
    return _encode(_document(request, model, request.messages))


def split_last_turn(request: ir.Request, model: str) -> tuple[bytes, str] | None:
    """The canonical bytes of all but the user's last words, and those words.

    None where the conversation does not end with a turn of the user that is text and nothing else.
    The bytes equal those of no whole request.
    """
    if not request.messages:
        return None
    last = request.messages[-1]
    texts = [part.text for part in last.parts if isinstance(part, ir.Text)]
    words = "\n\n".join(texts)
    if last.role != "user" or len(texts) < len(last.parts) or not words.strip():
        return None
    document = _document(request, model, request.messages[:-1])
    document["then"] = [last.name]
    return _encode(document), words


def _document(request: ir.Request, model: str, messages: Sequence[ir.Message]) -> dict[str, Any]:
    system = list(request.system)
    rest = list(messages)
    while rest and rest[0].role == "system" and not rest[0].name:
        system += rest.pop(0).parts  # the same place, by the word of another format
    calls = _Calls()
    document: dict[str, Any] = {
        "version": _VERSION,
        "model": model,
        "system": calls.told(system),
        "messages": [[turn.role, turn.name, calls.told(turn.parts)] for turn in rest],
        "tools": [_tool(tool) for tool in request.tools],
        "tool_choice": _tool_choice(request),
        "sampling": _sampling(request.sampling),
        "reasoning": _reasoning(request),
        "response_format": _response_format(request.response_format),
        "verbosity": request.verbosity,
    }
    extra = {name: raw for name, raw in request.extra.items() if name not in _BESIDE}
    if extra:
        document["extra"] = {request.origin: _members(extra)}
    return document


class _Calls:
    """Parts of a conversation; a call is known by its place, since ids are arbitrary."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def told(self, parts: Sequence[ir.Part]) -> list[Any]:
        return [told for part in parts if (told := self._told(part)) is not None]

    def _told(self, part: ir.Part) -> Any:
        match part:
            case ir.Text():
                if part.citations:
                    return ["cited", part.text, [_citation(each) for each in part.citations]]
                return part.text or None
            case ir.Reasoning():
                proof = [part.origin, part.signature, part.data]
                sealed = proof if part.signature or part.data else None
                return ["reasoning", part.text, part.summary, sealed]
            case ir.ToolCall():
                place = self._places.setdefault(part.id, len(self._places))
                told = part.arguments if part.custom else _json(part.arguments)
                proven = [part.origin, part.signature] if part.signature else None
                return ["call", place, part.name, part.custom, told, proven]
            case ir.ToolResult():
                known = self._places.get(part.call_id)
                whose = [part.call_id, part.name] if known is None else known
                return ["result", whose, part.is_error, self._result(part.parts)]
            case ir.Image():
                detail = "" if part.detail == "auto" else part.detail
                source = part.url or [part.media_type, part.data]
                return ["image", source, detail, _members(part.extra)]
            case ir.Audio():
                own = [part.origin, part.id] if part.id else None
                return ["audio", part.media_type, part.data, part.transcript, own]
            case ir.File():
                own = [part.origin, part.file_id] if part.file_id else None
                source = part.url or [part.media_type, part.data]
                return ["file", source, own, part.filename, _members(part.extra)]
            case ir.Refusal():
                return ["refusal", part.text]
            case ir.Opaque():
                return ["opaque", part.origin, _unmarked(part.raw)]

    def _result(self, parts: Sequence[ir.Text | ir.Image | ir.File]) -> list[Any]:
        """One that is JSON is told as such: some formats hold it as an object, not as text."""
        return [
            _json(part.text)
            if isinstance(part, ir.Text) and part.text[:1] in ("{", "[")
            else self._told(part)
            for part in parts
        ]


def _citation(citation: ir.Citation) -> Any:
    if citation.raw != ir.NULL:
        return [citation.origin, _json(citation.raw)]
    return [citation.url, citation.title, citation.text, citation.start, citation.end]


def _tool(tool: ir.Tool) -> list[Any]:
    told: list[Any] = [tool.kind, tool.name, tool.description, tool.custom, tool.strict]
    told.append(_json(tool.schema))
    own = _members(tool.extra)
    if tool.raw != ir.NULL:
        own["definition"] = _unmarked(tool.raw)
    if own:
        told.append({tool.origin: own})
    return told


def _tool_choice(request: ir.Request) -> Any:
    """None for what is so anyhow: a free choice, calls side by side, no choice without tools."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    one_by_one = choice.parallel is False
    if choice.mode == "auto" and not choice.allowed and not one_by_one:
        return None
    return [choice.mode, choice.name, choice.allowed, one_by_one]


def _sampling(sampling: ir.Sampling) -> dict[str, Any]:
    said = msgspec.structs.asdict(sampling)
    anyhow = {"n": 1, "logprobs": False, "stop": []}
    return {
        name: value
        for name, value in said.items()
        if value is not None and value != anyhow.get(name)
    }


def _reasoning(request: ir.Request) -> Any:
    wish = request.reasoning
    if wish is None:
        return None
    if is_off(wish):
        return "off"
    said = {"effort": wish.effort, "budget_tokens": wish.budget_tokens, "include": wish.include}
    told: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if wish.encrypted:
        told["encrypted"] = True
    if wish.extra:
        told["extra"] = {request.origin: _members(wish.extra)}
    return told or None


def _response_format(wanted: ir.ResponseFormat | None) -> Any:
    if wanted is None or wanted.kind == "text":
        return None
    return [wanted.kind, wanted.name, wanted.description, _json(wanted.schema), wanted.strict]


def _members(raws: dict[str, Raw]) -> dict[str, Any]:
    return {name: _json(raw) for name, raw in raws.items() if name not in _MARKS}


def _unmarked(raw: Raw) -> Any:
    """An object of one format without its own mark of a prompt cache, which influences nothing."""
    told = _json(raw)
    if isinstance(told, list) and isinstance(told[0], dict):
        return [{name: value for name, value in told[0].items() if name not in _MARKS}]
    return told


def _json(raw: Raw | str) -> list[Any] | str:
    """JSON as it is meant, in a list; what is none, as the text that it is."""
    try:
        return [_decode(raw)]
    except UNREADABLE:
        return raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "backslashreplace")
