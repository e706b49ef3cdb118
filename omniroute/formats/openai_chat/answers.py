"""Whole answers of this format into the IR, and the IR as an answer of this format.

Reading is patient, since vendors differ: content as a list (Mistral), reasoning under four names,
the legacy `function_call`, finish reasons of their own, or none. An answer that holds an error
instead of choices is a FormatError with what it says.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat import tools
from omniroute.formats.openai_chat.counts import UsageIn, usage_of, usage_out
from omniroute.formats.openai_chat.errors import upstream_error
from omniroute.formats.openai_chat.reasoning import detail_of, reasoning_parts, shown_text
from omniroute.formats.openai_chat.request_decoding import thought_text
from omniroute.formats.openai_chat.wire import (
    FORMAT,
    NOTHING,
    Annotation,
    AudioIn,
    FunctionIn,
    MessageIn,
    PartIn,
    ToolCallIn,
    UrlCitation,
    data_url,
    split_data_url,
)

_FINISHES: Final[dict[str, ir.FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "refusal",
}
_WORDS: Final[dict[ir.FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "pause": "stop",
    "other": "stop",
}

_encode = msgspec.json.Encoder().encode


class _Choice(Struct):
    message: MessageIn | None = None
    index: int = 0
    finish_reason: str | None = None
    logprobs: Raw = NOTHING


class _Answer(Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: UsageIn | None = None
    error: Raw = NOTHING


_KNOWN: Final = frozenset(_Answer.__struct_fields__) | {"object"}
_decode_answer = msgspec.json.Decoder(_Answer, strict=False).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_annotation = msgspec.json.Decoder(Annotation).decode


def finish_of(word: str | None, *, called: bool, refused: bool) -> ir.FinishReason:
    """The reason behind a vendor's word; what the answer holds has a say in it."""
    reason: ir.FinishReason = "stop" if not word else _FINISHES.get(word.lower(), "other")
    if called and reason in ("stop", "other"):
        return "tool_calls"
    return "refusal" if refused and reason == "stop" else reason


def finish_word(reason: ir.FinishReason, *, refused: bool) -> str:
    """A finish reason in this format; `refused`: the refusal itself is shown."""
    return "stop" if refused and reason == "refusal" else _WORDS[reason]


def decode_response(body: bytes) -> ir.Response:
    """FormatError for an answer that is none, or an error."""
    try:
        read = _decode_answer(body)
        members = _decode_members(body)
    except UNREADABLE as error:
        raise ir.FormatError(f"The answer is not a chat completion: {error}.") from None
    if read.error != NOTHING:
        raise ir.FormatError(f"The answer is an error: {upstream_error(body).message}")
    if read.choices is None:
        raise ir.FormatError("The answer has no choices.")
    return ir.Response(
        id=read.id or "",
        model=read.model or "",
        created=read.created or 0,
        choices=[_choice(choice, at) for at, choice in enumerate(read.choices)],
        usage=None if read.usage is None else usage_of(read.usage),
        origin=FORMAT,
        extra={name: raw for name, raw in members.items() if name not in _KNOWN},
    )


def _choice(choice: _Choice, at: int) -> ir.Choice:
    message = choice.message or MessageIn()
    parts = reasoning_parts(shown_text(message), message.reasoning_details or ())
    for part in content_parts(message.content):
        parts.append(part)
    text = next((part for part in parts if isinstance(part, ir.Text)), None)
    if text is None and (choice.logprobs != NOTHING or message.annotations):
        text = ir.Text("")
        parts.append(text)
    if text is not None:
        text.logprobs = choice.logprobs
        text.citations = [citation_of(raw) for raw in message.annotations or ()]
    if message.refusal:
        parts.append(ir.Refusal(message.refusal))
    parts += [image_of(part) for part in message.images or ()]
    if message.audio is not None:
        parts.append(audio_of(message.audio))
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        legacy = message.function_call
        calls.append(ToolCallIn(function=FunctionIn(legacy.name, legacy.arguments)))
    parts += [tools.call_of(call, f"call_{at}_{number}") for number, call in enumerate(calls)]
    reason = finish_of(choice.finish_reason, called=bool(calls), refused=bool(message.refusal))
    return ir.Choice(parts, reason, index=choice.index or at)


def content_parts(content: str | list[PartIn] | None) -> list[ir.Part]:
    """An answer's content: a string, or the list that some vendors make of it."""
    if not content:
        return []
    if isinstance(content, str):
        return [ir.Text(content)]
    parts: list[ir.Part] = []
    for part in content:
        if part.thinking is not None:
            parts.append(ir.Reasoning(thought_text(part)))
        elif part.text is not None:
            parts.append(ir.Text(part.text))
        elif part.refusal is not None:
            parts.append(ir.Refusal(part.refusal))
        elif part.image_url is not None:
            parts.append(image_of(part))
    return parts


def image_of(part: PartIn) -> ir.Image:
    image = part.image_url
    url = image if isinstance(image, str) else image.url if image is not None else ""
    split = split_data_url(url)
    return ir.Image(url=url) if split is None else ir.Image(*split)


def audio_of(audio: AudioIn) -> ir.Audio:
    return ir.Audio(
        "audio/wav",
        audio.data or "",
        transcript=audio.transcript or "",
        id=audio.id or "",
        origin=FORMAT,
    )


def citation_of(raw: Raw) -> ir.Citation:
    """An entry of `annotations`; what this version does not know of it stays in `raw`."""
    try:
        url = _decode_annotation(raw).url_citation
    except UNREADABLE:
        url = None
    if url is None:
        return ir.Citation(origin=FORMAT, raw=raw)
    return ir.Citation(
        url.url, url.title, "", url.start_index, url.end_index, origin=FORMAT, raw=raw
    )


def annotation_out(citation: ir.Citation) -> Raw | Annotation:
    if citation.origin == FORMAT and citation.raw != NOTHING:
        return citation.raw
    start = citation.start or 0
    end = start if citation.end is None else citation.end
    return Annotation(url_citation=UrlCitation(citation.url, citation.title, start, end))


def audio_out(part: ir.Audio) -> dict[str, Any]:
    return {
        "id": part.id or "audio_0",
        "data": part.data,
        "expires_at": 0,
        "transcript": part.transcript,
    }


def image_out(part: ir.Image) -> dict[str, Any]:
    url = data_url(part.media_type, part.data) if part.data else part.url
    return {"type": "image_url", "image_url": {"url": url}}


def encode_response(response: ir.Response, shown: Shown) -> bytes:
    """The answer as OpenAI's SDKs read it."""
    own = response.origin == FORMAT
    out: dict[str, Any] = {
        "id": response.id if own and response.id else shown.id,
        "object": "chat.completion",
        "created": response.created or shown.created,
        "model": shown.model,
        "choices": [_choice_out(choice) for choice in response.choices or [ir.Choice()]],
    }
    if response.usage is not None:
        out["usage"] = usage_out(response.usage)
    if own:
        out.update((name, raw) for name, raw in response.extra.items() if name not in out)
    return _encode(out)


def _choice_out(choice: ir.Choice) -> dict[str, Any]:
    texts: list[ir.Text] = []
    thoughts: list[ir.Reasoning] = []
    calls: list[dict[str, Any]] = []
    refusal: str | None = None
    images: list[dict[str, Any]] = []
    audio: dict[str, Any] | None = None
    for part in choice.parts:
        match part:
            case ir.Text():
                texts.append(part)
            case ir.Reasoning():
                thoughts.append(part)
            case ir.ToolCall():
                id_ = part.id or f"call_{choice.index}_{len(calls)}"
                calls.append(tools.call_out(part, part.name, id_, as_function=False))
            case ir.Refusal():
                refusal = (refusal or "") + part.text
            case ir.Image():
                images.append(image_out(part))
            case ir.Audio():
                audio = audio_out(part)
            case _:
                pass  # another format's own: it has no place here
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(part.text for part in texts)
        if texts or not (calls or refusal or audio)
        else None,
        "refusal": refusal,
    }
    text = "\n\n".join(part.text for part in thoughts if part.text)
    if text:
        message["reasoning_content"] = text
    details = [detail_of(part, at) for at, part in enumerate(thoughts)]
    if any(details):
        message["reasoning_details"] = [detail for detail in details if detail is not None]
    citations = _citations(texts)
    if citations:
        message["annotations"] = citations
    if images:
        message["images"] = images
    if audio is not None:
        message["audio"] = audio
    if calls:
        message["tool_calls"] = calls
    logprobs = [part.logprobs for part in texts if part.logprobs != NOTHING]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": logprobs[0] if logprobs else None,
        "finish_reason": finish_word(choice.finish, refused=refusal is not None),
    }


def _citations(texts: list[ir.Text]) -> list[Raw | Annotation]:
    """The citations of all texts, counted in the content that they make together."""
    out: list[Raw | Annotation] = []
    before = 0
    for part in texts:
        for citation in part.citations:
            if citation.origin != FORMAT:
                # Without a place of its own a source stands for the whole text it belongs to.
                start = before + (citation.start or 0)
                end = before + (len(part.text) if citation.end is None else citation.end)
                citation = ir.Citation(citation.url, citation.title, "", start, end)
            out.append(annotation_out(citation))
        before += len(part.text)
    return out
