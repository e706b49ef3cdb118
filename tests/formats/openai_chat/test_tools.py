"""Tools: definitions, calls, ids and names."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_chat import tools
from omniroute.formats.quirks import NINE_CHARACTER_IDS

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_an_id_is_always_mapped_to_the_same_and_within_bounds(given: str) -> None:
    mapped = tools.call_id(given, frozenset())
    assert 0 < len(mapped) <= 40
    assert tools.call_id(given, frozenset()) == mapped
    assert tools.call_id(mapped, frozenset()) == mapped
    nine = tools.call_id(given, frozenset({NINE_CHARACTER_IDS}))
    assert len(nine) == 9
    assert nine.isascii()
    assert nine.isalnum()
    assert tools.call_id(nine, frozenset({NINE_CHARACTER_IDS})) == nine


@given(st.lists(TEXT, unique=True, max_size=6))
def test_names_stay_apart_and_lead_back(names: list[str]) -> None:
    mapped = tools.Names([ir.Tool(name) for name in names])
    sent = [mapped.sent(name) for name in names]
    assert len(set(sent)) == len(names)
    assert [mapped.mapped.get(name, name) for name in sent] == names
    assert all(0 < len(name) <= 64 and name.isascii() for name in sent)


def test_a_definition_without_parameters_is_one_without_arguments() -> None:
    tool = tools.tool_of(Raw(b'{"type":"function","function":{"name":"f"}}'), 0)
    assert tool == ir.Tool("f")
    assert tools.definition_out(tool, "f")["function"]["parameters"] == tool.schema


def test_a_cache_mark_on_a_definition() -> None:
    raw = Raw(b'{"type":"function","function":{"name":"f"},"cache_control":{"ttl":"1h"}}')
    assert tools.tool_of(raw, 0).cache == ir.CacheMark("1h")


def test_a_grammar_of_the_responses_format_is_one_level_deeper_here() -> None:
    flat = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    raw = Raw(msgspec.json.encode({"type": "custom", "name": "p", "format": flat}))
    tool = ir.Tool("p", custom=True, origin="openai-responses", raw=raw, kind="custom")
    out = tools.custom_out(tool, "p")
    assert out == {
        "type": "custom",
        "custom": {
            "name": "p",
            "format": {
                "type": "grammar",
                "grammar": {"syntax": "lark", "definition": "start: /.+/"},
            },
        },
    }


def test_a_signature_of_gemini_stands_where_google_puts_it() -> None:
    call = ir.ToolCall("a", "f", "{}", "sig", "gemini")
    out = tools.call_out(call, "f", "a", as_function=True)
    assert out["extra_content"] == {"google": {"thought_signature": "sig"}}
    call = ir.ToolCall("a", "f", "{}", "sig", "claude")
    assert "extra_content" not in tools.call_out(call, "f", "a", as_function=True)


@pytest.mark.parametrize("raw", [b"5", b"{}", b'{"type":"function","function":{}}'])
def test_what_is_no_tool_is_named(raw: bytes) -> None:
    with pytest.raises(ir.FormatError, match=r"tools\[3\]"):
        tools.tool_of(Raw(raw), 3)
