"""Texts are laid around a request's instructions, and no other byte of it changes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts
from omniroute.formats.edits import with_system_prompt
from omniroute.formats.table import CODECS, DIALECTS
from tests.formats.matrix import FORMATS

PREFIX, SUFFIX = 'Answer in "English".', "Never name yourself, é."
GOLDEN = [(form, case) for form in FORMATS for case in FORMATS[form].cases]
SIDES = [(PREFIX, SUFFIX), (PREFIX, ""), ("", SUFFIX)]


def edited(form: str, body: bytes, prefix: str = PREFIX, suffix: str = SUFFIX) -> bytes:
    found = DIALECTS[form].with_prompt(body, prefix, suffix)
    assert found is not None
    return found


def decoded(form: str, body: bytes) -> ir.Request:
    return CODECS[form].decode_request(body, PathFacts("m"))


def instructed(request: ir.Request) -> str:
    """The instructions that a request begins with, as one text."""
    parts = list(request.system)
    for message in request.messages:
        if message.role not in ("system", "developer"):
            break
        parts += message.parts
    return "\n\n".join(part.text for part in parts if isinstance(part, ir.Text))


def conversation(request: ir.Request) -> list[ir.Message]:
    leading = [message.role in ("system", "developer") for message in request.messages]
    return request.messages[leading.index(False) if False in leading else len(leading) :]


@pytest.mark.parametrize(("prefix", "suffix"), SIDES)
@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_it_means_what_the_same_edit_of_the_decoded_request_means(
    form: str, case: str, prefix: str, suffix: str
) -> None:
    body = FORMATS[form].golden(case, "request.json")
    request = decoded(form, body)
    by_bytes = decoded(form, edited(form, body, prefix, suffix))
    by_meaning = with_system_prompt(request, prefix, suffix)
    assert instructed(by_bytes) == instructed(by_meaning)
    assert conversation(by_bytes) == conversation(by_meaning) == conversation(request)
    for name in request.__struct_fields__:
        if name not in ("system", "messages"):
            assert getattr(by_bytes, name) == getattr(request, name)


def text(string: str) -> str:
    return json.dumps(string, ensure_ascii=False)


P, S = text(PREFIX), text(SUFFIX)
BOTH = text(f"{PREFIX}\n\n{SUFFIX}")
EXACT = [
    (
        "openai",
        '{ "new":[1 ,2], "messages":[{"role":"user","content":"hi"}], "model":"m" }',
        f'{{ "new":[1 ,2], "messages":[{{"role":"system","content":{BOTH}}},'
        '{"role":"user","content":"hi"}], "model":"m" }',
    ),
    (
        "openai",
        '{"messages":[{"role":"developer","content" : "a\\u0062c"},{"role":"user"}]}',
        f'{{"messages":[{{"role":"developer","content" : "{P[1:-1]}\\n\\na\\u0062c'
        f'\\n\\n{S[1:-1]}"}},'
        '{"role":"user"}]}',
    ),
    (
        "openai",
        '{"messages":[{"role":"system","content":[{"type":"text","text":"a", "x":1}]}]}',
        f'{{"messages":[{{"role":"system","content":[{{"type":"text","text":{P}}},'
        f'{{"type":"text","text":"a", "x":1}},{{"type":"text","text":{S}}}]}}]}}',
    ),
    (
        "openai-responses",
        '{"input":"hi","previous_response_id":"resp_1"}',
        f'{{"instructions":{BOTH},"input":"hi","previous_response_id":"resp_1"}}',
    ),
    (
        "openai-responses",
        '{"instructions":"a","input":[{"role":"developer","content":"b"},{"type":"x"}]}',
        f'{{"instructions":"{P[1:-1]}\\n\\na",'
        f'"input":[{{"role":"developer","content":"b\\n\\n{S[1:-1]}"}},{{"type":"x"}}]}}',
    ),
    (
        "openai-responses",
        '{"input":[{"role":"developer","content":[{"type":"input_text","text":"b"}]}]}',
        f'{{"input":[{{"role":"developer","content":[{{"type":"input_text","text":{P}}},'
        f'{{"type":"input_text","text":"b"}},{{"type":"input_text","text":{S}}}]}}]}}',
    ),
    (
        "claude",
        '{"messages":[], "system" : "a","thinking":{"type":"new"}}',
        f'{{"messages":[], "system" : "{P[1:-1]}\\n\\na\\n\\n{S[1:-1]}",'
        '"thinking":{"type":"new"}}',
    ),
    ("claude", '{"messages":[]}', f'{{"system":{BOTH},"messages":[]}}'),
    ("claude", '{"messages":[],"system":null}', f'{{"messages":[],"system":{BOTH}}}'),
    (
        "gemini",
        '{"contents":[],"system_instruction":{"role":"x","parts":[{"text":"a"}]}}',
        f'{{"contents":[],"system_instruction":{{"role":"x","parts":[{{"text":{P}}},'
        f'{{"text":"a"}},{{"text":{S}}}]}}}}',
    ),
    (
        "gemini",
        '{"contents":[]}',
        f'{{"systemInstruction":{{"parts":[{{"text":{P}}},{{"text":{S}}}]}},"contents":[]}}',
    ),
]


@pytest.mark.parametrize(("form", "before", "after"), EXACT)
def test_every_other_byte_stays(form: str, before: str, after: str) -> None:
    assert edited(form, before.encode()).decode() == after


def test_marks_of_the_prompt_cache_stay_on_what_they_stood_on() -> None:
    marked = '{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}'
    found = edited("claude", f'{{"system":[{marked}],"messages":[]}}'.encode()).decode()
    assert json.loads(found)["system"][1] == json.loads(marked)


@pytest.mark.parametrize("listed", [True, False])
def test_a_client_that_announces_itself_goes_on_doing_so_first(listed: bool) -> None:
    announced = "You are Claude Code, Anthropic's official CLI for Claude."
    system: Any = [{"type": "text", "text": announced}] if listed else announced
    body = json.dumps({"system": system, "messages": []}).encode()
    blocks = json.loads(edited("claude", body))["system"]
    assert [block["text"] for block in blocks] == [announced, PREFIX, SUFFIX]


NO_PLACE = [
    ("openai", b'{"model":"m"}'),
    ("openai", b'{"messages":7}'),
    ("openai", b'{"messages":[7]}'),
    ("openai", b'{"messages":[{"role":"system","content":7}]}'),
    ("openai", b'{"messages":[{"role":"system"}]}'),
    ("openai", b'{"messages":[],"messages":[]}'),
    ("openai", b"[]"),
    ("openai-responses", b'{"input":{"role":"user"}}'),
    ("openai-responses", b'{"instructions":7,"input":"hi"}'),
    ("claude", b'{"system":{"text":"a"},"messages":[]}'),
    ("claude", b'{"system":[7],"messages":[]}'),
    ("gemini", b'{"systemInstruction":"a","contents":[]}'),
    ("gemini", b'{"systemInstruction":{},"contents":[]}'),
    ("gemini", b'{"systemInstruction":{"parts":[]},"system_instruction":{"parts":[]}}'),
]


@pytest.mark.parametrize(("form", "body"), NO_PLACE)
def test_a_request_without_a_place_for_them_is_left_to_others(form: str, body: bytes) -> None:
    assert DIALECTS[form].with_prompt(body, PREFIX, SUFFIX) is None


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_any_text_arrives_as_it_is(said: str, prefix: str, suffix: str) -> None:
    body = json.dumps({"system": said, "messages": []}).encode()
    whole = "\n\n".join(filter(None, (prefix, said, suffix)))
    assert json.loads(edited("claude", body, prefix, suffix))["system"] == whole
