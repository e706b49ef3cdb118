"""Read a chat completions request, and refuse what the real service refuses.

Source: OpenAI API reference, chat completions, create. Fields that the service does not know are
let through, since other vendors' are sent to the same path.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask, Tool

__all__ = ["read_chat_request"]

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_PARTS = ("text", "image_url", "input_audio", "file", "refusal")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
_INTEGERS: Mapping[str, tuple[int, int]] = {
    "n": (1, 128),
    "max_tokens": (1, 1 << 31),
    "max_completion_tokens": (1, 1 << 31),
    "top_logprobs": (0, 20),
}
_CHARS_PER_TOKEN = 4

Json = dict[str, Any]


def read_chat_request(body: bytes) -> Ask:
    """The request in neutral terms. Raises `Refusal` in the service's manner."""
    try:
        request = json.loads(body)
    except ValueError:
        raise Refusal(400, "The body of your request could not be parsed as JSON.") from None
    if not isinstance(request, dict):
        raise Refusal(400, "The body of your request has to be a JSON object.")
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise _missing("model")
    messages = _messages(request)
    stream, include_usage = _streaming(request)
    _check_numbers(request)
    tools = _tools(request)
    return Ask(
        model=model,
        stream=stream,
        include_usage=include_usage,
        choices=request.get("n") or 1,
        tools=tools,
        must_call=_tool_choice(request, tools),
        parallel=_parallel(request),
        question=_question(messages),
        results=_results(messages),
        input_tokens=sum(len(_text(message)) for message in messages) // _CHARS_PER_TOKEN + 1,
        max_output_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
        json_schema=_json_schema(request),
    )


def _messages(request: Json) -> list[Json]:
    messages = request.get("messages")
    if messages is None:
        raise _missing("messages")
    if not isinstance(messages, list):
        raise _wrong("messages", "an array of messages is expected")
    if not messages:
        raise Refusal(400, "'messages' needs at least one message.", "messages", "empty_array")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise _wrong(where, "an object is expected")
        role = message.get("role")
        if role not in _ROLES:
            raise Refusal(
                400,
                f"Invalid value for '{where}.role': {role!r}; supported are {', '.join(_ROLES)}.",
                f"{where}.role",
                "invalid_value",
            )
        if role == "tool":
            _check_result(message, where, open_calls)
            continue
        _check_answered(open_calls, where)
        calls = message.get("tool_calls") if role == "assistant" else None
        if calls is not None:
            open_calls = _called(calls, where)
        _check_content(message, where, optional=bool(calls) or role == "assistant")
    _check_answered(open_calls, "messages")
    return messages


def _check_result(message: Json, where: str, open_calls: set[str]) -> None:
    call = message.get("tool_call_id")
    if not isinstance(call, str):
        raise _missing(f"{where}.tool_call_id")
    if call not in open_calls:
        raise Refusal(
            400,
            f"'{where}' has the role 'tool' but answers no 'tool_calls' of the message before it.",
            f"{where}.role",
        )
    open_calls.discard(call)
    _check_content(message, where, optional=False)


def _check_answered(open_calls: set[str], where: str) -> None:
    if open_calls:
        raise Refusal(
            400,
            "Each of 'tool_calls' has to be followed by a message of the role 'tool'; "
            f"these were not: {', '.join(sorted(open_calls))}.",
            where,
        )


def _called(calls: Any, where: str) -> set[str]:
    if not isinstance(calls, list) or not calls:
        raise _wrong(f"{where}.tool_calls", "an array of at least one call is expected")
    ids = set()
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("id"), str):
            raise _wrong(f"{where}.tool_calls", "each call needs an id")
        ids.add(call["id"])
    return ids


def _check_content(message: Json, where: str, *, optional: bool) -> None:
    content = message.get("content")
    if isinstance(content, str) or (content is None and optional):
        return
    if not isinstance(content, list) or not content:
        raise _wrong(f"{where}.content", "a string or an array of parts is expected")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in _PARTS:
            raise _wrong(
                f"{where}.content[{index}]", f"its type has to be one of {', '.join(_PARTS)}"
            )


def _streaming(request: Json) -> tuple[bool, bool]:
    stream = request.get("stream") or False
    if not isinstance(stream, bool):
        raise _wrong("stream", "a boolean is expected")
    options = request.get("stream_options")
    if options is None:
        return stream, False
    if not stream:
        raise Refusal(
            400, "'stream_options' is only allowed when 'stream' is true.", "stream_options"
        )
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        raise _wrong("stream_options", "an object with the boolean 'include_usage' is expected")
    return stream, options.get("include_usage", False)


def _check_numbers(request: Json) -> None:
    for name, (low, high) in {**_NUMBERS, **_INTEGERS}.items():
        value = request.get(name)
        if value is None:
            continue
        kinds = int if name in _INTEGERS else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(name, f"a number from {low} to {high} is expected")
    if request.get("max_tokens") and request.get("max_completion_tokens"):
        raise _wrong("max_tokens", "it cannot stand beside 'max_completion_tokens'")
    stop = request.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise _wrong("stop", "at most 4 sequences are allowed")


def _tools(request: Json) -> tuple[Tool, ...]:
    given = request.get("tools")
    if given is None:
        return ()
    if not isinstance(given, list) or not given:
        raise _wrong("tools", "an array of at least one tool is expected")
    tools = []
    for index, tool in enumerate(given):
        where = f"tools[{index}]"
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            raise _wrong(f"{where}.type", "'function' or 'custom' is expected")
        inner = tool.get(tool["type"])
        if not isinstance(inner, dict):
            raise _missing(f"{where}.{tool['type']}")
        name = inner.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _wrong(f"{where}.{tool['type']}.name", "1 to 64 letters, digits, _ or -")
        parameters = inner.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise _wrong(f"{where}.function.parameters", "a JSON schema is expected")
        if tool["type"] == "function":
            tools.append(Tool(name, parameters or {}))
    return tuple(tools)


def _tool_choice(request: Json, tools: tuple[Tool, ...]) -> str | None:
    choice = request.get("tool_choice")
    if choice is None:
        return None
    if not request.get("tools"):
        raise _wrong("tool_choice", "it is only allowed when 'tools' are given")
    if choice == "none":
        return ""
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        name = choice["function"].get("name")
        if name not in {tool.name for tool in tools}:
            raise _wrong("tool_choice", f"no tool is named {name!r}")
        return str(name)
    if choice in ("auto", "required") or isinstance(choice, dict):
        return None
    raise _wrong("tool_choice", "'none', 'auto', 'required' or the name of a function is expected")


def _parallel(request: Json) -> bool:
    parallel = request.get("parallel_tool_calls")
    if parallel is None:
        return True
    if not request.get("tools"):
        raise _wrong("parallel_tool_calls", "it is only allowed when 'tools' are given")
    return bool(parallel)


def _json_schema(request: Json) -> Mapping[str, Any] | None:
    wanted = request.get("response_format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise _wrong("response_format", "an object is expected")
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise _wrong("response_format", "'text', 'json_object' or 'json_schema' is expected")
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    holder = wanted.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if not isinstance(schema, dict):
        raise _missing("response_format.json_schema.schema")
    return schema


def _question(messages: list[Json]) -> str:
    return next((_text(m) for m in reversed(messages) if m["role"] == "user"), "")


def _results(messages: list[Json]) -> tuple[str, ...]:
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "tool":
            results.insert(0, _text(message))
        elif message["role"] not in ("system", "developer"):
            break  # agents remind the model of things after a result, in these two roles
    return tuple(results)


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _missing(param: str) -> Refusal:
    return Refusal(
        400, f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
    )


def _wrong(param: str, why: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{param}': {why}.", param, "invalid_value")
