"""A request that refers to what it does not hold is never taken for one that its bytes bound."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats.base import PathFacts
from omniroute.formats.table import DIALECTS
from tests.formats.matrix import FORMATS


def refers(form: str, request: dict[str, Any] | bytes) -> bool:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    dialect = DIALECTS[form]
    return dialect.refers(body, dialect.peek(body, PathFacts("m")))


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def chat(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": user(*parts), **more}


def items(*found: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": list(found), **more}


def contents(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}], **more}


REFERRING: list[tuple[str, dict[str, Any]]] = [
    ("openai", chat({"type": "image_url", "image_url": {"url": "https://a/b.png"}})),
    ("openai", chat({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}})),
    ("openai", chat({"type": "file", "file": {"file_id": "file-1"}})),
    ("openai", chat({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}})),
    ("openai", {"model": "m", "messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    ("openai", chat(web_search_options={})),
    ("openai", chat(tools=[{"type": "web_search"}])),
    ("openai", chat(tools=[{"type": "a tool of tomorrow"}])),
    ("openai", chat(tools="no tools")),
    ("openai-responses", items(previous_response_id="resp_1")),
    ("openai-responses", items(conversation="conv_1")),
    ("openai-responses", items(prompt={"id": "pmpt_1"})),
    ("openai-responses", items({"type": "item_reference", "id": "msg_1"})),
    ("openai-responses", items({"type": "reasoning", "id": "rs_1", "summary": []})),
    ("openai-responses", items({"type": "image_generation_call", "id": "ig_1"})),
    ("openai-responses", items(*user({"type": "input_image", "image_url": "https://a/b.png"}))),
    ("openai-responses", items(*user({"type": "input_file", "file_url": "https://a/b.pdf"}))),
    ("openai-responses", items(tools=[{"type": "web_search"}])),
    ("openai-responses", items(tools=[{"type": "mcp", "server_url": "https://a"}])),
    ("claude", chat({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}})),
    ("claude", chat({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
    ("claude", chat({"type": "container_upload", "file_id": "file_1"})),
    ("claude", chat(tools=[{"type": "web_search_20250305", "name": "web_search"}])),
    ("claude", chat(mcp_servers=[{"type": "url", "url": "https://a", "name": "a"}])),
    ("gemini", contents({"fileData": {"fileUri": "gs://a/b"}})),
    ("gemini", contents({"inline_data": {"mime_type": "image/png", "data": "AA"}})),
    ("gemini", contents(cachedContent="cachedContents/1")),
    ("gemini", contents(cached_content="cachedContents/1")),
    ("gemini", contents(tools=[{"googleSearch": {}}])),
]


@pytest.mark.parametrize(("form", "request_"), REFERRING)
def test_what_is_only_referred_to_is_seen(form: str, request_: dict[str, Any]) -> None:
    assert refers(form, request_)


@pytest.mark.parametrize(("form", "request_"), REFERRING)
def test_whatever_way_its_names_are_written(form: str, request_: dict[str, Any]) -> None:
    plain = json.dumps(request_)
    spelt = "".join(
        f"\\u{ord(char):04x}" if char.isalpha() and char not in "truefalsn" else char
        for char in plain
    )
    assert json.loads(spelt) == request_
    assert refers(form, spelt.encode())


TEXT_ONLY: list[tuple[str, dict[str, Any]]] = [
    ("openai", chat({"type": "text", "text": 'An "image_url" in a text, é, <b>\u2028 \x1b'})),
    ("openai", chat(tools=[{"type": "function", "function": {"name": "f"}}], temperature=0)),
    ("openai-completions", {"model": "m", "prompt": "hi"}),
    ("openai-responses", items(*user({"type": "input_text", "text": 'see "file_id"'}))),
    ("openai-responses", items(previous_response_id=None, prompt=None, tools=[])),
    ("openai-responses", items(tools=[{"type": "function", "name": "f", "parameters": {}}])),
    ("claude", chat({"type": "text", "text": 'the "image" of it'}, system="An image.")),
    ("claude", chat(tools=[{"name": "f", "input_schema": {"type": "object"}}])),
    (
        "gemini",
        contents({"text": 'my "fileData"'}, tools=[{"functionDeclarations": [{"name": "f"}]}]),
    ),
    ("gemini", contents({"text": "hi"}, cachedContent=None, tools=None)),
]


@pytest.mark.parametrize(("form", "request_"), TEXT_ONLY)
def test_a_text_that_speaks_of_it_is_only_a_text(form: str, request_: dict[str, Any]) -> None:
    assert not refers(form, request_)


@pytest.mark.parametrize(
    ("form", "case", "expected"),
    [
        (form, case, case in ("image", "pdf", "audio"))
        for form in FORMATS
        for case in FORMATS[form].cases
        if case in ("image", "pdf", "audio", "plain", "multi_turn", "unicode")
    ],
)
def test_of_the_golden_requests_those_with_media_refer(
    form: str, case: str, expected: bool
) -> None:
    assert refers(form, FORMATS[form].golden(case, "request.json")) is expected


def test_a_member_in_two_places_is_not_trusted() -> None:
    body = b'{"model":"m","input":"a","prompt":null,"prompt":{"id":"p"}}'
    assert refers("openai-responses", body)
    assert refers("openai-responses", b'{"model":"m","input":"a","tools":[],"tools":[]}')


@given(st.text(max_size=60))
def test_no_text_of_a_user_hides_a_picture(text: str) -> None:
    hidden = chat({"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "u"}})
    assert refers("openai", hidden)
