"""Requests of other formats as Claude's models accept them, judged by the simulator's refusals."""

import base64
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.claude.contents import OPENING
from omniroute.formats.claude.encode import encode_request
from omniroute.formats.claude.identity import ANSWER_TOOL
from omniroute.simulator.claude_request import read_claude_request

OLD = "claude-sonnet-4-5-20250929"
NEW = "claude-opus-4-8"
OTHER = "glm-4.7"
SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
OPEN_SCHEMA = Raw(b'{"type":"object","additionalProperties":{"type":"string"}}')


def user(*parts: ir.Part | str) -> ir.Message:
    return ir.Message("user", [ir.Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: ir.Part | str) -> ir.Message:
    return ir.Message("assistant", user(*parts).parts)


def ask(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request(origin="openai", messages=list(messages or (user("Hi"),)), **fields)


def sent(
    request: ir.Request, model: str = OLD, limit: int | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The body and the losses; the simulator refuses what the service would."""
    encoded = encode_request(request, TargetModel(model, limit))
    read_claude_request(encoded.body)
    return msgspec.json.decode(encoded.body), encoded.losses


def body_of(request: ir.Request, model: str = OLD, limit: int | None = None) -> dict[str, Any]:
    return sent(request, model, limit)[0]


# --- turns --------------------------------------------------------------------------------------


def test_max_tokens_is_required_and_comes_from_the_client_the_registry_or_the_default() -> None:
    assert body_of(ask())["max_tokens"] == 8192
    assert body_of(ask(), limit=64_000)["max_tokens"] == 64_000
    given = ask(sampling=ir.Sampling(max_tokens=10))
    assert body_of(given, limit=64_000)["max_tokens"] == 10
    body, losses = sent(ask(sampling=ir.Sampling(max_tokens=100_000)), limit=64_000)
    assert (body["max_tokens"], losses) == (64_000, ["max_tokens"])


def test_neighbours_of_one_role_are_merged_and_results_come_first() -> None:
    request = ask(
        user("Look"),
        assistant(ir.ToolCall("a", "look"), ir.ToolCall("b", "look")),
        user(ir.ToolResult("a", [ir.Text("one")])),
        user("And hurry"),
        user(ir.ToolResult("b", [ir.Text("two")], is_error=True)),
    )
    body = body_of(request)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "one"},
        {"type": "tool_result", "tool_use_id": "b", "content": "two", "is_error": True},
        {"type": "text", "text": "And hurry"},
    ]


def test_instructions_before_the_first_turn_are_the_system_prompt_in_order() -> None:
    request = ask(
        ir.Message("developer", [ir.Text("two")]),
        ir.Message("system", [ir.Text("three")]),
        user("Hi"),
        system=[ir.Text("one")],
    )
    texts = [block["text"] for block in body_of(request)["system"]]
    assert texts == ["one", "two", "three"]


def test_instructions_in_the_middle_stay_where_they_are() -> None:
    request = ask(user("Hi"), ir.Message("system", [ir.Text("Be brief")]), assistant("Hello"))
    roles = [turn["role"] for turn in body_of(request, NEW)["messages"]]
    assert roles == ["user", "system", "assistant"]
    first = body_of(request, OLD)["messages"][0]
    assert first["content"][1]["text"] == "<system>\nBe brief\n</system>"


def test_instructions_between_a_call_and_its_result_do_not_part_them() -> None:
    request = ask(
        user("Hi"),
        assistant(ir.ToolCall("a", "look")),
        ir.Message("system", [ir.Text("Be brief")]),
        user(ir.ToolResult("a", [])),
    )
    for model in (OLD, NEW):
        last = body_of(request, model)["messages"][-1]
        assert [block["type"] for block in last["content"]] == ["tool_result", "text"]


def test_a_conversation_that_begins_with_the_model_gets_an_opening() -> None:
    body = body_of(ask(assistant("Hello"), user("Hi")))
    assert body["messages"][0] == {"role": "user", "content": OPENING}


def test_instructions_alone_become_the_users_turn() -> None:
    request = ir.Request(origin="openai", system=[ir.Text("Say hello")])
    body = body_of(request)
    assert "system" not in body
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Say hello"}]}
    ]
    with pytest.raises(ir.CannotCarry):
        encode_request(ir.Request(origin="openai"), TargetModel(OLD))


def test_empty_texts_are_left_out_and_a_prefill_does_not_end_in_space() -> None:
    body = body_of(ask(user("Hi", " "), assistant(""), assistant("So: \n")))
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "So:"},
    ]


def test_foreign_reasoning_is_left_out_and_own_is_kept() -> None:
    request = ask(
        user("Hi"),
        assistant(
            ir.Reasoning("mine", "c2ltdWxhdGVk", origin="claude"),
            ir.Reasoning("foreign", "x", origin="gemini"),
            ir.Reasoning("unsigned", origin="claude"),
            "Hello",
        ),
        user("Again"),
    )
    body, losses = sent(request)
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "text"]
    assert losses == ["reasoning_text"]


# --- media --------------------------------------------------------------------------------------


def test_images_and_documents() -> None:
    text = base64.b64encode("Größe".encode()).decode()
    request = ask(
        user(
            ir.Image("image/jpg", "/9j/4AAQ"),
            ir.Image("", "iVBORw0KGgo="),
            ir.Image(url="https://x.test/a.png"),
            ir.File("application/pdf", "JVBERi0x", filename="a.pdf"),
            ir.File("text/markdown", text),
            ir.File(url="https://x.test/a.pdf"),
        )
    )
    sources = [block["source"] for block in body_of(request)["messages"][0]["content"]]
    assert [source.get("media_type") for source in sources] == [
        "image/jpeg",
        "image/png",
        None,
        "application/pdf",
        "text/plain",
        None,
    ]
    assert sources[4]["data"] == "Größe"


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (ir.Audio("audio/wav", "UklGRg=="), "audio_in"),
        (ir.Image("image/bmp", "Qk0="), "image_data"),
        (ir.File(file_id="file-1", origin="openai"), "file_id"),
        (ir.File("application/zip", "UEsDBA=="), "file"),
        (ir.File("text/plain", "no base64!"), "file"),
    ],
)
def test_content_without_a_counterpart_is_refused_by_name(part: ir.Part, feature: str) -> None:
    with pytest.raises(ir.CannotCarry) as caught:
        encode_request(ask(user(part)), TargetModel(OLD))
    assert caught.value.feature == feature


# --- tools --------------------------------------------------------------------------------------


def test_names_and_ids_that_the_service_forbids_are_mapped_alike_everywhere() -> None:
    name = "functions.look up"
    long = "x" * 80
    request = ask(
        user("Hi"),
        assistant(ir.ToolCall("functions.look:0", name), ir.ToolCall("functions.look:1", long)),
        user(ir.ToolResult("functions.look:0", []), ir.ToolResult("functions.look:1", [])),
        tools=[ir.Tool(name, schema=SCHEMA), ir.Tool(long), ir.Tool("functions_look_up")],
        tool_choice=ir.ToolChoice("tool", name),
    )
    encoded = encode_request(request, TargetModel(OLD))
    body = msgspec.json.decode(encoded.body)
    read_claude_request(encoded.body)
    names = [tool["name"] for tool in body["tools"]]
    assert len(set(names)) == 3
    assert [encoded.tool_names.get(sent_name, sent_name) for sent_name in names] == [
        name,
        long,
        "functions_look_up",
    ]
    assert body["tool_choice"]["name"] == names[0]
    assert [block["name"] for block in body["messages"][1]["content"]] == names[:2]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ir.ToolChoice("auto"), None),
        (ir.ToolChoice("none"), {"type": "none"}),
        (ir.ToolChoice("required"), {"type": "any"}),
        (ir.ToolChoice("tool", "look"), {"type": "tool", "name": "look"}),
        (ir.ToolChoice("auto", parallel=True), None),
        (
            ir.ToolChoice("auto", parallel=False),
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choice_in_all_its_forms(choice: ir.ToolChoice, expected: object) -> None:
    body = body_of(ask(tools=[ir.Tool("look")], tool_choice=choice))
    assert body.get("tool_choice") == expected


def test_a_choice_among_some_tools_offers_only_those() -> None:
    tools = [ir.Tool("a"), ir.Tool("b"), ir.Tool("c")]
    body = body_of(ask(tools=tools, tool_choice=ir.ToolChoice("required", allowed=["a", "c"])))
    assert [tool["name"] for tool in body["tools"]] == ["a", "c"]
    assert body["tool_choice"] == {"type": "any"}


def test_a_choice_without_tools_is_left_out() -> None:
    assert "tool_choice" not in body_of(ask(tool_choice=ir.ToolChoice("none")))


def test_a_free_form_tool_is_a_function_of_one_string() -> None:
    request = ask(
        user("Hi"),
        assistant(ir.ToolCall("a", "patch", "*** Begin", custom=True)),
        user(ir.ToolResult("a", [ir.Text("done")], custom=True)),
        tools=[ir.Tool("patch", custom=True, kind="custom")],
    )
    body = body_of(request)
    assert list(body["tools"][0]["input_schema"]["properties"]) == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


def test_tools_of_another_service_are_lost_by_name_and_claudes_own_are_kept() -> None:
    own = Raw(b'{"type":"bash_20250124","name":"bash"}')
    tools = [
        ir.Tool("web_search", kind="web_search", origin="openai-responses"),
        ir.Tool("bash", kind="bash_20250124", origin="claude", raw=own),
    ]
    body, losses = sent(ask(tools=tools))
    assert body["tools"] == [{"type": "bash_20250124", "name": "bash"}]
    assert losses == ["tools.web_search"]


def test_a_schema_that_chooses_at_its_top_is_made_one_object() -> None:
    schema = Raw(
        b'{"anyOf":[{"properties":{"a":{},"b":{}},"required":["a","b"]},'
        b'{"properties":{"a":{},"c":{}},"required":["a"]}]}'
    )
    body, losses = sent(ask(tools=[ir.Tool("f", schema=schema)]))
    assert body["tools"][0]["input_schema"] == {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {}, "b": {}, "c": {}},
    }
    assert losses == ["tools.schema"]


@pytest.mark.parametrize("arguments", ["", "{broken", "[1]", '"text"', "nul\x00"])
def test_arguments_that_are_no_object_still_become_an_input(arguments: str) -> None:
    request = ask(
        user("Hi"), assistant(ir.ToolCall("a", "f", arguments)), user(ir.ToolResult("a", []))
    )
    given = body_of(request)["messages"][1]["content"][0]["input"]
    assert given == ({"input": arguments} if arguments else {})


# --- reasoning ----------------------------------------------------------------------------------


def thinking(wish: ir.ReasoningWish, model: str = OLD, **fields: Any) -> tuple[Any, Any, list[str]]:
    body, losses = sent(ask(reasoning=wish, **fields), model, 64_000)
    effort = body.get("output_config", {}).get("effort")
    return body.get("thinking"), effort, losses


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 10_240), ("high", 48_000), ("xhigh", 48_000)],
)
def test_an_effort_is_a_budget_for_older_models(effort: ir.Effort, budget: int) -> None:
    assert thinking(ir.ReasoningWish(effort)) == (
        {"type": "enabled", "budget_tokens": budget},
        None,
        [],
    )


def test_a_budget_stays_below_the_clients_limit_and_leaves_room_for_the_answer() -> None:
    small = ir.Sampling(max_tokens=4096)
    wish = ir.ReasoningWish("high")
    assert thinking(wish, sampling=small)[0] == {"type": "enabled", "budget_tokens": 3072}
    tiny = ir.Sampling(max_tokens=500)
    assert thinking(wish, sampling=tiny) == (None, None, ["reasoning_effort"])


@pytest.mark.parametrize("model", ["claude-3-5-sonnet-20241022", "claude-3-haiku-20240307"])
def test_a_model_from_before_thinking_is_not_asked_to_think(model: str) -> None:
    assert thinking(ir.ReasoningWish("high"), model) == (None, None, ["reasoning_effort"])
    assert thinking(ir.ReasoningWish("none"), model) == (None, None, [])


@pytest.mark.parametrize(
    ("wish", "effort"),
    [
        (ir.ReasoningWish("minimal"), "low"),
        (ir.ReasoningWish("xhigh"), "xhigh"),
        (ir.ReasoningWish(budget_tokens=10_000), "medium"),
        (ir.ReasoningWish(budget_tokens=-1), None),
    ],
)
def test_newer_models_think_adaptively_with_an_effort(
    wish: ir.ReasoningWish, effort: str | None
) -> None:
    shown = {"type": "adaptive", "display": "summarized"}
    assert thinking(wish, NEW) == (shown, effort, [])


def test_the_highest_effort_of_a_model_that_lacks_xhigh_is_max() -> None:
    assert thinking(ir.ReasoningWish("xhigh"), "claude-opus-4-6")[1] == "max"


def test_no_thinking_is_said_where_it_can_be() -> None:
    off = ir.ReasoningWish("none")
    assert thinking(off, OTHER) == ({"type": "disabled"}, None, [])
    assert thinking(off, "claude-fable-5") == (None, None, ["reasoning_effort"])


def test_a_forced_tool_and_a_foreign_tool_loop_exclude_a_budget() -> None:
    wish = ir.ReasoningWish("low")
    forced = {"tools": [ir.Tool("f")], "tool_choice": ir.ToolChoice("required")}
    assert thinking(wish, **forced) == (None, None, ["reasoning_effort"])
    loop = [user("Hi"), assistant(ir.ToolCall("a", "f")), user(ir.ToolResult("a", []))]
    body, losses = sent(ask(*loop, reasoning=wish))
    assert "thinking" not in body
    assert losses == ["reasoning_effort"]
    assert "thinking" in body_of(ask(*loop, reasoning=wish), NEW)


# --- the answer's form --------------------------------------------------------------------------


def test_a_schema_goes_into_output_config_within_its_limits() -> None:
    schema = Raw(
        b'{"type":"object","properties":{"n":{"type":"integer","minimum":1},'
        b'"o":{"oneOf":[{"type":"string","maxLength":3},{"type":"null"}]}},"required":["n"]}'
    )
    wanted = ir.ResponseFormat("json_schema", "answer", schema=schema)
    body, losses = sent(ask(response_format=wanted))
    narrowed = body["output_config"]["format"]["schema"]
    assert narrowed["additionalProperties"] is False
    assert narrowed["properties"]["n"] == {"type": "integer", "description": "{minimum: 1}"}
    assert narrowed["properties"]["o"]["anyOf"][0]["description"] == "{maxLength: 3}"
    assert losses == []


def test_a_keyword_of_the_wrong_type_is_told_and_not_judged() -> None:
    schema = Raw(b'{"type":"object","properties":{"n":{"type":"string","format":{"a":1}}}}')
    body, _ = sent(ask(response_format=ir.ResponseFormat("json_schema", schema=schema)))
    properties = body["output_config"]["format"]["schema"]["properties"]
    assert properties["n"] == {"type": "string", "description": '{format: {"a":1}}'}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (OTHER, ir.ResponseFormat("json_schema", schema=SCHEMA)),
        (OLD, ir.ResponseFormat("json_schema", schema=OPEN_SCHEMA)),
        (NEW, ir.ResponseFormat("json_object")),
    ],
)
def test_where_that_cannot_be_a_tool_is_forced(model: str, wanted: ir.ResponseFormat) -> None:
    body, losses = sent(ask(response_format=wanted), model)
    assert body["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert [tool["name"] for tool in body["tools"]] == [ANSWER_TOOL]
    assert losses == []


def test_beside_the_clients_tools_it_becomes_an_instruction() -> None:
    wanted = ir.ResponseFormat("json_schema", schema=SCHEMA)
    body, losses = sent(ask(tools=[ir.Tool("f")], response_format=wanted), OTHER)
    assert '"city"' in body["system"]
    assert "tool_choice" not in body
    assert losses == ["json_schema"]


# --- the rest -----------------------------------------------------------------------------------


def test_sampling_is_kept_in_its_range_and_lost_where_models_take_none() -> None:
    sampling = ir.Sampling(temperature=1.5, top_p=0.5, top_k=3, seed=1, n=2, presence_penalty=0.5)
    body, losses = sent(ask(sampling=sampling))
    assert (body["temperature"], body["top_k"]) == (1.0, 3)
    assert losses == ["temperature", "top_p", "n", "penalties", "seed"]
    body, losses = sent(ask(sampling=ir.Sampling(temperature=1, top_p=0.5, top_k=3)), NEW)
    assert not body.keys() & {"temperature", "top_p", "top_k"}
    assert losses == ["top_p", "top_k"]
    assert body_of(ask(sampling=ir.Sampling(temperature=0.2, top_p=0.5)), OTHER)["top_p"] == 0.5


def test_user_tier_and_stops() -> None:
    request = ask(
        user="u-1",
        service_tier="default",
        sampling=ir.Sampling(stop=["END", "\n"]),
        metadata={"k": "v"},
        extra={"logit_bias": Raw(b"{}")},
        stream=True,
    )
    body, losses = sent(request)
    assert body["metadata"] == {"user_id": "u-1"}
    assert body["service_tier"] == "standard_only"
    assert body["stop_sequences"] == ["END"]
    assert body["stream"] is True
    assert losses == ["stop", "metadata", "logit_bias"]


def test_a_client_that_counts_on_caching_gets_it_unless_it_marks_itself() -> None:
    assert body_of(ask(cache_key="k"))["cache_control"] == {"type": "ephemeral"}
    marked = user(ir.Text("Hi", ir.CacheMark("1h")))
    body = body_of(ask(marked, cache_key="k"))
    assert "cache_control" not in body
    block = body["messages"][0]["content"][0]
    assert block["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert sent(ask(cache_key="k"), OTHER)[1] == ["prompt_cache_key"]
