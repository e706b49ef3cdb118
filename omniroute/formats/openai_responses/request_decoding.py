"""A client's Responses request into the IR.

Items are flat here and turns in the IR: what the assistant did between two turns of others becomes
one message, as other formats have it, so that parallel calls stay together; outputs of tools become
a user message of their own. What only the service itself can resolve, because it stored it
(`previous_response_id`, `conversation`, `prompt`, references to items), is refused: to leave it out
would answer another question than was asked.
"""

from collections.abc import Mapping
from typing import Final, Literal, cast

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.openai_responses import parts, wire
from omniroute.formats.openai_responses.tools_decoding import take_tool_choice, tools_of
from omniroute.formats.openai_responses.wire import FORMAT, NOTHING, read

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"

_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
_EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh"})


class _ReasoningIn(Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class _FormatIn(Struct):
    type: str
    name: str = ""
    description: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None


class _TextIn(Struct):
    format: _FormatIn | None = None
    verbosity: str | None = None


class _RequestIn(Struct):
    """The members that have a meaning in the IR, and those that are refused."""

    input: Raw = NOTHING
    instructions: str | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NOTHING
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    reasoning: _ReasoningIn | None = None
    text: _TextIn | None = None
    include: list[str] | None = None
    stream: bool | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Raw = NOTHING
    prompt: Raw = NOTHING


_KNOWN: Final = frozenset(_RequestIn.__struct_fields__) | {"model"}
_STORED: Final = ("previous_response_id", "conversation", "prompt")


_read_request = wire.reader(_RequestIn)
_read_message = wire.reader(wire.MessageIn)
_read_output = wire.reader(wire.OutputIn)
_read_reference = wire.reader(wire.ItemReferenceIn)


def decode_request(body: bytes) -> ir.Request:
    """FormatError names the member that is wrong, or that only the service could resolve."""
    given = read(_read_request, body, "")
    members = read(wire.read_object, body, "")
    _refuse_stored(given)
    request = ir.Request(
        origin=FORMAT,
        system=[ir.Text(given.instructions)] if given.instructions else [],
        messages=_Conversation().read(given.input),
        tools=tools_of(given.tools or []),
        sampling=ir.Sampling(
            max_tokens=given.max_output_tokens,
            temperature=given.temperature,
            top_p=given.top_p,
            top_logprobs=given.top_logprobs,
        ),
        stream=given.stream is True,
        user=given.user or "",
        metadata=given.metadata or {},
        cache_key=given.prompt_cache_key or "",
        service_tier=given.service_tier or "",
        extra={name: raw for name, raw in members.items() if name not in _KNOWN},
    )
    take_tool_choice(request, given.tool_choice, given.parallel_tool_calls)
    _take_reasoning(request, given.reasoning)
    _take_text(request, given.text)
    _take_include(request, given.include or [])
    return request


def _refuse_stored(given: _RequestIn) -> None:
    for name in _STORED:
        if getattr(given, name) not in (None, "", NOTHING):
            raise ir.FormatError(
                f"`{name}` names something that the service of OpenAI stored; it cannot be resolved"
                " for another provider. Send the whole conversation in `input` instead.",
                name,
            )
    if given.background:
        raise ir.FormatError(
            "`background` needs a service that keeps the answer for later; this provider gives it"
            " at once or not at all.",
            "background",
        )


class _Conversation:
    """Groups items into messages. `_calls` holds the calls of the message that is open."""

    def __init__(self) -> None:
        self._messages: list[ir.Message] = []
        self._calls: dict[str, ir.ToolCall] = {}

    def read(self, raw: Raw) -> list[ir.Message]:
        data = bytes(raw)
        if data == b"null":
            raise ir.FormatError("`input` is missing", "input")
        if data[:1] == b'"':
            return [ir.Message("user", [ir.Text(read(wire.read_text, raw, "input"))])]
        for index, item in enumerate(read(wire.read_raws, raw, "input")):
            self._item(item, f"input[{index}]")
        return self._messages

    def _item(self, raw: Raw, where: str) -> None:
        kind = read(wire.read_head, raw, where).type
        match kind:
            case "message" | None:
                self._message(raw, where)
            case "function_call":
                self._call(parts.call(raw, where))
            case "custom_tool_call":
                self._call(parts.custom_call(raw, where))
            case "function_call_output" | "custom_tool_call_output":
                self._output(raw, where, custom=kind == "custom_tool_call_output")
            case "reasoning":
                self._reasoning(raw, where)
            case "item_reference":
                self._reference(raw, where)
            case _:
                # The results of built-in tools are written by the client, their calls are not.
                role: ir.Role = "user" if kind.endswith("_output") else "assistant"
                self._turn(role).append(ir.Opaque(FORMAT, raw, kind))

    def _turn(self, role: ir.Role) -> list[ir.Part]:
        """The parts of the message of that role that is being filled, a new one if need be."""
        last = self._messages[-1] if self._messages else None
        # A user's own words are never joined to the outputs before them.
        if last is None or last.role != role or (role == "user" and not _is_results(last)):
            last = ir.Message(role, [])
            self._messages.append(last)
        return last.parts

    def _message(self, raw: Raw, where: str) -> None:
        given = read(_read_message, raw, where)
        if given.role not in _ROLES:
            known = ", ".join(sorted(_ROLES))
            raise ir.FormatError(f"`{where}.role`: {given.role!r} is none of {known}", where)
        found = parts.content(given.content, f"{where}.content")
        if given.role != "assistant":
            self._messages.append(ir.Message(cast(ir.Role, given.role), found))
            return
        open_parts = self._turn("assistant")
        # Two messages in a row stay two, unless that would part a call from its fellows.
        if open_parts and isinstance(open_parts[-1], ir.Text | ir.Refusal) and not self._calls:
            self._messages.append(ir.Message("assistant", found))
        else:
            open_parts += found

    def _call(self, call: ir.ToolCall) -> None:
        self._turn("assistant").append(call)
        self._calls[call.id] = call

    def _output(self, raw: Raw, where: str, *, custom: bool) -> None:
        given = read(_read_output, raw, where)
        call = self._calls.pop(given.call_id, None)
        result = ir.ToolResult(
            given.call_id,
            _result_parts(given.output, f"{where}.output"),
            name=call.name if call is not None else "",
            custom=custom,
        )
        self._turn("user").append(result)

    def _reasoning(self, raw: Raw, where: str) -> None:
        found, seal = parts.reasoning(raw, where)
        if seal is not None:
            call = self._calls.get(seal.call_id)
            if call is not None:
                call.signature, call.origin = seal.signature, seal.origin
        if found:
            self._turn("assistant").extend(found)

    def _reference(self, raw: Raw, where: str) -> None:
        given = read(_read_reference, raw, where)
        if not given.id.startswith("rs_"):
            raise ir.FormatError(
                f"`{where}` refers to an item that the service of OpenAI stored; it cannot be"
                " resolved for another provider. Send the item itself.",
                where,
            )
        # Reasoning that is not there is missed by nobody else.
        self._turn("assistant").append(ir.Opaque(FORMAT, raw, "item_reference"))


def _is_results(message: ir.Message) -> bool:
    return all(
        isinstance(part, ir.ToolResult)
        or (isinstance(part, ir.Opaque) and not part.kind.startswith(parts.CONTENT_KIND))
        for part in message.parts
    )


def _result_parts(raw: Raw, where: str) -> list[ir.Text | ir.Image | ir.File]:
    data = bytes(raw)
    if data[:1] == b"{":
        return [
            ir.Text(data.decode("utf-8", "replace"))
        ]  # not of the format, but it is what the tool said
    found: list[ir.Text | ir.Image | ir.File] = []
    for part in parts.content(raw, where):
        if isinstance(part, ir.Text | ir.Image | ir.File):
            found.append(part)
        elif isinstance(part, ir.Opaque):
            found.append(ir.Text(bytes(part.raw).decode("utf-8", "replace")))
        else:
            raise ir.FormatError(f"`{where}` holds what no output may hold", where)
    return found


def _take_reasoning(request: ir.Request, given: _ReasoningIn | None) -> None:
    if given is None:
        return
    effort = "xhigh" if given.effort == "max" else given.effort
    if effort is not None and effort not in _EFFORTS:
        raise ir.FormatError(f"`reasoning.effort`: {effort!r} is unknown", "reasoning.effort")
    summary = given.summary or given.generate_summary
    request.reasoning = ir.ReasoningWish(
        effort=cast(ir.Effort | None, effort),
        include=True if summary else None,
    )
    beyond: Mapping[str, str | None] = {
        "effort": "max" if given.effort == "max" else None,
        "summary": None if summary == "auto" else summary,
        "context": given.context,
        "mode": given.mode,
    }
    for name, value in beyond.items():
        if value is not None:
            request.reasoning.extra[name] = Raw(wire.dump(value))


def _take_text(request: ir.Request, given: _TextIn | None) -> None:
    if given is None:
        return
    request.verbosity = given.verbosity or ""
    wanted = given.format
    if wanted is None:
        return
    if wanted.type not in ("text", "json_object", "json_schema"):
        raise ir.FormatError(f"`text.format.type`: {wanted.type!r} is unknown", "text.format.type")
    request.response_format = ir.ResponseFormat(
        kind=cast(Literal["text", "json_object", "json_schema"], wanted.type),
        name=wanted.name,
        description=wanted.description or "",
        schema=wanted.schema,
        strict=wanted.strict,
    )


def _take_include(request: ir.Request, include: list[str]) -> None:
    others = []
    for name in include:
        if name == ENCRYPTED:
            if request.reasoning is None:
                request.reasoning = ir.ReasoningWish()
            request.reasoning.encrypted = True
        elif name == LOGPROBS:
            request.sampling.logprobs = True
        else:
            others.append(name)
    if others:
        request.extra["include"] = Raw(msgspec.json.encode(others))
