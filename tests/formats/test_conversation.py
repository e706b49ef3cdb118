"""A conversation keeps its fingerprint as it grows, and shares it with no other."""

import json
from typing import Any

import pytest

from omniroute.formats.base import PathFacts
from omniroute.formats.table import DIALECTS

FORMATS = ("openai", "openai-responses", "claude", "gemini")
SYSTEM = "You are a careful assistant."


def fingerprint(form: str, request: dict[str, Any] | bytes) -> bytes:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    dialect = DIALECTS[form]
    return dialect.fingerprint(body, dialect.peek(body, PathFacts("m")))


def request(
    form: str, *turns: str, system: str = SYSTEM, tools: tuple[str, ...] = ("look", "write")
) -> dict[str, Any]:
    """A conversation in which user and assistant take turns, as the format's clients write it."""
    said = [("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(turns)]
    match form:
        case "gemini":
            return {
                "contents": [
                    {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
                    for role, text in said
                ],
                "systemInstruction": {"parts": [{"text": system}]},
                "tools": [{"functionDeclarations": [{"name": name} for name in tools]}],
            }
        case "openai-responses":
            return {
                "model": "m",
                "instructions": system,
                "input": [{"role": role, "content": text} for role, text in said],
                "tools": [{"type": "function", "name": name} for name in tools],
            }
        case "claude":
            return {
                "model": "m",
                "system": system,
                "messages": [{"role": role, "content": text} for role, text in said],
                "tools": [{"name": name, "input_schema": {}} for name in tools],
            }
    messages = [{"role": "system", "content": system}]
    messages += [{"role": role, "content": text} for role, text in said]
    functions = [{"type": "function", "function": {"name": name}} for name in tools]
    return {"model": "m", "messages": messages, "tools": functions}


@pytest.mark.parametrize("form", FORMATS)
def test_later_turns_change_nothing(form: str) -> None:
    first = fingerprint(form, request(form, "What is new?"))
    assert len(first) == 16
    assert fingerprint(form, request(form, "What is new?", "Much.", "Tell me.")) == first
    sampled = {**request(form, "What is new?"), "stop": ["x"], "model": "other"}
    assert fingerprint(form, sampled) == first


@pytest.mark.parametrize("form", FORMATS)
def test_other_conversations_are_others(form: str) -> None:
    found = [
        fingerprint(form, request(form, "What is new?")),
        fingerprint(form, request(form, "What is old?")),
        fingerprint(form, request(form, "What is new?", system="Be brief.")),
        fingerprint(form, request(form, "What is new?", tools=("look",))),
        fingerprint(form, request(form, "What is new?", tools=("look", "read"))),
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("form", FORMATS)
def test_the_order_of_tools_does_not_count(form: str) -> None:
    turned = request(form, "What is new?", tools=("write", "look"))
    assert fingerprint(form, turned) == fingerprint(form, request(form, "What is new?"))


@pytest.mark.parametrize("form", ["openai", "claude"])
def test_a_cache_mark_that_moves_on_does_not_count(form: str) -> None:
    marked = request(form, "What is new?")
    part = {"type": "text", "text": "What is new?", "cache_control": {"type": "ephemeral"}}
    marked["messages"][-1]["content"] = [part]
    first = fingerprint(form, marked)
    assert first == fingerprint(form, request(form, "What is new?", "Much.", "Tell me."))


def test_pictures_tell_conversations_apart() -> None:
    def asked(url: str, **more: Any) -> bytes:
        picture = {"type": "image_url", "image_url": {"url": url}, **more}
        return fingerprint(
            "openai", {"model": "m", "messages": [{"role": "user", "content": [picture]}]}
        )

    assert asked("https://a/1.png") != asked("https://a/2.png")
    assert asked("https://a/1.png") == asked("https://a/1.png", cache_control={"type": "ephemeral"})


def test_a_plain_input_is_the_first_turn() -> None:
    plain = fingerprint("openai-responses", {"model": "m", "input": "hi"})
    listed = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    assert fingerprint("openai-responses", {"model": "m", "input": listed}) == plain
    assert fingerprint("openai-responses", {"model": "m", "input": "ho"}) != plain


def test_what_stands_before_the_users_first_turn_counts() -> None:
    def with_developer(text: str) -> bytes:
        turns = [{"role": "developer", "content": text}, {"role": "user", "content": "hi"}]
        return fingerprint("openai", {"model": "m", "messages": turns})

    assert with_developer("Be brief.") != with_developer("Be long.")


def test_prompts_of_completions_tell_apart() -> None:
    found = {
        fingerprint("openai-completions", {"model": "m", "prompt": prompt})
        for prompt in ("one", "two", ["three"])
    }
    assert len(found) == 3


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("openai", b'{"model":"m","messages":7}'),
        ("openai", b'{"model":"m","messages":[{"role":"user","content":[1]}]}'),
        ("openai-responses", b'{"model":"m","input":[1]}'),
        ("claude", b'{"model":"m","messages":[1]}'),
        ("gemini", b'{"contents":[1]}'),
    ],
)
def test_what_cannot_be_read_has_none(form: str, body: bytes) -> None:
    assert fingerprint(form, body) == b""
