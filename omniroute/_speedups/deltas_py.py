"""The commonest event of each stream read and written by itself: Python twin and reference.

Nearly all of a stream are pieces of text, of reasoning, or of a call's arguments. The readers here
recognise such an event of their format when it is nothing else, and give what it says. Contract:
 - A reader returns a `Delta`, or None where the payload is anything more, anything less, or merely
   unusual: the caller's typed decoder then reads it. It never raises for any bytes.
 - A `Delta` is what a typed decoder of the format would have read: the payload is well-formed JSON
   in UTF-8, members that carry a meaning appear once and hold what is said here (null where they
   must be silent), all others may hold anything and are skipped.
 - Pieces are never empty, indexes are below 10^9; what is skipped nests `MAX_SKIPPED_DEPTH` deep at
   most and has numbers of `MAX_NUMBER` characters at most, without an exponent.

`write_delta` is the way back: a piece as a JSON string between bytes that do not change.

Source: the streaming references of OpenAI (chat completions, Responses), Anthropic (Messages) and
Google (streamGenerateContent), as far as the decoders of `omniroute.formats` read them.
"""

import json
from collections.abc import Collection
from json.encoder import encode_basestring
from typing import Any, Final

from omniroute._speedups.contract import (
    ARGUMENTS,
    MAX_NUMBER,
    MAX_SKIPPED_DEPTH,
    REASONING,
    SUMMARY,
    TEXT,
    Delta,
)

_MAX_INDEX: Final = 1_000_000_000

_CHUNK: Final = frozenset({"choices", "usage", "error"})
_CHOICE: Final = frozenset({"delta", "message", "index", "finish_reason", "logprobs"})
_OPENAI_TEXTS: Final = {
    "content": TEXT,
    "reasoning_content": REASONING,
    "reasoning": REASONING,
    "reasoning_text": REASONING,
    "refusal": 0,
}
_OPENAI_DELTA: Final = frozenset(
    {
        *_OPENAI_TEXTS,
        "tool_calls",
        "reasoning_details",
        "function_call",
        "audio",
        "annotations",
        "images",
    }
)
_CALL: Final = frozenset({"id", "index", "type", "function", "custom", "extra_content"})
_FUNCTION: Final = frozenset({"name", "arguments"})

_RESPONSES: Final = frozenset(
    {
        "type",
        "output_index",
        "content_index",
        "summary_index",
        "delta",
        "logprobs",
        "item",
        "part",
        "response",
        "error",
        "message",
        "code",
    }
)
_RESPONSES_KINDS: Final = {
    "response.output_text.delta": TEXT,
    "response.function_call_arguments.delta": ARGUMENTS,
    "response.custom_tool_call_input.delta": ARGUMENTS,
    "response.reasoning_text.delta": REASONING,
    "response.reasoning_summary_text.delta": SUMMARY,
}

_CLAUDE: Final = frozenset({"type", "index", "delta", "content_block", "message", "usage", "error"})
_CLAUDE_TEXTS: Final = {
    "text": TEXT,
    "thinking": REASONING,
    "partial_json": ARGUMENTS,
    "signature": 0,
}
_CLAUDE_DELTA: Final = frozenset(
    {*_CLAUDE_TEXTS, "type", "citation", "stop_reason", "stop_sequence", "stop_details"}
)

_ANSWER: Final = frozenset(
    {"candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId", "error"}
)
_CANDIDATE: Final = frozenset(
    {
        "content",
        "finishReason",
        "finishMessage",
        "index",
        "citationMetadata",
        "groundingMetadata",
        "logprobsResult",
    }
)
_CONTENT: Final = frozenset({"parts"})
_PART: Final = frozenset(
    {"text", "thought", "thoughtSignature", "functionCall", "inlineData", "fileData"}
)
_USAGE: Final = frozenset(
    {
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "cachedContentTokenCount",
        "totalTokenCount",
    }
)


class _Odd(ValueError):
    """The payload is not what the readers look for."""


def _integer(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise _Odd
    # What is negative is no index and no count: a float says so.
    return int(digits) if digits[0] != "-" else 0.0


def _fraction(digits: str) -> float:
    if len(digits) > MAX_NUMBER or "e" in digits or "E" in digits:
        raise _Odd
    return 0.0


def _constant(_: str) -> None:
    raise _Odd  # NaN and the like, which are no JSON


# Objects come as tuples of their members, so that none is lost; arrays are lists.
_decode: Final = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
).decode


def read_openai_delta(payload: bytes) -> Delta | None:
    """A chat completion chunk. `index` is the choice's; `within` the call's, for arguments."""
    try:
        chunk = _known(_document(payload), _CHUNK)
        _silent(chunk, "usage", "error")
        choice = _known(_only(chunk.get("choices")), _CHOICE)
        _silent(choice, "message", "finish_reason", "logprobs")
        index = choice.get("index")
        return _openai_piece(
            _known(choice.get("delta"), _OPENAI_DELTA), 0 if index is None else _index(index)
        )
    except (ValueError, RecursionError):
        return None


def _openai_piece(delta: dict[str, Any], index: int) -> Delta:
    _silent(delta, "reasoning_details", "function_call", "audio", "annotations", "images")
    kind, text = _only_text(delta, _OPENAI_TEXTS)
    calls = delta.get("tool_calls")
    if calls is None:
        return _piece(kind, index, 0, text)
    call = _known(_only(calls), _CALL)
    _silent(call, "custom", "extra_content")
    if call.get("id") not in (None, "") or type(call.get("type")) not in (str, type(None)):
        raise _Odd
    function = _known(call.get("function"), _FUNCTION)
    if text or function.get("name") not in (None, ""):
        raise _Odd
    return _piece(ARGUMENTS, index, _index(call.get("index")), function.get("arguments"))


def read_responses_delta(payload: bytes) -> Delta | None:
    """An event of a Responses stream. `index` is the item's; `within` that of the content part, or
    of the summary part; 0 for arguments."""
    try:
        event = _known(_document(payload), _RESPONSES)
        _silent(event, "item", "part", "response", "error", "message", "code")
        if event.get("logprobs") not in (None, []):
            return None
        kind = _RESPONSES_KINDS.get(_text(event.get("type")), 0)
        content = _index(event.get("content_index", 0))
        summary = _index(event.get("summary_index", 0))
        within = summary if kind == SUMMARY else 0 if kind == ARGUMENTS else content
        return _piece(kind, _index(event.get("output_index", 0)), within, event.get("delta"))
    except (ValueError, RecursionError):
        return None


def read_claude_delta(payload: bytes) -> Delta | None:
    """An event of a Messages stream. `index` is the block's; `within` is 0."""
    try:
        event = _known(_document(payload), _CLAUDE)
        _silent(event, "content_block", "message", "usage", "error")
        if event.get("type") != "content_block_delta":
            return None
        delta = _known(event.get("delta"), _CLAUDE_DELTA)
        _silent(delta, "citation", "stop_reason", "stop_sequence", "stop_details")
        _text(delta.get("type", ""))
        kind, text = _only_text(delta, _CLAUDE_TEXTS)
        return _piece(kind, _index(event.get("index", 0)), 0, text)
    except (ValueError, RecursionError):
        return None


def read_gemini_delta(payload: bytes) -> Delta | None:
    """A chunk of Gemini's answer. `index` is the candidate's; `within` is 1 where the chunk also
    counts tokens (`usageMetadata`), which the caller has to remember, else 0."""
    try:
        answer = _known(_document(payload), _ANSWER)
        _silent(answer, "promptFeedback", "error")
        for name in ("modelVersion", "responseId"):
            if type(answer.get(name)) not in (str, type(None)):
                return None
        counts = answer.get("usageMetadata")
        if counts is not None:
            for count in _known(counts, _USAGE).values():
                if count is not None:
                    _index(count)
        candidate = _known(_only(answer.get("candidates")), _CANDIDATE)
        _silent(
            candidate,
            "finishReason",
            "finishMessage",
            "citationMetadata",
            "groundingMetadata",
            "logprobsResult",
        )
        content = _known(candidate.get("content"), _CONTENT)
        part = _known(_only(content.get("parts")), _PART)
        _silent(part, "functionCall", "inlineData", "fileData")
        thought = part.get("thought", False)
        if type(thought) is not bool or part.get("thoughtSignature", "") != "":
            return None
        index = _index(candidate.get("index", 0))
        return _piece(
            REASONING if thought else TEXT, index, 0 if counts is None else 1, part.get("text")
        )
    except (ValueError, RecursionError):
        return None


def write_delta(prefix: bytes, text: str, suffix: bytes) -> bytes:
    """`prefix`, then `text` as a JSON string, then `suffix`.

    Escaped is what JSON demands and nothing else. UnicodeEncodeError for a lone surrogate.
    """
    if type(text) is not str:
        raise TypeError(f"write_delta() takes str, not {type(text).__name__}")
    return prefix + encode_basestring(text).encode() + suffix


def _document(payload: bytes) -> Any:
    if type(payload) is not bytes:
        raise TypeError(f"a payload is bytes, not {type(payload).__name__}")
    document = _decode(payload.decode())
    if b"\\u" in payload:
        json.dumps(document, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    return document


def _known(members: Any, names: Collection[str]) -> dict[str, Any]:
    """The members of an object that mean something; each once."""
    if type(members) is not tuple:
        raise _Odd
    known: dict[str, Any] = {}
    for name, value in members:
        if name in names:
            if name in known:
                raise _Odd
            known[name] = value
        elif type(value) in (tuple, list):
            _skip(value, MAX_SKIPPED_DEPTH)
    return known


def _skip(value: Any, depth: int) -> None:
    if type(value) not in (tuple, list):
        return
    if not depth:
        raise _Odd
    for inner in value:
        _skip(inner[1] if type(value) is tuple else inner, depth - 1)


def _silent(members: dict[str, Any], *names: str) -> None:
    for name in names:
        if members.get(name) is not None:
            raise _Odd


def _only(values: Any) -> Any:
    if type(values) is not list or len(values) != 1:
        raise _Odd
    return values[0]


def _index(value: Any) -> int:
    if type(value) is not int or value >= _MAX_INDEX:
        raise _Odd
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _Odd
    return value


def _only_text(members: dict[str, Any], kinds: dict[str, int]) -> tuple[int, str]:
    """The one text of several members that is there, and its kind; the others say nothing."""
    kind, text = 0, ""
    for name, of in kinds.items():
        value = members.get(name)
        if value is None or value == "":
            continue
        if text or not of:
            raise _Odd
        kind, text = of, _text(value)
    return kind, text


def _piece(kind: int, index: int, within: int, text: Any) -> Delta:
    if not kind or not text or type(text) is not str:
        raise _Odd
    return kind, index, within, text
