"""Requests of other formats made into ones that services of this format accept."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.custom_tools import SCHEMA
from omniroute.formats.openai_chat import QUIRKS
from omniroute.formats.openai_chat.request_encoding import encode_request
from omniroute.formats.quirks import OPENAI_ITSELF

LOOK = ir.Tool("look", "Looks.")
PATCH = ir.Tool("patch", "Edits.", custom=True, origin="openai-responses", kind="custom")


def encoded(
    model: str = "some-model",
    *quirks: str,
    origin: str = "claude",
    limit: int | None = None,
    **members: Any,
) -> tuple[dict[str, Any], list[str]]:
    members.setdefault("messages", [ir.Message("user", [ir.Text("hi")])])
    request = ir.Request(origin=origin, **members)
    assert set(quirks) <= set(QUIRKS)
    found = encode_request(request, TargetModel(model, limit, frozenset(quirks)))
    return msgspec.json.decode(found.body), found.losses


@pytest.mark.parametrize(
    ("model", "quirks", "name"),
    [
        ("llama", (), "max_tokens"),
        ("gpt-4o", (OPENAI_ITSELF,), "max_tokens"),
        ("o3-mini", (), "max_completion_tokens"),
        ("openai/gpt-5.1-codex", (), "max_completion_tokens"),
        ("gpt-5-chat-latest", (), "max_tokens"),
        ("o3-mini", ("max-tokens",), "max_tokens"),
        ("llama", ("max-completion-tokens",), "max_completion_tokens"),
        ("o1ympic-7b", (), "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_model_knows(
    model: str, quirks: tuple[str, ...], name: str
) -> None:
    body, losses = encoded(model, *quirks, sampling=ir.Sampling(max_tokens=9))
    assert body[name] == 9
    assert len([key for key in body if key.startswith("max_")]) == 1
    assert losses == []


def test_the_limit_stays_within_the_models_own() -> None:
    body, losses = encoded(limit=100, sampling=ir.Sampling(max_tokens=500))
    assert (body["max_tokens"], losses) == (100, ["max_tokens"])


def test_sampling_is_brought_into_range_and_what_is_not_known_is_named() -> None:
    sampling = ir.Sampling(temperature=3.0, top_p=1.0, top_k=40, stop=["1", "2", "3", "4", "5"])
    body, losses = encoded(sampling=sampling)
    assert body["temperature"] == 2
    assert body["stop"] == ["1", "2", "3", "4"]
    assert losses == ["stop", "temperature", "top_k"]
    body, losses = encoded("m", "top-k", sampling=ir.Sampling(top_k=40))
    assert (body["top_k"], losses) == (40, [])


def test_reasoning_models_get_nothing_that_they_refuse() -> None:
    sampling = ir.Sampling(temperature=0.2, top_p=1.0, stop=["x"], logprobs=True)
    body, losses = encoded("gpt-5", sampling=sampling)
    assert losses == ["logprobs", "stop", "temperature"]
    assert not {"temperature", "top_p", "stop", "logprobs"} & set(body)
    body, losses = encoded("gpt-5", origin="openai", sampling=sampling)
    assert body["temperature"] == 0.2, "what a client of this format says is the service's to judge"
    assert losses == []


@pytest.mark.parametrize(
    ("model", "quirks", "wish", "member", "value", "losses"),
    [
        ("m", (), ir.ReasoningWish(budget_tokens=8000), "reasoning_effort", "medium", []),
        ("m", (), ir.ReasoningWish(budget_tokens=200_000), "reasoning_effort", "high", []),
        ("m", (), ir.ReasoningWish(effort="minimal"), "reasoning_effort", "low", []),
        ("m", (), ir.ReasoningWish(budget_tokens=-1), "reasoning_effort", None, []),
        (
            "m",
            (),
            ir.ReasoningWish(budget_tokens=0),
            "reasoning_effort",
            None,
            ["reasoning_effort"],
        ),
        ("gpt-5", (), ir.ReasoningWish(budget_tokens=0), "reasoning_effort", "minimal", []),
        ("gpt-5.1", (), ir.ReasoningWish(budget_tokens=0), "reasoning_effort", "none", []),
        (
            "gpt-4o",
            (),
            ir.ReasoningWish(effort="low"),
            "reasoning_effort",
            None,
            ["reasoning_effort"],
        ),
        ("gpt-4o", (), ir.ReasoningWish(budget_tokens=0), "reasoning_effort", None, []),
        (
            "m",
            ("no-reasoning-effort",),
            ir.ReasoningWish(effort="low"),
            "reasoning_effort",
            None,
            ["reasoning_effort"],
        ),
        (
            "m",
            ("thinking-switch",),
            ir.ReasoningWish(budget_tokens=9),
            "thinking",
            {"type": "enabled"},
            [],
        ),
        (
            "m",
            ("thinking-switch",),
            ir.ReasoningWish(effort="none"),
            "thinking",
            {"type": "disabled"},
            [],
        ),
        (
            "m",
            ("enable-thinking",),
            ir.ReasoningWish(budget_tokens=0),
            "enable_thinking",
            False,
            [],
        ),
        ("m", ("enable-thinking",), ir.ReasoningWish(budget_tokens=77), "thinking_budget", 77, []),
    ],
)
def test_the_wish_to_reason(
    model: str,
    quirks: tuple[str, ...],
    wish: ir.ReasoningWish,
    member: str,
    value: Any,
    losses: list[str],
) -> None:
    body, lost = encoded(model, *quirks, reasoning=wish)
    assert body.get(member) == value
    assert lost == losses


def test_efforts_of_openais_own_formats_keep_their_words() -> None:
    wish = ir.ReasoningWish(effort="xhigh")
    assert encoded(origin="openai-responses", reasoning=wish)[0]["reasoning_effort"] == "xhigh"


def test_tools_and_how_they_are_chosen() -> None:
    body, losses = encoded(
        tools=[LOOK, ir.Tool("web", origin="claude", kind="web_search", raw=Raw(b"{}"))],
        tool_choice=ir.ToolChoice("tool", "look", parallel=False),
    )
    definition = {"name": "look", "description": "Looks."}
    definition["parameters"] = {"type": "object", "properties": {}}  # type: ignore[assignment]
    assert body["tools"] == [{"type": "function", "function": definition}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert body["parallel_tool_calls"] is False
    assert losses == ["tools.web_search"]


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in encoded(tool_choice=ir.ToolChoice("auto"))[0]
    web = ir.Tool("web", origin="claude", kind="web_search", raw=Raw(b"{}"))
    with pytest.raises(ir.CannotCarry, match="tool_choice"):
        encoded(tools=[web], tool_choice=ir.ToolChoice("required"))


def test_a_narrowed_choice_narrows_the_tools_where_the_service_does_not_know_it() -> None:
    choice = ir.ToolChoice("required", allowed=["look"])
    body, _ = encoded(tools=[LOOK, ir.Tool("other")], tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["look"]
    assert body["tool_choice"] == "required"
    body, _ = encoded("m", OPENAI_ITSELF, tools=[LOOK, ir.Tool("other")], tool_choice=choice)
    assert len(body["tools"]) == 2
    assert body["tool_choice"]["allowed_tools"]["mode"] == "required"


def test_free_form_tools_are_functions_elsewhere_and_themselves_at_openai() -> None:
    call = ir.ToolCall("c", "patch", 'a "text"', custom=True)
    messages = [
        ir.Message("assistant", [call]),
        ir.Message("user", [ir.ToolResult("c", [ir.Text("ok")], custom=True)]),
    ]
    given: dict[str, Any] = {"tools": [PATCH], "messages": messages, "origin": "openai-responses"}
    given["tool_choice"] = ir.ToolChoice("tool", "patch")
    body, losses = encoded(**given)
    assert body["tools"][0]["function"]["parameters"] == msgspec.json.decode(SCHEMA)
    sent = body["messages"][0]["tool_calls"][0]["function"]
    assert msgspec.json.decode(sent["arguments"]) == {"input": 'a "text"'}
    assert body["tool_choice"]["type"] == "function"
    assert losses == []
    body, _ = encoded("m", OPENAI_ITSELF, **given)
    assert body["tools"][0] == {
        "type": "custom",
        "custom": {"name": "patch", "description": "Edits."},
    }
    assert body["messages"][0]["tool_calls"][0]["custom"] == {"name": "patch", "input": 'a "text"'}
    assert body["tool_choice"]["type"] == "custom"


def test_structured_output() -> None:
    wanted = ir.ResponseFormat("json_schema", "my person", "", Raw(b'{"type":"object"}'), True)
    body, losses = encoded(response_format=wanted)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "my_person", "schema": {"type": "object"}, "strict": True},
    }
    assert losses == []
    body, losses = encoded("m", "json-object-only", response_format=wanted)
    assert body["response_format"] == {"type": "json_object"}
    assert '{"type":"object"}' in body["messages"][0]["content"]
    assert losses == ["json_schema"]


def test_a_wish_for_json_is_spoken_of_since_the_service_asks_for_that() -> None:
    body, losses = encoded(response_format=ir.ResponseFormat("json_object"))
    assert "JSON" in body["messages"][0]["content"]
    assert losses == []


def test_what_only_openai_knows_goes_to_openai_only() -> None:
    given: dict[str, Any] = {
        "origin": "openai-responses",
        "metadata": {"a": "b"},
        "cache_key": "k",
        "service_tier": "flex",
        "verbosity": "low",
        "user": "u",
    }
    body, losses = encoded(**given)
    assert losses == ["metadata", "prompt_cache_key", "service_tier", "verbosity"]
    assert body["user"] == "u"
    body, losses = encoded("gpt-5", OPENAI_ITSELF, **given)
    assert losses == []
    assert (body["service_tier"], body["prompt_cache_key"]) == ("flex", "k")
    assert (body["metadata"], body["verbosity"]) == ({"a": "b"}, "low")


def test_members_of_this_format_go_on_and_those_of_others_are_named() -> None:
    extra = {"logit_bias": Raw(b"{}"), "store": Raw(b"true"), "safe": Raw(b"1")}
    body, losses = encoded(origin="openai", extra=extra)
    assert body["logit_bias"] == {}
    assert body["safe"] == 1
    assert losses == ["store"]
    body, losses = encoded(origin="claude", extra={"container": Raw(b'"c"')})
    assert "container" not in body
    assert losses == ["container"]


def test_streams_ask_for_usage_unless_the_service_refuses_to_be_asked() -> None:
    assert encoded(stream=True)[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encoded("m", "no-stream-options", stream=True)[0]
    assert "stream_options" not in encoded()[0]


def test_names_that_the_service_refuses_are_mapped_and_mapped_back() -> None:
    names = ["mcp.server:look", "mcp_server_look", "x" * 80, "ok"]
    request = ir.Request(
        origin="gemini",
        messages=[ir.Message("user", [ir.Text("hi")])],
        tools=[ir.Tool(name) for name in names],
    )
    found = encode_request(request, TargetModel("m"))
    sent = [tool["function"]["name"] for tool in msgspec.json.decode(found.body)["tools"]]
    assert len(set(sent)) == 4
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in sent)
    assert [found.tool_names.get(name, name) for name in sent] == names
    assert sent[1] == names[1]


def test_nothing_to_send_is_refused() -> None:
    with pytest.raises(ir.CannotCarry, match="messages"):
        encoded(messages=[])


def test_text_that_is_no_text_is_an_error_of_the_format() -> None:
    with pytest.raises(ir.FormatError):
        encoded(tools=[ir.Tool("a", "\ud800")])
