"""Read a Responses request, and refuse what the real service refuses.

Source: OpenAI API reference, "Create a model response". Fields that the service does not know are
refused there, and here: that is how a wrong translation shows.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask, Tool

__all__ = ["read_responses_request"]

Json = dict[str, Any]

_ROLES = ("user", "assistant", "system", "developer")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHARS_PER_TOKEN = 4
_CALL_ID_CHARS = 64
_MEMBERS = frozenset(
    [
        "background",
        "client_metadata",
        "context_management",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)
_NUMBERS: Mapping[str, tuple[float, float]] = {"temperature": (0, 2), "top_p": (0, 1)}
_INTEGERS: Mapping[str, tuple[int, int]] = {
    "max_output_tokens": (16, 1 << 31),
    "top_logprobs": (0, 20),
}
_CALLS: Mapping[str, str] = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
}
_SPOKEN = ("output_text", "refusal")
_HEARD = ("input_text", "input_image", "input_file")
# Read by the service without a look into them here.
_OTHER_ITEMS = frozenset(
    [
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "web_search_call",
        "file_search_call",
        "computer_call",
        "computer_call_output",
        "code_interpreter_call",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "image_generation_call",
        "apply_patch_call",
        "apply_patch_call_output",
        "tool_search_call",
        "tool_search_output",
        "compaction",
        "additional_tools",
    ]
)
_BUILT_IN = frozenset(
    [
        "web_search",
        "web_search_preview",
        "file_search",
        "code_interpreter",
        "image_generation",
        "mcp",
        "local_shell",
        "shell",
        "computer",
        "computer_use_preview",
        "apply_patch",
        "tool_search",
    ]
)


def read_responses_request(body: bytes) -> Ask:
    """The request in neutral terms. Raises `Refusal` in the service's manner."""
    try:
        request = json.loads(body)
    except ValueError:
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(request, dict):
        raise Refusal(400, "The body of your request has to be a JSON object.")
    unknown = sorted(request.keys() - _MEMBERS)
    if unknown:
        name = unknown[0]
        raise Refusal(400, f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise _missing("model")
    if request.get("previous_response_id"):
        message = "Previous response not found: the simulator stores none."
        raise Refusal(400, message, "previous_response_id", "previous_response_not_found")
    items = _items(request)
    _check_numbers(request)
    tools = _tools(request)
    return Ask(
        model=model,
        stream=_flag(request, "stream"),
        include_usage=True,
        tools=tools,
        must_call=_tool_choice(request, tools),
        parallel=_flag(request, "parallel_tool_calls", otherwise=True),
        question=_question(items),
        results=_results(items),
        input_tokens=_tokens(request, items),
        max_output_tokens=request.get("max_output_tokens"),
        json_schema=_json_schema(request),
    )


def _items(request: Json) -> list[Json]:
    given = request.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if given is None:
        raise _missing("input")
    if not isinstance(given, list):
        raise _wrong("input", "a string or an array of items is expected")
    open_calls: dict[str, str] = {}
    for index, item in enumerate(given):
        where = f"input[{index}]"
        if not isinstance(item, dict):
            raise _wrong(where, "an object is expected")
        kind = item.setdefault("type", "message")
        if kind == "message":
            _check_message(item, where)
        elif kind in _CALLS.values():
            open_calls[_check_call(item, where, kind)] = kind
        elif kind in _CALLS:
            call_id = _text_member(item, "call_id", where)
            if open_calls.pop(call_id, None) != _CALLS[kind]:
                message = f"No tool call found for {kind.replace('_', ' ')} with call_id {call_id}."
                raise Refusal(400, message, "input")
            _check_content(item, "output", where, _HEARD)
        elif kind == "reasoning":
            _check_reasoning(item, where, stored=request.get("store") is not False)
        elif kind == "item_reference":
            raise Refusal(404, f"Item with id '{item.get('id')}' not found.", "input")
        elif kind not in _OTHER_ITEMS:
            raise _wrong(f"{where}.type", f"{kind!r} is no type of an item")
    if open_calls:
        call_id = next(iter(open_calls))
        raise Refusal(400, f"No tool output found for function call {call_id}.", "input")
    return given


def _check_message(item: Json, where: str) -> None:
    role = item.get("role")
    if role not in _ROLES:
        raise _wrong(f"{where}.role", f"supported are {', '.join(_ROLES)}")
    _check_content(item, "content", where, _SPOKEN if role == "assistant" else _HEARD)


def _check_content(item: Json, name: str, where: str, kinds: tuple[str, ...]) -> None:
    content = item.get(name)
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong(f"{where}.{name}", "a string or an array of parts is expected")
    for index, part in enumerate(content):
        at = f"{where}.{name}[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in kinds:
            raise _wrong(at, f"{kind!r} is not supported here, {', '.join(kinds)} are")
        if kind in ("input_text", "output_text"):
            _text_member(part, "text", at)
        elif kind == "input_image" and not (part.get("image_url") or part.get("file_id")):
            raise _missing(f"{at}.image_url")
        elif kind == "input_file":
            if not any(part.get(one) for one in ("file_data", "file_url", "file_id")):
                raise _missing(f"{at}.file_data")
            if part.get("file_data") and not part.get("filename"):
                raise _missing(f"{at}.filename")


def _check_call(item: Json, where: str, kind: str) -> str:
    call_id = _text_member(item, "call_id", where)
    if not 1 <= len(call_id) <= _CALL_ID_CHARS:
        raise _wrong(f"{where}.call_id", f"1 to {_CALL_ID_CHARS} characters are expected")
    if not _NAME.fullmatch(_text_member(item, "name", where)):
        raise _wrong(f"{where}.name", "1 to 64 letters, digits, _ or -")
    _text_member(item, "arguments" if kind == "function_call" else "input", where)
    return call_id


def _check_reasoning(item: Json, where: str, *, stored: bool) -> None:
    if not isinstance(item.get("summary"), list):
        raise _missing(f"{where}.summary")
    sealed = item.get("encrypted_content")
    if sealed is not None and not str(sealed).startswith("simulated-"):
        message = "The encrypted content could not be verified."
        raise Refusal(400, message, where, "invalid_encrypted_content")
    if sealed is None and item.get("id") and not stored:
        message = f"Item with id '{item['id']}' not found. Items are not persisted without store."
        raise Refusal(404, message, "input")


def _check_numbers(request: Json) -> None:
    for name, (low, high) in {**_NUMBERS, **_INTEGERS}.items():
        value = request.get(name)
        if value is None:
            continue
        kinds = int if name in _INTEGERS else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(name, f"a number from {low} to {high} is expected")


def _tools(request: Json) -> tuple[Tool, ...]:
    given = request.get("tools")
    if given is None:
        return ()
    if not isinstance(given, list):
        raise _wrong("tools", "an array is expected")
    tools = []
    for index, tool in enumerate(given):
        where = f"tools[{index}]"
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "function":
            name = _text_member(tool, "name", where)
            if not _NAME.fullmatch(name):
                raise _wrong(f"{where}.name", "1 to 64 letters, digits, _ or -")
            parameters = tool.get("parameters")
            if parameters is not None and not isinstance(parameters, dict):
                raise _wrong(f"{where}.parameters", "a JSON schema is expected")
            tools.append(Tool(name, parameters or {}))
        elif kind in ("custom", "namespace"):
            _text_member(tool, "name", where)
        elif kind not in _BUILT_IN:
            raise _wrong(f"{where}.type", f"{kind!r} is no type of a tool")
    return tuple(tools)


def _tool_choice(request: Json, tools: tuple[Tool, ...]) -> str | None:
    choice = request.get("tool_choice")
    if choice is None or choice == "auto" or choice == "required":
        return None
    if choice == "none":
        return ""
    if not isinstance(choice, dict) or not isinstance(choice.get("type"), str):
        raise _wrong("tool_choice", "'none', 'auto', 'required' or an object is expected")
    if choice["type"] == "function":
        if choice.get("name") not in {tool.name for tool in tools}:
            raise _wrong("tool_choice", f"no tool is named {choice.get('name')!r}")
        return str(choice["name"])
    return None


def _json_schema(request: Json) -> Mapping[str, Any] | None:
    text = request.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if text is not None and not isinstance(text, dict):
        raise _wrong("text", "an object is expected")
    if wanted is None:
        return None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    if kind != "json_schema":
        raise _wrong("text.format.type", "'text', 'json_object' or 'json_schema' is expected")
    if not isinstance(wanted.get("name"), str):
        raise _missing("text.format.name")
    if not isinstance(wanted.get("schema"), dict):
        raise _missing("text.format.schema")
    schema: Mapping[str, Any] = wanted["schema"]
    return schema


def _flag(request: Json, name: str, *, otherwise: bool = False) -> bool:
    value = request.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        raise _wrong(name, "a boolean is expected")
    return value


def _question(items: list[Json]) -> str:
    return next((_said(item, "content") for item in reversed(items) if _is_user(item)), "")


def _is_user(item: Json) -> bool:
    return item["type"] == "message" and item.get("role") == "user"


def _results(items: list[Json]) -> tuple[str, ...]:
    results: list[str] = []
    for item in reversed(items):
        if item["type"] not in _CALLS:
            break
        results.insert(0, _said(item, "output"))
    return tuple(results)


def _tokens(request: Json, items: list[Json]) -> int:
    chars = len(request.get("instructions") or "")
    chars += sum(len(_said(item, "content")) + len(_said(item, "output")) for item in items)
    return chars // _CHARS_PER_TOKEN + 1


def _said(item: Json, name: str) -> str:
    content = item.get(name)
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _text_member(holder: Json, name: str, where: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise _missing(f"{where}.{name}")
    return value


def _missing(param: str) -> Refusal:
    return Refusal(
        400, f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
    )


def _wrong(param: str, why: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{param}': {why}.", param, "invalid_value")
