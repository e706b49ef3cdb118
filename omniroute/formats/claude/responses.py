"""Whole answers: a Messages answer into the IR, and an IR answer as a Messages answer.

The answer of a model that was made to call `ANSWER_TOOL` is text again here, so nobody outside
knows how it was asked for.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.claude.blocks import part_of
from omniroute.formats.claude.contents import call_input
from omniroute.formats.claude.errors import upstream_error
from omniroute.formats.claude.identity import (
    ANSWER_TOOL,
    MARK,
    Sealed,
    call_id,
    seal,
)
from omniroute.formats.claude.wire import (
    FINISH,
    FORMAT,
    NULL,
    STOP_REASON,
    StopDetails,
    UsageBody,
    decoded,
    object_decoder,
    usage_body,
    usage_of,
)


class _Answer(Struct):
    content: list[Raw]
    id: str = ""
    model: str = ""
    type: str = "message"
    role: str = "assistant"
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = NULL
    usage: UsageBody | None = None


_KNOWN: Final = frozenset(_Answer.__struct_fields__)
_answer_decoder: Final = msgspec.json.Decoder(_Answer)
_details_decoder: Final = msgspec.json.Decoder(StopDetails)


def decode_response(body: bytes) -> ir.Response:
    """The answer that the body is. FormatError for anything else, an error body included."""
    members = decoded(object_decoder, body, "The answer")
    if members.get("type") == Raw(b'"error"'):
        raise ir.FormatError(f"The answer is an error: {upstream_error(body).message}")
    read = decoded(_answer_decoder, body, "The answer")
    parts: list[ir.Part] = []
    answered = False
    for index, raw in enumerate(read.content):
        part = part_of(raw, f"content.{index}")
        if isinstance(part, ir.ToolCall):
            part = called(part)
            answered = answered or isinstance(part, ir.Text)
        parts.append(part)
    finish = finish_reason(read.stop_reason, answered=answered)
    if finish == "refusal":
        refusal = refusal_part(read.stop_details)
        if refusal is not None:
            parts.append(refusal)
    return ir.Response(
        id=read.id,
        model=read.model,
        choices=[ir.Choice(parts, finish, read.stop_sequence or "")],
        usage=None if read.usage is None else usage_of(read.usage),
        origin=FORMAT,
        extra=unknown_members(members),
    )


def unknown_members(members: dict[str, Raw]) -> dict[str, Raw]:
    """What an answer says beside what has a place in the IR."""
    return {name: raw for name, raw in members.items() if name not in _KNOWN and raw != NULL}


def finish_reason(reason: str | None, *, answered: bool) -> ir.FinishReason:
    """Why it ended. `answered`: the call that ended it was the answer itself."""
    if reason is None:
        return "stop"
    finish = FINISH.get(reason, "other")
    return "stop" if answered and finish == "tool_calls" else finish


def refusal_part(details: Raw) -> ir.Refusal | None:
    """The words of a refusal, where the service gives any."""
    if details == NULL:
        return None
    explanation = decoded(_details_decoder, details, "stop_details").explanation
    return ir.Refusal(explanation) if explanation else None


def called(call: ir.ToolCall) -> ir.ToolCall | ir.Text:
    """What a call meant before it was made one of this format's."""
    if call.name == ANSWER_TOOL:
        return ir.Text(call.arguments)
    return call


# --- encoding -----------------------------------------------------------------------------------

_encode = msgspec.json.Encoder().encode


def encode_response(response: ir.Response, shown: Shown) -> bytes:
    """The answer as this format's service would give it. Of several candidates the first."""
    choice = response.choices[0] if response.choices else ir.Choice()
    content: list[object] = []
    refusal = ""
    called_any = False
    for part in choice.parts:
        if isinstance(part, ir.Refusal):
            refusal += part.text
        called_any = called_any or isinstance(part, ir.ToolCall)
        content += answer_blocks(part)
    while content and _is_mere_state(content[-1]):
        content.pop()  # for many clients the last block is the answer
    reason = stop_reason(choice.finish, called=called_any, refused=bool(refusal))
    body: dict[str, object] = {
        "id": answer_id(response.id, shown),
        "type": "message",
        "role": "assistant",
        "model": shown.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": choice.stop_sequence or None,
        "stop_details": stop_details(reason, refusal),
        "usage": usage_body(response.usage) if response.usage is not None else NO_COUNTS,
    }
    if response.origin == FORMAT:
        for name, raw in response.extra.items():
            body.setdefault(name, raw)
    return _encode(body)


def _is_mere_state(block: object) -> bool:
    """Is it another format's state, without a word of thought?"""
    if not isinstance(block, dict) or block.get("type") != "thinking" or block["thinking"]:
        return False
    return str(block["signature"]).startswith(MARK)


NO_COUNTS: Final = {"input_tokens": 0, "output_tokens": 0}
"""Where nothing was reported: both are required."""


def answer_id(given: str, shown: Shown) -> str:
    if given.startswith("msg_"):
        return given
    return shown.id if shown.id.startswith("msg_") else f"msg_{shown.id}"


def stop_reason(finish: ir.FinishReason, *, called: bool, refused: bool) -> str:
    """Some upstreams say "stop" after calls or a refusal; clients here rely on the reason."""
    if finish in ("stop", "other"):
        if called:
            return "tool_use"
        if refused:
            return "refusal"
    return STOP_REASON[finish]


def stop_details(reason: str, refusal: str) -> dict[str, object] | None:
    if reason != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": refusal or None}


def answer_blocks(part: ir.Part) -> list[object]:
    """The blocks of an answer that a part becomes; none for what this format has no place for."""
    match part:
        case ir.Text():
            return [text_answer(part)] if part.text or part.citations else []
        case ir.Refusal():
            return [{"type": "text", "text": part.text}] if part.text else []
        case ir.Reasoning():
            return [reasoning_answer(part)]
        case ir.ToolCall():
            state = call_state(part)
            block = {
                "type": "tool_use",
                "id": call_id(part.id),
                "name": part.name,
                "input": call_input(part),
            }
            return [block] if state is None else [state, block]
        case ir.Opaque() if part.origin == FORMAT:
            return [part.raw]
        case ir.Audio() if part.transcript:
            return [{"type": "text", "text": part.transcript}]
        case _:
            return []


def text_answer(part: ir.Text) -> dict[str, object]:
    block: dict[str, object] = {"type": "text", "text": part.text}
    if part.citations:
        block["citations"] = [citation_body(citation) for citation in part.citations]
    return block


def citation_body(citation: ir.Citation) -> object:
    """Another format's sources become search results; the mark keeps them from Claude later."""
    if citation.origin == FORMAT and citation.raw != NULL:
        return citation.raw
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.text,
        "encrypted_index": MARK,
    }


def reasoning_answer(part: ir.Reasoning) -> dict[str, object]:
    if part.origin == FORMAT and part.data:
        return {"type": "redacted_thinking", "data": part.data}
    return {"type": "thinking", "thinking": part.text, "signature": signature_of(part)}


def signature_of(part: ir.Reasoning) -> str:
    """Claude's own signature, or the other format's state under seal."""
    if part.origin == FORMAT and part.signature:
        return part.signature
    return seal(
        Sealed(part.origin, part.signature, part.data, part.id, part.summary)
        if part.origin != FORMAT
        else Sealed("")
    )


def call_state(call: ir.ToolCall) -> dict[str, object] | None:
    """A block that keeps the state which another format needs back with its call."""
    if not call.signature or call.origin == FORMAT:
        return None
    sealed = seal(Sealed(call.origin, call.signature, call=True))
    return {"type": "thinking", "thinking": "", "signature": sealed}
