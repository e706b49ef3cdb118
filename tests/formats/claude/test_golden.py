"""The golden cases: what they mean, and that nothing is lost on the way through the IR."""

import msgspec
import pytest

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.claude.codec import ClaudeCodec
from omniroute.formats.fold import fold, unfold
from tests.formats.claude.cases import (
    ANSWERED,
    CASES,
    MAX_EVENT_BYTES,
    as_blocks,
    cuts,
    decoded,
    golden,
    told,
)

CODEC = ClaudeCodec()
TARGET = TargetModel("claude-sonnet-4-5-20250929")
SHOWN = Shown("claude-sonnet-4-5-20250929", "msg_1", 0)


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_means_what_is_written_beside_it(case: str) -> None:
    request = CODEC.decode_request(golden(case, "request.json"), PathFacts())
    expected = msgspec.json.decode(golden(case, "expected_ir.json"))
    assert told(request) == expected["request"]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_comes_back_equal(case: str) -> None:
    body = golden(case, "request.json")
    encoded = CODEC.encode_request(CODEC.decode_request(body, PathFacts()), TARGET)
    assert as_blocks(msgspec.json.decode(encoded.body)) == as_blocks(msgspec.json.decode(body))
    assert encoded.losses == []
    assert encoded.tool_names == {}


@pytest.mark.parametrize("case", ANSWERED)
def test_a_golden_answer_means_what_is_written_beside_it(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    expected = msgspec.json.decode(golden(case, "expected_ir.json"))
    assert told(response) == expected["response"]


@pytest.mark.parametrize("case", CASES)
def test_a_stream_gives_the_same_events_however_it_is_cut(case: str) -> None:
    whole, *others = [decoded(pieces) for pieces in cuts(golden(case, "stream.sse"))]
    assert whole
    for events in others:
        assert told(events) == told(whole)


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_adds_up_to_the_unstreamed_answer(case: str) -> None:
    streamed = fold(decoded([golden(case, "stream.sse")]))
    assert told(streamed) == told(CODEC.decode_response(golden(case, "response.json")))


@pytest.mark.parametrize("case", ANSWERED)
def test_an_answer_comes_back_as_it_was_given(case: str) -> None:
    body = golden(case, "response.json")
    again = CODEC.encode_response(CODEC.decode_response(body), SHOWN)
    given, written = msgspec.json.decode(body), msgspec.json.decode(again)
    usage = given.pop("usage")
    counts = written.pop("usage")
    assert {name: usage[name] for name in counts} == counts
    if given["stop_reason"] == "refusal":
        given["content"].append({"type": "text", "text": given["stop_details"]["explanation"]})
        given["stop_details"]["category"] = None  # has no place in the IR
    assert written == {"stop_details": None, **given}


@pytest.mark.parametrize("case", [case for case in ANSWERED if case != "refusal"])
def test_a_stream_survives_being_written_and_read_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(response)) + encoder.finish()
    assert told(fold(decoded([stream]))) == told(response)


def test_an_error_in_the_stream_ends_it_as_a_failure() -> None:
    *_, last = decoded([golden("error", "stream.sse")])
    assert last == ir.Failure("Overloaded", "overloaded_error", status=529)


def test_an_error_is_no_answer() -> None:
    with pytest.raises(ir.FormatError, match="Overloaded"):
        CODEC.decode_response(golden("error", "response.json"))


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_is_done_at_message_stop_and_not_before(case: str) -> None:
    stream = golden(case, "stream.sse")
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    last = stream.rindex(b"event: message_stop")
    decoder.feed(stream[:last])
    assert not decoder.done
    decoder.feed(stream[last:])
    assert decoder.done
