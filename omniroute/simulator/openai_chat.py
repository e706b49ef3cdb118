"""The OpenAI chat format: `POST /v1/chat/completions` and its stream of chunks.

Source: OpenAI API reference, chat completions. Followed to the letter where clients look: `usage`
is null on every chunk and complete on one more chunk without choices when, and only when,
`stream_options.include_usage` asks for it; the first delta carries the role; `[DONE]` ends.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_chat_request import read_chat_request
from omniroute.simulator.play import (
    Arguments,
    Ask,
    Call,
    Finish,
    Piece,
    Tally,
    Text,
    Thought,
)
from omniroute.simulator.scenario import Scenario

__all__ = ["OpenAIChat"]

_CREATED_S = 1_767_225_600  # always the same moment, so that the same request gets the same bytes
_FINISH = {"stop": "stop", "tools": "tool_calls", "length": "length"}
_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_DONE = b"data: [DONE]\n\n"


class OpenAIChat:
    """See `omniroute.simulator.dialect.Dialect`."""

    stream_type = "text/event-stream; charset=utf-8"

    def read(self, body: bytes, path: Mapping[str, str]) -> Ask:
        return read_chat_request(body)

    def whole(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> bytes:
        tally = Tally(ask.input_tokens)
        message, reason = _folded(pieces, tally)
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
            for index in range(ask.choices)
        ]
        answer = _head(ask, "chat.completion") | {"choices": choices}
        if scenario.usage != "never":
            answer["usage"] = _usage(tally.billed(ask.bill), ask.choices)
        return _json(answer)

    def frames(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> Iterator[bytes]:
        tally = Tally(ask.input_tokens)
        head = _head(ask, "chat.completion.chunk")
        asked = ask.include_usage and scenario.usage != "never"

        def chunk(delta: dict[str, Any], reason: str | None = None) -> Iterator[bytes]:
            for index in range(ask.choices):
                choice = {
                    "index": index,
                    "delta": delta,
                    "logprobs": None,
                    "finish_reason": reason,
                }
                body = head | {"choices": [choice]}
                if scenario.usage == "every":
                    body["usage"] = _usage(tally.billed(ask.bill), ask.choices)
                elif asked:
                    body["usage"] = None
                yield _event(body)

        coming = iter(pieces)
        first = next(coming)
        opening = None if isinstance(first, Call) else ""
        yield from chunk({"role": "assistant", "content": opening, "refusal": None})
        for piece in chain((first,), coming):
            tally.count(piece)
            if isinstance(piece, Finish):
                yield from chunk({}, _FINISH[piece.reason])
            else:
                yield from chunk(_delta(piece))
        if asked:
            yield _event(
                head | {"choices": [], "usage": _usage(tally.billed(ask.bill), ask.choices)}
            )
        yield _DONE

    def error(self, refusal: Refusal) -> bytes:
        return _json(_error(refusal))

    def error_frame(self, refusal: Refusal) -> bytes:
        return _event(_error(refusal))

    def broken_frame(self) -> bytes:
        return b'data: {"id":"chatcmpl-broken","choices":[{"index":0,"del\n\n'

    def models(self, listed: Mapping[str, str]) -> dict[str, Any]:
        return {
            "object": "list",
            "data": [
                {
                    "id": name,
                    "object": "model",
                    "created": _CREATED_S,
                    "owned_by": "omniroute-simulator",
                    "description": meaning,
                }
                for name, meaning in listed.items()
            ],
        }


def _head(ask: Ask, kind: str) -> dict[str, Any]:
    name = sha256(f"{ask.model}\0{ask.question}\0{ask.results}".encode()).hexdigest()[:24]
    return {
        "id": f"chatcmpl-{name}",
        "object": kind,
        "created": _CREATED_S,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    }


def _delta(piece: Piece) -> dict[str, Any]:
    match piece:
        case Text(text):
            return {"content": text}
        case Thought(text):
            return {"reasoning_content": text}
        case Call(index, id_, name):
            function = {"name": name, "arguments": ""}
            call = {"index": index, "id": id_, "type": "function", "function": function}
            return {"tool_calls": [call]}
        case Arguments(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}
        case Finish():
            return {}


def _folded(pieces: Iterable[Piece], tally: Tally) -> tuple[dict[str, Any], str]:
    """The message that the same deltas would have added up to, and the finish reason."""
    text: list[str] = []
    thought: list[str] = []
    calls: list[dict[str, Any]] = []
    reason = "stop"
    for piece in pieces:
        tally.count(piece)
        match piece:
            case Text(part):
                text.append(part)
            case Thought(part):
                thought.append(part)
            case Call(_, id_, name):
                function = {"name": name, "arguments": ""}
                calls.append({"id": id_, "type": "function", "function": function})
            case Arguments(index, part):
                calls[index]["function"]["arguments"] += part
            case Finish(how):
                reason = how
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(text) if text or not calls else None,
        "refusal": None,
        "annotations": [],
    }
    if thought:
        message["reasoning_content"] = "".join(thought)
    if calls:
        message["tool_calls"] = calls
    return message, _FINISH[reason]


def _usage(tally: Tally, choices: int) -> dict[str, Any]:
    output = tally.output_tokens * choices
    return {
        "prompt_tokens": tally.input_tokens,
        "completion_tokens": output,
        "total_tokens": tally.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": tally.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tally.reasoning_tokens * choices,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _error(refusal: Refusal) -> dict[str, Any]:
    server = refusal.status >= 500
    kind = "server_error" if server else _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    return {
        "error": {
            "message": refusal.message,
            "type": kind,
            "param": refusal.param,
            "code": refusal.code,
        }
    }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + _json(body) + b"\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
