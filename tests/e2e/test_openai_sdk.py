"""The official OpenAI SDK as judge: it works through the gateway as with the real service."""

from collections.abc import Iterator

import openai
import pytest

pytestmark = pytest.mark.processes

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}},
            "required": ["path"],
        },
    },
}


@pytest.fixture
def client(endpoint) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{endpoint.url}/v1", api_key=endpoint.key, max_retries=0) as sdk:
        yield sdk


def streamed(client, **more):
    return list(client.chat.completions.create(messages=HELLO, stream=True, **more))


def text_of(chunks) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_streamed_and_unstreamed_answers_say_the_same(client):
    whole = client.chat.completions.create(model="acme/plain", messages=HELLO)
    chunks = streamed(client, model="acme/plain")
    assert whole.choices[0].message.content
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_where_it_was_asked_for(client):
    chunks = streamed(client, model="acme/plain", stream_options={"include_usage": True})
    whole = client.chat.completions.create(model="acme/plain", messages=HELLO)
    assert chunks[-1].usage == whole.usage


def test_headers_tell_who_answered(client):
    raw = client.chat.completions.with_raw_response.create(model="acme/plain", messages=HELLO)
    assert raw.headers["x-omniroute-provider"] == "acme"
    assert raw.headers["x-omniroute-model"] == "plain"
    assert raw.headers["x-request-id"].startswith("req_")


def test_a_tool_round_trip(client):
    first = client.chat.completions.create(model="acme/tools", messages=HELLO, tools=[TOOL])
    (call,) = first.choices[0].message.tool_calls
    assert call.function.name == "read_file"
    messages = [
        *HELLO,
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "the secret is 42"},
    ]
    second = client.chat.completions.create(model="acme/tools", messages=messages, tools=[TOOL])
    assert "the secret is 42" in second.choices[0].message.content


def test_streamed_tool_calls_arrive_whole(client):
    with client.chat.completions.stream(
        model="acme/parallel-tools", messages=HELLO, tools=[TOOL]
    ) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert len(calls) > 1
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize(
    "form", ["bytewise", "crlf", "unicode", "reasoning", "long-300", "no-usage"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_every_form_of_an_answer_is_understood(client, form, stream):
    if stream:
        assert text_of(streamed(client, model=f"acme/{form}"))
    else:
        answer = client.chat.completions.create(model=f"acme/{form}", messages=HELLO)
        assert answer.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("error-400", openai.BadRequestError),
        ("error-401", openai.AuthenticationError),
        ("error-404", openai.NotFoundError),
        ("error-429-3", openai.RateLimitError),
        ("error-500", openai.InternalServerError),
        ("error-503", openai.InternalServerError),
        ("cut-head", openai.InternalServerError),
        ("reset-head", openai.InternalServerError),
    ],
)
def test_upstream_failures_raise_what_the_sdk_knows_them_as(client, model, error, stream):
    with pytest.raises(error, match="acme/main") as raised:
        client.chat.completions.create(model=f"acme/{model}", messages=HELLO, stream=stream)
    if model == "error-429-3":
        assert raised.value.response.headers["retry-after"] == "3"


def take_all(stream, seen: list) -> None:
    for chunk in stream:
        seen.append(chunk)


@pytest.mark.parametrize("model", ["error-event", "cut-3", "reset-3"])
def test_a_stream_that_fails_midway_raises_and_is_never_cut_silently(client, model):
    seen = []
    stream = client.chat.completions.create(
        model=f"acme/{model}+pace-20ms", messages=HELLO, stream=True
    )
    with pytest.raises(openai.APIError, match="acme/main"):
        take_all(stream, seen)
    assert seen


def test_an_error_as_first_event_raises_before_any_chunk(client):
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="acme/error-first", messages=HELLO, stream=True)


def test_a_wrong_key_and_an_unknown_model(client, endpoint):
    with pytest.raises(openai.NotFoundError, match="configured: acme"):
        client.chat.completions.create(model="nobody/plain", messages=HELLO)
    stranger = openai.OpenAI(base_url=f"{endpoint.url}/v1", api_key="sk-wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_models_are_listed_and_retrieved(client):
    assert [model.id for model in client.models.list()] == ["acme/plain", "acme/tools"]
    assert client.models.retrieve("acme/plain").owned_by == "acme"
