"""Tools and tool choice of a request, for an upstream of this format.

Names here are `[A-Za-z0-9_-]{1,64}` (newer services take 128; 64 holds everywhere). Other
formats allow more, so a name that does not fit is mapped, and `names` maps it back.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses import wire
from omniroute.formats.openai_responses.parts import NAMESPACE
from omniroute.formats.openai_responses.wire import FORMAT

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")
_KEPT_CHARS: Final = 55  # of a mapped name, before "_" and 8 characters of digest

Json = dict[str, Any]


class Tools:
    """The tools of one request. `names`: name as sent -> the client's name, where they differ."""

    def __init__(self, request: ir.Request, lose: Callable[[str], None]) -> None:
        self._request = request
        self._lose = lose
        self._native = request.origin == FORMAT
        self.names: dict[str, str] = {}

    def members(self) -> Json:
        """`tools`, `tool_choice` and `parallel_tool_calls`, as far as there are any."""
        out: Json = {}
        tools = self._tools()
        if tools:
            out["tools"] = tools
        choice = self._request.tool_choice
        if choice is None:
            return out
        if tools or self._native:
            if "tool_choice" not in self._request.extra or not self._native:
                out["tool_choice"] = self._choice(choice)
            if choice.parallel is not None:
                out["parallel_tool_calls"] = choice.parallel
        elif choice.mode in ("required", "tool"):
            raise ir.CannotCarry("tool_choice", "a tool is demanded, and none of them can be sent")
        return out

    def called(self, name: str) -> Json:
        """How a call names its function."""
        if self._native:
            namespace, separator, inner = name.partition(NAMESPACE)
            if separator:
                return {"name": inner, "namespace": namespace}
        return {"name": self._sent(name)}

    def _sent(self, name: str) -> str:
        if _NAME.fullmatch(name):
            return name
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        sent = f"{_FORBIDDEN.sub('_', name)[:_KEPT_CHARS]}_{digest}"
        self.names[sent] = name
        return sent

    def _tools(self) -> list[Json | Raw]:
        tools: list[Json | Raw] = []
        inside = ""  # the namespace whose whole definition has been given
        for tool in self._request.tools:
            namespace, separator, _ = tool.name.partition(NAMESPACE)
            if self._native and separator and namespace == inside:
                continue
            if tool.origin == FORMAT and tool.raw != ir.NULL:
                tools.append(tool.raw)
                inside = namespace if separator else ""
            elif tool.custom or tool.kind == "custom":
                tools.append(self._custom(tool))
            elif tool.kind == "function":
                tools.append(self._function(tool))
            else:
                self._lose(f"tools.{tool.kind}")
            if tool.cache is not None:
                self._lose("cache_control")
            for name in tool.extra:
                self._lose(f"tools.{name}")
        return tools

    def _function(self, tool: ir.Tool) -> Json:
        out: Json = {"type": "function", "name": self._sent(tool.name)}
        if tool.description:
            out["description"] = tool.description
        out["parameters"] = tool.schema
        if tool.strict is not None:
            out["strict"] = tool.strict
        elif not self._native:
            # Unsaid means strict here, which changes the schema; elsewhere it means not strict.
            out["strict"] = False
        return out

    def _custom(self, tool: ir.Tool) -> Json:
        out: Json = {"type": "custom", "name": self._sent(tool.name)}
        if tool.description:
            out["description"] = tool.description
        grammar = _grammar(tool.raw)
        if grammar is not None:
            out["format"] = grammar
        return out

    def _choice(self, choice: ir.ToolChoice) -> str | Json:
        if choice.mode == "tool":
            return self._named(choice.name)
        if choice.allowed:
            return {
                "type": "allowed_tools",
                "mode": "required" if choice.mode == "required" else "auto",
                "tools": [self._named(name) for name in choice.allowed],
            }
        return choice.mode

    def _named(self, name: str) -> Json:
        custom = any(tool.custom for tool in self._request.tools if tool.name == name)
        return {"type": "custom" if custom else "function", **self.called(name)}


def _grammar(raw: Raw) -> Json | None:
    """The `format` of a custom tool defined for chat completions, which nests it once more."""
    if raw == ir.NULL:
        return None
    try:
        given = wire.read(wire.read_any_object, raw, "tools")
    except ir.FormatError:
        return None
    inner = given.get("custom", given)
    wanted = inner.get("format") if isinstance(inner, dict) else None
    if not isinstance(wanted, dict):
        return None
    nested = wanted.get("grammar")
    if wanted.get("type") == "grammar" and isinstance(nested, dict):
        return {"type": "grammar", **nested}
    return wanted
