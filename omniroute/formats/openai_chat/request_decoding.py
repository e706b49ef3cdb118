"""A client's chat completions request into the IR.

Leading `system` messages become the request's system; `developer` ones keep their role as messages,
since not every target may put them there. A run of `tool` messages becomes one user message of
results. The legacy `functions`, `function_call` and role `function` become tools; their calls get
ids by their place. `name`s and what has no counterpart stay for a target of this same format.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.misread import UNREADABLE, member_of
from omniroute.formats.openai_chat import tools
from omniroute.formats.openai_chat.reasoning import reasoning_parts, shown_text
from omniroute.formats.openai_chat.wire import (
    FORMAT,
    NOTHING,
    CacheControl,
    MessageIn,
    PartIn,
    split_data_url,
)

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh"})


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Reasoning(Struct):
    """OpenRouter's `reasoning`."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class _Schema(Struct):
    name: str = ""
    description: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None


class _ResponseFormat(Struct):
    type: str
    json_schema: _Schema | None = None


class _Request(Struct):
    """The members that have a meaning in the IR."""

    messages: list[MessageIn]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NOTHING
    parallel_tool_calls: bool | None = None
    functions: list[Raw] | None = None
    function_call: Raw = NOTHING
    response_format: Raw = NOTHING
    reasoning_effort: str | None = None
    reasoning: Raw = NOTHING
    metadata: Raw = NOTHING
    user: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    verbosity: str | None = None


_KNOWN: Final = frozenset(_Request.__struct_fields__) | {"model"}


class _Named(Struct):
    name: str = ""


class _Allowed(Struct):
    mode: Literal["auto", "required"] = "auto"
    tools: list[dict[str, Any]] = []


class _Choice(Struct):
    type: str
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_choice = msgspec.json.Decoder(_Choice | str).decode
_decode_legacy_choice = msgspec.json.Decoder(_Named | str).decode
_decode_format = msgspec.json.Decoder(_ResponseFormat).decode
_decode_reasoning = msgspec.json.Decoder(_Reasoning).decode
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode
_decode_contents = msgspec.json.Decoder(list[Raw]).decode


class _RawMessage(Struct):
    content: Raw = NOTHING


_decode_raw_messages = msgspec.json.Decoder(list[_RawMessage]).decode


def decode_request(body: bytes) -> ir.Request:
    """FormatError names the member that is wrong."""
    try:
        given = _decode_request(body)
        members = _decode_members(body)
    except msgspec.ValidationError as error:
        text = str(error)
        raise ir.FormatError(
            f"The request body is not a chat completion request: {text}.", member_of(text)
        ) from None
    except UNREADABLE as error:
        raise ir.FormatError(f"The request body is not valid JSON: {error}.") from None
    extra = {name: raw for name, raw in members.items() if name not in _KNOWN}
    request = ir.Request(
        origin=FORMAT,
        tools=[tools.tool_of(raw, at) for at, raw in enumerate(given.tools or ())]
        + [tools.legacy_tool_of(raw, at) for at, raw in enumerate(given.functions or ())],
        tool_choice=_tool_choice(given),
        sampling=_sampling(given),
        response_format=_response_format(given.response_format),
        stream=given.stream is True,
        include_usage=given.stream_options is not None
        and given.stream_options.include_usage is True,
        user=given.user or "",
        cache_key=given.prompt_cache_key or "",
        service_tier=given.service_tier or "",
        verbosity=given.verbosity or "",
        extra=extra,
    )
    request.reasoning = _reasoning(given, extra)
    try:
        request.metadata = {} if given.metadata == NOTHING else _decode_metadata(given.metadata)
    except UNREADABLE:
        extra["metadata"] = given.metadata
    _Conversation(members["messages"], request).read(given.messages)
    return request


def _sampling(given: _Request) -> ir.Sampling:
    stop = [given.stop] if isinstance(given.stop, str) else given.stop or []
    limit = given.max_completion_tokens
    return ir.Sampling(
        max_tokens=limit if limit is not None else given.max_tokens,
        temperature=given.temperature,
        top_p=given.top_p,
        top_k=given.top_k,
        n=given.n,
        seed=given.seed,
        presence_penalty=given.presence_penalty,
        frequency_penalty=given.frequency_penalty,
        stop=stop,
        logprobs=given.logprobs,
        top_logprobs=given.top_logprobs,
    )


def _tool_choice(given: _Request) -> ir.ToolChoice | None:
    parallel = given.parallel_tool_calls
    if given.tool_choice == NOTHING:
        choice = _legacy_choice(given.function_call)
        if choice is None and parallel is not None:
            choice = ir.ToolChoice()
    else:
        choice = _modern_choice(given.tool_choice)
    if choice is not None:
        choice.parallel = parallel
    return choice


def _modern_choice(raw: Raw) -> ir.ToolChoice:
    try:
        read = _decode_choice(raw)
    except UNREADABLE as error:
        raise ir.FormatError(f"`tool_choice` is wrong: {error}.", "tool_choice") from None
    match read:
        case "auto" | "none" | "required":
            return ir.ToolChoice(read)
        case "any":  # Mistral's word
            return ir.ToolChoice("required")
        case _Choice(type="allowed_tools", allowed_tools=_Allowed() as allowed):
            names = [_allowed_name(tool) for tool in allowed.tools]
            return ir.ToolChoice(allowed.mode, allowed=[name for name in names if name])
        case _Choice(function=_Named(name=name)) | _Choice(custom=_Named(name=name)) if name:
            return ir.ToolChoice("tool", name)
    raise ir.FormatError(
        "`tool_choice` is neither none, auto, required, nor the name of a tool.", "tool_choice"
    )


def _allowed_name(tool: dict[str, Any]) -> str:
    for holder in (tool.get("function"), tool.get("custom"), tool):
        if isinstance(holder, dict) and isinstance(holder.get("name"), str):
            return str(holder["name"])
    return ""


def _legacy_choice(raw: Raw) -> ir.ToolChoice | None:
    if raw == NOTHING:
        return None
    try:
        read = _decode_legacy_choice(raw)
    except UNREADABLE as error:
        raise ir.FormatError(f"`function_call` is wrong: {error}.", "function_call") from None
    match read:
        case "auto" | "none":
            return ir.ToolChoice(read)
        case _Named(name=name) if name:
            return ir.ToolChoice("tool", name)
    raise ir.FormatError(
        "`function_call` is neither none, auto, nor a function's name.", "function_call"
    )


def _response_format(raw: Raw) -> ir.ResponseFormat | None:
    if raw == NOTHING:
        return None
    try:
        read = _decode_format(raw)
    except UNREADABLE as error:
        raise ir.FormatError(f"`response_format` is wrong: {error}.", "response_format") from None
    match read.type:
        case "text":
            return ir.ResponseFormat()
        case "json_object":
            return ir.ResponseFormat("json_object")
        case "json_schema" if read.json_schema is not None:
            schema = read.json_schema
            return ir.ResponseFormat(
                "json_schema",
                schema.name,
                schema.description or "",
                Raw(bytes(schema.schema)),
                schema.strict,
            )
    raise ir.FormatError(
        "`response_format.type` is none of text, json_object and json_schema with its schema.",
        "response_format",
    )


def _reasoning(given: _Request, extra: dict[str, Raw]) -> ir.ReasoningWish | None:
    wish = ir.ReasoningWish()
    if given.reasoning_effort is not None:
        effort = given.reasoning_effort
        if effort not in _EFFORTS:
            raise ir.FormatError(
                f"`reasoning_effort` is {effort!r}; it can be {', '.join(sorted(_EFFORTS))}.",
                "reasoning_effort",
            )
        wish.effort = effort  # type: ignore[assignment]
        return wish
    if given.reasoning == NOTHING:
        return None
    try:
        read = _decode_reasoning(given.reasoning)
    except UNREADABLE:
        extra["reasoning"] = given.reasoning
        return None
    if read.effort in _EFFORTS:
        wish.effort = read.effort  # type: ignore[assignment]
    elif read.max_tokens is not None:
        wish.budget_tokens = read.max_tokens
    elif read.enabled is not None:
        wish.budget_tokens = -1 if read.enabled else 0
    wish.include = None if read.exclude is None else not read.exclude
    return wish


class _Conversation:
    """The messages, one by one, into the request."""

    def __init__(self, raw: Raw, request: ir.Request) -> None:
        self._raw = raw
        self._request = request
        self._raw_messages: list[_RawMessage] | None = None
        self._results: ir.Message | None = None  # that collects a run of tool messages
        self._legacy_call = ""  # id of the last legacy call
        self._custom: set[str] = set()  # ids of calls of free-form tools

    def read(self, given: list[MessageIn]) -> None:
        request = self._request
        leading = True
        for at, message in enumerate(given):
            role = message.role
            if role == "model":
                role = "assistant"
            if role not in _ROLES:
                raise ir.FormatError(
                    f"`messages[{at}].role` is {role!r}; it can be {', '.join(sorted(_ROLES))}.",
                    f"messages[{at}].role",
                )
            if role in ("tool", "function"):
                self._result(message, at, legacy=role == "function")
                leading = False
                continue
            self._results = None
            parts = self._parts(message, at)
            if role == "system" and leading and not message.name:
                request.system += parts
                continue
            leading = False
            if role == "assistant":
                parts = self._assistant(message, parts, at)
            request.messages.append(
                ir.Message(role, parts, message.name or "")  # type: ignore[arg-type]
            )

    def _result(self, message: MessageIn, at: int, *, legacy: bool) -> None:
        if self._results is None:
            self._results = ir.Message("user", [])
            self._request.messages.append(self._results)
        if legacy:
            call_id = self._legacy_call or f"call_legacy_{at}"
        elif message.tool_call_id is None:
            raise ir.FormatError(
                f"`messages[{at}].tool_call_id` is missing.", f"messages[{at}].tool_call_id"
            )
        else:
            call_id = message.tool_call_id
        parts = [
            part
            for part in self._parts(message, at)
            if isinstance(part, ir.Text | ir.Image | ir.File)
        ]
        custom = call_id in self._custom
        self._results.parts.append(ir.ToolResult(call_id, parts, message.name or "", custom=custom))

    def _assistant(self, message: MessageIn, content: list[ir.Part], at: int) -> list[ir.Part]:
        parts = reasoning_parts(shown_text(message), message.reasoning_details or ())
        parts += content
        if message.refusal:
            parts.append(ir.Refusal(message.refusal))
        if message.audio is not None:
            audio = message.audio
            parts.append(
                ir.Audio(
                    data=audio.data or "",
                    transcript=audio.transcript or "",
                    id=audio.id or "",
                    origin=FORMAT,
                )
            )
        for number, call in enumerate(message.tool_calls or ()):
            made = tools.call_of(call, f"call_{at}_{number}")
            if made.custom:
                self._custom.add(made.id)
            parts.append(made)
        if message.function_call is not None:
            self._legacy_call = f"call_legacy_{at}"
            legacy = message.function_call
            parts.append(
                ir.ToolCall(self._legacy_call, legacy.name or "", legacy.arguments or "{}")
            )
        return parts

    def _parts(self, message: MessageIn, at: int) -> list[ir.Part]:
        content = message.content
        if content is None:
            return []
        if isinstance(content, str):
            return [ir.Text(content)] if content else []
        return [self._part(part, at, place) for place, part in enumerate(content)]

    def _part(self, part: PartIn, at: int, place: int) -> ir.Part:
        cache = _cache(part.cache_control)
        match part:
            case PartIn(type="text", text=str(text)):
                return ir.Text(text, cache)
            case PartIn(type="image_url", image_url=image) if image is not None:
                url = image if isinstance(image, str) else image.url
                detail = "" if isinstance(image, str) else image.detail or ""
                split = split_data_url(url)
                if split is None:
                    return ir.Image(url=url, detail=detail, cache=cache)
                return ir.Image(split[0], split[1], detail=detail, cache=cache)
            case PartIn(type="input_audio", input_audio=audio) if audio is not None:
                return ir.Audio(f"audio/{audio.format}", audio.data, cache)
            case PartIn(type="file", file=file) if file is not None:
                split = split_data_url(file.file_data or "")
                return ir.File(
                    media_type=split[0] if split else "",
                    data=split[1] if split else file.file_data or "",
                    file_id=file.file_id or "",
                    origin=FORMAT if file.file_id else "",
                    filename=file.filename or "",
                    cache=cache,
                )
            case PartIn(type="refusal", refusal=str(refusal)):
                return ir.Refusal(refusal)
            case PartIn(type="thinking"):
                return ir.Reasoning(thought_text(part))
            case PartIn(type="text" | "image_url" | "input_audio" | "file" | "refusal"):
                where = f"messages[{at}].content[{place}]"
                raise ir.FormatError(f"`{where}` has no `{part.type}`.", where)
        return ir.Opaque(FORMAT, self._raw_part(at, place), part.type)

    def _raw_part(self, at: int, place: int) -> Raw:
        """The bytes of a part that this version does not know: read again, since it is rare."""
        if self._raw_messages is None:
            self._raw_messages = _decode_raw_messages(self._raw)
        return Raw(bytes(_decode_contents(self._raw_messages[at].content)[place]))


def thought_text(part: PartIn) -> str:
    """The text of Mistral's `thinking` part."""
    if isinstance(part.thinking, str):
        return part.thinking
    return "".join(piece.text or "" for piece in part.thinking or ())


def _cache(control: CacheControl | None) -> ir.CacheMark | None:
    if control is None:
        return None
    return ir.CacheMark(control.ttl) if control.ttl else ir.CacheMark()
