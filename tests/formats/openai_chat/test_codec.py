"""The golden cases: what they mean, and that nothing is lost on the way through the IR."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.fold import fold, unfold
from omniroute.formats.openai_chat import CARRIED, QUIRKS, codec
from omniroute.formats.quirks import OPENAI_ITSELF
from tests.formats.claude.cases import cuts, told
from tests.formats.openai_chat.cases import ANSWERED, CASES, MAX_EVENT_BYTES, decoded, golden
from tests.formats.openai_chat.material import JSON

CODEC = codec()
# Vendors that show their reasoning want it back, OpenAI does not.
OPEN_REASONING = ("reasoning", "reasoning_details")


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_means_what_is_written_beside_it(case: str) -> None:
    request = CODEC.decode_request(golden(case, "request.json"), PathFacts())
    expected = msgspec.json.decode(golden(case, "expected_ir.json"))
    assert told(request) == expected["request"]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_request_comes_back_equal(case: str) -> None:
    body = golden(case, "request.json")
    given = msgspec.json.decode(body)
    quirks = frozenset() if case in OPEN_REASONING else frozenset({OPENAI_ITSELF})
    target = TargetModel(given["model"], quirks=quirks)
    encoded = CODEC.encode_request(CODEC.decode_request(body, PathFacts()), target)
    assert msgspec.json.decode(encoded.body) == given
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
    whole = CODEC.decode_response(golden(case, "response.json"))
    whole.extra.pop("prompt_filter_results", None)  # Azure streams it apart from the answer
    if case == "empty":
        assert streamed.choices == whole.choices == [ir.Choice()]
    assert told(streamed) == told(whole)


@pytest.mark.parametrize("case", ANSWERED)
def test_an_answer_comes_back_as_it_was_given(case: str) -> None:
    given = msgspec.json.decode(golden(case, "response.json"))
    shown = Shown(given["model"], "unused", 1)
    response = CODEC.decode_response(golden(case, "response.json"))
    again = msgspec.json.decode(CODEC.encode_response(response, shown))
    details = again["usage"]["prompt_tokens_details"]
    given["usage"]["prompt_tokens_details"].setdefault("cache_write_tokens", 0)
    assert details == given["usage"]["prompt_tokens_details"]
    for choice in given["choices"]:
        choice.pop("content_filter_results", None)  # Azure's verdict has no place in the IR
        if choice["message"].get("annotations") == []:
            del choice["message"]["annotations"]
    assert again == given


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_survives_being_written_and_read_again(case: str) -> None:
    response = CODEC.decode_response(golden(case, "response.json"))
    encoder = CODEC.stream_encoder(Shown(response.model, "unused", 1))
    stream = encoder.feed(unfold(response)) + encoder.finish()
    assert told(fold(decoded([stream]))) == told(response)


def test_an_error_in_the_stream_ends_it_as_a_failure() -> None:
    *_, last = decoded([golden("error", "stream.sse")])
    assert isinstance(last, ir.Failure)
    assert last.type == "server_error"
    assert last.message.startswith("The server had an error")


def test_an_error_is_no_answer() -> None:
    with pytest.raises(ir.FormatError, match="The server had an error"):
        CODEC.decode_response(golden("error", "response.json"))


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_is_done_at_its_terminator_and_not_before(case: str) -> None:
    stream = golden(case, "stream.sse")
    decoder = CODEC.stream_decoder(MAX_EVENT_BYTES)
    last = stream.rindex(b"data: [DONE]")
    decoder.feed(stream[:last])
    assert not decoder.done
    decoder.feed(stream[last:])
    assert decoder.done


@given(st.binary(max_size=40) | JSON.map(msgspec.json.encode))
def test_no_bytes_make_the_codec_raise_anything_but_its_own_errors(body: bytes) -> None:
    with suppress(ir.FormatError):
        CODEC.decode_request(body, PathFacts())
    with suppress(ir.FormatError):
        CODEC.decode_response(body)
    decoder = CODEC.stream_decoder(100)
    with suppress(ir.FormatError):
        decoder.feed(b"data: " + body + b"\n\n")
        decoder.finish()


MEMBERS = sorted(
    name
    for case in CASES
    for name in msgspec.json.decode(golden(case, "request.json"))
    if name not in ("model", "messages")
)
MESSAGES = [
    message
    for case in CASES
    for message in msgspec.json.decode(golden(case, "request.json"))["messages"]
]


@given(
    st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3),
    st.sets(st.sampled_from(sorted(QUIRKS))),
    st.sampled_from(["openai", "claude"]),
)
def test_any_request_is_encoded_or_refused_for_any_target(
    messages: list[object], members: dict[str, object], quirks: set[str], origin: str
) -> None:
    body = msgspec.json.encode({"model": "m", "messages": messages, **members})
    try:
        request = CODEC.decode_request(body, PathFacts())
    except ir.FormatError:
        return
    request.origin = origin
    with suppress(ir.CannotCarry):
        encoded = CODEC.encode_request(request, TargetModel("m", quirks=frozenset(quirks)))
        CODEC.decode_request(encoded.body, PathFacts())


def test_every_feature_says_how_it_is_carried() -> None:
    assert all(
        how.startswith(("native", "mapped: ", "lost: ")) and not how.endswith(".")
        for how in CARRIED.values()
    )
