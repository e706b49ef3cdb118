"""The three official SDKs against providers of every format: nobody notices the translation.

Four ways to ask (the OpenAI SDK speaks two formats), four formats of providers, streamed and not,
through one gateway of real processes. The simulator is the provider: what it says is known, and it
refuses what the services refuse.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import permutations
from typing import Any

import httpx
import openai
import pytest
from google.genai import types

from omniroute.simulator.calling import sample
from omniroute.simulator.play import Ask, Text, Thought, play
from omniroute.simulator.scenario import scenario_named
from tests.e2e.conftest import Endpoint
from tests.e2e.sdk_clients import (
    PNG,
    SDKS,
    TOOLS,
    Person,
    Results,
    Sdk,
    Wish,
)

pytestmark = pytest.mark.processes

FORMATS = ("openai", "openai-responses", "claude", "gemini")
QUESTION = "Grüß Gott, what now?"
RESULT = "the secret is 42, naïve\u2028 👋"


@pytest.fixture(scope="module")
def sdks(formats_endpoint: Endpoint) -> Iterator[dict[str, Sdk]]:
    with ExitStack() as stack:
        url, key = formats_endpoint.url, formats_endpoint.key
        yield {name: sdk(url, key, stack) for name, sdk in SDKS.items()}


@pytest.fixture(params=FORMATS)
def speaks(request: pytest.FixtureRequest) -> str:
    """The client's format."""
    return request.param


@pytest.fixture(params=FORMATS)
def other(request: pytest.FixtureRequest) -> str:
    """The provider's format."""
    return request.param


@pytest.fixture
def client(speaks: str, sdks: dict[str, Sdk]) -> Sdk:
    return sdks[speaks]


@pytest.fixture
def provider(other: str) -> str:
    return f"to-{other}"


@pytest.fixture
def translated(speaks: str, other: str) -> bool:
    """Within one format the gateway passes bytes through, whatever they say."""
    return speaks != other


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


def pieces(model: str, *kinds: type[Text] | type[Thought], **fields: Any) -> list[Any]:
    """The pieces of the simulator's answer to the question; a token each."""
    played = play(scenario_named(model), Ask(model=model, question=QUESTION, **fields))
    return [piece for piece in played if isinstance(piece, kinds or (Text, Thought))]


def said(model: str, kind: type[Text] | type[Thought] = Text, **fields: Any) -> str:
    """What the simulator says to a question, in its own words."""
    return "".join(piece.text for piece in pieces(model, kind, **fields))


def last_asked(simulator: str) -> str:
    """The body of the last request that reached the provider."""
    stats = httpx.get(f"{simulator.removesuffix('/v1')}/_simulator/stats", trust_env=False).json()
    return stats["last"]["body"]


@pytest.mark.parametrize("scenario", ["plain", "unicode", "long-300", "crlf", "bytewise"])
def test_an_answer_arrives_word_for_word(client, provider, stream, scenario):
    answer = client.ask(f"{provider}/{scenario}", [QUESTION], stream=stream)
    assert answer.text == said(scenario)
    assert answer.finish == client.finishes["stop"]
    # Within one format the answer is passed through, the name of its model too.
    assert answer.model in (f"{provider}/{scenario}", scenario)
    assert (answer.calls, answer.reasoning) == ([], "")


def test_an_empty_answer_is_one(client, provider, stream):
    answer = client.ask(f"{provider}/empty", [QUESTION], stream=stream)
    assert (answer.text, answer.calls) == ("", [])
    assert answer.finish == client.finishes["stop"]


@pytest.mark.parametrize("scenario", ["plain", "reasoning"])
def test_usage_is_the_same_in_every_format(client, provider, other, sdks, stream, scenario):
    """The same as the provider tells a client of its own format, who gets it unchanged."""
    wish = Wish(reasoning=scenario == "reasoning")
    counts = client.ask(f"{provider}/{scenario}", [QUESTION], wish, stream=stream).counts
    native = sdks[other].ask(f"{provider}/{scenario}", [QUESTION], wish, stream=False).counts
    assert counts == native
    assert counts.output == len(pieces(scenario))
    assert counts.reasoning == len(pieces(scenario, Thought))


@pytest.mark.parametrize(("speaks", "other"), list(permutations(FORMATS, 2)))
def test_usage_is_estimated_where_a_provider_reports_none(client, provider, stream):
    counts = client.ask(f"{provider}/plain+no-usage", [QUESTION], stream=stream).counts
    assert counts.input > 0
    assert counts.output > 0


def test_an_answer_that_reaches_the_limit_says_so(client, provider, stream):
    wish = Wish(max_tokens=20)
    answer = client.ask(f"{provider}/long-100", [QUESTION], wish, stream=stream)
    assert answer.finish == client.finishes["length"]
    assert answer.counts.output == 20
    assert said("long-100").startswith(answer.text)


def test_a_conversation_goes_on(client, provider, stream):
    first = client.ask(f"{provider}/plain", ["Who are you?"], stream=stream)
    second = client.ask(f"{provider}/plain", ["Who are you?", first, QUESTION], stream=stream)
    assert second.text == said("plain")
    assert second.counts.input > first.counts.input


def check_call(call: Any, speaks: str, other: str) -> None:
    # The service of before Gemini 3 gives calls no ids; they go by their names.
    assert call.id or speaks == other == "gemini"
    assert call.arguments == sample(TOOLS[call.name])


def test_a_tool_round_trip(client, provider, stream, speaks, other):
    model, wish = f"{provider}/tools", Wish(tools=True)
    first = client.ask(model, [QUESTION], wish, stream=stream)
    (call,) = first.calls
    check_call(call, speaks, other)
    assert first.finish == client.finishes["tools"]
    turns = [QUESTION, first, Results([(call, RESULT)])]
    second = client.ask(model, turns, wish, stream=stream)
    assert f"The tool answered: {RESULT}" in second.text.replace('{"output": "', "")
    assert second.calls == []
    assert second.finish == client.finishes["stop"]


def test_parallel_calls_get_each_their_own_result(client, provider, stream, speaks, other):
    model, wish = f"{provider}/parallel-tools", Wish(tools=True)
    first = client.ask(model, [QUESTION], wish, stream=stream)
    assert [call.name for call in first.calls] == list(TOOLS)
    assert first.calls[0].id != first.calls[1].id or speaks == other == "gemini"
    for call in first.calls:
        check_call(call, speaks, other)
    results = Results([(call, f"result of {call.name}") for call in first.calls])
    second = client.ask(model, [QUESTION, first, results], wish, stream=stream)
    for call in first.calls:
        assert f"result of {call.name}" in second.text


def test_a_tools_name_that_a_provider_forbids_is_mapped_and_mapped_back(sdks, provider, stream):
    """Gemini allows dots and colons in names, the others do not."""
    sdk = sdks["gemini"].sdk
    name = "files.read:one"
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name=name)])]
    )
    asked = {"model": f"{provider}/tools", "contents": QUESTION, "config": config}
    if stream:
        chunks = list(sdk.models.generate_content_stream(**asked))
    else:
        chunks = [sdk.models.generate_content(**asked)]
    calls = [call for chunk in chunks for call in chunk.function_calls or ()]
    assert [call.name for call in calls] == [name]


def test_reasoning_is_shown_apart_and_goes_back(client, provider, stream):
    model, wish = f"{provider}/reasoning", Wish(reasoning=True)
    answer = client.ask(model, [QUESTION], wish, stream=stream)
    assert answer.text == said("reasoning")
    assert answer.reasoning.strip() == said("reasoning", Thought).strip()
    assert answer.counts.reasoning > 0
    assert answer.counts.reasoning < answer.counts.output
    again = client.ask(model, [QUESTION, answer, QUESTION], wish, stream=stream)
    assert again.text == said("reasoning")


def test_reasoning_before_a_call_goes_back_with_its_result(client, provider, stream):
    model, wish = f"{provider}/reasoning-tools", Wish(tools=True, reasoning=True)
    first = client.ask(model, [QUESTION], wish, stream=stream)
    (call,) = first.calls
    assert first.reasoning.strip() == said("reasoning", Thought).strip()
    second = client.ask(model, [QUESTION, first, Results([(call, "yes")])], wish, stream=stream)
    assert "yes" in second.text


@pytest.mark.parametrize("next_format", FORMATS)
def test_a_conversation_moves_to_another_provider(client, provider, next_format):
    """Signatures, sealed reasoning and ids of one provider never make another refuse."""
    wish = Wish(tools=True, reasoning=True)
    first = client.ask(f"{provider}/reasoning-tools", [QUESTION], wish, stream=True)
    turns = [QUESTION, first, Results([(first.calls[0], "yes")])]
    second = client.ask(f"to-{next_format}/reasoning-tools", turns, wish, stream=False)
    assert "yes" in second.text
    third = client.ask(f"{provider}/plain", [*turns, second, QUESTION], wish, stream=True)
    assert third.text.endswith(QUESTION)


def test_think_tags_become_reasoning(client, provider, translated, stream):
    answer = client.ask(f"{provider}/think", [QUESTION], stream=stream)
    if not translated:
        assert answer.text == said("think")
        return
    assert answer.reasoning.strip() == said("reasoning", Thought).strip()
    assert answer.text.strip() == said("plain").strip()


def test_a_picture_arrives(client, provider, other, stream, simulator):
    answer = client.ask(f"{provider}/plain", [QUESTION], Wish(picture=True), stream=stream)
    assert answer.text == said("plain")
    body = last_asked(simulator)
    # Google's SDK writes base64 in the alphabet of URLs, which only Gemini reads.
    assert any(encode(PNG).decode() in body for encode in (b64encode, urlsafe_b64encode))
    assert other == "gemini" or b64encode(PNG).decode() in body


def test_a_structured_answer_is_one(client, provider, stream):
    answer = client.ask(f"{provider}/plain", [QUESTION], Wish(person=True), stream=stream)
    assert answer.parsed == Person.model_validate(sample(Person.model_json_schema()))
    assert json.loads(answer.text) == answer.parsed.model_dump()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_is_the_one_that_the_sdk_knows(client, provider, stream, status):
    word = f"error-{status}-7" if status in (429, 503) else f"error-{status}"
    with pytest.raises(client.by_status[status]) as raised:
        client.ask(f"{provider}/{word}", [QUESTION], stream=stream)
    error = raised.value
    assert getattr(error, "status_code", None) == status or getattr(error, "code", None) == status
    assert f"{provider}/main" in client.message(error)
    if status in (429, 503):
        assert client.retry_after(error) == "7"


@pytest.mark.parametrize("fault", ["cut-8", "reset-8"])
def test_an_answer_that_breaks_off_raises_and_never_looks_whole(client, provider, stream, fault):
    with pytest.raises(client.error) as raised:
        client.ask(f"{provider}/long-50+pace-5ms+{fault}", [QUESTION], stream=stream)
    assert f"{provider}/main" in client.message(raised.value)


def test_an_error_in_the_middle_of_a_stream_raises(client, provider):
    model = f"{provider}/long-50+pace-5ms+error-event-8"
    with pytest.raises(client.error, match=f"{provider}/main"):
        client.ask(model, [QUESTION], stream=True)


def test_an_error_before_the_first_word_is_an_error_answer(client, provider):
    with pytest.raises(client.error) as raised:
        client.ask(f"{provider}/error-first", [QUESTION], stream=True)
    assert f"{provider}/main" in client.message(raised.value)


def test_what_is_lost_is_named_and_what_cannot_be_said_is_refused(sdks):
    chat = sdks["openai"].sdk.chat.completions
    told = chat.with_raw_response.create(
        model="to-claude/plain", messages=[{"role": "user", "content": "hi"}], seed=7, n=1
    )
    assert told.headers["x-omniroute-losses"] == "seed"
    audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    for provider in ("to-claude", "to-openai-responses"):
        with pytest.raises(openai.BadRequestError, match="audio_in") as raised:
            chat.create(model=f"{provider}/plain", messages=[{"role": "user", "content": [audio]}])
        assert raised.value.param == "audio_in"


def test_models_are_listed_as_each_sdk_wants_them(sdks):
    expected = {f"to-{name}/{model}" for name in FORMATS for model in ("plain", "tools")}
    assert expected <= {model.id for model in sdks["openai"].sdk.models.list()}
    assert expected <= {model.id for model in sdks["claude"].sdk.models.list()}
    listed = {model.name.removeprefix("models/") for model in sdks["gemini"].sdk.models.list()}
    assert expected <= listed


def test_tokens_are_counted_for_every_provider(sdks, provider):
    messages = [{"role": "user", "content": QUESTION}]
    claude = sdks["claude"].sdk.messages.count_tokens(model=f"{provider}/plain", messages=messages)
    assert claude.input_tokens > 0
    gemini = sdks["gemini"].sdk.models.count_tokens(model=f"{provider}/plain", contents=QUESTION)
    assert gemini.total_tokens > 0


def test_a_wrong_key_and_an_unknown_model(client, formats_endpoint):
    with pytest.raises(client.by_status[404]):
        client.ask("nobody/plain", [QUESTION], stream=False)
    with ExitStack() as stack:
        stranger = type(client)(formats_endpoint.url, "sk-wrong", stack)
        with pytest.raises(client.by_status[401]):
            stranger.ask("to-claude/plain", [QUESTION], stream=False)
