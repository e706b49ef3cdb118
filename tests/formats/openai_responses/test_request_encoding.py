"""Requests of other formats for a Responses upstream: what is carried, and what is told as lost."""

import json
from typing import Any

import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.openai_responses.request_encoding import encode_request
from omniroute.simulator.openai_responses_request import read_responses_request

HELLO = [ir.Message("user", [ir.Text("hi")])]


def encode(**members: Any) -> tuple[dict[str, Any], list[str]]:
    request = ir.Request(**{"origin": "claude", "messages": HELLO, **members})
    encoded = encode_request(request, TargetModel("plain", 1000))
    read_responses_request(encoded.body)  # the simulator refuses what the service would
    return json.loads(encoded.body), encoded.losses


def items(*parts: ir.Part, role: ir.Role = "user") -> tuple[list[Any], list[str]]:
    body, losses = encode(messages=[ir.Message(role, list(parts))])
    return body["input"], losses


def test_a_plain_request_is_not_stored() -> None:
    body, losses = encode()
    assert body == {
        "model": "plain",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}],
            }
        ],
        "stream": False,
        "store": False,
    }
    assert losses == []


def test_system_texts_become_the_instructions_in_order() -> None:
    body, losses = encode(system=[ir.Text("One.", cache=ir.CacheMark()), ir.Text("Two.")])
    assert body["instructions"] == "One.\n\nTwo."
    assert losses == ["cache_control"]


def test_what_has_no_counterpart_is_told() -> None:
    sampling = ir.Sampling(
        max_tokens=1, temperature=3.0, top_k=5, n=2, seed=1, presence_penalty=1.0, stop=["x"]
    )
    body, losses = encode(sampling=sampling, extra={"logit_bias": Raw(b"{}")})
    assert body["max_output_tokens"] == 16
    assert body["temperature"] == 2
    assert set(losses) == {
        *("max_tokens", "temperature", "top_k", "n", "seed", "penalties", "stop"),
        "logit_bias",
    }


def test_the_targets_own_limit_of_tokens_holds() -> None:
    body, losses = encode(sampling=ir.Sampling(max_tokens=5000))
    assert (body["max_output_tokens"], losses) == (1000, ["max_tokens"])


def test_audio_is_refused() -> None:
    with pytest.raises(ir.CannotCarry, match="audio_in"):
        items(ir.Audio("audio/wav", "aGk="))


def test_a_file_that_another_service_stores_is_refused() -> None:
    with pytest.raises(ir.CannotCarry, match="file_id"):
        items(ir.File(file_id="file_1", origin="claude"))


def test_files_and_images_are_data_urls() -> None:
    (message,), _ = items(
        ir.Image("image/png", "aGk=", detail="low"), ir.File("application/pdf", "aGk=")
    )
    assert message["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
        {
            "type": "input_file",
            "filename": "document.pdf",
            "file_data": "data:application/pdf;base64,aGk=",
        },
    ]


def test_foreign_reasoning_is_left_out() -> None:
    found, losses = items(
        ir.Reasoning("hm", "signed", origin="claude"), ir.Text("so"), role="assistant"
    )
    assert [item["type"] for item in found] == ["message"]
    assert losses == ["reasoning_text"]


def test_calls_and_results_keep_their_ids_and_a_long_id_is_mapped_alike() -> None:
    long = "x" * 100
    body, losses = encode(
        messages=[
            ir.Message("assistant", [ir.ToolCall(long, "read"), ir.ToolCall("toolu_1", "read")]),
            ir.Message(
                "user",
                [
                    ir.ToolResult(long, [ir.Text("a")]),
                    ir.ToolResult("toolu_1", [ir.Text("b"), ir.Image(url="http://x")], "", True),
                    ir.Text("now"),
                ],
            ),
        ]
    )
    kinds = [item["type"] for item in body["input"]]
    assert kinds == [*["function_call"] * 2, *["function_call_output"] * 2, "message"]
    ids = [item["call_id"] for item in body["input"][:4]]
    assert ids[0] == ids[2]
    assert len(ids[0]) <= 64
    assert ids[1] == ids[3] == "toolu_1"
    assert losses == ["tool_result_error"]


def test_the_result_of_a_custom_call_is_a_custom_one() -> None:
    body, _ = encode(
        messages=[
            ir.Message("assistant", [ir.ToolCall("1", "patch", "text", custom=True)]),
            ir.Message("user", [ir.ToolResult("1", [ir.Text("ok")])]),
        ]
    )
    assert [item["type"] for item in body["input"]] == [
        "custom_tool_call",
        "custom_tool_call_output",
    ]


@pytest.mark.parametrize(
    ("wish", "sent", "losses"),
    [
        (ir.ReasoningWish(effort="none"), {"effort": "none"}, []),
        (ir.ReasoningWish(budget_tokens=0), None, ["reasoning_effort"]),
        (
            ir.ReasoningWish(budget_tokens=1024, include=True),
            {"effort": "low", "summary": "auto"},
            [],
        ),
        (ir.ReasoningWish(budget_tokens=-1), None, []),
    ],
)
def test_a_budget_is_an_effort(
    wish: ir.ReasoningWish, sent: dict[str, str] | None, losses: list[str]
) -> None:
    body, lost = encode(reasoning=wish)
    assert (body.get("reasoning"), lost) == (sent, losses)


def test_structured_output_has_a_name_that_the_service_takes() -> None:
    wanted = ir.ResponseFormat("json_schema", name="my schema!", schema=Raw(b'{"type":"object"}'))
    body, _ = encode(response_format=wanted)
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "answer",
        "schema": {"type": "object"},
    }


def test_a_foreign_service_tier_is_told() -> None:
    assert encode(service_tier="standard_only")[1] == ["service_tier"]
    assert encode(service_tier="flex")[0]["service_tier"] == "flex"


def test_opaque_parts_of_others_are_told_by_their_kind() -> None:
    found, losses = items(ir.Opaque("claude", Raw(b"{}"), "server_tool_use"), ir.Text("x"))
    assert len(found) == 1
    assert losses == ["parts.server_tool_use"]
