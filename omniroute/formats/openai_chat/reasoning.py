"""Reasoning in this format: a text beside the content, and OpenRouter's details that prove it.

The text is `reasoning_content` (or `reasoning`, `reasoning_text`). Signatures and sealed reasoning
have a place in `reasoning_details` only, whose `format` names who made them; that is the origin
they are bound to. Clients that send details back keep a conversation's proofs; others lose nothing
but those.
"""

from collections.abc import Sequence
from typing import Final

from omniroute.formats import ir
from omniroute.formats.openai_chat.wire import FORMAT, MessageIn, ReasoningDetail

_ORIGINS: Final = {
    "anthropic-claude-v1": "claude",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "openai-responses",
    "azure-openai-responses-v1": "openai-responses",
}
_FORMATS: Final = {
    "claude": "anthropic-claude-v1",
    "gemini": "google-gemini-v1",
    "openai-responses": "openai-responses-v1",
}


def origin_of(detail: ReasoningDetail) -> str:
    """The format that made a detail's proof."""
    return _ORIGINS.get(detail.format or "", FORMAT)


def shown_text(message: MessageIn) -> str:
    """The reasoning's text outside of details."""
    return message.reasoning_content or message.reasoning or message.reasoning_text or ""


def reasoning_parts(text: str, details: Sequence[ReasoningDetail]) -> list[ir.Part]:
    """The reasoning of a message, in the order of its details; the text alone without them."""
    parts: list[ir.Part] = []
    for detail in details:
        if detail.data:
            parts.append(
                ir.Reasoning(data=detail.data, origin=origin_of(detail), id=detail.id or "")
            )
            continue
        said = detail.text or detail.summary or ""
        summary = detail.type == "reasoning.summary"
        last = parts[-1] if parts else None
        if (
            isinstance(last, ir.Reasoning)
            and not last.data
            and not last.signature
            and last.summary == summary
        ):
            # Pieces of one thought, as a client collected them from a stream.
            last.text += said
            last.signature = detail.signature or ""
            last.origin = origin_of(detail) if detail.signature else ""
        elif said or detail.signature:
            parts.append(
                ir.Reasoning(
                    said,
                    detail.signature or "",
                    origin=origin_of(detail) if detail.signature else "",
                    id=detail.id or "",
                    summary=summary,
                )
            )
    said_in_details = any(isinstance(part, ir.Reasoning) and part.text for part in parts)
    if text and not said_in_details:
        for part in parts:
            if isinstance(part, ir.Reasoning) and part.signature:
                part.text = text
                return parts
        parts.insert(0, ir.Reasoning(text))
    return parts


def detail_of(part: ir.Reasoning, index: int) -> ReasoningDetail | None:
    """What proves a reasoning part, as a detail; None where there is nothing to prove."""
    form = _FORMATS.get(part.origin)
    if part.data:
        return ReasoningDetail(
            "reasoning.encrypted", data=part.data, id=part.id or None, format=form, index=index
        )
    if part.signature:
        return ReasoningDetail(
            "reasoning.text",
            text=part.text,
            signature=part.signature,
            id=part.id or None,
            format=form,
            index=index,
        )
    return None
