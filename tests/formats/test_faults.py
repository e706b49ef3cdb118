"""A 200 that is no answer is found out, and an answer that is empty for a reason is not."""

import json

import pytest

from omniroute.formats.table import DIALECTS
from tests.formats.matrix import FORMATS

EMPTY = {
    "openai": [
        {},
        {"choices": []},
        {"choices": [{"index": 0, "finish_reason": "stop"}]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": None, "tool_calls": []}}]},
    ],
    "openai-responses": [
        {},
        {"status": "completed", "output": []},
        {"status": "completed", "output": [{"type": "message", "content": []}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": ""}]}]},
    ],
    "claude": [
        {},
        {"type": "message", "content": []},
        {"type": "message", "content": [], "stop_reason": "end_turn"},
    ],
    "gemini": [
        {},
        {"candidates": []},
        {"candidates": [{"finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "a"}]}}]},
        {"promptFeedback": {}},
    ],
}
ERRORS = {
    "openai": [
        {"error": {"message": "Sorry."}},
        {"object": "error", "message": "Sorry."},
        {"error": {"message": "Sorry."}, "choices": []},
        [{"error": {"message": "Sorry."}}],
    ],
    "openai-responses": [
        {"error": {"message": "Sorry."}},
        {"status": "failed", "error": {"message": "Sorry."}, "output": []},
    ],
    "claude": [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Sorry."}},
        {"error": "Sorry."},
    ],
    "gemini": [{"error": {"code": 503, "message": "Sorry."}}, [{"error": {"message": "Sorry."}}]],
}
# Nothing is said in these, or little, and it is right so.
ANSWERS = {
    "openai": [
        {"choices": [{"message": {"content": ""}, "finish_reason": "length"}]},
        {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]},
        {"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"tool_calls": [{"id": "a"}]}, "finish_reason": "tool_calls"}]},
        {"choices": [{"message": {"reasoning_content": "Hm."}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]},
        {"choices": [{"message": {"content": ""}}, {"message": {"content": "b"}}]},
        {"choices": [{"text": "a completion"}]},
    ],
    "openai-responses": [
        {"status": "incomplete", "output": []},
        {"status": "queued", "output": []},
        {"status": "completed", "output": [{"type": "function_call", "name": "f"}]},
        {"status": "completed", "output": [{"type": "reasoning", "summary": []}]},
        {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]},
    ],
    "claude": [
        {"type": "message", "content": [], "stop_reason": "max_tokens"},
        {"type": "message", "content": [], "stop_reason": "refusal"},
        {"type": "message", "content": [], "stop_reason": "pause_turn"},
        {"type": "message", "content": [{"type": "tool_use"}], "stop_reason": "tool_use"},
    ],
    "gemini": [
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"finishReason": "MAX_TOKENS"}]},
        {"candidates": [{"finishReason": "SAFETY"}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}}]},
        {"candidates": [{"content": {"parts": [{"inlineData": {}}]}, "finishReason": "STOP"}]},
    ],
}


def cases(table):
    return [(form, answer) for form, answers in table.items() for answer in answers]


@pytest.mark.parametrize(("form", "answer"), cases(EMPTY))
def test_an_answer_without_a_word_or_a_reason_is_none(form, answer):
    fault = DIALECTS[form].answer_fault(json.dumps(answer).encode())
    assert fault is not None
    assert fault.message


@pytest.mark.parametrize(("form", "answer"), cases(ERRORS))
def test_an_error_is_none_and_says_what_it_says(form, answer):
    fault = DIALECTS[form].answer_fault(json.dumps(answer).encode())
    assert fault is not None
    assert fault.message == "Sorry."


@pytest.mark.parametrize(("form", "answer"), cases(ANSWERS))
def test_an_answer_that_has_its_reason_is_one(form, answer):
    assert DIALECTS[form].answer_fault(json.dumps(answer).encode()) is None


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("body", [b"", b" \n", b"<html>busy</html>", b"\xff", b"[]", b'"hi"', b"7"])
def test_what_is_no_object_is_none(form, body):
    fault = DIALECTS[form].answer_fault(body)
    assert fault is not None
    assert len(fault.message) < 300


@pytest.mark.parametrize(
    ("form", "case"),
    [(form, case) for form in FORMATS for case in FORMATS[form].cases if case != "empty"],
)
def test_of_the_golden_answers_only_the_error_is_at_fault(form, case):
    fault = DIALECTS[form].answer_fault(FORMATS[form].golden(case, "response.json"))
    assert (fault is not None) is (case == "error")
