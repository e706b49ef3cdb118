"""A client's Messages request into the IR.

Lenient where the service is strict and nothing can be misread: a missing `max_tokens` is filled in
for the target, roles need not alternate. FormatError for what has no meaning.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.claude.blocks import part_of
from omniroute.formats.claude.identity import CALL_STATE
from omniroute.formats.claude.wire import (
    FORMAT,
    NULL,
    CacheControl,
    cache_mark,
    decoded,
    object_decoder,
)


class _Message(Struct, gc=False):
    role: str
    content: str | list[Raw]


class _Body(Struct):
    messages: list[_Message]
    model: str = ""
    max_tokens: int | None = None
    system: str | list[Raw] | None = None
    metadata: dict[str, Raw] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NULL
    thinking: Raw = NULL
    output_config: Raw = NULL
    output_format: Raw = NULL  # output_config.format as the beta called it
    service_tier: str | None = None


_KNOWN: Final = frozenset(_Body.__struct_fields__)
_ROLES: Final[dict[str, ir.Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
# "default" is the name in the IR of what takes no part in priority processing.
_TIERS: Final = {"auto": "auto", "standard_only": "default"}

_body_decoder: Final = msgspec.json.Decoder(_Body)


def decode_request(body: bytes) -> ir.Request:
    """The request that the body is. FormatError names the member that is wrong."""
    read = decoded(_body_decoder, body, "The request body")
    request = ir.Request(origin=FORMAT, stream=read.stream is True)
    if read.system is not None:
        request.system = _content(read.system, "system")
    request.messages = [
        _message(message, f"messages.{index}") for index, message in enumerate(read.messages)
    ]
    request.tools = [_tool(raw, f"tools.{index}") for index, raw in enumerate(read.tools or ())]
    if read.tool_choice != NULL:
        request.tool_choice = _tool_choice(read.tool_choice)
    request.sampling = ir.Sampling(
        max_tokens=read.max_tokens,
        temperature=read.temperature,
        top_p=read.top_p,
        top_k=read.top_k,
        stop=read.stop_sequences or [],
    )
    _read_output(request, read)
    _read_metadata(request, read.metadata or {})
    tier = read.service_tier or ""
    request.service_tier = _TIERS.get(tier, tier)
    # Structs drop what they do not know; the second reading keeps it, raw.
    for name, raw in decoded(object_decoder, body, "The request body").items():
        if name not in _KNOWN and raw != NULL:
            request.extra = {**request.extra, name: raw}
    return request


def _read_metadata(request: ir.Request, given: dict[str, Raw]) -> None:
    for name, raw in given.items():
        try:
            value = msgspec.json.decode(raw, type=str | None)
        except msgspec.MsgspecError:
            raise ir.FormatError(f"metadata.{name} is not a string", f"metadata.{name}") from None
        if value is None:
            continue
        if name == "user_id":
            request.user = value
        else:
            request.metadata = {**request.metadata, name: value}


def _message(read: _Message, where: str) -> ir.Message:
    role = _ROLES.get(read.role)
    if role is None:
        raise ir.FormatError(
            f"{where}.role is {read.role!r}; it has to be user, assistant or system",
            f"{where}.role",
        )
    parts = _content(read.content, f"{where}.content")
    if role == "user":
        # Results first: the service demands it, and the IR's other formats rely on it.
        parts.sort(key=lambda part: not isinstance(part, ir.ToolResult))
    elif role == "assistant":
        parts = _with_call_state(parts)
    return ir.Message(role, parts)


def _content(content: str | list[Raw], where: str) -> list[ir.Part]:
    if isinstance(content, str):
        return [ir.Text(content)] if content else []
    return [part_of(raw, f"{where}.{index}") for index, raw in enumerate(content)]


def _with_call_state(parts: list[ir.Part]) -> list[ir.Part]:
    """Give calls the state that a Claude client kept for them in the block before."""
    if not any(isinstance(part, ir.Reasoning) and part.id == CALL_STATE for part in parts):
        return parts
    out: list[ir.Part] = []
    state: ir.Reasoning | None = None
    for part in parts:
        if isinstance(part, ir.Reasoning) and part.id == CALL_STATE:
            state = part
            continue
        if state is not None and isinstance(part, ir.ToolCall):
            part.signature, part.origin = state.signature, state.origin
        state = None
        out.append(part)
    return out


class _Tool(Struct):
    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: Raw = NULL
    strict: bool | None = None
    cache_control: CacheControl | None = None


_tool_decoder: Final = msgspec.json.Decoder(_Tool)
_TOOL_KNOWN: Final = frozenset(_Tool.__struct_fields__)


def _tool(raw: Raw, where: str) -> ir.Tool:
    read = decoded(_tool_decoder, raw, where)
    mark = cache_mark(read.cache_control)
    if read.type not in (None, "custom"):
        # The service's own tools: versioned types, some of them run by the service itself.
        return ir.Tool(
            read.name or read.type,
            cache=mark,
            origin=FORMAT,
            raw=raw,
            kind=read.type,
        )
    if not read.name:
        raise ir.FormatError(f"{where} needs a `name`", f"{where}.name")
    members = decoded(object_decoder, raw, where)
    tool = ir.Tool(
        read.name,
        read.description or "",
        strict=read.strict,
        cache=mark,
        origin=FORMAT,
        extra={
            name: value
            for name, value in members.items()
            if name not in _TOOL_KNOWN and value != NULL
        },
    )
    if read.input_schema != NULL:
        tool.schema = read.input_schema
    return tool


class _ToolChoice(Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_choice_decoder: Final = msgspec.json.Decoder(_ToolChoice)


def _tool_choice(raw: Raw) -> ir.ToolChoice:
    read = decoded(_choice_decoder, raw, "tool_choice")
    parallel = None
    if read.disable_parallel_tool_use is not None:
        parallel = not read.disable_parallel_tool_use
    match read.type:
        case "auto":
            return ir.ToolChoice("auto", parallel=parallel)
        case "any":
            return ir.ToolChoice("required", parallel=parallel)
        case "none":
            return ir.ToolChoice("none", parallel=parallel)
        case "tool" if read.name:
            return ir.ToolChoice("tool", read.name, parallel=parallel)
        case _:
            raise ir.FormatError(
                f"tool_choice.type is {read.type!r}; it has to be auto, any, none, or tool "
                "with a name",
                "tool_choice",
            )


class _Thinking(Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(Struct):
    type: str
    schema: Raw = NULL


_thinking_decoder: Final = msgspec.json.Decoder(_Thinking)
_format_decoder: Final = msgspec.json.Decoder(_Format | None)
_effort_decoder: Final = msgspec.json.Decoder(str | None)
_EFFORTS: Final[dict[str, ir.Effort]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "xhigh",
}
_SHOWN: Final = {"summarized": True, "omitted": False}


def _read_output(request: ir.Request, read: _Body) -> None:
    """`thinking`, `output_config` and the older `output_format`."""
    config: dict[str, Raw] = {}
    if read.output_config != NULL:
        config = decoded(object_decoder, read.output_config, "output_config")
    effort = config.pop("effort", NULL)
    wanted = config.pop("format", NULL)
    if wanted == NULL:
        wanted = read.output_format
    answer = decoded(_format_decoder, wanted, "output_config.format")
    if answer is not None:
        if answer.type != "json_schema":
            raise ir.FormatError(
                f"output_config.format.type is {answer.type!r}; it has to be json_schema",
                "output_config.format",
            )
        request.response_format = ir.ResponseFormat(
            "json_schema", name="answer", schema=answer.schema, strict=True
        )
    rest = {name: raw for name, raw in config.items() if raw != NULL}
    if rest:
        request.extra = {"output_config": Raw(msgspec.json.encode(rest))}
    request.reasoning = _reasoning(
        read.thinking, decoded(_effort_decoder, effort, "output_config.effort"), effort
    )


def _reasoning(raw: Raw, effort: str | None, raw_effort: Raw) -> ir.ReasoningWish | None:
    if raw == NULL and effort is None:
        return None
    wish = ir.ReasoningWish()
    if effort is not None:
        wish.effort = _EFFORTS.get(effort, "high")
        wish.extra = {"effort": raw_effort}
    if raw == NULL:
        return wish
    wish.extra = {**wish.extra, "thinking": raw}
    read = decoded(_thinking_decoder, raw, "thinking")
    wish.include = None if read.display is None else _SHOWN.get(read.display)
    match read.type:
        case "disabled":
            wish.effort = "none"
        case "enabled":
            if read.budget_tokens is None:
                raise ir.FormatError("thinking.budget_tokens is missing", "thinking.budget_tokens")
            wish.effort, wish.budget_tokens = None, max(read.budget_tokens, 0)
        case _ if wish.effort is None:
            wish.budget_tokens = -1  # adaptive, between_tools: the model decides
        case _:
            pass
    return wish
