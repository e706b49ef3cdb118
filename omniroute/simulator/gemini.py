"""The Gemini format: `generateContent`, and `streamGenerateContent` as events or as an array.

Source: Gemini API reference v1beta. Followed where clients look: every chunk is a whole answer with
what is new, usage counts stand in each and are complete in the last, which alone has a
finishReason; function calls come whole and, as before Gemini 3, without an id; the first of them,
or the last text after thoughts, carries a thought signature. There is no terminator. Thoughts are
shown although `includeThoughts` may not ask for them, so that a scenario shows them to everybody.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini_request import SIGNATURE, read_gemini_request
from omniroute.simulator.play import Arguments, Ask, Call, Finish, Piece, Tally, Text, Thought
from omniroute.simulator.scenario import Scenario

__all__ = ["Gemini"]

Json = dict[str, Any]

_FINISH = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Gemini:
    """See `omniroute.simulator.dialect.Dialect`; one instance for each method of a model."""

    def __init__(self, *, stream: bool = False, array: bool = False) -> None:
        self._stream = stream
        self._array = array
        self.stream_type = "application/json; charset=UTF-8" if array else "text/event-stream"

    def read(self, body: bytes, path: Mapping[str, str]) -> Ask:
        return read_gemini_request(body, path["model"], stream=self._stream)

    def whole(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> bytes:
        tally = Tally(ask.input_tokens)
        parts: list[Json] = []
        reason = "STOP"
        for new, finish in _parts(pieces, tally):
            for part in new:
                _append(parts, part)
            reason = finish or reason
        answer = _answer(ask, scenario, parts, reason, tally)
        return json.dumps(answer, ensure_ascii=False, indent=2).encode()

    def frames(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> Iterator[bytes]:
        tally = Tally(ask.input_tokens)
        opening = b"["
        for parts, finish in _parts(pieces, tally):
            body = _json(_answer(ask, scenario, parts, finish, tally))
            if self._array:
                yield opening + body + (b"\n]" if finish else b"")
                opening = b"\n,\r\n"
            else:
                yield b"data: " + body + b"\n\n"

    def error(self, refusal: Refusal) -> bytes:
        body = json.dumps(_error(refusal), ensure_ascii=False, indent=2).encode()
        return b"[" + body + b"\n]" if self._array else body

    def error_frame(self, refusal: Refusal) -> bytes:
        body = _json(_error(refusal))
        return b"\n,\r\n" + body + b"\n]" if self._array else b"data: " + body + b"\n\n"

    def broken_frame(self) -> bytes:
        opening = b"\n,\r\n" if self._array else b"data: "
        return opening + b'{"candidates":[{"content":{"par\n\n'

    def models(self, listed: Mapping[str, str]) -> dict[str, Any]:
        return {
            "models": [
                {
                    "name": f"models/{name}",
                    "version": "001",
                    "displayName": name,
                    "description": meaning,
                    "inputTokenLimit": 1_048_576,
                    "outputTokenLimit": 65_536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                }
                for name, meaning in listed.items()
            ]
        }


def _parts(pieces: Iterable[Piece], tally: Tally) -> Iterator[tuple[list[Json], str]]:
    """What each chunk brings: its parts, and the finish reason on the last one."""
    call: Json | None = None
    arguments: list[str] = []
    called = thought = False

    def closed() -> list[Json]:
        nonlocal call, called
        if call is None:
            return []
        function = {"name": call["name"], "args": json.loads("".join(arguments) or "{}")}
        part: Json = {"functionCall": function}
        if not called:
            part["thoughtSignature"] = SIGNATURE
        called, call = True, None
        arguments.clear()
        return [part]

    for piece in pieces:
        tally.count(piece)
        match piece:
            case Text(text):
                yield [{"text": text}], ""
            case Thought(text):
                thought = True
                yield [{"text": text, "thought": True}], ""
            case Call(_, _, name):
                done = closed()
                call = {"name": name}
                if done:
                    yield done, ""
            case Arguments(_, text):
                arguments.append(text)
            case Finish(reason):
                if reason == "length":
                    call = None  # a call that was cut is no call
                last = closed()
                if last:
                    yield last, ""
                is_signed = thought and not called  # a call carries the signature itself
                signed = [{"text": "", "thoughtSignature": SIGNATURE}] if is_signed else []
                yield signed, _FINISH[reason]


def _append(parts: list[Json], part: Json) -> None:
    """Add a part of a chunk to the whole: neighbouring texts are one."""
    last = parts[-1] if parts else {}
    joins = "text" in part and "text" in last and part.get("thought") == last.get("thought")
    if not joins:
        parts.append(dict(part))
        return
    last["text"] += part["text"]
    if "thoughtSignature" in part:
        last["thoughtSignature"] = part["thoughtSignature"]


def _answer(ask: Ask, scenario: Scenario, parts: list[Json], finish: str, tally: Tally) -> Json:
    content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidate: Json = {"content": content}
    if finish:
        candidate["finishReason"] = finish
    answer: Json = {
        "candidates": [candidate | {"index": index} for index in range(ask.choices)],
    }
    if scenario.usage != "never":
        answer["usageMetadata"] = _usage(ask, tally.billed(ask.bill), complete=bool(finish))
    name = sha256(f"{ask.model}\0{ask.question}\0{ask.results}".encode()).hexdigest()[:22]
    return answer | {"modelVersion": ask.model, "responseId": name}


def _usage(ask: Ask, tally: Tally, *, complete: bool) -> Json:
    usage: Json = {"promptTokenCount": tally.input_tokens}
    if tally.cached_tokens:
        usage["cachedContentTokenCount"] = tally.cached_tokens
    total = tally.input_tokens
    if complete:
        thoughts = tally.reasoning_tokens * ask.choices
        output = tally.output_tokens * ask.choices - thoughts
        usage["candidatesTokenCount"] = output
        total += output + thoughts
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
    usage["totalTokenCount"] = total
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tally.input_tokens}]
    return usage


def _error(refusal: Refusal) -> Json:
    status = refusal.status
    name = _STATUS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    error: Json = {"code": status, "message": refusal.message, "status": name}
    waits = refusal.headers.get("retry-after")
    if waits is not None:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{waits}s"}
        ]
    return {"error": error}


def _json(value: Any) -> bytes:
    """One line; the service writes line and paragraph separators as escapes, not as they are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()
