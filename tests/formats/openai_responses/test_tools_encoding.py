"""Tools of other formats for a Responses upstream."""

from typing import Any

import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses.tools_encoding import Tools


def members(
    tools: list[ir.Tool], choice: ir.ToolChoice | None = None
) -> tuple[dict[str, Any], Tools, list[str]]:
    losses: list[str] = []
    made = Tools(ir.Request(origin="claude", tools=tools, tool_choice=choice), losses.append)
    return made.members(), made, losses


def test_a_function_that_says_nothing_of_strictness_is_not_strict() -> None:
    out, _, _ = members([ir.Tool("read", "Reads", Raw(b'{"type":"object"}'))])
    assert out["tools"] == [
        {
            "type": "function",
            "name": "read",
            "description": "Reads",
            "parameters": Raw(b'{"type":"object"}'),
            "strict": False,
        }
    ]


def test_a_forbidden_name_is_mapped_everywhere_and_back() -> None:
    out, made, _ = members([ir.Tool("mcp.files/read")], ir.ToolChoice("tool", "mcp.files/read"))
    (sent,) = made.names
    assert made.names == {sent: "mcp.files/read"}
    assert out["tools"][0]["name"] == out["tool_choice"]["name"] == sent
    assert made.called("mcp.files/read") == {"name": sent}


def test_long_names_with_one_beginning_stay_apart() -> None:
    _, made, _ = members([ir.Tool("x" * 70 + "a"), ir.Tool("x" * 70 + "b")])
    assert len(made.names) == 2
    assert all(len(name) <= 64 for name in made.names)


def test_built_in_tools_of_others_are_told() -> None:
    out, _, losses = members(
        [ir.Tool("bash", kind="bash_20250124", origin="claude", raw=Raw(b"{}"))]
    )
    assert (out, losses) == ({}, ["tools.bash_20250124"])


def test_a_demanded_tool_that_cannot_be_sent_is_refused() -> None:
    web = ir.Tool("web", kind="web_search_20250305", origin="claude", raw=Raw(b"{}"))
    with pytest.raises(ir.CannotCarry, match="tool_choice"):
        members([web], ir.ToolChoice("required"))


def test_a_choice_without_any_tools_is_left_out() -> None:
    assert members([], ir.ToolChoice("auto"))[0] == {}


def test_the_grammar_of_a_chat_tool_is_unnested() -> None:
    raw = Raw(
        b'{"type":"custom","custom":{"name":"p","format":{"type":"grammar",'
        b'"grammar":{"syntax":"lark","definition":"x"}}}}'
    )
    out, _, _ = members([ir.Tool("p", custom=True, kind="custom", origin="openai", raw=raw)])
    assert out["tools"] == [
        {
            "type": "custom",
            "name": "p",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ir.ToolChoice("none"), "none"),
        (ir.ToolChoice("required", parallel=False), "required"),
        (ir.ToolChoice("tool", "p"), {"type": "custom", "name": "p"}),
        (
            ir.ToolChoice("required", allowed=["read"]),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "read"}],
            },
        ),
    ],
)
def test_every_choice_has_a_form(choice: ir.ToolChoice, sent: object) -> None:
    out, _, _ = members([ir.Tool("read"), ir.Tool("p", custom=True, kind="custom")], choice)
    assert out["tool_choice"] == sent
    assert out.get("parallel_tool_calls") == choice.parallel
