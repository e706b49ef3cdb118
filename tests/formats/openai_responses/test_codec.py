"""The golden cases: what they mean, and that nothing is lost on the way through the IR."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.fold import fold, unfold
from omniroute.formats.openai_responses import CARRIED, codec
from tests.formats.openai_responses.cases import (
    ANSWERED,
    CASES,
    MAX_EVENT_BYTES,
    cuts,
    decoded,
    golden,
    told,
)

CODEC = codec()
PATH = PathFacts()
SHOWN = Shown("acme/model", "resp_shown", 1_767_225_600)


def target_of(body: bytes) -> TargetModel:
    return TargetModel(msgspec.json.decode(body)["model"])


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_means_what_is_written_beside_it(case: str) -> None:
    request = CODEC.decode_request(golden(case, "request.json"), PATH)
    expected = msgspec.json.decode(golden(case, "expected_ir.json"))
    assert told(request) == expected["request"]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_comes_back_equal(case: str) -> None:
    body = golden(case, "request.json")
    encoded = CODEC.encode_request(CODEC.decode_request(body, PATH), target_of(body))
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
def test_an_answer_is_written_alike_streamed_and_not(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(response)) + encoder.finish()
    last = msgspec.json.decode(stream.rstrip().rpartition(b"\ndata: ")[2])["response"]
    assert last == msgspec.json.decode(CODEC.encode_response(response, SHOWN))


@pytest.mark.parametrize("case", ANSWERED)
def test_an_answer_survives_being_written_and_read_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    again = CODEC.decode_response(CODEC.encode_response(response, SHOWN))
    assert without_names(again) == without_names(response)
    encoder = CODEC.stream_encoder(SHOWN)
    stream = encoder.feed(unfold(response)) + encoder.finish()
    assert without_names(fold(decoded([stream]))) == without_names(response)


def without_names(response: ir.Response) -> object:
    """What an answer says; its items get ids of their own, and it the model that was asked for."""
    response.model, response.created = "", 0
    for choice in response.choices:
        for part in choice.parts:
            if isinstance(part, ir.Reasoning):
                part.id = ""
    return told(response)


def test_every_feature_says_how_it_is_carried() -> None:
    assert all(how.startswith(("native", "mapped", "lost", "refused")) for how in CARRIED.values())


HOSTILE = st.binary(max_size=200) | st.sampled_from(
    [golden(case, file) for case in CASES for file in ("request.json", "response.json")]
).flatmap(
    lambda body: st.tuples(st.integers(0, len(body)), st.binary(max_size=8)).map(
        lambda edit: body[: edit[0]] + edit[1] + body[edit[0] + len(edit[1]) :]
    )
)


@given(HOSTILE)
def test_no_body_raises_anything_but_a_format_error(body: bytes) -> None:
    for read in (lambda: CODEC.decode_request(body, PATH), lambda: CODEC.decode_response(body)):
        with contextlib.suppress(ir.FormatError):
            read()


@given(
    st.sampled_from([golden(case, "stream.sse") for case in CASES]).flatmap(
        lambda body: st.tuples(st.integers(0, len(body)), st.binary(max_size=8)).map(
            lambda edit: body[: edit[0]] + edit[1] + body[edit[0] + len(edit[1]) :]
        )
    )
)
def test_no_stream_raises_anything_but_a_format_error(stream: bytes) -> None:
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    encoder = CODEC.stream_encoder(SHOWN)
    try:
        events = decoder.feed(stream) + decoder.finish()
    except ir.FormatError:
        return
    encoder.feed(events)
    encoder.finish()
