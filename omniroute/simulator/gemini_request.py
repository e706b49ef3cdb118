"""Read a generateContent request, and refuse what the real service refuses.

Source: Gemini API reference v1beta, `models.generateContent`. The service parses proto3 JSON: a
member it does not know is an error wherever it stands, in either spelling it knows it. Order and
number of function responses, roles and thought signatures are checked as the service does; what the
messages say is the simulator's own short form of the service's.

A thought signature is taken when this simulator made it, or when it is the documented word for
none: state of another provider, or a made-up one, is refused as the service refuses it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini_schema import as_json_schema, check_schema
from omniroute.simulator.play import Ask, Tool

__all__ = ["SIGNATURE", "read_count_request", "read_gemini_request"]

Json = dict[str, Any]

SIGNATURE = "c2ltdWxhdGVkLXRob3VnaHQ="
_NO_SIGNATURE = "skip_thought_signature_validator"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_CHARS_PER_TOKEN = 4
_MAX_STOPS = 5
_TOP = (
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "serviceTier",
    "store",
    "model",
)
_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)
_BESIDE_DATA = ("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata")
_TOOLS = (
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "computerUse",
    "fileSearch",
    "googleMaps",
)
_CONFIG = (
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "responseModalities",
    "speechConfig",
    "mediaResolution",
    "imageConfig",
)
_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "topK": (1, 1 << 31),
    "candidateCount": (1, 8),
    "maxOutputTokens": (1, 1 << 31),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "seed": (-(1 << 31), (1 << 31) - 1),
    "logprobs": (0, 20),
}


def read_gemini_request(body: bytes, model: str, *, stream: bool) -> Ask:
    """The request in neutral terms. Raises `Refusal` in the service's manner."""
    request = _known(_parsed(body), _TOP, "")
    contents = _contents(request)
    config = _config(request)
    tools = _tools(request)
    system = request.get("systemInstruction")
    instructions = _parts(system, "system_instruction") if system is not None else []
    told = sum(len(part.get("text", "")) for content in contents for part in content["parts"])
    told += sum(len(part.get("text", "")) for part in instructions)
    return Ask(
        model=model,
        stream=stream,
        include_usage=True,
        choices=config.get("candidateCount") or 1,
        tools=tools,
        must_call=_must_call(request, tools),
        question=_question(contents),
        results=_results(contents),
        input_tokens=told // _CHARS_PER_TOKEN + 1,
        max_output_tokens=config.get("maxOutputTokens"),
        json_schema=_json_schema(config),
    )


def read_count_request(body: bytes, model: str) -> int:
    """How many tokens the simulator takes a countTokens request for. Raises `Refusal`."""
    request = _known(_parsed(body), ("contents", "generateContentRequest"), "")
    whole = request.get("generateContentRequest", request)
    if not isinstance(whole, dict):
        raise _wrong("generate_content_request", "an object is expected")
    return read_gemini_request(json.dumps(whole).encode(), model, stream=False).input_tokens


def _parsed(body: bytes) -> Json:
    try:
        request = json.loads(body)
    except ValueError:
        raise _invalid("Invalid JSON payload received.") from None
    if not isinstance(request, dict):
        raise _invalid("Invalid JSON payload received. The root has to be an object.")
    return request


def _known(given: Any, names: tuple[str, ...], where: str) -> Json:
    """The members in camelCase. Refuses one that is not in `names`."""
    if not isinstance(given, dict):
        raise _wrong(where or "request", "an object is expected")
    made: Json = {}
    for name, value in given.items():
        camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
        if camel not in names:
            at = f" at '{where}'" if where else ""
            raise _invalid(
                f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            )
        made[camel] = value
    return made


def _contents(request: Json) -> list[Json]:
    given = request.get("contents")
    if not isinstance(given, list) or not given:
        raise _wrong("contents", "contents is not specified")
    contents: list[Json] = []
    for index, one in enumerate(given):
        where = f"contents[{index}]"
        content = _known(one, ("role", "parts"), where)
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise _invalid("Please use a valid role: user, model.")
        parts = _parts(one, where)
        for part in parts:
            if "functionCall" in part and role != "model":
                raise _invalid("Function calls have to be in a turn of the role model.")
            if "functionResponse" in part and role == "model":
                raise _invalid("Function responses cannot be in a turn of the role model.")
        contents.append({"role": role, "parts": parts})
    _check_turns(contents)
    return contents


def _parts(content: Any, where: str) -> list[Json]:
    given = _known(content, ("role", "parts"), where).get("parts")
    if not isinstance(given, list) or not given:
        raise _wrong(where, "contents.parts must not be empty")
    parts = []
    for index, one in enumerate(given):
        at = f"{where}.parts[{index}]"
        part = _known(one, (*_DATA, *_BESIDE_DATA), at)
        data = [name for name in _DATA if name in part]
        if not data and part.get("thoughtSignature"):
            data, part = ["text"], {"text": "", **part}  # the vendor's own CLI leaves it out
        if len(data) != 1:
            raise _wrong(at, "exactly one kind of data is expected")
        _check_part(part, data[0], at)
        parts.append(part)
    return parts


def _check_part(part: Json, kind: str, where: str) -> None:
    signature = part.get("thoughtSignature")
    if signature not in (None, "", SIGNATURE, _NO_SIGNATURE):
        raise _invalid("Thought signature is not valid.")
    value = part[kind]
    if kind == "text":
        if not isinstance(value, str):
            raise _wrong(where, "text is a string")
    elif kind in ("inlineData", "fileData"):
        blob = _known(value, ("mimeType", "data", "fileUri", "displayName"), where)
        if not blob.get("mimeType") or not (blob.get("data") or blob.get("fileUri")):
            raise _wrong(where, "a MIME type and data are expected")
    elif kind == "functionCall":
        call = _known(value, ("id", "name", "args"), where)
        if not isinstance(call.get("args", {}), dict) or not call.get("name"):
            raise _wrong(where, "a name and an object of arguments are expected")
    elif kind == "functionResponse":
        names = ("id", "name", "response", "parts", "willContinue", "scheduling")
        response = _known(value, names, where)
        if not response.get("name"):
            raise _wrong(where, "function_response.name: Name cannot be empty")
        if not isinstance(response.get("response"), dict):
            raise _wrong(where, "function_response.response: an object is expected")


def _check_turns(contents: list[Json]) -> None:
    """Calls are answered at once, all of them, by their names."""
    waiting: list[Json] = []
    for index, content in enumerate(contents):
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        answers = [
            part["functionResponse"] for part in content["parts"] if "functionResponse" in part
        ]
        if answers and not waiting:
            raise _invalid(
                "Please ensure that function response turn comes immediately after a function "
                "call turn."
            )
        if waiting and len(answers) != len(waiting):
            raise _invalid(
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )
        if sorted(one["name"] for one in waiting) != sorted(one["name"] for one in answers):
            raise _invalid("Each function response has to name the function that was called.")
        known = {one["id"] for one in waiting if one.get("id")}
        if any(one.get("id") and known and one["id"] not in known for one in answers):
            raise _invalid("The id of a function response is that of no function call.")
        if calls and (index == 0 or contents[index - 1]["role"] == "model"):
            raise _invalid(
                "Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn."
            )
        waiting = calls
    if waiting:
        raise _invalid("The conversation ends in function calls without their responses.")


def _config(request: Json) -> Json:
    config = _known(request.get("generationConfig") or {}, _CONFIG, "generation_config")
    for name, (low, high) in _RANGES.items():
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or not low <= value <= high:
            raise _wrong(f"generation_config.{name}", f"a number from {low} to {high} is expected")
    if len(config.get("stopSequences") or []) > _MAX_STOPS:
        raise _wrong("generation_config.stop_sequences", f"at most {_MAX_STOPS} are allowed")
    if config.get("responseSchema") is not None:
        check_schema(config["responseSchema"], "generation_config.response_schema")
        if config.get("responseMimeType") not in ("application/json", "text/x.enum"):
            raise _wrong("generation_config.response_mime_type", "it has to be application/json")
        if config.get("responseJsonSchema") is not None:
            raise _wrong("generation_config", "response_schema excludes response_json_schema")
    thinking = _known(
        config.get("thinkingConfig") or {},
        ("thinkingBudget", "thinkingLevel", "includeThoughts"),
        "generation_config.thinking_config",
    )
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise _wrong("generation_config.thinking_config", "budget and level exclude each other")
    level = thinking.get("thinkingLevel", "LOW")
    if str(level).upper() not in ("MINIMAL", "LOW", "MEDIUM", "HIGH"):
        raise _wrong("generation_config.thinking_config.thinking_level", f"no level is {level!r}")
    return config


def _tools(request: Json) -> tuple[Tool, ...]:
    given = request.get("tools") or []
    if not isinstance(given, list):
        raise _wrong("tools", "an array is expected")
    made: list[Tool] = []
    for index, one in enumerate(given):
        entry = _known(one, _TOOLS, f"tools[{index}]")
        for number, function in enumerate(entry.get("functionDeclarations") or []):
            made.append(_function(function, f"tools[{index}].function_declarations[{number}]"))
    names = [tool.name for tool in made]
    if len(set(names)) != len(names):
        raise _invalid(f"Duplicate function declaration found: {max(names, key=names.count)}")
    return tuple(made)


def _function(given: Any, where: str) -> Tool:
    names = ("name", "description", "parameters", "parametersJsonSchema", "response", "behavior")
    function = _known(given, (*names, "responseJsonSchema"), where)
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(f"{where}.name", "Invalid function name")
    schema = function.get("parameters")
    full = function.get("parametersJsonSchema")
    if schema is not None and full is not None:
        raise _wrong(where, "parameters excludes parameters_json_schema")
    if schema is None:
        return Tool(name, full if isinstance(full, dict) else {})
    check_schema(schema, f"{where}.parameters")
    if str(schema.get("type")).upper() != "OBJECT":
        raise _wrong(f"{where}.parameters.type", "it has to be OBJECT")
    if not schema.get("properties"):
        raise _wrong(f"{where}.parameters.properties", "should be non-empty for OBJECT type")
    return Tool(name, as_json_schema(schema))


def _must_call(request: Json, tools: tuple[Tool, ...]) -> str | None:
    names = ("functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations")
    config = _known(request.get("toolConfig") or {}, names, "tool_config")
    calling = _known(
        config.get("functionCallingConfig") or {},
        ("mode", "allowedFunctionNames"),
        "tool_config.function_calling_config",
    )
    mode = calling.get("mode", "AUTO")
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"):
        raise _wrong("tool_config.function_calling_config.mode", f"no mode is {mode!r}")
    allowed = calling.get("allowedFunctionNames") or []
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise _invalid("Allowed function names are only for the modes ANY and VALIDATED.")
    for name in allowed:
        if name not in {tool.name for tool in tools}:
            raise _invalid(f"Allowed function {name!r} is not declared.")
    if mode == "NONE":
        return ""
    return str(allowed[0]) if mode == "ANY" and allowed else None


def _json_schema(config: Json) -> Mapping[str, Any] | None:
    if config.get("responseMimeType") != "application/json":
        return None
    full = config.get("responseJsonSchema")
    if isinstance(full, dict):
        return full
    schema = config.get("responseSchema")
    return as_json_schema(schema) if isinstance(schema, dict) else {}


def _question(contents: list[Json]) -> str:
    for content in reversed(contents):
        text = "".join(part.get("text", "") for part in content["parts"])
        if content["role"] != "model" and text:
            return text
    return ""


def _results(contents: list[Json]) -> tuple[str, ...]:
    return tuple(
        _result(part["functionResponse"]["response"])
        for part in contents[-1]["parts"]
        if "functionResponse" in part
    )


def _result(response: Json) -> str:
    for name in ("output", "error"):
        if set(response) == {name}:
            value = response[name]
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(response, ensure_ascii=False)


def _invalid(message: str) -> Refusal:
    return Refusal(400, message)


def _wrong(field: str, why: str) -> Refusal:
    return Refusal(400, f"* GenerateContentRequest.{field}: {why}\n", field)
