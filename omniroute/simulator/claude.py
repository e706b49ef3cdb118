"""The Claude format: `POST /v1/messages`, its stream of events, and the counting of tokens.

Source: Anthropic API reference, "Messages" and "Streaming messages". Followed to the letter where
clients look: counts in `message_start` and, cumulative, in `message_delta`; one `ping` behind the
first block's start; thinking blocks end with their signature; `message_stop` ends, or an `error`
event that nothing follows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import Any

from omniroute.simulator.claude_request import read_claude_request
from omniroute.simulator.claude_turns import SIGNATURE
from omniroute.simulator.dialect import Refusal
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

__all__ = ["Claude"]

_CREATED_AT = "2026-01-01T00:00:00Z"
_STOP_REASONS = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

Json = dict[str, Any]


class Claude:
    """See `omniroute.simulator.dialect.Dialect`."""

    stream_type = "text/event-stream; charset=utf-8"

    def read(self, body: bytes, path: Mapping[str, str]) -> Ask:
        return read_claude_request(body)

    def counted(self, body: bytes) -> bytes:
        """The answer to a request to count tokens. Raises `Refusal`."""
        return _json({"input_tokens": read_claude_request(body, counting=True).input_tokens})

    def whole(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> bytes:
        tally = Tally(ask.input_tokens)
        content: list[Json] = []
        reason = "end_turn"
        for piece in pieces:
            tally.count(piece)
            if isinstance(piece, Finish):
                reason = _STOP_REASONS[piece.reason]
            else:
                _add(content, piece)
        for block in content:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["input"] or "{}")
        usage = _no_usage() if scenario.usage == "never" else _usage(tally.billed(ask.bill))
        return _json(_message(ask, content, reason, usage))

    def frames(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> Iterator[bytes]:
        tally = Tally(ask.input_tokens)
        never = scenario.usage == "never"
        start = _no_usage() if never else _usage(replace(tally.billed(ask.bill), output_tokens=1))
        yield _event("message_start", {"message": _message(ask, [], None, start)})
        index = -1
        opened: str | None = None
        for piece in chain(pieces):
            tally.count(piece)
            kind = _kind(piece)
            if kind != opened or isinstance(piece, Call):
                if opened is not None:
                    yield from _closing(index, opened)
                if isinstance(piece, Finish):
                    delta = {"stop_reason": _STOP_REASONS[piece.reason], "stop_sequence": None}
                    usage = {"output_tokens": 0} if never else _usage_so_far(tally.billed(ask.bill))
                    yield _event("message_delta", {"delta": delta, "usage": usage})
                    break
                index += 1
                opened = kind
                yield _event(
                    "content_block_start", {"index": index, "content_block": _blank(piece)}
                )
                if index == 0:
                    yield _event("ping", {})
            yield _event("content_block_delta", {"index": index, "delta": _delta(piece)})
            if scenario.usage == "every":
                # Not what the service does, but what some that imitate it do.
                usage = _usage_so_far(tally.billed(ask.bill))
                yield _event("message_delta", {"delta": {}, "usage": usage})
        yield _event("message_stop", {})

    def error(self, refusal: Refusal) -> bytes:
        return _json(_error(refusal))

    def error_frame(self, refusal: Refusal) -> bytes:
        return b"event: error\ndata: " + _json(_error(refusal)) + b"\n\n"

    def broken_frame(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'

    def models(self, listed: Mapping[str, str]) -> Json:
        data = [
            {
                "type": "model",
                "id": name,
                "display_name": f"{name}: {meaning}",
                "created_at": _CREATED_AT,
                "lifecycle": "active",
                "max_input_tokens": None,
                "max_tokens": None,
            }
            for name, meaning in listed.items()
        ]
        return {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }


def _message(ask: Ask, content: list[Json], reason: str | None, usage: Json) -> Json:
    name = sha256(f"{ask.model}\0{ask.question}\0{ask.results}".encode()).hexdigest()[:24]
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _kind(piece: Piece) -> str:
    match piece:
        case Text():
            return "text"
        case Thought():
            return "thinking"
        case Call() | Arguments():
            return "tool_use"
        case Finish():
            return "end"


def _blank(piece: Piece) -> Json:
    """A block as it begins."""
    match piece:
        case Thought():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case Call(_, id_, name):
            return {"type": "tool_use", "id": _call_id(id_), "name": name, "input": {}}
        case _:
            return {"type": "text", "text": ""}


def _call_id(name: str) -> str:
    return name.replace("call_", "toolu_", 1)


def _delta(piece: Piece) -> Json:
    match piece:
        case Thought(text):
            return {"type": "thinking_delta", "thinking": text}
        case Call():
            return {"type": "input_json_delta", "partial_json": ""}
        case Arguments(_, text):
            return {"type": "input_json_delta", "partial_json": text}
        case Text(text):
            return {"type": "text_delta", "text": text}
        case Finish():
            return {}


def _closing(index: int, opened: str) -> Iterator[bytes]:
    if opened == "thinking":
        delta = {"type": "signature_delta", "signature": SIGNATURE}
        yield _event("content_block_delta", {"index": index, "delta": delta})
    yield _event("content_block_stop", {"index": index})


def _add(content: list[Json], piece: Piece) -> None:
    """What the same deltas would have added up to."""
    kind = _kind(piece)
    if isinstance(piece, Call) or not content or content[-1]["type"] != kind:
        block = _blank(piece)
        if kind == "thinking":
            block["signature"] = SIGNATURE
        if kind == "tool_use":
            block["input"] = ""
        content.append(block)
    match piece:
        case Text(text):
            content[-1]["text"] += text
        case Thought(text):
            content[-1]["thinking"] += text
        case Arguments(_, text):
            content[-1]["input"] += text
        case _:
            pass


def _usage(tally: Tally) -> Json:
    usage: Json = {
        "input_tokens": tally.input_tokens - tally.cached_tokens - tally.cache_write_tokens,
        "cache_creation_input_tokens": tally.cache_write_tokens,
        "cache_read_input_tokens": tally.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tally.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": tally.output_tokens,
        "service_tier": "standard",
    }
    if tally.reasoning_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": tally.reasoning_tokens}
    return usage


def _usage_so_far(tally: Tally) -> Json:
    usage = _usage(tally)
    del usage["cache_creation"], usage["service_tier"]
    return usage


def _no_usage() -> Json:
    """Both members are required: who has no counts sends zeros."""
    return {"input_tokens": 0, "output_tokens": 0}


def _error(refusal: Refusal) -> Json:
    kind = "api_error" if refusal.status >= 500 else "invalid_request_error"
    return {
        "type": "error",
        "error": {
            "type": _ERROR_TYPES.get(refusal.status, kind),
            "message": refusal.message,
        },
        "request_id": "req_simulated",
    }


def _event(name: str, body: Json) -> bytes:
    return f"event: {name}\ndata: ".encode() + _json({"type": name, **body}) + b"\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
