"""Check the turns of a Messages request as Anthropic's service does: roles, blocks, calls, results.

Source: Anthropic API reference, "Messages" and "Errors"; "Handle tool calls" for the order of calls
and results. The wording of the refusals follows the service's.
"""

import re
from typing import Any

from omniroute.simulator.dialect import Refusal

__all__ = ["NAME", "SIGNATURE", "check_block", "checked_turns", "wrong"]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BLOCKS = {
    "user": frozenset(
        {"text", "image", "document", "tool_result", "search_result", "container_upload"}
    ),
    "assistant": frozenset(
        {
            *("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"),
            *("web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
            *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result"),
            *("tool_search_tool_result", "container_upload"),
        }
    ),
    "system": frozenset({"text"}),
}
# What this simulator itself signs, see claude.py; a foreign signature is refused.
SIGNATURE = "c2ltdWxhdGVk"

Json = dict[str, Any]


def checked_turns(request: Json) -> list[Json]:
    messages = request.get("messages")
    if not isinstance(messages, list):
        raise wrong("messages", "Field required" if messages is None else "a list is expected")
    if not messages:
        raise wrong("messages", "at least one message is required")
    open_calls: set[str] = set()
    seen: set[str] = set()
    previous = ""
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        if not isinstance(message, dict):
            raise wrong(where, "Input should be an object")
        role = message.get("role")
        if role not in _BLOCKS:
            raise wrong(f"{where}.role", f"Unexpected role {role!r}")
        if index == 0 and role != "user":
            raise wrong("messages", 'first message must use the "user" role')
        if role == "system" and previous == "assistant":
            raise wrong(where, "a system message has to follow a user message")
        blocks = _blocks(message, where, role, last=index == len(messages) - 1)
        results = [block for block in blocks if block["type"] == "tool_result"]
        if previous != role or role != "user":
            _check_results(results, open_calls, where)
            open_calls = set()
        elif results:
            raise _unexpected(results[0]["tool_use_id"], where)
        for block in blocks:
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    raise wrong(where, "`tool_use` ids must be unique")
                seen.add(block["id"])
                open_calls.add(block["id"])
        previous = role
    if open_calls and messages[-1]["role"] == "assistant":
        raise _unanswered(open_calls, f"messages.{len(messages) - 1}")
    return messages


def _check_results(results: list[Json], open_calls: set[str], where: str) -> None:
    answered = set()
    for result in results:
        if result["tool_use_id"] not in open_calls:
            raise _unexpected(result["tool_use_id"], where)
        if result["tool_use_id"] in answered:
            raise wrong(where, "each tool_use must have a single result")
        answered.add(result["tool_use_id"])
    if open_calls - answered:
        raise _unanswered(open_calls - answered, where)


def _unexpected(name: str, where: str) -> Refusal:
    return wrong(
        where,
        f"unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each `tool_result` block "
        "must have a corresponding `tool_use` block in the previous message.",
    )


def _unanswered(calls: set[str], where: str) -> Refusal:
    return wrong(
        where,
        "`tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(sorted(calls))}. Each `tool_use` block must have a corresponding "
        "`tool_result` block in the next message.",
    )


def _blocks(message: Json, where: str, role: str, *, last: bool) -> list[Json]:
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content or not last else []
    if not isinstance(content, list):
        raise wrong(f"{where}.content", "Input should be a valid list")
    if not content and not (last and role == "assistant"):
        raise wrong(
            where,
            "all messages must have non-empty content except for the optional final assistant "
            "message",
        )
    beyond_results = False
    for index, block in enumerate(content):
        place = f"{where}.content.{index}"
        if not isinstance(block, dict) or block.get("type") not in _BLOCKS[role]:
            kind = block.get("type") if isinstance(block, dict) else block
            raise wrong(place, f"Input tag {kind!r} is not expected for the role {role!r}")
        check_block(block, place)
        if block["type"] == "tool_result":
            if beyond_results:
                raise wrong(place, "`tool_result` blocks have to come first")
        else:
            beyond_results = True
    if last and role == "assistant" and content and content[-1]["type"] == "text":
        text = content[-1]["text"]
        if text != text.rstrip():
            raise wrong("messages", "final assistant content cannot end with trailing whitespace")
    return content


def check_block(block: Json, place: str) -> None:
    match block["type"]:
        case "text":
            text = block.get("text")
            if not isinstance(text, str):
                raise wrong(f"{place}.text", "Field required")
            if not text.strip():
                raise wrong(place, "text content blocks must contain non-whitespace text")
        case "thinking":
            if block.get("signature") != SIGNATURE:
                raise wrong(place, "Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            if block.get("data") != SIGNATURE:
                raise wrong(place, "Invalid `data` in `redacted_thinking` block")
        case "tool_use":
            if not isinstance(block.get("id"), str) or not _ID.fullmatch(block["id"]):
                raise wrong(f"{place}.id", f"String should match pattern '^{_ID.pattern}$'")
            if not isinstance(block.get("name"), str) or not NAME.fullmatch(block["name"]):
                raise wrong(f"{place}.name", f"String should match pattern '^{NAME.pattern}$'")
            if not isinstance(block.get("input"), dict):
                raise wrong(f"{place}.input", "Input should be an object")
        case "tool_result":
            _check_result(block, place)
        case "image":
            _check_image(block, place)
        case "document":
            _check_document(block, place)
        case _:
            pass


def _check_result(block: Json, place: str) -> None:
    if not isinstance(block.get("tool_use_id"), str):
        raise wrong(f"{place}.tool_use_id", "Field required")
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong(f"{place}.content", "Input should be a valid list")
    allowed = ("text", "image", "document", "search_result", "tool_reference")
    for index, inner in enumerate(content):
        inner_place = f"{place}.content.{index}"
        if not isinstance(inner, dict) or inner.get("type") not in allowed:
            raise wrong(inner_place, f"its type has to be one of {', '.join(allowed)}")
        check_block(inner, inner_place)


def _check_image(block: Json, place: str) -> None:
    source = _source(block, place)
    kind = source.get("type")
    if kind == "base64":
        if source.get("media_type") not in _IMAGES or not source.get("data"):
            raise wrong(f"{place}.source", f"an image of {', '.join(_IMAGES)} is expected")
    elif kind not in ("url", "file"):
        raise wrong(f"{place}.source", f"Input tag {kind!r} is not expected")


def _check_document(block: Json, place: str) -> None:
    source = _source(block, place)
    kind = source.get("type")
    if kind == "base64" and source.get("media_type") != "application/pdf":
        raise wrong(f"{place}.source.media_type", "Input should be 'application/pdf'")
    if kind == "text" and source.get("media_type") != "text/plain":
        raise wrong(f"{place}.source.media_type", "Input should be 'text/plain'")
    if kind not in ("base64", "text", "url", "file", "content"):
        raise wrong(f"{place}.source", f"Input tag {kind!r} is not expected")


def _source(block: Json, place: str) -> Json:
    source = block.get("source")
    if not isinstance(source, dict):
        raise wrong(f"{place}.source", "Field required")
    return source


def wrong(param: str, why: str) -> Refusal:
    return Refusal(400, f"{param}: {why}", param)
