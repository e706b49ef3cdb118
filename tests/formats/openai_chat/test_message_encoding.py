"""Messages of other formats as this one's: roles, results with images, reasoning, files."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.openai_chat.request_encoding import encode_request
from omniroute.formats.quirks import OPENAI_ITSELF

HI = ir.Message("user", [ir.Text("hi")])


def sent(
    messages: list[ir.Message], *quirks: str, origin: str = "claude", system: Any = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    request = ir.Request(origin=origin, messages=messages, system=list(system))
    found = encode_request(request, TargetModel("m", quirks=frozenset(quirks)))
    return msgspec.json.decode(found.body)["messages"], found.losses


def test_developer_is_system_but_at_openai() -> None:
    messages = [ir.Message("developer", [ir.Text("d")]), HI]
    assert sent(messages)[0][0] == {"role": "system", "content": "d"}
    assert sent(messages, OPENAI_ITSELF)[0][0]["role"] == "developer"


def test_instructions_go_to_the_user_where_no_system_is_known() -> None:
    messages = [HI, ir.Message("developer", [ir.Text("d")])]
    body, _ = sent(messages, "system-to-user", system=[ir.Text("s")])
    assert body == [{"role": "user", "content": "Instructions:\ns\n\nd\n\nhi"}]
    alone, _ = sent([], "system-to-user", system=[ir.Text("s")])
    assert alone == [{"role": "user", "content": "Instructions:\ns"}]
    picture = ir.Message("user", [ir.Image(url="u")])
    listed, _ = sent([picture], "system-to-user", system=[ir.Text("s")])
    assert listed[0]["content"][0] == {"type": "text", "text": "Instructions:\ns"}


def test_texts_become_one_string_for_services_that_know_no_lists() -> None:
    body, _ = sent(
        [
            ir.Message("user", [ir.Text("a"), ir.Text("b")]),
            ir.Message("assistant", [ir.Text("c"), ir.Text("d")]),
            HI,
        ],
        system=[ir.Text("s"), ir.Text("t")],
    )
    assert [message["content"] for message in body] == ["s\n\nt", "a\n\nb", "cd", "hi"]


def test_what_a_tool_returned_besides_text_follows_in_a_user_message() -> None:
    results = ir.Message(
        "user",
        [
            ir.ToolResult("c1", [ir.Text("seen"), ir.Image("image/png", "AA==")]),
            ir.ToolResult("c2", [ir.Text("boom")], is_error=True),
            ir.ToolResult("c3", [ir.Text("Error: known")], is_error=True),
            ir.Text("go on"),
        ],
    )
    calls = [ir.ToolCall(id_, "f") for id_ in ("c1", "c2", "c3")]
    body, losses = sent([ir.Message("assistant", list(calls)), results])
    assert body[0]["content"] is None
    assert [message["role"] for message in body] == ["assistant", "tool", "tool", "tool", "user"]
    assert body[1]["content"].startswith("seen\n(")
    assert body[2]["content"] == "Error: boom"
    assert body[3]["content"] == "Error: known"
    assert body[4]["content"] == [
        {"type": "text", "text": "Returned by tool call c1:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "go on"},
    ]
    assert losses == []


@pytest.mark.parametrize(
    ("given", "quirk"), [("a" * 60, ""), ("", ""), ("call_1", "nine-character-ids")]
)
def test_ids_that_the_service_refuses_stay_together(given: str, quirk: str) -> None:
    messages = [
        ir.Message("assistant", [ir.ToolCall(given, "f")]),
        ir.Message("user", [ir.ToolResult(given, [])]),
    ]
    body, _ = sent(messages, *([quirk] if quirk else []))
    id_ = body[0]["tool_calls"][0]["id"]
    assert body[1]["tool_call_id"] == id_
    assert id_ != given
    assert len(id_) == 9 if quirk else 0 < len(id_) <= 40


THOUGHT = ir.Reasoning("hm", "sig", origin="claude")
TURN = [ir.Message("assistant", [THOUGHT, ir.ToolCall("c", "f")]), HI]


def test_reasoning_goes_back_as_text_and_its_proof_where_there_is_a_place() -> None:
    body, losses = sent(TURN)
    assert body[0]["reasoning_content"] == "hm"
    assert losses == ["reasoning_signature"]
    body, losses = sent(TURN, "reasoning-details")
    assert body[0]["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": "hm",
            "signature": "sig",
            "format": "anthropic-claude-v1",
            "index": 0,
        }
    ]
    assert losses == []


@pytest.mark.parametrize("quirk", ["no-reasoning-history", OPENAI_ITSELF])
def test_reasoning_stays_at_home_where_it_is_refused(quirk: str) -> None:
    body, losses = sent(TURN, quirk)
    assert "reasoning_content" not in body[0]
    assert losses == ["reasoning_text"]


def test_a_service_that_wants_reasoning_with_calls_gets_an_empty_one() -> None:
    turn = [ir.Message("assistant", [ir.ToolCall("c", "f")]), HI]
    assert sent(turn, "reasoning-required")[0][0]["reasoning_content"] == ""
    assert "reasoning_content" not in sent(turn)[0][0]


def test_cache_marks() -> None:
    messages = [ir.Message("user", [ir.Text("a", ir.CacheMark("1h"))])]
    body, losses = sent(messages)
    assert body[0]["content"] == "a"
    assert losses == ["cache_control"]
    body, losses = sent(messages, "cache-control")
    assert body[0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert losses == []


def test_files() -> None:
    text = ir.File("text/plain", b64encode("grüß".encode()).decode(), filename="a.txt")
    pdf = ir.File("application/pdf", "JVBERi0=")
    body, losses = sent([ir.Message("user", [text, pdf])])
    assert body[0]["content"] == [
        {"type": "text", "text": "a.txt:\ngrüß"},
        {
            "type": "file",
            "file": {
                "filename": "document.pdf",
                "file_data": "data:application/pdf;base64,JVBERi0=",
            },
        },
    ]
    assert losses == []
    with pytest.raises(ir.CannotCarry, match="file_url"):
        sent([ir.Message("user", [ir.File(url="https://x.test/a.pdf")])])
    with pytest.raises(ir.CannotCarry, match="file_id"):
        sent([ir.Message("user", [ir.File(file_id="f", origin="claude")])])


def test_audio_has_the_formats_that_are_known() -> None:
    messages = [
        ir.Message("user", [ir.Audio("audio/mpeg", "AA=="), ir.Audio("audio/x-wav", "AA==")])
    ]
    content = sent(messages)[0][0]["content"]
    assert [part["input_audio"]["format"] for part in content] == ["mp3", "wav"]


def test_speech_of_another_model_goes_as_its_transcript() -> None:
    spoken = ir.Audio("audio/wav", "AA==", transcript="hello")
    body, losses = sent([ir.Message("assistant", [spoken]), HI])
    assert body[0]["content"] == "hello"
    body, losses = sent([ir.Message("assistant", [ir.Audio("audio/wav", "AA==")]), HI])
    assert losses == ["audio_in"]


def test_parts_of_other_formats_are_named_and_own_ones_sent() -> None:
    other = ir.Opaque("gemini", Raw(b"{}"), "executableCode")
    own = ir.Opaque("openai", Raw(b'{"type":"video_url"}'), "video_url")
    body, losses = sent([ir.Message("user", [ir.Text("a"), other, own])])
    assert body[0]["content"] == [{"type": "text", "text": "a"}, {"type": "video_url"}]
    assert losses == ["parts.executableCode"]
