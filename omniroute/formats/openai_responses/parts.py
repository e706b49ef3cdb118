"""Content parts and output items, read: shared by requests, whole answers and streams."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses import sealed, wire
from omniroute.formats.openai_responses.wire import FORMAT, read

NAMESPACE: Final = "::"
"""Between a namespace and a function's name in the IR. No name of this format may hold a colon."""

CONTENT_KIND: Final = "content."
"""Begins the `kind` of an Opaque that is a content part and not an item."""

_read_text_part = wire.reader(wire.TextPartIn)
_read_refusal = wire.reader(wire.RefusalPartIn)
_read_image = wire.reader(wire.ImagePartIn)
_read_file = wire.reader(wire.FilePartIn)
_read_audio = wire.reader(wire.AudioPartIn)
_read_annotation = wire.reader(wire.AnnotationIn)
_read_call = wire.reader(wire.CallIn)
_read_custom_call = wire.reader(wire.CustomCallIn)
_read_reasoning = wire.reader(wire.ReasoningIn)
_read_image_call = wire.reader(wire.ImageCallIn)


def content(raw: Raw, where: str) -> list[ir.Part]:
    """The parts of a message's `content`: a string, or a list of parts."""
    data = bytes(raw)
    if data[:1] == b'"':
        return [ir.Text(read(wire.read_text, raw, where))]
    if data == b"null":
        return []
    return [
        part(item, f"{where}[{index}]")
        for index, item in enumerate(read(wire.read_raws, raw, where))
    ]


def part(raw: Raw, where: str) -> ir.Part:
    """One content part; one of an unknown type is opaque."""
    kind = read(wire.read_head, raw, where).type
    match kind:
        case "input_text" | "output_text" | "text":
            return _text(read(_read_text_part, raw, where))
        case "refusal":
            return ir.Refusal(read(_read_refusal, raw, where).refusal)
        case "input_image":
            image = read(_read_image, raw, where)
            if image.image_url:
                return _image(image)
        case "input_file":
            return _file(read(_read_file, raw, where))
        case "input_audio":
            audio = read(_read_audio, raw, where).input_audio
            return ir.Audio(f"audio/{audio.format or 'wav'}", audio.data)
        case _:
            pass
    return ir.Opaque(FORMAT, raw, CONTENT_KIND + (kind or "unknown"))


def _text(given: wire.TextPartIn) -> ir.Text:
    return ir.Text(
        given.text,
        cache=_mark(given.prompt_cache_breakpoint),
        citations=[citation(raw) for raw in given.annotations or ()],
        logprobs=logprobs(given.logprobs),
    )


def _mark(given: wire.BreakpointIn | None) -> ir.CacheMark | None:
    return None if given is None else given.mark


def citation(raw: Raw) -> ir.Citation:
    """An annotation. Only the citation of a URL has a meaning elsewhere."""
    try:
        given = _read_annotation(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ir.Citation(origin=FORMAT, raw=raw)
    return ir.Citation(
        url=given.url or "",
        title=given.title or given.filename or "",
        start=given.start_index,
        end=given.end_index,
        origin=FORMAT,
        raw=raw,
    )


def logprobs(entries: Sequence[Raw] | None) -> Raw:
    """A list of this format as the object of chat completions that the IR has."""
    if not entries:
        return ir.NULL
    return Raw(b'{"content":[' + b",".join(map(bytes, entries)) + b'],"refusal":null}')


def split_data_url(url: str) -> tuple[str, str] | None:
    """(media type, base64) of a data URL; None for any other URL."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7].partition(";")[0], data


def _image(given: wire.ImagePartIn) -> ir.Image:
    url = given.image_url or ""
    inline = split_data_url(url)
    image = ir.Image(detail=given.detail or "", cache=_mark(given.prompt_cache_breakpoint))
    if inline is None:
        image.url = url
    else:
        image.media_type, image.data = inline
    return image


def _file(given: wire.FilePartIn) -> ir.File:
    name = given.filename or ""
    file = ir.File(filename=name, cache=_mark(given.prompt_cache_breakpoint))
    if given.file_data:
        inline = split_data_url(given.file_data)
        if inline is None:
            inline = ("application/pdf" if name.lower().endswith(".pdf") else "", given.file_data)
        file.media_type, file.data = inline
    elif given.file_url:
        file.url = given.file_url
    elif given.file_id:
        file.file_id, file.origin = given.file_id, FORMAT
    return file


def full_name(name: str, namespace: str | None) -> str:
    """A function's name in the IR. A deferred function's namespace is its own name: that is none.

    Two namespaces may hold functions of the same name, and other formats have no namespaces.
    """
    if not namespace or namespace == name:
        return name
    return f"{namespace}{NAMESPACE}{name}"


def call(raw: Raw, where: str) -> ir.ToolCall:
    """A `function_call` item."""
    given = read(_read_call, raw, where)
    return ir.ToolCall(
        given.call_id, full_name(given.name, given.namespace), given.arguments or "{}"
    )


def custom_call(raw: Raw, where: str) -> ir.ToolCall:
    """A `custom_tool_call` item."""
    given = read(_read_custom_call, raw, where)
    name = full_name(given.name, given.namespace)
    return ir.ToolCall(given.call_id, name, given.input, custom=True)


def reasoning(raw: Raw, where: str) -> tuple[list[ir.Reasoning], sealed.Seal | None]:
    """A reasoning item as its summary and its text, and the seal that it holds.

    Both parts have the item's id; what is sealed or encrypted stands on the last.
    """
    given = read(_read_reasoning, raw, where)
    encrypted = given.encrypted_content or ""
    seal = sealed.opened(encrypted)
    ours = encrypted.startswith(sealed.PREFIX)  # a damaged seal is ours, too
    origin = FORMAT if not ours else seal.origin if seal is not None else ""
    parts = [
        ir.Reasoning(
            text="\n\n".join(piece.text for piece in pieces),
            origin=origin,
            id=given.id or "",
            summary=is_summary,
        )
        for pieces, is_summary in ((given.summary, True), (given.content, False))
        if pieces
    ]
    if seal is not None and seal.call_id:
        return parts, seal
    if not parts and (encrypted or given.id):
        parts.append(ir.Reasoning(origin=origin, id=given.id or "", summary=True))
    if seal is not None:
        parts[-1].signature, parts[-1].data = seal.signature, seal.data
    elif not ours and parts:
        parts[-1].data = encrypted
    return parts, None


def output_item(raw: Raw, where: str) -> list[ir.Part]:
    """The parts of one item of an answer."""
    kind = read(wire.read_head, raw, where).type
    match kind:
        case "message":
            return content(read(_read_message, raw, where).content, f"{where}.content")
        case "function_call":
            return [call(raw, where)]
        case "custom_tool_call":
            return [custom_call(raw, where)]
        case "reasoning":
            parts, _ = reasoning(raw, where)
            return list(parts)
        case "image_generation_call":
            made = read(_read_image_call, raw, where)
            if made.result:
                return [ir.Image(f"image/{made.output_format or 'png'}", made.result)]
        case _:
            pass
    return [ir.Opaque(FORMAT, raw, kind or "unknown")]


class _Message(msgspec.Struct):
    content: Raw = wire.NOTHING


_read_message = wire.reader(_Message)
