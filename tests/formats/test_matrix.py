"""Every format told in every other: what must be the same afterwards, and what changes.

The rules here hold for all pairs; what a pair drops or adds beyond them is in `pairs/`, where each
change of a codec shows (see `matrix`).
"""

import copy
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats import claude, gemini, ir, openai_chat, openai_responses
from omniroute.formats.base import PathFacts
from omniroute.formats.fold import fold
from tests.formats.matrix import (
    ANSWERS,
    FORMATS,
    MAX_EVENT_BYTES,
    PAIR_NAMES,
    REQUESTS,
    SHOWN,
    answer_told,
    arguments,
    calls_and_results,
    carry,
    cuts,
    request_told,
    snapshot,
    snapshot_file,
    stream_shown,
    texts,
    whole_shown,
    without_what_stays_at_home,
)


def carried_table(target: str) -> dict[str, str]:
    return next(
        module.CARRIED
        for module in (claude, gemini, openai_chat, openai_responses)
        if target == module.FORMAT
    )


# Formats whose answers can hold several candidates; others show the first.
SEVERAL_CANDIDATES = {"openai", "gemini"}
# A structured answer may be asked for by way of a tool, where a format has no other.
ANSWER_TOOL = "omniroute_answer"


@pytest.mark.parametrize(("client", "target"), PAIR_NAMES)
def test_what_a_pair_drops_and_adds_is_known(client: str, target: str) -> None:
    known = json.loads(snapshot_file(client, target).read_text(encoding="utf-8"))
    assert snapshot(client, target) == known, "if that is wanted: python -m tests.formats.matrix"


# --- requests


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_nothing_that_was_said_is_missing_or_moves(client: str, target: str, case: str) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    request = FORMATS[client].request(case)
    said = "\n".join(texts(carried.understood))
    place = 0
    for text in texts(request):
        found = said.find(text, place)
        assert found >= 0, (text, said)
        place = found + len(text)


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_calls_and_their_results_stay_together(client: str, target: str, case: str) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    request = FORMATS[client].request(case)
    if carried.refused:
        request = without_what_stays_at_home(request)
    calls, results = calls_and_results(request)
    understood_calls, understood_results = calls_and_results(carried.understood)
    names = carried.encoded.tool_names
    assert [(names.get(call.name, call.name), arguments(call)) for call in understood_calls] == [
        (call.name, arguments(call)) for call in calls
    ]
    ids = [call.id for call in understood_calls]
    assert len(set(ids)) == len(ids)
    order = {call.id: number for number, call in enumerate(calls)}
    by_call = {result.call_id: result for result in understood_results}
    assert len(by_call) == len(results)
    for result in results:
        understood = by_call[ids[order[result.call_id]]]
        told = "".join(part.text for part in understood.parts if isinstance(part, ir.Text))
        for part in result.parts:
            if isinstance(part, ir.Text):
                assert part.text in told


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_each_function_that_may_be_called_is_offered(client: str, target: str, case: str) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    request = FORMATS[client].request(case)
    names = carried.encoded.tool_names
    offered = {
        names.get(tool.name, tool.name): tool
        for tool in carried.understood.tools
        if tool.kind in ("function", "custom") and tool.name != ANSWER_TOOL
    }
    choice = request.tool_choice or ir.ToolChoice()
    narrowed = set(choice.allowed) or ({choice.name} if choice.name else set())
    functions = {tool.name: tool for tool in request.tools if tool.kind in ("function", "custom")}
    assert set(offered) <= set(functions)
    assert set(functions) & narrowed <= set(offered)
    if not narrowed:
        assert list(offered) == list(functions)
    for name, tool in offered.items():
        assert functions[name].description in tool.description


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_pictures_arrive_as_they_were(client: str, target: str, case: str) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    body = carried.encoded.body.decode().replace("\\/", "/")
    for line in request_told(FORMATS[client].request(case)):
        assert ("[image" in line) <= ("image" in body)
    for message in FORMATS[client].request(case).messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ir.ToolResult) else [part]
            for image in inner:
                if isinstance(image, ir.Image) and image.data:
                    assert image.data in body


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_reasoning_is_never_said_and_its_proof_stays_at_home(
    client: str, target: str, case: str
) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    said = "\n".join(texts(carried.understood))
    for message in FORMATS[client].request(case).messages:
        for part in message.parts:
            if isinstance(part, ir.Reasoning):
                assert not part.text or part.text not in said
            if isinstance(part, ir.Reasoning | ir.ToolCall) and part.origin != target != client:
                proofs = [part.signature, getattr(part, "data", "")]
                assert not any(proof and proof in carried.encoded.body.decode() for proof in proofs)


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_a_request_is_left_as_it_was_for_the_next_target(
    client: str, target: str, case: str
) -> None:
    request = without_what_stays_at_home(FORMATS[client].request(case))
    before = copy.deepcopy(request)
    first = FORMATS[target].codec.encode_request(request, FORMATS[target].target)
    assert request == before
    assert FORMATS[target].codec.encode_request(request, FORMATS[target].target) == first


# What else a loss may be named after: wishes that are no feature of their own in the table.
FURTHER_LOSSES = {
    "prompt_cache_key",
    "verbosity",
    "parallel_tool_calls",
    "image_detail",
    "audio_id",
}


# Members of parts, tools, messages, and of the reasoning wish in its origin's words.
MEMBERS = ("parts.", "tools.", "messages.", "reasoning.")


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_a_loss_is_named_after_a_feature_or_a_member_of_the_request(
    client: str, target: str, case: str
) -> None:
    body = json.loads(FORMATS[client].golden(case, "request.json"))
    known = set(carried_table(target)) | FURTHER_LOSSES | set(body)
    for loss in carry(FORMATS[client], FORMATS[target], case).encoded.losses:
        assert loss in known or loss.startswith(MEMBERS), loss


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_what_the_table_calls_native_is_never_lost(client: str, target: str, case: str) -> None:
    carried = carry(FORMATS[client], FORMATS[target], case)
    table = carried_table(target)
    assert [loss for loss in carried.encoded.losses if table.get(loss) == "native"] == []


@pytest.mark.parametrize(("client", "target", "case"), REQUESTS)
def test_no_wish_is_lost_silently(client: str, target: str, case: str) -> None:
    """What the request wants besides its messages arrives in some form, or is named as lost."""
    carried = carry(FORMATS[client], FORMATS[target], case)
    wished, understood = FORMATS[client].request(case), carried.understood
    losses = set(carried.encoded.losses)
    for name, loss in {
        "user": "user",
        "metadata": "metadata",
        "verbosity": "verbosity",
        "service_tier": "service_tier",
    }.items():
        neutral = ("", "auto", "medium", {})
        assert (getattr(wished, name) in neutral) or getattr(understood, name) or loss in losses
    for name, loss in {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "seed": "seed",
        "presence_penalty": "penalties",
        "frequency_penalty": "penalties",
        "stop": "stop",
        "logprobs": "logprobs",
    }.items():
        if getattr(wished.sampling, name):
            assert getattr(understood.sampling, name) or loss in losses, name
    if (wished.sampling.n or 1) > 1:
        assert understood.sampling.n == wished.sampling.n or "n" in losses


# --- answers


def shown(response: ir.Response, client: str) -> ir.Response:
    """As far as a client's format can show an answer at all."""
    if client not in SEVERAL_CANDIDATES:
        response.choices = response.choices[:1]
    return response


def text_of(response: ir.Response) -> list[str]:
    """What each candidate says, refusals included."""
    return [
        "".join(part.text for part in choice.parts if isinstance(part, ir.Text | ir.Refusal))
        for choice in response.choices
    ]


def calls_of(response: ir.Response) -> list[tuple[str, str, str]]:
    return [
        (part.id, part.name, arguments(part))
        for choice in response.choices
        for part in choice.parts
        if isinstance(part, ir.ToolCall)
    ]


def reasoning_of(response: ir.Response) -> str:
    """Without white space: formats differ in how they set off one thought from the next."""
    parts = [part for choice in response.choices for part in choice.parts]
    return "".join("".join(part.text.split()) for part in parts if isinstance(part, ir.Reasoning))


@pytest.mark.parametrize(("client", "target", "case"), ANSWERS)
@pytest.mark.parametrize("translate", [whole_shown, stream_shown], ids=["whole", "streamed"])
def test_an_answer_says_calls_and_costs_the_same(
    client: str, target: str, case: str, translate: Any
) -> None:
    answer = shown(FORMATS[target].answer(case), client)
    understood = translate(FORMATS[client], FORMATS[target], case)
    for said, heard in zip(text_of(answer), text_of(understood), strict=True):
        # Claude says why it refuses beside what it had said; the rest is the answer itself.
        assert heard.startswith(said)
    assert calls_of(understood) == calls_of(answer)
    assert reasoning_of(understood) == reasoning_of(answer)
    usage = answer.usage
    if client == "gemini" and usage is not None:
        usage = msgspec.structs.replace(usage, cache_write_tokens=0)  # it has no such count
    assert understood.usage == usage


@pytest.mark.parametrize(("client", "target", "case"), ANSWERS)
def test_a_stream_shows_what_the_whole_answer_shows(client: str, target: str, case: str) -> None:
    streamed = stream_shown(FORMATS[client], FORMATS[target], case)
    whole = whole_shown(FORMATS[client], FORMATS[target], case)
    assert answer_told(streamed) == answer_told(whole)


@pytest.mark.parametrize(("client", "target", "case"), ANSWERS)
def test_a_stream_is_the_same_however_it_is_cut(client: str, target: str, case: str) -> None:
    stream = FORMATS[target].golden(case, "stream.sse")
    whole = stream_shown(FORMATS[client], FORMATS[target], case)
    for pieces in cuts(stream):
        decoder = FORMATS[target].codec.stream_decoder(MAX_EVENT_BYTES)
        encoder = FORMATS[client].codec.stream_encoder(SHOWN)
        out = [encoder.feed(decoder.feed(piece)) for piece in pieces]
        out += [encoder.feed(decoder.finish()), encoder.finish()]
        assert answer_told(fold(FORMATS[client].events(*out))) == answer_told(whole)


# --- what is no request and no answer

ODDITIES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e300, 2**63, 2**70, "", "x", "é\u2028\x00", "null", "data:,"),
    *([], {}, [None], [[]], [{}], {"type": "x"}, {"text": 1}, {"": {}}, "data:image/png;base64,!"),
]


def mutated(value: Any, dice: random.Random) -> Any:
    """The document with one node of it changed, taken away, doubled or exchanged."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(value)
    if not places:
        return copy.deepcopy(dice.choice(ODDITIES))
    holder, key = dice.choice(places)
    what = dice.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = copy.deepcopy(dice.choice(ODDITIES))
    elif what == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        other, place = dice.choice(places)
        holder[key] = copy.deepcopy(other[place])
    return value


def mutated_json(body: bytes, dice: random.Random) -> bytes:
    value = json.loads(body)
    for _ in range(dice.randrange(1, 4)):
        value = mutated(value, dice) if isinstance(value, dict | list) else value
    return json.dumps(value).encode()


def mutated_stream(stream: bytes, dice: random.Random) -> bytes:
    """Events changed inside, taken away, doubled or in another order."""
    events = stream.replace(b"\r\n", b"\n").split(b"\n\n")
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(events))
        head, found, data = events[at].partition(b"data: ")
        what = dice.randrange(4)
        if what == 0:
            del events[at]
            events = events or [b""]
        elif what == 1:
            events.insert(dice.randrange(len(events) + 1), events[at])
        elif found and data.startswith((b"{", b"[{")):
            events[at] = head + found + mutated_json(data, dice)
    return b"\n\n".join(events) + b"\n\n"


@given(st.integers(0, 2**32))
def test_a_wrong_request_is_refused_and_nothing_else_happens(seed: int) -> None:
    """And what a codec takes for a request, every other can write, or says what it cannot."""
    dice = random.Random(seed)
    client, target, case = dice.choice(REQUESTS)
    body = mutated_json(FORMATS[client].golden(case, "request.json"), dice)
    try:
        request = FORMATS[client].codec.decode_request(body, PathFacts("some-model"))
        encoded = FORMATS[target].codec.encode_request(request, FORMATS[target].target)
    except (ir.FormatError, ir.CannotCarry):
        return
    assert msgspec.json.decode(encoded.body)


def calls_are_named(response: ir.Response) -> bool:
    """What has no name is written as it came, and read by nobody."""
    parts = [part for choice in response.choices for part in choice.parts]
    return all(part.name for part in parts if isinstance(part, ir.ToolCall))


@given(st.integers(0, 2**32))
def test_a_wrong_answer_is_refused_and_nothing_else_happens(seed: int) -> None:
    dice = random.Random(seed)
    client, target, case = dice.choice(ANSWERS)
    body = mutated_json(FORMATS[target].golden(case, "response.json"), dice)
    try:
        response = FORMATS[target].codec.decode_response(body)
    except ir.FormatError:
        return
    written = FORMATS[client].codec.encode_response(response, SHOWN)
    if client != target and calls_are_named(response):
        FORMATS[client].codec.decode_response(written)


@given(st.integers(0, 2**32))
def test_a_wrong_stream_is_refused_and_nothing_else_happens(seed: int) -> None:
    dice = random.Random(seed)
    client, target, case = dice.choice(ANSWERS)
    stream = mutated_stream(FORMATS[target].golden(case, "stream.sse"), dice)
    try:
        events = FORMATS[target].events(stream)
    except ir.FormatError:
        return
    if any(isinstance(event, ir.Failure) for event in events):
        return  # the gateway ends the client's stream then, see `StreamEncoder.fail`
    written = FORMATS[client].written(events)
    if client != target and calls_are_named(fold(events)):
        FORMATS[client].events(written)
