"""What other formats' requests become for Gemini, and what is said of that which does not fit."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, TargetModel
from omniroute.formats.gemini.codec import GeminiCodec
from omniroute.formats.gemini.identity import Sealed, derived_id, seal, unseal
from omniroute.formats.gemini.names import MAX_CHARACTERS, ToolNames
from omniroute.simulator.gemini_request import read_gemini_request

CODEC = GeminiCodec()
GEMINI_3 = TargetModel("gemini-3-pro-preview")
GEMINI_25 = TargetModel("gemini-2.5-flash")
HELLO = [ir.Message("user", [ir.Text("Hello")])]


def request(**fields: Any) -> ir.Request:
    return ir.Request(**({"origin": "openai", "messages": HELLO} | fields))


def encoded(target: TargetModel = GEMINI_3, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    made = CODEC.encode_request(request(**fields), target)
    read_gemini_request(made.body, target.model, stream=False)  # the service would take it
    return msgspec.json.decode(made.body), made.losses


def tool(name: str, schema: str = '{"type":"object"}', **more: Any) -> ir.Tool:
    return ir.Tool(name, "d", Raw(schema.encode()), **more)


CALLS = [
    ir.Message("user", [ir.Text("Look")]),
    ir.Message(
        "assistant",
        [
            ir.Reasoning("Thinking", "sig-of-claude", origin="claude"),
            ir.Text("I look."),
            ir.ToolCall("toolu_1", "look", '{"at":"x"}'),
            ir.ToolCall("toolu_2", "look", ""),
        ],
    ),
    ir.Message("user", [ir.ToolResult("toolu_1", [ir.Text("one")])]),
    ir.Message("user", [ir.ToolResult("toolu_2", [ir.Text("bad")], is_error=True)]),
    ir.Message("user", [ir.Text("Go on")]),
]


def test_results_of_one_turn_stand_together_behind_their_calls() -> None:
    body, losses = encoded(messages=CALLS)
    user, model, results = body["contents"]
    assert user["parts"] == [{"text": "Look"}]
    assert [next(iter(part)) for part in model["parts"]] == ["text", "functionCall", "functionCall"]
    assert results["parts"] == [
        {"functionResponse": {"name": "look", "response": {"output": "one"}, "id": "toolu_1"}},
        {"functionResponse": {"name": "look", "response": {"error": "bad"}, "id": "toolu_2"}},
        {"text": "Go on"},
    ]
    assert losses == []


def test_a_call_without_gemini_state_says_so_where_the_service_checks_it() -> None:
    body, _ = encoded(messages=CALLS)
    calls = body["contents"][1]["parts"][1:]
    assert calls[0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in calls[1]
    older, _ = encoded(GEMINI_25, messages=CALLS)
    assert all("thoughtSignature" not in part for part in older["contents"][1]["parts"])


def test_state_of_another_format_is_never_sent() -> None:
    foreign = ir.ToolCall("1", "look", "{}", "c2lnbmF0dXJl", "openai-responses")
    messages = [
        HELLO[0],
        ir.Message("assistant", [foreign]),
        ir.Message("user", [ir.ToolResult("1", [])]),
    ]
    body = CODEC.encode_request(request(messages=messages), GEMINI_25).body
    assert b"c2lnbmF0dXJl" not in body


def test_the_services_own_state_goes_back_where_it_was() -> None:
    messages = [
        HELLO[0],
        ir.Message(
            "assistant",
            [
                ir.Reasoning("Hm", origin="gemini"),
                ir.ToolCall("1", "look", "{}", "c2ln", "gemini"),
                ir.ToolCall("2", "look", "{}"),
            ],
        ),
        ir.Message("user", [ir.ToolResult("1", []), ir.ToolResult("2", [])]),
    ]
    made = msgspec.json.decode(CODEC.encode_request(request(messages=messages), GEMINI_3).body)
    thought, first, second = made["contents"][1]["parts"]
    assert thought == {"text": "Hm", "thought": True}
    assert first["thoughtSignature"] == "c2ln"
    assert "thoughtSignature" not in second


def test_media_in_results_are_nested_for_gemini_3_and_beside_them_before() -> None:
    image = ir.Image("image/png", "aGk=")
    messages = [
        HELLO[0],
        ir.Message("assistant", [ir.ToolCall("1", "look", "{}")]),
        ir.Message("user", [ir.ToolResult("1", [ir.Text("see"), image])]),
    ]
    blob = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    newer, _ = encoded(messages=messages)
    assert newer["contents"][2]["parts"][0]["functionResponse"]["parts"] == [blob]
    older, _ = encoded(GEMINI_25, messages=messages)
    assert older["contents"][2]["parts"][1] == blob


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("plain", {"output": "plain"}),
        ('{"a":1,"b":2}', {"a": 1, "b": 2}),
        ("[1]", {"output": "[1]"}),
        ('{"error":"x"}', {"output": '{"error":"x"}'}),
        ("{broken", {"output": "{broken"}),
        ("", {"output": ""}),
    ],
)
def test_a_result_means_the_same_there_and_back(text: str, response: Any) -> None:
    messages = [
        HELLO[0],
        ir.Message("assistant", [ir.ToolCall("1", "look", "{}")]),
        ir.Message("user", [ir.ToolResult("1", [ir.Text(text)])]),
    ]
    body, _ = encoded(messages=messages)
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == response
    back = CODEC.decode_request(msgspec.json.encode(body), PathFacts("m"))
    result = back.messages[2].parts[0]
    assert isinstance(result, ir.ToolResult)
    assert not result.is_error
    assert "".join(part.text for part in result.parts if isinstance(part, ir.Text)) == text


def test_names_that_gemini_forbids_are_mapped_everywhere() -> None:
    names = ["ok", "with space", "1st", "x" * 80, "with_space", "mcp/read"]
    messages = [
        HELLO[0],
        ir.Message("assistant", [ir.ToolCall("1", "with space", "{}")]),
        ir.Message("user", [ir.ToolResult("1", [ir.Text("x")])]),
    ]
    made = CODEC.encode_request(
        request(
            messages=messages,
            tools=[tool(name) for name in names],
            tool_choice=ir.ToolChoice("tool", "with space"),
        ),
        GEMINI_3,
    )
    read_gemini_request(made.body, "m", stream=False)
    body = msgspec.json.decode(made.body)
    sent = [one["name"] for one in body["tools"][0]["functionDeclarations"]]
    assert [made.tool_names.get(name, name) for name in sent] == names
    called = body["contents"][1]["parts"][0]["functionCall"]["name"]
    assert called == body["contents"][2]["parts"][0]["functionResponse"]["name"]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [called]
    assert made.tool_names[called] == "with space"


@given(st.lists(st.text(max_size=90), max_size=12))
def test_no_two_names_become_one(names: list[str]) -> None:
    mapped = ToolNames(names)
    sent = {name: mapped.sent(name) for name in names}
    assert len(set(sent.values())) == len(sent)
    assert all(0 < len(name) <= MAX_CHARACTERS for name in sent.values())
    assert all(mapped.changed.get(made, made) == name for name, made in sent.items())


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ir.ToolChoice("auto"), {"mode": "AUTO"}),
        (ir.ToolChoice("none"), {"mode": "NONE"}),
        (ir.ToolChoice("required"), {"mode": "ANY"}),
        (ir.ToolChoice("tool", "b"), {"mode": "ANY", "allowedFunctionNames": ["b"]}),
        (
            ir.ToolChoice("required", allowed=["a", "b"]),
            {"mode": "ANY", "allowedFunctionNames": ["a", "b"]},
        ),
        (
            ir.ToolChoice("auto", allowed=["a"]),
            {"mode": "VALIDATED", "allowedFunctionNames": ["a"]},
        ),
    ],
)
def test_every_choice_of_tools_has_its_mode(choice: ir.ToolChoice, config: Any) -> None:
    body, losses = encoded(tools=[tool("a"), tool("b")], tool_choice=choice)
    assert body["toolConfig"]["functionCallingConfig"] == config
    assert losses == []
    back = CODEC.decode_request(msgspec.json.encode(body), PathFacts("m"))
    assert back.tool_choice == choice


def test_instructions_keep_their_order_and_place() -> None:
    body, _ = encoded(
        system=[ir.Text("One."), ir.Text("Two.")],
        messages=[
            *HELLO,
            ir.Message("assistant", [ir.Text("Hi")]),
            ir.Message("developer", [ir.Text("Be kind.")]),
            ir.Message("user", [ir.Text("So?")]),
        ],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "One."}, {"text": "Two."}]}
    assert body["contents"][2]["parts"] == [{"text": "Be kind."}, {"text": "So?"}]


def test_instructions_in_front_of_the_conversation_are_system_text() -> None:
    body, _ = encoded(
        system=[ir.Text("One.")],
        messages=[
            ir.Message("developer", [ir.Text("Two."), ir.Text("Three.")]),
            ir.Message("system", [ir.Text("Four.")]),
            *HELLO,
        ],
    )
    texts = [part["text"] for part in body["systemInstruction"]["parts"]]
    assert texts == ["One.", "Two.", "Three.", "Four."]
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]


def test_instructions_alone_are_asked_as_a_question() -> None:
    body, _ = encoded(system=[ir.Text("Say hi.")], messages=[])
    assert body["contents"] == [{"parts": [{"text": "Say hi."}], "role": "user"}]


def test_an_empty_conversation_cannot_be_carried() -> None:
    with pytest.raises(ir.CannotCarry, match="messages"):
        CODEC.encode_request(request(messages=[]), GEMINI_3)


def test_sampling_is_kept_within_the_ranges_and_said_where_not() -> None:
    body, losses = encoded(
        sampling=ir.Sampling(
            max_tokens=99,
            temperature=3.0,
            top_p=0.5,
            top_k=7,
            n=20,
            seed=1 << 40 | 5,
            presence_penalty=-3,
            frequency_penalty=1,
            stop=list("abcdef"),
            logprobs=True,
            top_logprobs=5,
        ),
        user="me",
        metadata={"a": "b"},
        cache_key="k",
        service_tier="flex",
        extra={"logit_bias": Raw(b"{}")},
    )
    assert body["generationConfig"] == {
        "temperature": 2.0,
        "topP": 0.5,
        "topK": 7,
        "candidateCount": 8,
        "presencePenalty": -2.0,
        "frequencyPenalty": 1,
        "maxOutputTokens": 99,
        "seed": 5,
        "stopSequences": list("abcde"),
        "responseLogprobs": True,
        "logprobs": 5,
    }
    assert body["serviceTier"] == "flex"
    assert set(losses) == {
        "logit_bias",
        "temperature",
        "penalties",
        "n",
        "stop",
        "user",
        "metadata",
        "prompt_cache_key",
    }


def test_the_answer_is_no_longer_than_the_model_allows() -> None:
    target = TargetModel("gemini-2.5-flash", 65536)
    body, losses = encoded(target, sampling=ir.Sampling(max_tokens=200_000))
    assert body["generationConfig"]["maxOutputTokens"] == 65536
    assert losses == []


@pytest.mark.parametrize(
    ("model", "wish", "config", "losses"),
    [
        ("gemini-3-pro-preview", ir.ReasoningWish("low"), {"thinkingLevel": "LOW"}, []),
        ("gemini-3-pro-preview", ir.ReasoningWish("medium"), {"thinkingLevel": "HIGH"}, []),
        ("gemini-3.1-pro-preview", ir.ReasoningWish("medium"), {"thinkingLevel": "MEDIUM"}, []),
        ("gemini-3-pro-preview", ir.ReasoningWish("minimal"), {"thinkingLevel": "LOW"}, []),
        ("gemini-3-flash-preview", ir.ReasoningWish("minimal"), {"thinkingLevel": "MINIMAL"}, []),
        ("gemini-3-flash-preview", ir.ReasoningWish("xhigh"), {"thinkingLevel": "HIGH"}, []),
        (
            "gemini-3-pro-preview",
            ir.ReasoningWish(budget_tokens=2000),
            {"thinkingBudget": 2000},
            [],
        ),
        ("gemini-2.5-flash", ir.ReasoningWish("low"), {"thinkingBudget": 1024}, []),
        ("gemini-2.5-flash", ir.ReasoningWish("high"), {"thinkingBudget": 24576}, []),
        ("gemini-2.5-pro", ir.ReasoningWish("high"), {"thinkingBudget": 32768}, []),
        ("gemini-2.5-flash-lite", ir.ReasoningWish(budget_tokens=5), {"thinkingBudget": 512}, []),
        ("gemini-2.5-flash", ir.ReasoningWish(budget_tokens=-1), {"thinkingBudget": -1}, []),
    ],
)
def test_effort_and_budget_become_what_the_model_takes(
    model: str, wish: ir.ReasoningWish, config: Any, losses: list[str]
) -> None:
    body, lost = encoded(TargetModel(model), reasoning=wish)
    assert body["generationConfig"]["thinkingConfig"] == config | {"includeThoughts": True}
    assert lost == losses


def test_reasoning_is_off_where_it_can_be_and_least_where_not() -> None:
    off = ir.ReasoningWish("none")
    flash, lost = encoded(GEMINI_25, reasoning=off)
    assert flash["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 0}
    assert lost == []
    pro, lost = encoded(TargetModel("gemini-2.5-pro"), reasoning=off)
    assert pro["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 128}
    assert lost == ["reasoning_effort"]
    three, lost = encoded(GEMINI_3, reasoning=ir.ReasoningWish(budget_tokens=0))
    assert three["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
    assert lost == ["reasoning_effort"]
    old, lost = encoded(TargetModel("gemini-2.0-flash"), reasoning=ir.ReasoningWish("high"))
    assert "generationConfig" not in old
    assert lost == ["reasoning_effort"]


SCHEMA = Raw(b'{"type":"object","properties":{"a":{"const":"x"}},"additionalProperties":false}')


def test_structured_output_takes_the_reduced_schema() -> None:
    wanted = ir.ResponseFormat("json_schema", "n", schema=SCHEMA, strict=True)
    body, losses = encoded(response_format=wanted)
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING", "enum": ["x"]}},
        },
    }
    assert losses == []
    plain, _ = encoded(response_format=ir.ResponseFormat("json_object"))
    assert plain["generationConfig"] == {"responseMimeType": "application/json"}


def test_json_with_tools_is_asked_in_words_of_models_that_refuse_both() -> None:
    wanted = ir.ResponseFormat("json_schema", "n", schema=SCHEMA)
    newer, losses = encoded(response_format=wanted, tools=[tool("f")])
    assert newer["generationConfig"]["responseMimeType"] == "application/json"
    assert losses == []
    older, losses = encoded(GEMINI_25, response_format=wanted, tools=[tool("f")])
    assert "generationConfig" not in older
    assert '"const":"x"' in older["systemInstruction"]["parts"][0]["text"]
    assert losses == ["response_format"]


def test_what_gemini_has_no_place_for_is_named() -> None:
    _, losses = encoded(
        messages=[ir.Message("user", [ir.Text("a", ir.CacheMark()), ir.Image(url="https://e/a")])],
        tools=[
            tool("f", strict=True),
            ir.Tool("web_search", kind="web_search", origin="openai-responses"),
        ],
        tool_choice=ir.ToolChoice("auto", parallel=False),
    )
    assert set(losses) == {
        "cache_control",
        "tools.strict",
        "tools.web_search",
        "parallel_tool_calls",
    }


def test_a_file_of_another_provider_cannot_be_carried() -> None:
    file = ir.File(file_id="file-1", origin="openai")
    with pytest.raises(ir.CannotCarry, match="file_id"):
        CODEC.encode_request(request(messages=[ir.Message("user", [file])]), GEMINI_3)


def test_a_free_form_tool_is_a_function_of_one_text() -> None:
    messages = [
        HELLO[0],
        ir.Message("assistant", [ir.ToolCall("1", "patch", "*** Begin", custom=True)]),
        ir.Message("user", [ir.ToolResult("1", [ir.Text("ok")], custom=True)]),
    ]
    body, _ = encoded(messages=messages, tools=[tool("patch", custom=True)])
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"]["required"] == ["input"]
    call = body["contents"][1]["parts"][0]["functionCall"]
    assert call["args"] == {"input": "*** Begin"}


def test_arguments_that_were_cut_still_are_an_object() -> None:
    messages = [
        HELLO[0],
        ir.Message("assistant", [ir.ToolCall("1", "f", '{"a": ')]),
        ir.Message("user", [ir.ToolResult("1", [])]),
    ]
    body, _ = encoded(messages=messages)
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": '{"a": '}


def test_counting_takes_the_whole_request() -> None:
    made = CODEC.encode_count(request(system=[ir.Text("s")]), GEMINI_3)
    whole = msgspec.json.decode(made.body)["generateContentRequest"]
    assert whole["model"] == "models/gemini-3-pro-preview"
    assert whole["systemInstruction"] == {"parts": [{"text": "s"}]}
    assert CODEC.decode_count(made.body, PathFacts("m")).system == [ir.Text("s")]


@given(st.text(), st.text(), st.text(), st.text(), st.booleans())
def test_sealed_state_opens_to_what_it_was(
    origin: str, signature: str, data: str, item: str, summary: bool
) -> None:
    state = Sealed(origin, signature, data, item, summary)
    sealed = seal(state)
    assert unseal(sealed) == state
    assert unseal(sealed.rstrip("=").replace("-", "+").replace("_", "/")) == state
    assert unseal(signature) is None


def test_a_damaged_seal_is_no_state() -> None:
    assert unseal(seal(Sealed("claude", "x"))[:-6]) is None


def test_derived_ids_fit_every_format_and_differ() -> None:
    ids = {derived_id("r", number, "f") for number in range(100)}
    assert len(ids) == 100
    assert all(len(one) <= 40 and one.replace("_", "").isalnum() for one in ids)
