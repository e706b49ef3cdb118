"""Equal questions have equal canonical bytes, other questions have others."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts
from omniroute.formats.canonical import canonical, split_last_turn
from omniroute.formats.table import CODECS
from tests.formats.matrix import FORMATS

GOLDEN = [(form, case) for form in FORMATS for case in FORMATS[form].cases]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


def asked(form: str, body: dict[str, Any] | bytes) -> bytes:
    return canonical(decoded(form, body), "m")


def decoded(form: str, body: dict[str, Any] | bytes) -> ir.Request:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CODECS[form].decode_request(body, PathFacts("m"))


def shuffled(value: Any, order: random.Random) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(value, dict):
        members = [(name, shuffled(member, order)) for name, member in value.items()]
        order.shuffle(members)
        return dict(members)
    return [shuffled(each, order) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_order_and_white_space_make_no_difference(form: str, case: str) -> None:
    body = FORMATS[form].golden(case, "request.json")
    other = json.dumps(shuffled(json.loads(body), random.Random(4)), indent=3).encode()
    assert asked(form, other) == asked(form, body)


@pytest.mark.parametrize("form", FORMATS)
def test_no_two_golden_requests_are_one(form: str) -> None:
    bodies = {FORMATS[form].golden(case, "request.json") for case in FORMATS[form].cases}
    meant = {msgspec.json.encode(json.loads(body), order="sorted") for body in bodies}
    assert len({asked(form, body) for body in bodies}) == len(meant)


SAME_TEXT: dict[str, dict[str, Any]] = {
    "openai": {
        "model": "acme/m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "Two?"},
        ],
        "temperature": 0,
        "max_tokens": 50,
        "n": 1,
        "stream": True,
    },
    "openai-responses": {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
            {"type": "message", "role": "user", "content": "Two?"},
        ],
        "temperature": 0.0,
        "max_output_tokens": 50,
        "prompt_cache_key": "a",
        "metadata": {"run": "7"},
    },
    "claude": {
        "model": "m",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
        ],
        "temperature": 0,
        "max_tokens": 50,
        "metadata": {"user_id": "somebody"},
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "One?"}]},
            {"role": "model", "parts": [{"text": "One."}]},
            {"parts": [{"text": "Two?"}]},
        ],
        "generationConfig": {"temperature": 0, "maxOutputTokens": 50, "candidateCount": 1},
        "labels": {"team": "a"},
    },
}

DESCRIBED = "Reads a file."
CALL = {"path": "a.txt"}
SAME_CALL: dict[str, dict[str, Any]] = {
    "openai": {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_abc",
                        "type": "function",
                        "function": {"name": "read", "arguments": '{ "path":"a.txt" }'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_abc", "content": "hello"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "read", "description": DESCRIBED, "parameters": SCHEMA},
            }
        ],
        "max_completion_tokens": 50,
        "tool_choice": "auto",
    },
    "openai-responses": {
        "model": "m",
        "input": [
            {"role": "user", "content": "Look."},
            {
                "type": "function_call",
                "call_id": "fc_1",
                "name": "read",
                "arguments": '{"path":"a.txt"}',
            },
            {"type": "function_call_output", "call_id": "fc_1", "output": "hello"},
        ],
        "tools": [
            {"type": "function", "name": "read", "description": DESCRIBED, "parameters": SCHEMA}
        ],
        "max_output_tokens": 50,
        "parallel_tool_calls": True,
    },
    "claude": {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": CALL}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "hello"}],
            },
        ],
        "tools": [
            {
                "name": "read",
                "description": DESCRIBED,
                "input_schema": SCHEMA,
                "cache_control": {"type": "ephemeral"},
            }
        ],
        "max_tokens": 50,
    },
    "gemini": {
        "contents": [
            {"role": "user", "parts": [{"text": "Look."}]},
            {"role": "model", "parts": [{"functionCall": {"name": "read", "args": CALL}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "read", "response": {"output": "hello"}}}],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "read", "description": DESCRIBED, "parameters": SCHEMA}
                ]
            }
        ],
        "generationConfig": {"maxOutputTokens": 50},
    },
}


@pytest.mark.parametrize("same", [SAME_TEXT, SAME_CALL], ids=["text", "call"])
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_question_is_the_same_in_every_format(
    same: dict[str, dict[str, Any]], form: str
) -> None:
    assert asked(form, same[form]) == asked("openai", same["openai"])


def test_a_legacy_completion_is_the_chat_of_its_prompt() -> None:
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    legacy = {"model": "m", "prompt": "hi", "max_tokens": 5, "echo": False}
    assert asked("openai-completions", legacy) == asked("openai", chat)


CHAT = SAME_TEXT["openai"]
OTHER: list[dict[str, Any]] = [
    {"temperature": 0.1},
    {"top_p": 0.5},
    {"max_tokens": 51},
    {"n": 2},
    {"seed": 1},
    {"stop": ["x"]},
    {"frequency_penalty": 1},
    {"logprobs": True},
    {"response_format": {"type": "json_object"}},
    {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}},
        }
    },
    {"tools": SAME_CALL["openai"]["tools"]},
    {"reasoning_effort": "low"},
    {"reasoning_effort": "none"},
    {"verbosity": "low"},
    {"logit_bias": {"1": 1}},
    {"messages": CHAT["messages"][:3]},
    {"messages": [*CHAT["messages"][:3], {"role": "user", "content": "Two!"}]},
    {"messages": [*CHAT["messages"][:3], {"role": "user", "content": "Two?", "name": "a"}]},
    {"messages": [{"role": "developer", "content": "Be brief."}, *CHAT["messages"][1:]]},
]


def test_whatever_influences_the_answer_makes_another_question() -> None:
    found = [asked("openai", {**CHAT, **other}) for other in [{}, *OTHER]]
    assert len(set(found)) == len(found)
    assert canonical(decoded("openai", CHAT), "other") != found[0]


@pytest.mark.parametrize(
    "beside",
    [
        {"stream": False},
        {"stream_options": {"include_usage": True}},
        {"user": "somebody"},
        {"safety_identifier": "somebody"},
        {"metadata": {"a": "b"}},
        {"service_tier": "flex"},
        {"prompt_cache_key": "a"},
        {"prompt_cache_retention": "24h"},
        {"tool_choice": "auto"},
        {"response_format": {"type": "text"}},
        {"logprobs": False},
    ],
    ids=str,
)
def test_what_does_not_makes_none(beside: dict[str, Any]) -> None:
    assert asked("openai", {**CHAT, **beside}) == asked("openai", CHAT)


def test_arguments_of_calls_count_and_their_ids_do_not() -> None:
    def called(arguments: str, id_: str = "call_1", custom: bool = False) -> bytes:
        call = ir.ToolCall(id_, "read", arguments, custom=custom)
        result = ir.ToolResult(id_, [ir.Text("hello")])
        turns = [ir.Message("assistant", [call]), ir.Message("user", [result])]
        return canonical(ir.Request(origin="openai", messages=turns), "m")

    assert called('{"a":1,"b":2}') == called('{ "b":2, "a":1 }', "call_2")
    found = [called('{"a":1}'), called('{"a":2}'), called("{"), called('"{"'), called('["{"]')]
    found += [called('{"cache_control":1}'), called("{}"), called("{}", custom=True)]
    assert len(set(found)) == len(found)


def test_results_stay_with_their_calls() -> None:
    def answered(*ids: str) -> bytes:
        calls: list[ir.Part] = [ir.ToolCall(id_, "read") for id_ in ("a", "b")]
        results: list[ir.Part] = [ir.ToolResult(id_, [ir.Text(id_)]) for id_ in ids]
        turns = [ir.Message("assistant", calls), ir.Message("user", results)]
        return canonical(ir.Request(origin="openai", messages=turns), "m")

    assert answered("a", "b") != answered("b", "a")
    assert answered("a", "b") != answered("a", "c")


def test_results_that_are_json_are_told_by_what_they_mean() -> None:
    def answered(text: str) -> bytes:
        turns = [
            ir.Message("assistant", [ir.ToolCall("a", "read")]),
            ir.Message("user", [ir.ToolResult("a", [ir.Text(text)])]),
        ]
        return canonical(ir.Request(origin="openai", messages=turns), "m")

    assert answered('{"a":1, "b":[2]}') == answered('{ "b":[2],"a":1}')
    found = [answered(text) for text in ('{"a":1.10}', '{"a":1.1}', '{"a":"1.1"}', "{a", '["{a"]')]
    assert len(set(found)) == len(found)


def test_numbers_of_any_size_have_their_place() -> None:
    schema = ir.Raw(b'{"maximum":123456789012345678901234567890}')
    tool = ir.Request(origin="openai", tools=[ir.Tool("f", schema=schema)])
    assert b"123456789012345678901234567890" in canonical(tool, "m")


PARTS = st.lists(st.text(max_size=5), max_size=3)


@given(PARTS, PARTS, PARTS, PARTS)
def test_words_never_change_places_unseen(
    system: list[str], asked_: list[str], other_system: list[str], other_asked: list[str]
) -> None:
    def request(first: list[str], second: list[str]) -> bytes:
        made = ir.Request(
            origin="openai",
            system=[ir.Text(text) for text in first],
            messages=[ir.Message("user", [ir.Text(text) for text in second])],
        )
        return canonical(made, "m")

    def said(texts: list[str]) -> list[str]:
        return [text for text in texts if text]

    same = (said(system), said(asked_)) == (said(other_system), said(other_asked))
    assert (request(system, asked_) == request(other_system, other_asked)) is same


# --- the last turn


@pytest.mark.parametrize("form", FORMATS)
def test_the_last_words_are_taken_from_the_rest(form: str) -> None:
    found = split_last_turn(decoded(form, SAME_TEXT[form]), "m")
    assert found is not None
    assert found[1] == "Two?"
    assert found == split_last_turn(decoded("openai", CHAT), "m")


def test_the_rest_is_the_same_for_other_words_and_no_request_of_its_own() -> None:
    other = [*CHAT["messages"][:3], {"role": "user", "content": "Three?"}]
    one = split_last_turn(decoded("openai", CHAT), "m")
    two = split_last_turn(decoded("openai", {**CHAT, "messages": other}), "m")
    assert one is not None
    assert two is not None
    assert one[0] == two[0]
    rest = {**CHAT, "messages": CHAT["messages"][:3]}
    empty = {**CHAT, "messages": [*CHAT["messages"][:3], {"role": "user", "content": ""}]}
    assert one[0] not in (asked("openai", rest), asked("openai", empty))


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": " \n"}],
        [{"role": "assistant", "content": "Hm."}],
        [{"role": "system", "content": "Be brief."}],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                ],
            }
        ],
        SAME_CALL["openai"]["messages"],
    ],
)
def test_a_turn_that_is_no_plain_text_is_not_taken_apart(messages: list[Any]) -> None:
    assert split_last_turn(decoded("openai", {"model": "m", "messages": messages}), "m") is None
