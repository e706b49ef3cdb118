"""What is kept is given again as it was, in whatever form; what is not good is not kept."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import Shown, TargetModel
from omniroute.formats.fold import fold
from omniroute.formats.replay import keep, kept_answer, replay
from omniroute.formats.table import CODECS
from omniroute.formats.translate import Translation
from omniroute.usage import Usage
from tests.formats.matrix import ANSWERS, FORMATS, SHOWN, answer_told, stream_shown, whole_shown

GOLDEN = [
    (form, case) for form in FORMATS for case in FORMATS[form].cases if case not in ("error",)
]
USAGE = Usage(input_tokens=3, output_tokens=5)


def kept(form: str, data: bytes, *, streamed: bool = False, **more: Any) -> ir.Response:
    found = keep(form, data, streamed=streamed, any_ending=True, **more)
    assert found is not None
    return kept_answer(found)


@pytest.mark.parametrize(("client", "target", "case"), ANSWERS)
def test_an_answer_is_given_again_as_it_was_given_first(
    client: str, target: str, case: str
) -> None:
    form = FORMATS[client]
    first = answer_told(whole_shown(form, FORMATS[target], case))
    again = kept(target, FORMATS[target].golden(case, "response.json"))
    whole = replay(again, client, SHOWN, stream=False)
    assert answer_told(form.codec.decode_response(whole)) == first
    streamed = replay(again, client, SHOWN, stream=True)
    assert answer_told(fold(form.events(streamed))) == first
    assert CODECS[client].stream_decoder(1 << 20).feed(streamed)


@pytest.mark.parametrize(("client", "target", "case"), ANSWERS)
def test_so_is_one_that_came_as_a_stream(client: str, target: str, case: str) -> None:
    form = FORMATS[client]
    first = answer_told(stream_shown(form, FORMATS[target], case))
    again = kept(target, FORMATS[target].golden(case, "stream.sse"), streamed=True)
    whole = replay(again, client, SHOWN, stream=False)
    assert answer_told(form.codec.decode_response(whole)) == first


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_a_stream_that_is_cut_before_its_end_is_not_kept(form: str, case: str) -> None:
    stream = FORMATS[form].golden(case, "stream.sse")
    ended = len(stream)
    while keep(form, stream[:ended], streamed=True, any_ending=True) is not None:
        ended = stream.rindex(b"data:", 0, ended)
    assert b"data:" in stream[ended:]
    for cut in range(0, ended, max(1, ended // 20)):
        assert keep(form, stream[:cut], streamed=True, any_ending=True) is None


@pytest.mark.parametrize("form", FORMATS)
def test_an_error_is_not_kept_whatever_is_asked(form: str) -> None:
    golden = FORMATS[form].golden
    for any_ending in (False, True):
        body = golden("error", "response.json")
        assert keep(form, body, streamed=False, any_ending=any_ending) is None
        stream = golden("error", "stream.sse")
        assert keep(form, stream, streamed=True, any_ending=any_ending) is None


def chat(finish: str | None, **message: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}]}).encode()


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"tool_calls": [{"id": "a", "type": "function", "function": function}]}


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (chat("stop", content="Yes."), True),
        (chat("length", content="Yes, and"), True),
        (chat("tool_calls", **call('{"a":1}')), True),
        (chat("stop", content=""), False),
        (chat("length", content=None), False),
        (chat("length", reasoning_content="Hm, let me"), False),
        (chat("content_filter", content="I"), False),
        (chat("stop", content=None, refusal="No."), False),
        (chat("a reason of tomorrow", content="Yes."), False),
        (chat("tool_calls", **call('{"a":')), False),
        (b'{"choices":[]}', False),
        (b"", False),
    ],
)
def test_only_what_is_complete_and_good_is_kept(body: bytes, good: bool) -> None:
    assert (keep("openai", body, streamed=False) is not None) is good


def test_each_choice_has_to_be_good() -> None:
    choices = [
        {"index": at, "message": {"content": content}, "finish_reason": "stop"}
        for at, content in enumerate(("One.", ""))
    ]
    body = json.dumps({"choices": choices}).encode()
    assert keep("openai", body, streamed=False) is None


def test_usage_that_the_answer_lacks_is_given_with_it() -> None:
    body = chat("stop", content="Yes.")
    assert kept("openai", body, usage=USAGE).usage == USAGE
    reported = body[:-1] + b',"usage":{"prompt_tokens":7,"completion_tokens":1}}'
    assert kept("openai", reported, usage=USAGE).usage == Usage(input_tokens=7, output_tokens=1)


def test_what_a_translation_renamed_is_kept_by_the_clients_name() -> None:
    name = "a name, of a tool"
    request = ir.Request(
        origin="gemini",
        messages=[ir.Message("user", [ir.Text("hi")])],
        tools=[ir.Tool(name)],
        sampling=ir.Sampling(max_tokens=100),
    )
    translation = Translation(CODECS["gemini"], CODECS["openai"], request, TargetModel("m"), SHOWN)
    sent = json.loads(translation.body)["tools"][0]["function"]["name"]
    assert sent != name
    called = call("{}")
    called["tool_calls"][0]["function"]["name"] = sent
    called["content"] = "<think>Hm.</think>Yes."
    answer = kept("openai", chat("tool_calls", **called), restore=translation.restore)
    parts = answer.choices[0].parts
    assert [part.name for part in parts if isinstance(part, ir.ToolCall)] == [name]
    assert [part.text for part in parts if isinstance(part, ir.Text)] == ["Yes."]


def test_completions_are_given_again_too() -> None:
    answer = kept("claude", FORMATS["claude"].golden("plain", "response.json"))
    body = json.loads(replay(answer, "openai-completions", SHOWN, stream=False))
    assert body["choices"][0]["text"]
    stream = replay(answer, "openai-completions", SHOWN, stream=True)
    assert stream.endswith(b"data: [DONE]\n\n")


def test_a_stream_shows_usage_only_to_whom_asked_for_it() -> None:
    answer = kept("openai", chat("stop", content="Yes."), usage=USAGE)
    with_usage = replay(answer, "openai", SHOWN, stream=True)
    without = replay(answer, "openai", SHOWN._replace(include_usage=False), stream=True)
    assert b'"completion_tokens":5' in with_usage
    assert b"completion_tokens" not in without


def test_a_client_of_gemini_gets_the_array_that_it_asked_for() -> None:
    answer = kept("openai", chat("stop", content="Yes."), usage=USAGE)
    stream = replay(answer, "gemini", SHOWN._replace(sse=False), stream=True)
    texts = [part["text"] for chunk in json.loads(stream) for part in _parts(chunk)]
    assert "".join(texts) == "Yes."


def _parts(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    candidates = chunk.get("candidates", [])
    return [part for it in candidates for part in it.get("content", {}).get("parts", [])]


def test_giving_it_again_changes_nothing_of_it() -> None:
    form = FORMATS["claude"]
    answer = kept("claude", form.golden("tools", "response.json"))
    before = msgspec.json.encode(answer)
    for client in CODECS:
        for stream in (False, True):
            replay(answer, client, SHOWN, stream=stream)
    assert msgspec.json.encode(answer) == before


@given(st.binary(max_size=50))
def test_bytes_of_another_making_are_refused(data: bytes) -> None:
    try:
        answer = kept_answer(data)
    except ir.FormatError:
        return
    assert isinstance(answer, ir.Response)


def test_the_answer_is_shown_under_the_name_that_was_asked_for() -> None:
    answer = kept("openai", chat("stop", content="Yes."))
    shown = Shown("another/name", "id-2", 7)
    assert json.loads(replay(answer, "claude", shown, stream=False))["model"] == "another/name"
