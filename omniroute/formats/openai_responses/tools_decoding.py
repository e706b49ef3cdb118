"""Tools and tool choice of a client's Responses request.

Functions and custom tools have a meaning everywhere; built-in tools (`web_search`, `local_shell` …)
are the service's own and kept for this format only. Codex groups functions in namespaces, which no
other format has: their functions become tools of their own, named `namespace::function`.
"""

from typing import Final, Literal, cast

from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.openai_responses import parts, wire
from omniroute.formats.openai_responses.wire import FORMAT, NOTHING, read


class _ToolIn(Struct):
    name: str
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None


class _NamespaceIn(Struct):
    name: str
    tools: list[Raw]


class _BuiltInIn(Struct):
    name: str | None = None
    server_label: str | None = None


class _AllowedIn(Struct):
    type: str | None = None
    name: str | None = None
    namespace: str | None = None


class _ChoiceIn(Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[_AllowedIn] | None = None


_read_tool = wire.reader(_ToolIn)
_read_namespace = wire.reader(_NamespaceIn)
_read_built_in = wire.reader(_BuiltInIn)
_read_mode = wire.reader(str)
_read_choice = wire.reader(_ChoiceIn)
_TOOL_MEMBERS: Final = frozenset({"type", *_ToolIn.__struct_fields__})


def tools_of(raws: list[Raw]) -> list[ir.Tool]:
    """The tools of a request. What is neither function nor custom is kept for this format."""
    tools: list[ir.Tool] = []
    for index, raw in enumerate(raws):
        where = f"tools[{index}]"
        kind = read(wire.read_head, raw, where).type
        if kind is None:
            raise ir.FormatError(f"`{where}.type` is missing", f"{where}.type")
        if kind == "namespace":
            tools += _namespace(raw, where)
        else:
            tools.append(_tool(raw, where, kind, None))
    return tools


def _tool(raw: Raw, where: str, kind: str, namespace: str | None) -> ir.Tool:
    if kind not in ("function", "custom"):
        built_in = read(_read_built_in, raw, where)
        name = built_in.name or built_in.server_label or kind
        return ir.Tool(name, origin=FORMAT, raw=raw, kind=kind)
    given = read(_read_tool, raw, where)
    tool = ir.Tool(
        parts.full_name(given.name, namespace),
        given.description or "",
        strict=given.strict,
        custom=kind == "custom",
        kind=kind,
    )
    if given.parameters != NOTHING:
        tool.schema = given.parameters
    if tool.custom or not _TOOL_MEMBERS.issuperset(read(wire.read_object, raw, where)):
        tool.origin, tool.raw = FORMAT, raw
    return tool


def _namespace(raw: Raw, where: str) -> list[ir.Tool]:
    """Its functions one by one; the first carries the whole namespace, for this format only."""
    given = read(_read_namespace, raw, where)
    tools = []
    for index, inner in enumerate(given.tools):
        at = f"{where}.tools[{index}]"
        kind = read(wire.read_head, inner, at).type or "function"
        tools.append(_tool(inner, at, kind, given.name))
    if tools:
        tools[0].origin, tools[0].raw = FORMAT, raw
    return tools


def take_tool_choice(request: ir.Request, given: Raw, parallel: bool | None) -> None:
    """Put `tool_choice` and `parallel_tool_calls` into the request."""
    raw = bytes(given)
    choice = ir.ToolChoice(parallel=parallel)
    if raw == b"null":
        if choice.parallel is not None:
            request.tool_choice = choice
        return
    request.tool_choice = choice
    if raw[:1] == b'"':
        mode = read(_read_mode, raw, "tool_choice")
        if mode not in ("auto", "none", "required"):
            raise ir.FormatError(
                f"`tool_choice`: {mode!r} is none of auto, none, required", "tool_choice"
            )
        choice.mode = cast(Literal["auto", "none", "required"], mode)
        return
    wanted = read(_read_choice, raw, "tool_choice")
    if wanted.type in ("function", "custom") and wanted.name:
        choice.mode, choice.name = "tool", parts.full_name(wanted.name, wanted.namespace)
        return
    allowed = wanted.tools or []
    if wanted.type == "allowed_tools" and all(tool.name for tool in allowed):
        choice.mode = wanted.mode
        choice.allowed = [parts.full_name(tool.name or "", tool.namespace) for tool in allowed]
        return
    # A built-in tool is demanded: this format understands it, others report it as lost.
    request.extra["tool_choice"] = given
