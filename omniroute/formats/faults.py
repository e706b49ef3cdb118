"""Is a whole answer with status 200 none at all? Then the next target is asked instead.

Contract: given a body in which no usage could be read, say what is wrong with it, or None. At fault
is what is empty, no JSON object, an error, or an answer without a single choice or word. Not at
fault is an answer that says why it is empty (its length, a refusal, a filter, a blocked prompt),
one that calls tools or only reasons, and one that is still under way. Members are read loosely: a
vendor that bends its format still answers.

Answers to requests that count tokens are no answers in this sense; they are not to be asked about.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from omniroute.formats.base import UpstreamError
from omniroute.formats.misread import UNREADABLE

MAX_QUOTED_CHARACTERS: Final = 200

Read: TypeAlias = Callable[[bytes], UpstreamError]
"""How a dialect reads an error of its upstream."""

# Reasons for an ending that leave nothing to explain; with any other an answer may be empty.
_WENT_WELL: Final = frozenset(
    {None, "", "stop", "eos", "end_turn", "tool_calls", "tool_use", "function_call", "STOP"}
)
_SAID_IN_CHAT: Final = (
    "content",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "reasoning_details",
    "refusal",
    "audio",
    "images",
)


def chat_fault(body: bytes, read: Read) -> UpstreamError | None:
    """For OpenAI chat and the legacy completions."""
    answer = _object(body)
    if isinstance(answer, UpstreamError):
        return answer
    if answer.get("object") == "error":
        return read(body)
    choices = answer.get("choices")
    if not choices:
        return read(body) if _holds_error(answer) else UpstreamError("the answer has no choices")
    if not isinstance(choices, list) or any(map(_says_in_chat, choices)):
        return None
    return UpstreamError("the answer is empty")


def _says_in_chat(choice: Any) -> bool:
    if not isinstance(choice, dict):
        return False
    message = choice.get("message")
    if not isinstance(message, dict):
        return bool(choice.get("text"))
    if choice.get("finish_reason") not in _WENT_WELL:
        return True
    return any(message.get(name) for name in _SAID_IN_CHAT)


def responses_fault(body: bytes, read: Read) -> UpstreamError | None:
    """For Responses."""
    answer = _object(body)
    if isinstance(answer, UpstreamError):
        return answer
    status = answer.get("status")
    if status == "failed" or _holds_error(answer):
        return read(body)
    if status in ("incomplete", "queued", "in_progress"):
        return None
    output = answer.get("output")
    if not isinstance(output, list):
        return UpstreamError("the answer has no output")
    if any(map(_says_in_responses, output)):
        return None
    return UpstreamError("the answer is empty")


def _says_in_responses(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    if item.get("type") != "message":
        return True  # a call, reasoning, the result of a tool
    content = item.get("content")
    if not isinstance(content, list):
        return bool(content)
    return any(
        not isinstance(part, dict) or part.get("type") != "output_text" or part.get("text")
        for part in content
    )


def claude_fault(body: bytes, read: Read) -> UpstreamError | None:
    """For Claude."""
    answer = _object(body)
    if isinstance(answer, UpstreamError):
        return answer
    if answer.get("type") == "error" or _holds_error(answer):
        return read(body)
    content = answer.get("content")
    if content is None:
        return UpstreamError("the answer has no content")
    if content or answer.get("stop_reason") not in _WENT_WELL:
        return None
    return UpstreamError("the answer is empty")


def gemini_fault(body: bytes, read: Read) -> UpstreamError | None:
    """For Gemini; a prompt that was blocked is an answer."""
    answer = _object(body)
    if isinstance(answer, UpstreamError):
        return answer
    if _holds_error(answer):
        return read(body)
    feedback = answer.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return None
    candidates = answer.get("candidates")
    if not candidates:
        return UpstreamError("the answer has no candidates")
    if not isinstance(candidates, list) or any(map(_says_in_gemini, candidates)):
        return None
    return UpstreamError("the answer is empty")


def _says_in_gemini(candidate: Any) -> bool:
    if not isinstance(candidate, dict):
        return False
    if candidate.get("finishReason") not in _WENT_WELL:
        return True
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return False
    # A part of another kind than text is something, whatever it is; a signature alone is not.
    return any(
        not isinstance(part, dict) or part.get("text") or not part.keys() <= _NOTHING_IN_GEMINI
        for part in parts
    )


_NOTHING_IN_GEMINI: Final = frozenset({"text", "thought", "thoughtSignature"})


def _holds_error(answer: dict[str, Any]) -> bool:
    return bool(answer.get("error"))


def _object(body: bytes) -> dict[str, Any] | UpstreamError:
    """The object that the body is, or what it is instead."""
    if not body.strip():
        return UpstreamError("the answer has no body")
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        text = " ".join(body.decode("utf-8", "replace").split())
        return UpstreamError(f"the answer is not JSON: {text[:MAX_QUOTED_CHARACTERS]}")
    if isinstance(found, list) and found and isinstance(found[0], dict) and _holds_error(found[0]):
        return found[0]  # Google's services wrap errors in a list
    if not isinstance(found, dict):
        return UpstreamError("the answer is not a JSON object")
    return found
