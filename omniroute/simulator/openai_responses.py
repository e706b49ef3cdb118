"""The OpenAI Responses format: `POST /v1/responses` and its stream of typed events.

Source: OpenAI API reference, "Create a model response" and "Streaming events". Every event is named
twice, numbered, and carries whole objects where an item opens and closes; usage stands in the last
one. There is no terminator behind it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.openai_responses_request import read_responses_request
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

__all__ = ["OpenAIResponses"]

Json = dict[str, Any]

_CREATED_S = 1_767_225_600  # always the same moment, so that the same request gets the same bytes


class OpenAIResponses:
    """See `omniroute.simulator.dialect.Dialect`. Errors and lists are those of the chat format."""

    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self._chat = OpenAIChat()

    def read(self, body: bytes, path: Mapping[str, str]) -> Ask:
        return read_responses_request(body)

    def whole(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> bytes:
        writer = _Writer(ask, scenario)
        for _ in writer.events(pieces):
            pass
        return _json(writer.response)

    def frames(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> Iterator[bytes]:
        for number, event in enumerate(_Writer(ask, scenario).events(pieces)):
            yield _event(event | {"sequence_number": number})

    def error(self, refusal: Refusal) -> bytes:
        return self._chat.error(refusal)

    def error_frame(self, refusal: Refusal) -> bytes:
        error = json.loads(self._chat.error(refusal))["error"]
        return _event({"type": "error", "error": error, "sequence_number": 0})

    def broken_frame(self) -> bytes:
        return b'event: response.output_text.delta\ndata: {"type":"response.output_text.del\n\n'

    def models(self, listed: Mapping[str, str]) -> dict[str, Any]:
        return self._chat.models(listed)


class _Writer:
    """Makes the events of one answer; `response` is the response object as it stands."""

    def __init__(self, ask: Ask, scenario: Scenario) -> None:
        self._stem = sha256(f"{ask.model}\0{ask.question}\0{ask.results}".encode()).hexdigest()[:24]
        self._tally = Tally(ask.input_tokens)
        self._bill = ask.bill
        self._says_usage = scenario.usage != "never"
        self._open: Json | None = None  # the item that is under way
        self.response: Json = {
            "id": f"resp_{self._stem}",
            "object": "response",
            "created_at": _CREATED_S,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": ask.max_output_tokens,
            "model": ask.model,
            "output": [],
            "parallel_tool_calls": ask.parallel,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "service_tier": "default",
            "store": False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
            "user": None,
            "metadata": {},
        }

    def events(self, pieces: Iterable[Piece]) -> Iterator[Json]:
        yield self._lifecycle("response.created")
        yield self._lifecycle("response.in_progress")
        for piece in pieces:
            self._tally.count(piece)
            match piece:
                case Text(text):
                    yield from self._text(text)
                case Thought(text):
                    yield from self._thought(text)
                case Call(_, id_, name):
                    yield from self._close()
                    yield from self._call(id_, name)
                case Arguments(_, text):
                    yield self._at("response.function_call_arguments.delta") | {"delta": text}
                    self._item["arguments"] += text
                case Finish(reason):
                    yield from self._finish(reason)

    @property
    def _item(self) -> Json:
        if self._open is None:
            raise AssertionError("a piece of an item that was not opened")
        return self._open

    def _is_open(self, kind: str) -> bool:
        return self._open is not None and self._open["type"] == kind

    def _text(self, text: str) -> Iterator[Json]:
        if not self._is_open("message"):
            yield from self._close()
            part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
            message = {"type": "message", "status": "in_progress", "role": "assistant"}
            yield self._add("msg", message | {"content": []})
            self._item["content"].append(part)
            yield self._at("response.content_part.added") | {"content_index": 0, "part": {**part}}
        yield self._at("response.output_text.delta") | {
            "content_index": 0,
            "delta": text,
            "logprobs": [],
        }
        self._item["content"][0]["text"] += text

    def _thought(self, text: str) -> Iterator[Json]:
        if not self._is_open("reasoning"):
            yield from self._close()
            yield self._add("rs", {"type": "reasoning", "summary": []})
            part = {"type": "summary_text", "text": ""}
            self._item["summary"].append(part)
            yield self._at("response.reasoning_summary_part.added") | {
                "summary_index": 0,
                "part": {**part},
            }
        yield self._at("response.reasoning_summary_text.delta") | {
            "summary_index": 0,
            "delta": text,
        }
        self._item["summary"][0]["text"] += text

    def _call(self, id_: str, name: str) -> Iterator[Json]:
        call = {"type": "function_call", "status": "in_progress", "arguments": ""}
        yield self._add("fc", call | {"call_id": id_, "name": name})

    def _finish(self, reason: str) -> Iterator[Json]:
        cut = reason == "length"
        yield from self._close("incomplete" if cut else "completed")
        if self._says_usage:
            self.response["usage"] = _usage(self._tally.billed(self._bill))
        self.response["status"] = "incomplete" if cut else "completed"
        if cut:
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        yield self._lifecycle(f"response.{self.response['status']}")

    def _add(self, prefix: str, item: Json) -> Json:
        """Open an item; returns the event that says so, before anything is filled in."""
        output = self.response["output"]
        self._open = {"id": f"{prefix}_{self._stem}{len(output):02}", **item}
        output.append(self._open)
        added = json.loads(json.dumps(self._open))
        return {
            "type": "response.output_item.added",
            "output_index": len(output) - 1,
            "item": added,
        }

    def _close(self, status: str = "completed") -> Iterator[Json]:
        if self._open is None:
            return
        item = self._open
        if item["type"] == "message":
            part = item["content"][0]
            at = {"content_index": 0}
            done = {"text": part["text"], "logprobs": []}
            yield self._at("response.output_text.done") | at | done
            yield self._at("response.content_part.done") | at | {"part": part}
        elif item["type"] == "reasoning":
            part = item["summary"][0]
            at = {"summary_index": 0}
            yield self._at("response.reasoning_summary_text.done") | at | {"text": part["text"]}
            yield self._at("response.reasoning_summary_part.done") | at | {"part": part}
            item["encrypted_content"] = f"simulated-{self._stem}"
        else:
            yield self._at("response.function_call_arguments.done") | {
                "arguments": item["arguments"]
            }
        if "status" in item:
            item["status"] = status
        index = len(self.response["output"]) - 1
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
        self._open = None

    def _at(self, kind: str) -> Json:
        index = len(self.response["output"]) - 1
        return {"type": kind, "item_id": self._item["id"], "output_index": index}

    def _lifecycle(self, kind: str) -> Json:
        return {"type": kind, "response": json.loads(json.dumps(self.response))}


def _usage(tally: Tally) -> Json:
    return {
        "input_tokens": tally.input_tokens,
        "input_tokens_details": {
            "cache_write_tokens": tally.cache_write_tokens,
            "cached_tokens": tally.cached_tokens,
        },
        "output_tokens": tally.output_tokens,
        "output_tokens_details": {"reasoning_tokens": tally.reasoning_tokens},
        "total_tokens": tally.input_tokens + tally.output_tokens,
    }


def _event(body: Json) -> bytes:
    name: str = body["type"]
    return b"event: " + name.encode() + b"\ndata: " + _json(body) + b"\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
