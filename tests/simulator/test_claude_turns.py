"""The turns of a Messages request: which blocks stand where, and which calls need which results."""

from typing import Any

import pytest

from omniroute.simulator.claude_turns import checked_turns
from omniroute.simulator.dialect import Refusal

CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def check(*turns: tuple[str, Any]) -> None:
    checked_turns({"messages": [{"role": role, "content": content} for role, content in turns]})


@pytest.mark.parametrize(
    "content",
    [
        None,
        "sunny",
        [{"type": "text", "text": "sunny"}],
        [{"type": "image", "source": PIXEL}],
        [{"type": "tool_reference", "tool_name": "weather"}],
    ],
)
def test_a_result_answers_its_call_with_anything_it_may_hold(content: Any) -> None:
    result = RESULT if content is None else {**RESULT, "content": content}
    check(("user", "Weather?"), ("assistant", [CALL]), ("user", [result]))


def test_instructions_may_follow_a_user_turn_only() -> None:
    check(("user", "Hi"), ("system", "Be brief"), ("system", "In French"), ("assistant", "Salut"))
    with pytest.raises(Refusal, match="follow"):
        check(("user", "Hi"), ("assistant", "Hello"), ("system", "Be brief"))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "image"}, "source"),
        ({"type": "image", "source": {"type": "ftp"}}, "ftp"),
        ({"type": "document", "source": {"type": "base64", "media_type": "text/plain"}}, "pdf"),
        ({"type": "document", "source": {"type": "text"}}, "text/plain"),
        ({"type": "text"}, "text: Field required"),
        ({"type": "tool_use"}, "not expected for the role 'user'"),
        ("words", "not expected"),
    ],
)
def test_a_block_of_another_shape_is_refused(block: Any, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        check(("user", [block]))
    assert words in caught.value.message


def test_a_call_is_answered_once() -> None:
    with pytest.raises(Refusal) as caught:
        check(("user", "Hi"), ("assistant", [CALL]), ("user", [RESULT, RESULT]))
    assert "single result" in caught.value.message
