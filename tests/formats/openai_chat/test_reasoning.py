"""Reasoning and its proofs, as details and back."""

import pytest

from omniroute.formats import ir
from omniroute.formats.openai_chat.reasoning import (
    detail_of,
    origin_of,
    reasoning_parts,
    shown_text,
)
from omniroute.formats.openai_chat.wire import MessageIn, ReasoningDetail


@pytest.mark.parametrize("origin", ["claude", "gemini", "openai-responses"])
@pytest.mark.parametrize("part", [ir.Reasoning("hm", "sig"), ir.Reasoning(data="sealed", id="r")])
def test_a_proof_comes_back_to_its_origin(part: ir.Reasoning, origin: str) -> None:
    part = ir.Reasoning(part.text, part.signature, part.data, origin, part.id)
    detail = detail_of(part, 0)
    assert detail is not None
    assert origin_of(detail) == origin
    assert reasoning_parts("", [detail]) == [part]


def test_reasoning_without_a_proof_has_no_detail() -> None:
    assert detail_of(ir.Reasoning("hm"), 0) is None


def test_text_outside_of_details_is_not_doubled() -> None:
    said = ReasoningDetail("reasoning.text", text="hm")
    assert reasoning_parts("hm", [said]) == [ir.Reasoning("hm")]
    assert reasoning_parts("hm", []) == [ir.Reasoning("hm")]
    assert reasoning_parts("", []) == []


def test_pieces_that_a_client_collected_from_a_stream_are_one_thought() -> None:
    pieces = [
        ReasoningDetail("reasoning.text", text="be"),
        ReasoningDetail("reasoning.text", text="cause"),
        ReasoningDetail("reasoning.text", signature="sig", format="anthropic-claude-v1"),
        ReasoningDetail("reasoning.text", text="next"),
    ]
    assert reasoning_parts("", pieces) == [
        ir.Reasoning("because", "sig", origin="claude"),
        ir.Reasoning("next"),
    ]


def test_a_signature_alone_proves_the_text_beside_it() -> None:
    proof = ReasoningDetail("reasoning.text", signature="sig", format="anthropic-claude-v1")
    assert reasoning_parts("hm", [proof]) == [ir.Reasoning("hm", "sig", origin="claude")]


def test_a_summary_is_one() -> None:
    told = ReasoningDetail("reasoning.summary", summary="short")
    assert reasoning_parts("", [told]) == [ir.Reasoning("short", summary=True)]


def test_the_text_has_many_names() -> None:
    assert shown_text(MessageIn(reasoning="a")) == "a"
    assert shown_text(MessageIn(reasoning_text="a")) == "a"
    assert shown_text(MessageIn(reasoning_content="a", reasoning="b")) == "a"
    assert shown_text(MessageIn()) == ""
