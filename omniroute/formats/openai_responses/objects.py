"""Response objects and output items as a client of this format gets them.

The official SDK and Codex read whole objects in many events, so streamed and unstreamed answers
build theirs here. Ids are derived from the answer's own id and an item's place: the same answer has
the same ids whichever way it is written.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses import sealed, wire
from omniroute.formats.openai_responses.parts import NAMESPACE
from omniroute.formats.openai_responses.wire import FORMAT, dump
from omniroute.usage import Usage

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")
_STEM_CHARS: Final = 48  # of an id that may have 64

Json = dict[str, Any]


class Names:
    """The id of one answer and of its items."""

    def __init__(self, given: str, otherwise: str) -> None:
        """`given` is the upstream's id of the answer, kept where it is one of this format."""
        chosen = given if given.startswith("resp_") else otherwise or given
        stem = _NOT_IN_IDS.sub("_", chosen.removeprefix("resp_"))[:_STEM_CHARS] or "0"
        self.response = f"resp_{stem}"
        self._stem = stem

    def item(self, prefix: str, place: int) -> str:
        """The id of the item at that place of the output, e.g. `msg_…`."""
        return f"{prefix}_{self._stem}_{place}"

    def call(self, given: str, place: int) -> str:
        """The id by which a call and its output find each other."""
        return given or f"call_{self._stem}_{place}"


class Frame:
    """Everything of a response object but what changes while it is made."""

    def __init__(self, response_id: str, model: str, created_s: int) -> None:
        self._head = b'{"id":%b,"object":"response","created_at":%d,"status":' % (
            dump(response_id),
            created_s,
        )
        self._model = dump(model)

    def json(
        self,
        status: str,
        output: Sequence[bytes] = (),
        *,
        usage: Usage | None = None,
        incomplete: str = "",
        error: bytes = b"null",
    ) -> bytes:
        """The object. `incomplete` is the reason, where the status is "incomplete"."""
        return b"".join(
            (
                self._head,
                b'"%b","background":false,"error":' % status.encode(),
                error,
                b',"incomplete_details":',
                b'{"reason":"%b"}' % incomplete.encode() if incomplete else b"null",
                b',"instructions":null,"max_output_tokens":null,"model":',
                self._model,
                b',"output":[',
                b",".join(output),
                b'],"parallel_tool_calls":true,"previous_response_id":null,'
                b'"reasoning":{"effort":null,"summary":null},"store":false,"temperature":null,'
                b'"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,'
                b'"truncation":"disabled","usage":',
                b"null" if usage is None else wire.usage_json(usage),
                b',"user":null,"metadata":{}}',
            )
        )


def ending(finish: ir.FinishReason) -> tuple[str, str]:
    """(status, reason of incompleteness) of an answer that ended so."""
    if finish == "length":
        return "incomplete", "max_output_tokens"
    if finish == "content_filter":
        return "incomplete", "content_filter"
    return "completed", ""


def message(item_id: str, content: Sequence[Json], status: str) -> Json:
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def output_text(part: ir.Text) -> Json:
    return {
        "type": "output_text",
        "annotations": [annotation(found, part.text) for found in part.citations],
        "logprobs": logprobs(part.logprobs),
        "text": part.text,
    }


def annotation(citation: ir.Citation, text: str) -> Raw | Json:
    """A citation; one that does not say which text it belongs to belongs to all of it."""
    if citation.origin == FORMAT and citation.raw != ir.NULL:
        return citation.raw
    return {
        "type": "url_citation",
        "start_index": citation.start or 0,
        "end_index": len(text) if citation.end is None else citation.end,
        "title": citation.title,
        "url": citation.url,
    }


class _Logprobs(msgspec.Struct):
    content: list[Raw] | None = None


_read_logprobs = wire.reader(_Logprobs)


def logprobs(given: Raw) -> list[Raw]:
    """The list of this format out of the object of chat completions that the IR has."""
    if given == ir.NULL:
        return []
    try:
        return _read_logprobs(given).content or []
    except msgspec.MsgspecError:
        return []  # an upstream's own shape, which a strict SDK would choke on


def refusal(text: str) -> Json:
    return {"type": "refusal", "refusal": text}


def call_item(item_id: str, call_id: str, call: ir.ToolCall, arguments: str, status: str) -> Json:
    """A `function_call` or `custom_tool_call` with that much of its arguments."""
    namespace, separator, name = call.name.partition(NAMESPACE)
    out: Json = {"id": item_id, "type": "function_call", "status": status}
    if call.custom:
        out |= {"type": "custom_tool_call", "input": arguments}
    else:
        out["arguments"] = arguments
    out["call_id"] = call_id
    out["name"] = name if separator else call.name
    if separator:
        out["namespace"] = namespace
    return out


def reasoning_item(
    item_id: str, summary: Sequence[str], content: Sequence[str], encrypted: str | None, status: str
) -> Json:
    out: Json = {
        "id": item_id,
        "type": "reasoning",
        "status": status,
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if content:
        out["content"] = [{"type": "reasoning_text", "text": text} for text in content]
    if encrypted is not None:
        out["encrypted_content"] = encrypted
    return out


def encrypted_content(part: ir.Reasoning) -> str | None:
    """What the client sends back with the reasoning: the service's own, or a seal."""
    if part.origin == FORMAT:
        return part.data or None
    return sealed.closed(sealed.Seal(part.origin, part.signature, part.data))


def call_seal(item_id: str, call: ir.ToolCall, call_id: str) -> Json:
    """An item without words that brings a call's signature back to its origin."""
    seal = sealed.Seal(call.origin, call.signature, call_id=call_id)
    return reasoning_item(item_id, (), (), sealed.closed(seal), "completed")


def image_item(item_id: str, image: ir.Image) -> Json:
    return {
        "id": item_id,
        "type": "image_generation_call",
        "status": "completed",
        "result": image.data,
        "output_format": image.media_type.removeprefix("image/") or "png",
    }
