"""Read a Messages request, and refuse what Anthropic's service refuses.

Source: Anthropic API reference, "Messages" and "Errors" (common validation errors); the wording of
the refusals follows the service's. Its schema is strict: a member it does not know is refused too.
"""

import json
from collections.abc import Mapping
from typing import Any

from omniroute.simulator.calling import Tool
from omniroute.simulator.claude_turns import NAME, check_block, checked_turns, wrong
from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask

__all__ = ["input_tokens", "read_claude_request"]

_CHARS_PER_TOKEN = 4
_MIN_BUDGET_TOKENS = 1024
_MAX_CACHE_MARKS = 4
_KNOWN = frozenset(
    {
        *("model", "messages", "max_tokens", "system", "metadata", "stop_sequences", "stream"),
        *("temperature", "top_p", "top_k", "tools", "tool_choice", "thinking", "output_config"),
        *("output_format", "service_tier", "cache_control", "container", "context_management"),
        *("mcp_servers", "inference_geo", "speed", "diagnostics", "betas", "compaction", "thread"),
        *("fallbacks", "billing_policy", "fallback_credit_token", "user_profile_id"),
    }
)

Json = dict[str, Any]


def read_claude_request(body: bytes, *, counting: bool = False) -> Ask:
    """The request in neutral terms. Raises `Refusal` in the service's manner."""
    try:
        request = json.loads(body)
    except ValueError:
        raise Refusal(400, "The request body is not valid JSON") from None
    if not isinstance(request, dict):
        raise Refusal(400, "The request body has to be a JSON object")
    for name in request:
        if name not in _KNOWN:
            raise wrong(name, "Extra inputs are not permitted")
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise wrong("model", "Field required")
    max_tokens = request.get("max_tokens")
    if not counting:
        if max_tokens is None:
            raise wrong("max_tokens", "Field required")
        if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 0:
            raise wrong("max_tokens", "Input should be greater than or equal to 0")
    messages = checked_turns(request)
    tools = _tools(request)
    _check_system(request)
    _check_cache_marks(request)
    _check_sampling(request)
    thinks = _check_thinking(request, max_tokens or 0)
    must_call, parallel = _tool_choice(request, tools, thinks=thinks)
    return Ask(
        model=model,
        stream=_boolean(request, "stream"),
        include_usage=True,
        tools=tools,
        must_call=must_call,
        parallel=parallel,
        question=_question(messages),
        results=_results(messages),
        input_tokens=input_tokens(request),
        max_output_tokens=max_tokens,
        json_schema=_json_schema(request),
    )


def input_tokens(request: Json) -> int:
    """As many as a request would be told that asks for the count."""
    counted = [request.get("system"), request.get("tools"), request.get("messages")]
    text = json.dumps(counted, ensure_ascii=False)
    return len(text) // _CHARS_PER_TOKEN + 1


def _tools(request: Json) -> tuple[Tool, ...]:
    given = request.get("tools")
    if given is None:
        return ()
    if not isinstance(given, list):
        raise wrong("tools", "Input should be a valid list")
    tools: list[Tool] = []
    names: set[str] = set()
    for index, tool in enumerate(given):
        where = f"tools.{index}"
        if not isinstance(tool, dict):
            raise wrong(where, "Input should be an object")
        if tool.get("type") not in (None, "custom"):
            continue  # the service's own tools; the simulator does not run them
        name = tool.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise wrong(f"{where}.name", f"String should match pattern '^{NAME.pattern}$'")
        if name in names:
            raise wrong("tools", "Tool names must be unique.")
        names.add(name)
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise wrong(f"{where}.input_schema", "Field required")
        if schema.get("type") != "object":
            raise wrong(f"{where}.input_schema.type", "Input should be 'object'")
        if schema.keys() & {"oneOf", "allOf", "anyOf"}:
            raise wrong(
                f"{where}.input_schema",
                "input_schema does not support oneOf, allOf, or anyOf at the top level",
            )
        tools.append(Tool(name, schema))
    return tuple(tools)


def _tool_choice(
    request: Json, tools: tuple[Tool, ...], *, thinks: bool
) -> tuple[str | None, bool]:
    choice = request.get("tool_choice")
    if choice is None:
        return None, True
    if not isinstance(choice, dict):
        raise wrong("tool_choice", "Input should be an object")
    if not request.get("tools"):
        raise wrong("tool_choice", "tool_choice may only be specified while providing tools.")
    parallel = not _boolean(choice, "disable_parallel_tool_use")
    kind = choice.get("type")
    if kind in ("any", "tool") and thinks:
        raise wrong("tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")
    if kind == "none":
        return "", parallel
    if kind == "tool":
        name = choice.get("name")
        if name not in {tool.name for tool in tools}:
            raise wrong("tool_choice", f"Tool {name!r} not found in provided tools")
        return str(name), parallel
    if kind not in ("auto", "any"):
        raise wrong("tool_choice", f"Input tag {kind!r} is not expected")
    return None, parallel


def _check_system(request: Json) -> None:
    system = request.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise wrong("system", "Input should be a valid list")
    for index, block in enumerate(system):
        place = f"system.{index}"
        if not isinstance(block, dict) or block.get("type") != "text":
            raise wrong(place, "Input should be a text block")
        check_block(block, place)


def _check_cache_marks(request: Json) -> None:
    marks = _count_marks([request.get("system"), request.get("tools"), request.get("messages")])
    if marks > _MAX_CACHE_MARKS:
        raise Refusal(
            400,
            f"A maximum of {_MAX_CACHE_MARKS} blocks with cache_control may be provided. "
            f"Found {marks}.",
        )


def _count_marks(value: Any) -> int:
    if isinstance(value, list):
        return sum(_count_marks(inner) for inner in value)
    if isinstance(value, dict):
        inner = sum(_count_marks(value.get(name)) for name in ("content",))
        return inner + (value.get("cache_control") is not None)
    return 0


def _check_sampling(request: Json) -> None:
    for name in ("temperature", "top_p"):
        value = request.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise wrong(name, "range: 0..1")
    top_k = request.get("top_k")
    if top_k is not None and (not isinstance(top_k, int) or top_k < 0):
        raise wrong("top_k", "Input should be greater than or equal to 0")
    stops = request.get("stop_sequences")
    if stops is None:
        return
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise wrong("stop_sequences", "Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        raise wrong("stop_sequences", "each stop sequence must contain non-whitespace")


def _check_thinking(request: Json, max_tokens: int) -> bool:
    """Whether thinking is switched on with a budget, which excludes other things."""
    thinking = request.get("thinking")
    if thinking is None:
        return False
    if not isinstance(thinking, dict):
        raise wrong("thinking", "Input should be an object")
    kind = thinking.get("type")
    if kind in ("disabled", "adaptive", "between_tools"):
        if "budget_tokens" in thinking:
            raise wrong(f"thinking.{kind}.budget_tokens", "Extra inputs are not permitted")
        return False
    if kind != "enabled":
        raise wrong("thinking", f"Input tag {kind!r} is not expected")
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < _MIN_BUDGET_TOKENS:
        raise wrong(
            "thinking.enabled.budget_tokens",
            f"Input should be greater than or equal to {_MIN_BUDGET_TOKENS}",
        )
    if budget >= max_tokens:
        raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if request.get("temperature") not in (None, 1):
        raise Refusal(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if request.get("top_k") is not None:
        raise Refusal(400, "`top_k` must be unset when thinking is enabled.")
    _check_thought_first(request["messages"])
    return True


def _check_thought_first(messages: list[Json]) -> None:
    """In a tool loop the assistant's turn has to begin with its thinking."""
    if len(messages) < 2 or not _has(messages[-1], "tool_result"):
        return
    turn = next((m for m in reversed(messages) if m["role"] == "assistant"), None)
    if turn is None or not isinstance(turn["content"], list):
        return
    first = turn["content"][0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise wrong(
            "messages",
            f"Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block.",
        )


def _has(message: Json, kind: str) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block["type"] == kind for block in content)


def _json_schema(request: Json) -> Mapping[str, Any] | None:
    config = request.get("output_config")
    if config is None:
        return None
    if not isinstance(config, dict):
        raise wrong("output_config", "Input should be an object")
    if config.get("effort") not in (None, "low", "medium", "high", "xhigh", "max"):
        raise wrong("output_config.effort", "Input should be low, medium, high, xhigh or max")
    wanted = config.get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise wrong("output_config.format", "Input tag 'json_schema' is expected")
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        raise wrong("output_config.format.schema", "Field required")
    _check_closed(schema)
    return schema


def _check_closed(schema: Any) -> None:
    if isinstance(schema, list):
        for inner in schema:
            _check_closed(inner)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise wrong(
            "output_config.format.schema",
            "For 'object' type, 'additionalProperties' must be explicitly set to false",
        )
    for name, inner in schema.items():
        if name in ("properties", "$defs") and isinstance(inner, dict):
            for member in inner.values():
                _check_closed(member)
        elif name in ("items", "anyOf", "allOf"):
            _check_closed(inner)


def _question(messages: list[Json]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            text = _text(message["content"])
            if text:
                return text
    return ""


def _results(messages: list[Json]) -> tuple[str, ...]:
    last = next((m for m in reversed(messages) if m["role"] != "system"), messages[-1])
    content = last["content"]
    if last["role"] != "user" or not isinstance(content, list):
        return ()
    return tuple(_text(block.get("content")) for block in content if block["type"] == "tool_result")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _boolean(holder: Json, name: str) -> bool:
    value = holder.get(name) or False
    if not isinstance(value, bool):
        raise wrong(name, "Input should be a valid boolean")
    return value
