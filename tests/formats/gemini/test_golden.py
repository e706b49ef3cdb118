"""The golden cases: what they mean, and that nothing is lost on the way through the IR."""

import msgspec
import pytest

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.fold import fold, unfold
from omniroute.formats.gemini.codec import GeminiCodec
from tests.formats.gemini.cases import (
    ANSWERED,
    CASES,
    MAX_EVENT_BYTES,
    cuts,
    decoded,
    golden,
    told,
)

CODEC = GeminiCodec()
PATH = PathFacts("gemini-3-pro-preview")
TARGET = TargetModel("gemini-3-pro-preview")
SHOWN = Shown("gemini-3-pro-preview", "resp-1", 1_767_225_600)


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_means_what_is_written_beside_it(case: str) -> None:
    request = CODEC.decode_request(golden(case, "request.json"), PATH)
    expected = msgspec.json.decode(golden(case, "expected_ir.json"))
    assert told(request) == expected["request"]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_comes_back_equal(case: str) -> None:
    body = golden(case, "request.json")
    encoded = CODEC.encode_request(CODEC.decode_request(body, PATH), TARGET)
    assert msgspec.json.decode(encoded.body) == msgspec.json.decode(body)
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
def test_an_answer_survives_being_written_and_read_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    again = CODEC.decode_response(CODEC.encode_response(response, SHOWN))
    assert told(again) == told(response)


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_survives_being_written_and_read_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(response)) + encoder.finish()
    assert told(fold(decoded([stream]))) == told(response)


def test_an_error_in_the_stream_ends_it_as_a_failure() -> None:
    *_, last = decoded([golden("error", "stream.sse")])
    assert isinstance(last, ir.Failure)
    assert (last.status, last.type, last.code) == (429, "RESOURCE_EXHAUSTED", "429")


def test_an_error_is_no_answer() -> None:
    with pytest.raises(ir.FormatError, match="quota"):
        CODEC.decode_response(golden("error", "response.json"))


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_is_done_at_its_finish_reason_and_not_before(case: str) -> None:
    stream = golden(case, "stream.sse")
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    last = stream.rstrip().rfind(b"data: ")
    decoder.feed(stream[:last])
    assert not decoder.done
    decoder.feed(stream[last:])
    assert decoder.done
