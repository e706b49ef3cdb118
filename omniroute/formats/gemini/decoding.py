"""A generateContent request into the IR.

Source: Gemini API reference v1beta, `models.generateContent`. Names are taken in camelCase and in
snake_case, as proto3 JSON allows; a member in both spellings at once is refused. What has no field
in the IR stays raw: unknown top-level members and what is left of `generationConfig` and
`toolConfig` in `extra`, unknown parts and built-in tools as opaque ones.

FormatError for everything that is not such a request, with the member that is wrong; nothing else.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import PathFacts
from omniroute.formats.gemini import wire
from omniroute.formats.gemini.expansion import expand
from omniroute.formats.gemini.generation import configure
from omniroute.formats.gemini.identity import FORMAT, derived_id, unseal

_TOP: Final[Mapping[str, str]] = {
    "system_instruction": "systemInstruction",
    "tool_config": "toolConfig",
    "generation_config": "generationConfig",
    "safety_settings": "safetySettings",
    "cached_content": "cachedContent",
    "service_tier": "serviceTier",
}
_TOOLS: Final[Mapping[str, str]] = {
    "function_declarations": "functionDeclarations",
    "google_search": "googleSearch",
    "google_search_retrieval": "googleSearchRetrieval",
    "code_execution": "codeExecution",
    "url_context": "urlContext",
    "computer_use": "computerUse",
    "file_search": "fileSearch",
    "google_maps": "googleMaps",
}
_ASSISTANT: Final = "model"
_USERS: Final = frozenset({"user", "function", "tool"})
_OWN_FILES: Final = ("gs://", "https://generativelanguage.googleapis.com/")
# Members of a part that say something of its content rather than being it.
_BESIDE: Final = frozenset({"thought", "thoughtSignature", "thought_signature"})


class _ToolConfig(msgspec.Struct, gc=False):
    functionCallingConfig: wire.FunctionCallingConfig | None = None
    function_calling_config: wire.FunctionCallingConfig | None = None


_decode_tool_config = msgspec.json.Decoder(_ToolConfig | None).decode
_decode_contents = msgspec.json.Decoder(list[wire.Content]).decode
_decode_system = msgspec.json.Decoder(wire.Content | None).decode
_decode_tools = msgspec.json.Decoder(list[dict[str, Raw]] | None).decode
_decode_declarations = msgspec.json.Decoder(list[Raw] | None).decode
_decode_declaration = msgspec.json.Decoder(wire.FunctionDeclaration).decode
_decode_text = msgspec.json.Decoder(str | None).decode


def decode_request(body: bytes, path: PathFacts) -> ir.Request:
    """The request that `body` and its path make. FormatError."""
    try:
        body.decode()  # a decoder does not look into what it skips, and that goes on as it is
        return _decoded(wire.decode_members(body), path)
    except msgspec.ValidationError as error:
        text = str(error)
        _, found, at = text.rpartition("`$.")
        raise ir.FormatError(
            f"The request body is not a generateContent request: {text}.",
            at.rstrip("`") if found else None,
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ir.FormatError(f"The request body is not valid JSON: {error}.") from None


def decode_count(body: bytes, path: PathFacts) -> ir.Request:
    """A countTokens request: contents alone, or a whole request in `generateContentRequest`."""
    try:
        members = wire.in_camel_case(wire.decode_members(body), _COUNT, "the request")
        whole = members.get("generateContentRequest")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ir.FormatError(f"The request body is not a countTokens request: {error}.") from None
    return decode_request(body if whole is None else bytes(whole), path)


_COUNT: Final[Mapping[str, str]] = {"generate_content_request": "generateContentRequest"}


def _decoded(members: dict[str, Raw], path: PathFacts) -> ir.Request:
    members = wire.in_camel_case(members, _TOP, "the request")
    members.pop("model", None)  # the path says it
    request = ir.Request(origin=FORMAT, stream=path.stream)
    system = members.pop("systemInstruction", None)
    if system is not None:
        request.system = _system(system)
    contents = members.pop("contents", None)
    if contents is None:
        raise ir.FormatError("`contents` is missing; give the conversation.", "contents")
    request.messages = _Conversation().read(_decode_contents(contents))
    if not request.messages:
        raise ir.FormatError("`contents` is empty; give the conversation.", "contents")
    tools = members.pop("tools", None)
    if tools is not None:
        request.tools = _tools(tools)
    config = members.pop("generationConfig", None)
    if config is not None and config != wire.NOTHING:
        left = configure(request, config)
        if left:
            members["generationConfig"] = Raw(msgspec.json.encode(left))
    wanted = members.get("toolConfig")
    if wanted is not None:
        request.tool_choice, said_all = _tool_choice(wanted)
        if said_all:
            del members["toolConfig"]
    tier = members.get("serviceTier")
    if tier is not None:
        request.service_tier = _decode_text(members.pop("serviceTier")) or ""
    request.extra = {name: value for name, value in members.items() if value != wire.NOTHING}
    return request


def _system(raw: Raw) -> list[ir.Part]:
    content = _decode_system(raw)
    made: list[ir.Part] = []
    for part in (content.parts if content is not None else None) or []:
        read = wire.decode_part(part)
        if read.text is not None:
            made.append(ir.Text(read.text))
        else:
            made.append(ir.Opaque(FORMAT, part, _kind_of(part)))
    return made


class _Conversation:
    """Contents into messages; knows the calls that still wait for their result."""

    __slots__ = ("_calls", "_open")

    def __init__(self) -> None:
        self._calls = 0
        self._open: list[tuple[str, str]] = []  # id, name

    def read(self, contents: list[wire.Content]) -> list[ir.Message]:
        messages = []
        for number, content in enumerate(contents):
            role = content.role or "user"
            parts = content.parts or []
            where = f"contents[{number}]"
            if role == _ASSISTANT:
                messages.append(ir.Message("assistant", self._said(parts, where)))
            elif role in _USERS:
                messages.append(ir.Message("user", self._asked(parts, where)))
            else:
                raise ir.FormatError(
                    f"`{where}.role` is {role!r}; the roles are user and model.", f"{where}.role"
                )
        return messages

    def _said(self, parts: list[Raw], where: str) -> list[ir.Part]:
        made: list[ir.Part] = []
        for raw in parts:
            part = wire.decode_part(raw)
            call = part.functionCall or part.function_call
            if call is not None:
                thought = _thought_before(part.signature)
                if thought is not None:
                    _put_before_call(thought, made)
                made.append(self._call(call, "" if thought else part.signature))
            elif part.functionResponse or part.function_response:
                raise ir.FormatError(
                    f"`{where}` is of the model and holds a functionResponse; results come from "
                    "the user.",
                    where,
                )
            else:
                made.extend(plain_parts(part, raw))
        return made

    def _asked(self, parts: list[Raw], where: str) -> list[ir.Part]:
        results: list[ir.Part] = []
        others: list[ir.Part] = []
        for raw in parts:
            part = wire.decode_part(raw)
            response = part.functionResponse or part.function_response
            if response is not None:
                results.append(self._result(response))
            elif part.functionCall or part.function_call:
                raise ir.FormatError(
                    f"`{where}` is of the user and holds a functionCall; calls come from the "
                    "model.",
                    where,
                )
            else:
                others.extend(plain_parts(part, raw))
        return results + others

    def _call(self, call: wire.FunctionCall, signature: str) -> ir.ToolCall:
        self._calls += 1
        made = ir.ToolCall(
            call.id or derived_id(self._calls, call.name), call.name, arguments_of(call.args)
        )
        if signature:
            made.signature, made.origin = signature, FORMAT
            sealed = unseal(signature)
            if sealed is not None:
                made.signature, made.origin = sealed.signature, sealed.origin
        self._open.append((made.id, made.name))
        return made

    def _result(self, response: wire.FunctionResponse) -> ir.ToolResult:
        waiting = self._open
        found = next((one for one in waiting if response.id and one[0] == response.id), None)
        if found is None:
            found = next((one for one in waiting if one[1] == response.name), None)
        if found is None and not response.id and waiting:
            found = waiting[0]
        if found is not None:
            waiting.remove(found)
            call_id = found[0]
        else:
            call_id = response.id or derived_id("result", response.name)
        parts, is_error = _result_parts(response.response)
        for part in response.parts or []:
            parts.extend(_media(part))
        return ir.ToolResult(call_id, parts, response.name, is_error)


def arguments_of(args: Raw) -> str:
    """Arguments as JSON text of an object. FormatError for another value."""
    if args == wire.NOTHING:
        return "{}"
    text = bytes(args)
    if not text.startswith(b"{"):
        raise ir.FormatError("`functionCall.args` has to be an object.", "functionCall.args")
    return text.decode()


def _result_parts(response: Raw) -> tuple[list[ir.Text | ir.Image | ir.File], bool]:
    """A response's text, and whether it is an error.

    The reference: `output` holds the output, `error` the error; with neither, all of it is output.
    """
    if response == wire.NOTHING:
        return [], False
    members = wire.decode_members(response)
    if len(members) != 1:
        return [ir.Text(bytes(response).decode())], False
    name, value = next(iter(members.items()))
    if name not in ("output", "error"):
        return [ir.Text(bytes(response).decode())], False
    raw = bytes(value)
    text = msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
    return ([ir.Text(text)] if text else []), name == "error"


def _media(part: wire.FunctionResponsePart) -> list[ir.Image | ir.File]:
    blob = part.inlineData or part.inline_data
    if blob is not None:
        made = _inline(blob)
        return [made if isinstance(made, ir.Image) else ir.File(made.media_type, made.data)]
    file = part.fileData or part.file_data
    return [] if file is None else [_file(file)]


def plain_parts(part: wire.Part, raw: Raw) -> list[ir.Part]:
    """A part that is neither call nor result; what a signature stands on comes before it."""
    signature = part.signature
    blob = part.inlineData or part.inline_data
    file = part.fileData or part.file_data
    made: list[ir.Part] = []
    if part.text is not None:
        if part.thought:
            return [_reasoning(part.text, signature)]
        if part.text or not signature:
            made.append(ir.Text(part.text))
    elif blob is not None:
        made.append(_inline(blob))
    elif file is not None:
        made.append(_file(file))
    else:
        kind = _kind_of(raw)
        if kind:
            return [ir.Opaque(FORMAT, raw, kind)]
    if signature:
        made.append(_reasoning("", signature))
    return made


def _thought_before(signature: str) -> ir.Reasoning | None:
    """The thought whose state a call has brought back; see `identity.Sealed`."""
    sealed = unseal(signature) if signature else None
    if sealed is None or not sealed.before:
        return None
    return _reasoning(sealed.text, signature)


def _put_before_call(thought: ir.Reasoning, made: list[ir.Part]) -> None:
    """Some clients send the words of thoughts back, too; with the state they are whole again."""
    last = made[-1] if made else None
    if isinstance(last, ir.Reasoning) and not (last.signature or last.data):
        made.pop()
    made.append(thought)


def _reasoning(text: str, signature: str) -> ir.Reasoning:
    sealed = unseal(signature) if signature else None
    if sealed is None:
        return ir.Reasoning(text, signature, origin=FORMAT)
    return ir.Reasoning(
        text, sealed.signature, sealed.data, sealed.origin, sealed.id, sealed.summary
    )


def _inline(blob: wire.Blob) -> ir.Image | ir.Audio | ir.File:
    media_type = blob.mimeType or blob.mime_type
    # Clients write bytes in either alphabet; every other format wants the standard one.
    data = blob.data.replace("-", "+").replace("_", "/")
    if media_type.startswith("image/"):
        return ir.Image(media_type, data)
    if media_type.startswith("audio/"):
        return ir.Audio(media_type, data)
    return ir.File(media_type, data, filename=blob.displayName or blob.display_name)


def _file(file: wire.FileData) -> ir.Image | ir.File:
    media_type = file.mimeType or file.mime_type
    uri = file.fileUri or file.file_uri
    name = file.displayName or file.display_name
    if uri.startswith(_OWN_FILES):
        return ir.File(media_type, file_id=uri, origin=FORMAT, filename=name)
    if media_type.startswith("image/"):
        return ir.Image(media_type, url=uri)
    return ir.File(media_type, url=uri, filename=name)


def _kind_of(raw: Raw) -> str:
    return next((name for name in wire.decode_members(raw) if name not in _BESIDE), "")


def _tools(raw: Raw) -> list[ir.Tool]:
    made: list[ir.Tool] = []
    for entry in _decode_tools(raw) or []:
        for name, value in wire.in_camel_case(entry, _TOOLS, "`tools`").items():
            if name != "functionDeclarations":
                whole = Raw(msgspec.json.encode({name: value}))
                made.append(ir.Tool(name, origin=FORMAT, raw=whole, kind=name))
                continue
            made.extend(_function(declaration) for declaration in _decode_declarations(value) or [])
    return made


def _function(raw: Raw) -> ir.Tool:
    read = _decode_declaration(raw)
    tool = ir.Tool(read.name, read.description or "")
    full = read.parametersJsonSchema
    if full == wire.NOTHING:
        full = read.parameters_json_schema
    if full != wire.NOTHING:
        tool.schema = full
    elif read.parameters != wire.NOTHING:
        tool.schema = Raw(msgspec.json.encode(expand(msgspec.json.decode(read.parameters))))
    if set(wire.decode_members(raw)) - {"name", "description", "parameters"}:
        tool.origin, tool.raw = FORMAT, raw  # a full JSON Schema, a response schema, a behaviour
    return tool


def _tool_choice(raw: Raw) -> tuple[ir.ToolChoice | None, bool]:
    """The choice, and whether it says all that the config says."""
    config = _decode_tool_config(raw)
    calling = (config.functionCallingConfig or config.function_calling_config) if config else None
    others = set(wire.decode_members(raw)) - {"functionCallingConfig", "function_calling_config"}
    if calling is None:
        return None, not others
    names = calling.allowedFunctionNames or calling.allowed_function_names or []
    mode = (calling.mode or "AUTO").upper()
    if mode == "NONE":
        return ir.ToolChoice("none"), not others
    if mode == "ANY" and len(names) == 1:
        return ir.ToolChoice("tool", names[0]), not others
    if mode == "ANY":
        return ir.ToolChoice("required", allowed=names), not others
    # VALIDATED with names is how a narrowed free choice is written.
    return ir.ToolChoice("auto", allowed=names), not others and (mode == "AUTO" or bool(names))
