"""Tools of Responses clients."""

import json
from typing import Any

from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses.tools_decoding import take_tool_choice, tools_of


def decode(*tools: dict[str, Any]) -> list[ir.Tool]:
    return tools_of([Raw(json.dumps(tool).encode()) for tool in tools])


def test_the_functions_of_a_namespace_are_tools_of_their_own() -> None:
    inner = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "ab"]
    namespace = {"type": "namespace", "name": "crm", "description": "d", "tools": inner}
    tools = decode(namespace)
    assert [(tool.name, tool.kind) for tool in tools] == [
        ("crm::a", "function"),
        ("crm::b", "function"),
    ]


def test_built_in_tools_are_kept_for_this_format() -> None:
    (tool,) = decode({"type": "web_search"})
    assert (tool.kind, tool.origin) == ("web_search", "openai-responses")


def test_a_function_with_more_than_others_know_is_kept_whole_for_this_format() -> None:
    (plain,) = decode({"type": "function", "name": "f", "strict": True})
    assert (plain.raw, plain.strict) == (ir.NULL, True)
    (deferred,) = decode({"type": "function", "name": "f", "defer_loading": True})
    assert deferred.raw != ir.NULL


def test_a_demand_for_a_built_in_tool_is_kept_for_this_format() -> None:
    request = ir.Request(origin="openai-responses")
    take_tool_choice(request, Raw(b'{"type":"web_search_preview"}'), None)
    assert request.extra["tool_choice"] == Raw(b'{"type":"web_search_preview"}')


def test_a_choice_among_namespaced_functions_is_named_as_they_are() -> None:
    request = ir.Request(origin="openai-responses")
    chosen = {"type": "function", "name": "f", "namespace": "crm"}
    take_tool_choice(request, Raw(json.dumps(chosen).encode()), True)
    assert request.tool_choice == ir.ToolChoice("tool", "crm::f", parallel=True)
