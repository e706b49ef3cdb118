"""The IR as a generateContent request.

Source: Gemini API reference v1beta, `models.generateContent`, and the guides on function calling,
thinking, thought signatures and structured output. Rules of the service that shape this module:

- roles are user and model; a turn's function responses stand together, as many as were called;
- system text is `systemInstruction`, and so are instructions in front of the conversation; those
  inside it become user text, so that their place is kept;
- function calls of Gemini 3 carry a signature: their own, or the documented word for none.

What cannot be said is named in `losses`. CannotCarry where the request would mean something else.
"""

import mimetypes
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import custom_tools, ir
from omniroute.formats.base import TargetModel
from omniroute.formats.gemini import reasons, schema
from omniroute.formats.gemini.generation import ConfigWriter, decoded_schema
from omniroute.formats.gemini.identity import FORMAT, NO_SIGNATURE, is_derived, is_sealed
from omniroute.formats.gemini.names import ToolNames
from omniroute.formats.gemini.wire import OutContent, OutPart

MAX_TOOLS: Final = 512
_TIERS: Final = {"flex": "flex", "priority": "priority", "default": "standard"}
_FIRST_WITH_MEDIA_IN_RESULTS: Final = 3.0


def encode_request(request: ir.Request, target: TargetModel) -> ir.Encoded:
    """The request for a Gemini model. CannotCarry."""
    return _Encoder(request, target).encoded()


def encode_count(request: ir.Request, target: TargetModel) -> ir.Encoded:
    """A countTokens request: instructions and tools are counted only inside a whole request."""
    encoded = encode_request(request, target)
    members = msgspec.json.decode(encoded.body, type=dict[str, Raw])
    whole: dict[str, Any] = {"model": f"models/{target.model}", **members}
    encoded.body = msgspec.json.encode({"generateContentRequest": whole})
    return encoded


class _Encoder:
    """One request on its way; collects losses as it goes."""

    __slots__ = ("_called", "_losses", "_names", "_own", "_request", "_target", "_version")

    def __init__(self, request: ir.Request, target: TargetModel) -> None:
        self._request = request
        self._target = target
        self._own = request.origin == FORMAT
        self._version = reasons.generation(target.model)
        self._losses: list[str] = []
        self._names = ToolNames(
            tool.name for tool in request.tools if tool.kind in ("function", "custom")
        )
        self._called: dict[str, str] = {}  # call id -> the client's name of the tool

    def encoded(self) -> ir.Encoded:
        request = self._request
        extra = dict(request.extra) if self._own else {}
        if not self._own:
            for name in request.extra:
                self._lose(name)
        system = self._system()
        contents = self._contents()
        if not contents and system:
            # Instructions alone are no conversation here; they are then what the user says.
            contents, system = [OutContent(system)], []
        if not contents:
            raise ir.CannotCarry("messages", "there is nothing in the conversation to send")
        tools = self._tools()
        writer = ConfigWriter(request, self._target, self._lose)
        config = writer.written(
            extra, has_functions=any("functionDeclarations" in one for one in tools)
        )
        if writer.instruction:
            system = [*system, OutPart(text=writer.instruction)]
        body: dict[str, Any] = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": system}
        if tools:
            body["tools"] = tools
            choice = extra.pop("toolConfig", None) or self._tool_config()
            if choice:
                body["toolConfig"] = choice
        if config:
            body["generationConfig"] = config
        if request.service_tier and request.service_tier != "auto":
            tier = _TIERS.get(request.service_tier, request.service_tier if self._own else None)
            if tier is None:
                self._lose("service_tier")
            else:
                body["serviceTier"] = tier
        self._lose_the_rest()
        body.update(extra)
        return ir.Encoded(
            msgspec.json.encode(body), list(dict.fromkeys(self._losses)), self._names.changed
        )

    def _lose(self, feature: str) -> None:
        self._losses.append(feature)

    def _lose_the_rest(self) -> None:
        request = self._request
        if request.user:
            self._lose("user")
        if request.metadata:
            self._lose("metadata")
        if request.cache_key:
            self._lose("prompt_cache_key")
        if getattr(request, "verbosity", ""):
            self._lose("verbosity")
        marked: Iterable[Any] = (
            *request.system,
            *request.tools,
            *(part for message in request.messages for part in message.parts),
        )
        if any(getattr(part, "cache", None) is not None for part in marked):
            self._lose("cache_control")

    # --- the conversation -----------------------------------------------------------------------

    def _system(self) -> list[OutPart | Raw]:
        made: list[OutPart | Raw] = []
        leading = self._request.messages[: self._leading()]
        for part in (*self._request.system, *(part for one in leading for part in one.parts)):
            if isinstance(part, ir.Text):
                if part.text or self._own:
                    made.append(OutPart(text=part.text))
            elif isinstance(part, ir.Opaque):
                self._opaque(part, made)
        return made

    def _leading(self) -> int:
        """How many messages are instructions in front of the conversation."""
        number = 0
        for message in self._request.messages:
            is_text = all(isinstance(part, ir.Text) for part in message.parts)
            if message.role not in ("system", "developer") or not is_text:
                break
            number += 1
        return number

    def _contents(self) -> list[OutContent]:
        contents: list[OutContent] = []
        for message in self._request.messages[self._leading() :]:
            role = "model" if message.role == "assistant" else "user"
            parts = self._said(message) if role == "model" else self._asked(message)
            if not parts:
                continue
            if contents and contents[-1].role == role and not self._own:
                # Others split a turn into several messages; here a turn is one content.
                contents[-1].parts.extend(parts)
            else:
                contents.append(OutContent(parts, role))
        return contents

    def _asked(self, message: ir.Message) -> list[OutPart | Raw]:
        made: list[OutPart | Raw] = []
        beside: list[OutPart | Raw] = []
        for part in message.parts:
            if isinstance(part, ir.ToolResult):
                made.append(self._result(part, beside))
            else:
                self._plain(part, beside)
        return made + beside

    def _said(self, message: ir.Message) -> list[OutPart | Raw]:
        made: list[OutPart | Raw] = []
        first_call: OutPart | None = None
        signed = False
        for part in message.parts:
            if isinstance(part, ir.ToolCall):
                call = self._call(part)
                first_call = first_call or call
                signed = signed or bool(call.thoughtSignature)
                made.append(call)
            elif isinstance(part, ir.Reasoning):
                _reasoning(part, made)
            else:
                self._plain(part, made)
        # What a Gemini client sends is its own business, but where it kept another's state for us.
        needs = reasons.requires_signatures(self._target.model) and (
            not self._own or any(map(_is_anothers, message.parts))
        )
        if first_call is not None and needs and not signed:
            first_call.thoughtSignature = NO_SIGNATURE
        return made

    def _plain(self, part: ir.Part, made: list[OutPart | Raw]) -> None:
        match part:
            case ir.Text() | ir.Refusal():
                if part.text or self._own:
                    made.append(OutPart(text=part.text))
            case ir.Image():
                made.append(self._image(part))
            case ir.Audio():
                if part.data:
                    blob = _blob(part.media_type or "audio/wav", part.data)
                    made.append(OutPart(inlineData=blob))
                elif part.transcript:
                    made.append(OutPart(text=part.transcript))
                else:
                    self._lose("audio_id")
            case ir.File():
                made.append(_file(part))
            case ir.Opaque():
                self._opaque(part, made)
            case ir.Reasoning() | ir.ToolCall() | ir.ToolResult():
                # In the wrong role: no format's decoder puts them there.
                raise ir.CannotCarry("messages", f"a {type(part).__name__} stands in a wrong role")

    def _opaque(self, part: ir.Opaque, made: list[OutPart | Raw]) -> None:
        if part.origin == FORMAT:
            made.append(part.raw)
        else:
            self._lose(f"parts.{part.kind or 'unknown'}")

    def _image(self, part: ir.Image) -> OutPart:
        if part.detail in ("low", "high"):
            self._lose("image_detail")
        if part.data:
            return OutPart(inlineData=_blob(part.media_type or "image/jpeg", part.data))
        return OutPart(fileData=_reference(part.url, part.media_type, "image/jpeg"))

    def _call(self, call: ir.ToolCall) -> OutPart:
        self._called[call.id] = call.name
        if call.custom:
            arguments = Raw(custom_tools.arguments_of(call.arguments).encode())
        else:
            arguments = object_or_input(call.arguments)
        shown: dict[str, Any] = {"name": self._names.sent(call.name), "args": arguments}
        if call.id and not (self._own and is_derived(call.id)):
            shown["id"] = call.id
        signature = call.signature if call.origin == FORMAT else ""
        return OutPart(
            functionCall=shown, thoughtSignature="" if is_sealed(signature) else signature
        )

    def _result(self, result: ir.ToolResult, beside: list[OutPart | Raw]) -> OutPart:
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        nested = self._own or (self._version or 0) >= _FIRST_WITH_MEDIA_IN_RESULTS
        for part in result.parts:
            if isinstance(part, ir.Text):
                texts.append(part.text)
                continue
            shown = self._image(part) if isinstance(part, ir.Image) else _file(part)
            if nested and shown.inlineData is not None:
                media.append({"inlineData": shown.inlineData})
            elif nested:
                media.append({"fileData": shown.fileData})
            else:
                beside.append(shown)  # older models take media beside a response only
        name = self._called.get(result.call_id) or result.name or "unknown"
        response: dict[str, Any] = {
            "name": self._names.sent(name),
            "response": _response("\n".join(texts), is_error=result.is_error),
        }
        if result.call_id and not (self._own and is_derived(result.call_id)):
            response["id"] = result.call_id
        if media:
            response["parts"] = media
        return OutPart(functionResponse=response)

    # --- tools ----------------------------------------------------------------------------------

    def _tools(self) -> list[dict[str, Any] | Raw]:
        tools = self._request.tools
        if len(tools) > MAX_TOOLS:
            raise ir.CannotCarry("tools", f"Gemini takes {MAX_TOOLS} at most, not {len(tools)}")
        functions: list[dict[str, Any] | Raw] = []
        built_in: list[dict[str, Any] | Raw] = []
        for tool in tools:
            if tool.kind in ("function", "custom") or tool.custom:
                functions.append(self._function(tool))
            elif tool.origin == FORMAT:
                built_in.append(msgspec.json.decode(tool.raw, type=dict[str, Raw]))
            else:
                self._lose(f"tools.{tool.kind}")
        return [{"functionDeclarations": functions}, *built_in] if functions else built_in

    def _function(self, tool: ir.Tool) -> dict[str, Any] | Raw:
        if tool.origin == FORMAT and tool.raw != ir.NULL and not tool.custom:
            return tool.raw
        made: dict[str, Any] = {"name": self._names.sent(tool.name)}
        if tool.description:
            made["description"] = tool.description
        if tool.custom:
            self._lose("tools.custom_format")
            made["parameters"] = _FREE_FORM
            return made
        if tool.strict:
            self._lose("tools.strict")
        reduced = schema.parameters(decoded_schema(tool.schema, "tools"))
        if reduced is not None:
            made["parameters"] = reduced
        return made

    def _tool_config(self) -> dict[str, Any] | None:
        choice = self._request.tool_choice
        if choice is None:
            return None
        if choice.parallel is False:
            self._lose("parallel_tool_calls")
        names = [self._names.sent(name) for name in choice.allowed]
        config: dict[str, Any]
        match choice.mode:
            case "none":
                config = {"mode": "NONE"}
            case "required":
                config = {"mode": "ANY"}
            case "tool":
                config, names = {"mode": "ANY"}, [self._names.sent(choice.name)]
            case "auto":
                # Only VALIDATED takes names beside a free choice.
                config = {"mode": "VALIDATED" if names else "AUTO"}
        if choice.mode == "auto" and not names and choice.parallel is not None and not self._own:
            return None  # it was about parallel calls only, and auto is what Gemini does anyway
        if names:
            config["allowedFunctionNames"] = names
        return {"functionCallingConfig": config}

    # --- generationConfig -----------------------------------------------------------------------


_FREE_FORM: Final = {
    "type": "OBJECT",
    "properties": {"input": {"type": "STRING", "description": "The whole input, as plain text."}},
    "required": ["input"],
}


def object_or_input(text: str) -> Raw:
    """Arguments as a JSON object; what is none (a cut one, free text) becomes its only member."""
    if not text.strip():
        return Raw(b"{}")
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return Raw(msgspec.json.encode({"input": text}))
    return Raw(text.encode())


def _response(text: str, *, is_error: bool) -> Raw:
    """A function's response: an object as it is, anything else under `output`; errors under
    `error`, as the reference names them."""
    name = "error" if is_error else "output"
    if not is_error and text[:1] == "{":
        try:
            members = msgspec.json.decode(text, type=dict[str, Raw])
        except (msgspec.MsgspecError, UnicodeEncodeError):
            members = {"output": ir.NULL}
        # One that looks like our own envelope would be read as one.
        if len(members) != 1 or not {"output", "error"} & members.keys():
            return Raw(text.encode())
    return Raw(msgspec.json.encode({name: text}))


def _blob(media_type: str, data: str) -> dict[str, str]:
    return {"mimeType": media_type, "data": data}


def _reference(url: str, media_type: str, otherwise: str) -> dict[str, str]:
    guessed = media_type or mimetypes.guess_type(url.partition("?")[0])[0] or otherwise
    return {"mimeType": guessed, "fileUri": url}


def _file(part: ir.File) -> OutPart:
    if part.data:
        guessed = mimetypes.guess_type(part.filename)[0] if part.filename else None
        return OutPart(inlineData=_blob(part.media_type or guessed or "application/pdf", part.data))
    if part.file_id:
        if part.origin != FORMAT:
            raise ir.CannotCarry(
                "file_id", f"the file {part.file_id!r} was uploaded to another provider"
            )
        return OutPart(fileData={"mimeType": part.media_type, "fileUri": part.file_id})
    return OutPart(fileData=_reference(part.url, part.media_type, "application/pdf"))


def _is_anothers(part: ir.Part) -> bool:
    """Did the model of another format make this part?"""
    return isinstance(part, ir.ToolCall | ir.Reasoning) and part.origin not in ("", FORMAT)


def _reasoning(part: ir.Reasoning, made: list[OutPart | Raw]) -> None:
    """Gemini's own reasoning goes back as it came; another's stays away."""
    if part.origin != FORMAT or is_sealed(part.signature):
        return
    if part.text:
        made.append(OutPart(text=part.text, thought=True, thoughtSignature=part.signature))
        return
    if not part.signature:
        return
    last = made[-1] if made else None
    if isinstance(last, OutPart) and last.functionCall is None and not last.thoughtSignature:
        last.thoughtSignature = part.signature
    else:
        made.append(OutPart(text="", thoughtSignature=part.signature))
