"""Content blocks into parts: shared by requests and answers.

A block that has a meaning in the IR becomes its part, any other an `Opaque` of this format. FORMAT
errors only; nothing is dropped but empty members.
"""

from base64 import b64encode
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.claude.identity import CALL_STATE, MARK, unseal
from omniroute.formats.claude.wire import (
    FORMAT,
    NULL,
    Block,
    BlockType,
    CacheControl,
    CitationBody,
    block_decoder,
    cache_mark,
    decoded,
    object_decoder,
)

_type_decoder: Final = msgspec.json.Decoder(BlockType)
_citations_decoder: Final = msgspec.json.Decoder(list[Raw] | None)
_citation_decoder: Final = msgspec.json.Decoder(CitationBody)
_cache_decoder: Final = msgspec.json.Decoder(CacheControl | None)


class _Source(msgspec.Struct, gc=False):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


_source_decoder: Final = msgspec.json.Decoder(_Source)


def part_of(raw: Raw, where: str) -> ir.Part:
    """The part that a block is. `where` names it in errors."""
    try:
        block = block_decoder.decode(raw)
    except msgspec.ValidationError:
        # A member of ours with another's meaning: legal in blocks that are not read here.
        kind = decoded(_type_decoder, raw, where).type
        if kind in ("text", "thinking", "tool_use", "tool_result", "image", "redacted_thinking"):
            raise ir.FormatError(f"{where} is not a block of type {kind}", where) from None
        return document_part(raw, where) if kind == "document" else _opaque(raw, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ir.FormatError(f"{where} is not valid JSON: {error}", where) from None
    match block.type:
        case "text":
            return _text(block, where)
        case "thinking":
            return reasoning_part(block.thinking or "", block.signature or "")
        case "redacted_thinking":
            return ir.Reasoning(data=block.data or "", origin=FORMAT)
        case "tool_use":
            return _tool_call(block, where)
        case "tool_result":
            return _tool_result(block, where)
        case "image":
            return image_part(raw, where)
        case "document":
            return document_part(raw, where)
        case _:
            return _opaque(raw, block.type)


def _opaque(raw: Raw, kind: str) -> ir.Opaque:
    return ir.Opaque(FORMAT, raw, kind)


def _text(block: Block, where: str) -> ir.Text:
    if block.text is None:
        raise ir.FormatError(f"{where}: a text block needs `text`", f"{where}.text")
    text = ir.Text(block.text, cache_mark(block.cache_control))
    if block.citations != NULL:
        for raw in decoded(_citations_decoder, block.citations, f"{where}.citations") or ():
            text.citations = [*text.citations, citation(raw, where)]
    return text


def citation(raw: Raw, where: str) -> ir.Citation:
    """A citation of this format; one that another format made comes back as a plain one."""
    read = decoded(_citation_decoder, raw, f"{where}.citations")
    own = not (read.encrypted_index or "").startswith(MARK)
    return ir.Citation(
        url=read.url or read.source or "",
        title=read.title or read.document_title or "",
        text=read.cited_text or "",
        origin=FORMAT if own else "",
        raw=raw if own else NULL,
    )


def reasoning_part(text: str, signature: str) -> ir.Reasoning:
    """A thinking block: Claude's own, or another's that a Claude client kept for it."""
    if not signature.startswith(MARK):
        return ir.Reasoning(text, signature, origin=FORMAT)
    sealed = unseal(signature)
    if sealed is None:
        return ir.Reasoning(text)
    own_id = CALL_STATE if sealed.call else sealed.id
    return ir.Reasoning(text, sealed.signature, sealed.data, sealed.origin, own_id, sealed.summary)


def _tool_call(block: Block, where: str) -> ir.ToolCall:
    if not block.name or block.id is None:
        raise ir.FormatError(f"{where}: a tool_use block needs `id` and `name`", where)
    return ir.ToolCall(
        block.id,
        block.name,
        arguments_text(block.input),
        origin=FORMAT,
        cache=cache_mark(block.cache_control),
    )


def arguments_text(given: Raw) -> str:
    """The input of a call as JSON text; one that is missing is an empty object."""
    if given == NULL:
        return "{}"
    return str(memoryview(given), "utf-8")


def _tool_result(block: Block, where: str) -> ir.ToolResult:
    if block.tool_use_id is None:
        raise ir.FormatError(f"{where}: a tool_result block needs `tool_use_id`", where)
    parts: list[ir.Text | ir.Image | ir.File] = []
    if isinstance(block.content, str):
        if block.content:
            parts.append(ir.Text(block.content))
    elif block.content is not None:
        for index, raw in enumerate(block.content):
            part = part_of(raw, f"{where}.content.{index}")
            if not isinstance(part, ir.Text | ir.Image | ir.File):
                # A search result, a tool reference: other formats know text only.
                part = ir.Text(_flat(raw))
            parts.append(part)
    return ir.ToolResult(
        block.tool_use_id,
        parts,
        is_error=block.is_error is True,
        cache=cache_mark(block.cache_control),
    )


def _flat(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")


def image_part(raw: Raw, where: str) -> ir.Part:
    """An image by data or address; one by the id of an uploaded file is this format's alone."""
    members = decoded(object_decoder, raw, where)
    source = decoded(_source_decoder, members.pop("source", Raw(b"{}")), f"{where}.source")
    members.pop("type", None)
    mark = cache_mark(decoded(_cache_decoder, members.pop("cache_control", NULL), where))
    if source.type == "base64" and source.data is not None:
        return ir.Image(source.media_type or "", source.data, cache=mark, extra=members)
    if source.type == "url" and source.url is not None:
        return ir.Image(url=source.url, cache=mark, extra=members)
    return _opaque(raw, "image")


def document_part(raw: Raw, where: str) -> ir.Part:
    """A document by data, text, address or file id; one made of blocks is this format's alone."""
    members = decoded(object_decoder, raw, where)
    source = decoded(_source_decoder, members.pop("source", Raw(b"{}")), f"{where}.source")
    members.pop("type", None)
    mark = cache_mark(decoded(_cache_decoder, members.pop("cache_control", NULL), where))
    title = members.pop("title", NULL)
    name = "" if title == NULL else decoded(_str_decoder, title, f"{where}.title")
    extra = members
    match source:
        case _Source(type="base64", data=str(data)):
            return ir.File(source.media_type or "", data, filename=name, cache=mark, extra=extra)
        case _Source(type="text", data=str(data)):
            encoded = b64encode(data.encode()).decode("ascii")
            media_type = source.media_type or "text/plain"
            return ir.File(media_type, encoded, filename=name, cache=mark, extra=extra)
        case _Source(type="url", url=str(url)):
            media_type = source.media_type or "application/pdf"
            return ir.File(media_type, url=url, filename=name, cache=mark, extra=extra)
        case _Source(type="file", file_id=str(file_id)):
            return ir.File(file_id=file_id, origin=FORMAT, filename=name, cache=mark, extra=extra)
        case _:
            return _opaque(raw, "document")


_str_decoder: Final = msgspec.json.Decoder(str)
