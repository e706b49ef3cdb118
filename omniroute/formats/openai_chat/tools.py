"""Tools of this format: definitions, calls and their ids, names that the service refuses.

Names are letters, digits, `_` and `-`, at most 64; ids at most 40 characters. Others are mapped,
always to the same, so that a conversation stays in one piece from turn to turn. A free-form
("custom") tool is OpenAI's alone: elsewhere it is offered as a function (`formats.custom_tools`).
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.custom_tools import SCHEMA, arguments_of
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat.wire import FORMAT, NOTHING, ToolCallIn
from omniroute.formats.quirks import NINE_CHARACTER_IDS

"""Quirk: ids of calls are nine letters or digits (Mistral)."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME: Final = 64
_MAX_ID: Final = 40
_NINE: Final = re.compile(r"[A-Za-z0-9]{9}")


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


class _Definition(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None


class _ToolIn(msgspec.Struct):
    type: str = "function"
    function: _Definition | None = None
    custom: _Definition | None = None
    cache_control: Raw = NOTHING


_decode_tool = msgspec.json.Decoder(_ToolIn).decode
_decode_definition = msgspec.json.Decoder(_Definition).decode


def _schema(parameters: Raw) -> Raw:
    return ir.Tool("").schema if parameters == NOTHING else Raw(bytes(parameters))


def _cached(control: Raw) -> ir.CacheMark | None:
    if control == NOTHING:
        return None
    return ir.CacheMark("1h") if b'"1h"' in bytes(control) else ir.CacheMark()


def tool_of(raw: Raw, at: int) -> ir.Tool:
    """A definition out of `tools`. FormatError when it is none."""
    where = f"tools[{at}]"
    try:
        read = _decode_tool(raw)
    except UNREADABLE as error:
        raise ir.FormatError(f"`{where}` is not a tool: {error}.", where) from None
    if read.type == "function":
        if read.function is None:
            raise ir.FormatError(f"`{where}.function` is missing.", f"{where}.function")
        given = read.function
        return ir.Tool(
            given.name,
            given.description or "",
            _schema(given.parameters),
            given.strict,
            _cached(read.cache_control),
        )
    given_name = read.custom.name if read.custom is not None else None
    if read.function is not None:
        given_name = read.function.name
    return ir.Tool(
        given_name or read.type,
        (read.custom.description or "") if read.custom is not None else "",
        custom=read.type == "custom",
        origin=FORMAT,
        raw=Raw(bytes(raw)),
        kind=read.type,
    )


def legacy_tool_of(raw: Raw, at: int) -> ir.Tool:
    """A definition out of `functions`."""
    where = f"functions[{at}]"
    try:
        given = _decode_definition(raw)
    except UNREADABLE as error:
        raise ir.FormatError(f"`{where}` is not a function: {error}.", where) from None
    return ir.Tool(given.name, given.description or "", _schema(given.parameters))


class Names:
    """The names of one request's tools as they are sent; `mapped` leads back."""

    __slots__ = ("_sent", "_taken", "mapped")

    def __init__(self, tools: Iterable[ir.Tool]) -> None:
        self.mapped: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        self._taken = {tool.name for tool in tools if _NAME.fullmatch(tool.name)}

    def sent(self, name: str) -> str:
        """The name to send for the client's."""
        known = self._sent.get(name)
        if known is None:
            known = self._sent[name] = self._choose(name)
            if known != name:
                self.mapped[known] = name
        return known

    def _choose(self, name: str) -> str:
        if _NAME.fullmatch(name):
            return name
        plain = _FORBIDDEN.sub("_", name)
        if not plain or len(plain) > _MAX_NAME or plain in self._taken:
            plain = f"{plain[: _MAX_NAME - 13]}_{_digest(name, 6)}"
        self._taken.add(plain)
        return plain


def call_id(given: str, quirks: frozenset[str]) -> str:
    """The id of a call as the target takes it; equal ids stay equal."""
    if NINE_CHARACTER_IDS in quirks:
        return given if _NINE.fullmatch(given) else _digest(given, 5)[:9]
    return given if 0 < len(given) <= _MAX_ID else f"call_{_digest(given, 12)}"


def call_of(call: ToolCallIn, fallback_id: str) -> ir.ToolCall:
    """A whole call out of `tool_calls`."""
    google = call.extra_content.google if call.extra_content is not None else None
    signature = (google.thought_signature if google is not None else None) or ""
    id_ = call.id or fallback_id
    if call.custom is not None:
        return ir.ToolCall(id_, call.custom.name or "", call.custom.input or "", custom=True)
    name = (call.function.name if call.function is not None else None) or ""
    arguments = (call.function.arguments if call.function is not None else None) or "{}"
    origin = "gemini" if signature else ""
    return ir.ToolCall(id_, name, arguments, signature, origin)


def call_out(
    part: ir.ToolCall, name: str, id_: str, *, as_function: bool, signed: bool = True
) -> dict[str, Any]:
    """A call as `tool_calls` holds it; `signed`: with the state that accompanies it."""
    if part.custom and not as_function:
        custom = {"name": name, "input": part.arguments}
        return {"id": id_, "type": "custom", "custom": custom}
    arguments = arguments_of(part.arguments) if part.custom else part.arguments
    function = {"name": name, "arguments": arguments or "{}"}
    call: dict[str, Any] = {"id": id_, "type": "function", "function": function}
    if signed and part.signature and part.origin == "gemini":
        call["extra_content"] = {"google": {"thought_signature": part.signature}}
    return call


def definition_out(tool: ir.Tool, name: str) -> dict[str, Any]:
    """A function tool's definition."""
    function: dict[str, Any] = {"name": name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def free_form_out(tool: ir.Tool, name: str) -> dict[str, Any]:
    """A free-form tool's definition as a function of one string."""
    function = {"name": name, "parameters": SCHEMA}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def custom_out(tool: ir.Tool, name: str) -> dict[str, Any] | Raw:
    """A free-form tool's definition in OpenAI's own terms."""
    if tool.origin == FORMAT and tool.raw != NOTHING:
        return tool.raw
    custom: dict[str, Any] = {"name": name}
    if tool.description:
        custom["description"] = tool.description
    form = _custom_format(tool.raw)
    if form is not None:
        custom["format"] = form
    return {"type": "custom", "custom": custom}


class _ResponsesCustom(msgspec.Struct):
    """The Responses format's definition, flat: its grammar is one level less deep."""

    format: dict[str, Any] | None = None


def _custom_format(raw: Raw) -> dict[str, Any] | None:
    try:
        form = msgspec.json.decode(raw, type=_ResponsesCustom | None)
    except UNREADABLE:
        return None
    if form is None or form.format is None:
        return None
    if form.format.get("type") == "grammar" and "grammar" not in form.format:
        grammar = {key: value for key, value in form.format.items() if key != "type"}
        return {"type": "grammar", "grammar": grammar}
    return form.format
