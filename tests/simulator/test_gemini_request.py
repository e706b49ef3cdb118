"""What the Gemini API refuses is refused by the simulator, so that a wrong translation shows."""

import json
from typing import Any

import pytest

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini_request import SIGNATURE, read_count_request, read_gemini_request
from omniroute.simulator.play import Ask

HELLO: dict[str, Any] = {"role": "user", "parts": [{"text": "Hello"}]}
SAID = {"role": "model", "parts": [{"text": "Hi"}]}


def call(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}} | more}]}


def result(*names: str, **more: Any) -> dict[str, Any]:
    parts = [
        {"functionResponse": {"name": name, "response": {"output": "done"}} | more}
        for name in names
    ]
    return {"role": "user", "parts": parts}


def read(*contents: Any, **fields: Any) -> Ask:
    body = {"contents": list(contents) or [HELLO]} | fields
    return read_gemini_request(json.dumps(body).encode(), "plain", stream=False)


STRING = {"type": "STRING"}


def declared(schema: Any) -> list[Any]:
    return [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]


def within(schema: Any) -> list[Any]:
    return declared({"type": "OBJECT", "properties": {"a": schema}})


def test_a_request_is_read_in_neutral_terms() -> None:
    ask = read(
        HELLO,
        call(),
        result("f"),
        tools=within({"type": "STRING", "nullable": True}),
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        generationConfig={"candidateCount": 2, "maxOutputTokens": 9},
    )
    assert ask.results == ("done",)
    assert ask.question == "Hello"
    assert ask.must_call == "f"
    assert (ask.choices, ask.max_output_tokens) == (2, 9)
    assert ask.tools[0].schema["properties"]["a"]["type"] == "string"


def test_a_schemas_fields_go_by_either_spelling() -> None:
    schema = {"type": "OBJECT", "property_ordering": ["a"], "properties": {"min_x": STRING}}
    ask = read(HELLO, tools=within({"any_of": [schema, STRING]}))
    assert ask.tools[0].schema["properties"]["a"]["anyOf"][0]["properties"] == {
        "min_x": {"type": "string"}
    }


def test_tokens_are_counted_of_contents_or_of_a_whole_request() -> None:
    alone = json.dumps({"contents": [HELLO]}).encode()
    request = {"model": "models/plain", "contents": [HELLO]}
    whole = json.dumps({"generateContentRequest": request}).encode()
    assert read_count_request(alone, "plain") == read_count_request(whole, "plain") == 2


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ([{"role": "assistant", "parts": [{"text": "x"}]}], "valid role"),
        ([{"role": "system", "parts": [{"text": "x"}]}], "valid role"),
        ([{"role": "user", "parts": []}], "must not be empty"),
        ([{"role": "user", "parts": [{}]}], "one kind of data"),
        ([{"role": "user", "parts": [{"text": "x", "inlineData": {}}]}], "one kind of data"),
        ([{"role": "user", "parts": [{"type": "text", "text": "x"}]}], "Unknown name"),
        ([{"role": "user", "content": "x"}], "Unknown name"),
        ([result("f")], "comes immediately after a function call turn"),
        ([HELLO, call(), HELLO], "number of function response parts"),
        ([HELLO, call(), result("f", "f")], "number of function response parts"),
        ([HELLO, call(), result("g")], "name the function that was called"),
        ([HELLO, call(id="1"), result("f", id="2")], "id of a function response"),
        ([HELLO, call()], "without their responses"),
        ([call(), result("f")], "immediately after a user turn"),
        ([HELLO, SAID, call(), result("f")], "immediately after a user turn"),
        ([HELLO, call(args="{}"), result("f")], "object of arguments"),
        ([HELLO, call(), result("f", response="x")], "an object is expected"),
        ([HELLO, {**call(), "role": "user"}], "role model"),
        ([HELLO, {**result("f"), "role": "model"}], "role model"),
    ],
)
def test_a_conversation_out_of_order_is_refused(contents: list[Any], why: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(*contents)
    assert why in refused.value.message
    assert refused.value.status == 400


def signed(signature: str) -> dict[str, Any]:
    part = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": signature}
    return {"role": "model", "parts": [part]}


def test_a_signature_has_to_be_its_own_or_the_word_for_none() -> None:
    read(HELLO, signed(SIGNATURE), result("f"))
    read(HELLO, signed("skip_thought_signature_validator"), result("f"))
    with pytest.raises(Refusal, match="not valid"):
        read(HELLO, signed("ZnJvbSBlbHNld2hlcmU="), result("f"))


def test_a_signature_may_stand_alone() -> None:
    """So the vendor's own CLI sends back an empty text that was signed."""
    answer = {"role": "model", "parts": [{"text": "Hi"}, {"thoughtSignature": SIGNATURE}]}
    read(HELLO, answer, HELLO)
    with pytest.raises(Refusal, match="one kind"):
        read(HELLO, {"role": "model", "parts": [{"thoughtSignature": ""}]}, HELLO)


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        (declared({"type": "OBJECT", "$schema": "x"}), 'Unknown name "$schema"'),
        (declared({"type": "OBJECT"}), "non-empty for OBJECT"),
        (declared({"type": "STRING"}), "has to be OBJECT"),
        (within({"const": "x"}), 'Unknown name "const"'),
        (within({"$ref": "#/$defs/a"}), 'Unknown name "$ref"'),
        (within({"type": "OBJECT", "additionalProperties": False}), "additionalProperties"),
        (within({"type": ["STRING", "NULL"]}), "must be specified"),
        (within({}), "must be specified"),
        (within({"type": "ARRAY"}), "missing field"),
        (within({"type": "INTEGER", "enum": [1]}), "only allowed for STRING"),
        (within({"type": "STRING", "enum": [""]}), "non-empty string"),
        (within({"type": "STRING", "format": "uri"}), "only 'enum' and 'date-time'"),
        (within({"type": "OBJECT", "required": ["b"]}), "is not defined"),
        (within({"description": "d", "anyOf": [{"type": "STRING"}]}), "only field set"),
        ([{"functionDeclarations": [{"name": "a b"}]}], "Invalid function name"),
        ([{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}], "Duplicate"),
        ([{"type": "function"}], "Unknown name"),
    ],
)
def test_tools_beyond_the_subset_are_refused(tools: list[Any], why: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(HELLO, tools=tools)
    assert why in refused.value.message


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 2.5},
        {"topP": 2},
        {"candidateCount": 9},
        {"stopSequences": ["a"] * 6},
        {"max_tokens": 1},
        {"responseSchema": {"type": "STRING"}},
        {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}},
        {"thinkingConfig": {"thinkingLevel": "XHIGH"}},
        {"seed": 1 << 40},
    ],
)
def test_a_configuration_out_of_range_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        read(HELLO, generationConfig=config)


@pytest.mark.parametrize(
    "config",
    [
        {"mode": "REQUIRED"},
        {"mode": "AUTO", "allowedFunctionNames": ["f"]},
        {"mode": "ANY", "allowedFunctionNames": ["g"]},
    ],
)
def test_a_choice_of_functions_has_to_fit(config: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        read(
            HELLO,
            tools=within({"type": "STRING"}),
            toolConfig={"functionCallingConfig": config},
        )


def test_fields_of_other_dialects_are_refused() -> None:
    with pytest.raises(Refusal, match="Unknown name"):
        read(HELLO, messages=[])
