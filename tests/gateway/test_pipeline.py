"""The way of a chat request: passthrough, fallback, loops, records."""

import json

import trio

from tests.gateway.chat_material import ANSWER, FINISH, KEY, USAGE, chunk, request


async def test_an_answer_passes_byte_for_byte_and_becomes_one_record(serve_gateway):
    sent = b'{"id":"x", "odd":  [1.0,2], "usage":{"prompt_tokens":5,"completion_tokens":2}}'

    async def upstream(side):
        _, body = await side.request()
        assert json.loads(body)["model"] == "plain"
        await side.answer(sent)

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, sent)
        assert answer.headers["x-omniroute-provider"] == "acme"
        assert answer.headers["x-omniroute-model"] == "plain"
        assert answer.headers["x-omniroute-attempts"] == "1"
        assert int(answer.headers["x-omniroute-overhead-us"]) >= 0
        record = await gateway.record()
        assert record.id == answer.headers["x-request-id"]
        assert (record.status, record.outcome, record.attempts) == (200, "ok", 1)
        assert (record.usage.input_tokens, record.usage.output_tokens) == (5, 2)
        assert (record.connection, record.requested_model) == ("acme/main", "acme/plain")


async def test_unknown_fields_and_formatting_of_the_request_survive(serve_gateway):
    seen = []

    async def upstream(side):
        seen.append((await side.request())[1])
        await side.answer(ANSWER)

    body = b'{ "x_vendor":{"a":[1e3]},\n"model" : "acme/plain" ,"messages":[],"n":1}'
    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(body)
        await client.answer()
    assert seen == [body.replace(b'"acme/plain"', b'"plain"')]


async def test_neither_key_nor_cookie_of_the_client_reaches_the_upstream(serve_gateway):
    heads = []

    async def upstream(side):
        heads.append((await side.request())[0].lower())
        await side.answer(ANSWER)

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        extra = (
            "cookie: session=canary\r\nx-api-key: canary\r\nx-forwarded-for: 10.0.0.1\r\n"
            "connection: keep-alive, x-hop\r\nx-hop: canary\r\n"
        )
        await client.post(request(), path=f"/v1/chat/completions?key={KEY}", extra=extra)
        assert (await client.answer()).status == 200
    assert KEY.encode() not in heads[0]
    assert b"canary" not in heads[0].replace(b"sk-upstream-canary", b"")
    assert b"10.0.0.1" not in heads[0]
    assert b"authorization: bearer sk-upstream-canary" in heads[0]


async def test_usage_is_asked_for_upstream_and_taken_out_for_the_client(serve_gateway):
    async def upstream(side):
        _, body = await side.request()
        assert json.loads(body)["stream_options"] == {"include_usage": True}
        await side.start_stream()
        await side.event(chunk("hel", usage=None))
        await side.event(chunk("lo", usage=None))
        await side.event(FINISH)
        await side.event(USAGE)
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        answer = await client.answer()
        assert b"usage" not in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert answer.body.count(b"data: ") == 4
        record = await gateway.record()
        assert (record.usage.input_tokens, record.usage.output_tokens) == (7, 3)
        assert record.usage_source == "upstream"


async def test_usage_that_the_client_asked_for_passes_untouched(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("x", usage=None))
        await side.event(USAGE)
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True, stream_options={"include_usage": True}))
        answer = await client.answer()
        assert answer.body == b"".join(
            b"data: " + each + b"\n\n" for each in (chunk("x", usage=None), USAGE, b"[DONE]")
        )


FOREIGN = {"x_groq": {"id": 1, "usage": {}}, "service_tier": "on_demand"}


async def test_members_outside_the_dialect_are_taken_out_of_a_stream_on_request(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("hi", x_vendor=1))
        await side.event(b'{"x_groq":1, "id":"c" ,"choices":[{"delta":{"x":1.0}}]}')
        await side.event(FINISH)
        await side.event(json.dumps({**json.loads(USAGE), **FOREIGN}).encode())
        await side.end_stream()

    expected = (chunk("hi"), b'{"id":"c" ,"choices":[{"delta":{"x":1.0}}]}', FINISH, b"[DONE]")
    async with serve_gateway(upstream, provider='quirks = ["sanitise"]') as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        answer = await client.answer()
        assert answer.body == b"".join(b"data: " + each + b"\n\n" for each in expected)
        record = await gateway.record()
        assert (record.usage.input_tokens, record.usage_source) == (7, "upstream")


async def test_members_outside_the_dialect_are_taken_out_of_an_answer_on_request(serve_gateway):
    sent = b'{"id":"x", "x_groq":{"id":1}, "odd_one":2, "choices":  [{"text":"ok"}]}'

    async def upstream(side):
        await side.request()
        await side.answer(sent)

    async with serve_gateway(upstream, provider='quirks = ["sanitise"]') as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"id":"x", "choices":  [{"text":"ok"}]}')


async def test_a_service_without_a_system_role_is_asked_without_one(serve_gateway):
    asked = []

    async def upstream(side):
        asked.append(json.loads((await side.request())[1]))
        answer = {"content": "<think>a</think>b"}
        await side.answer(
            json.dumps({"choices": [{"message": answer, "finish_reason": "stop"}]}).encode()
        )

    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    async with serve_gateway(upstream, provider='quirks = ["system-to-user"]') as gateway:
        client = await gateway.client()
        await client.post(request(messages=messages))
        answer = json.loads((await client.answer()).body)
    assert {message["role"] for message in asked[0]["messages"]} == {"user"}
    # Tags are only taken apart where the provider is known to write them.
    assert answer["choices"][0]["message"]["content"] == "<think>a</think>b"


async def test_a_second_connection_is_tried_when_the_first_is_throttled(
    memory_gateway, autojump_clock
):
    async def upstream(side):
        while True:
            head, _ = await side.request()
            if b"sk-upstream" in head:
                await side.answer(b'{"error":{"message":"throttled"}}', 429)
            else:
                await side.answer(b'{"id":"second","choices":[{"text":"ok"}]}')

    second = (
        '[[connections]]\nprovider = "acme"\nname = "spare"\napi_key = "spare-key"\npriority = 2'
    )
    async with memory_gateway(upstream, provider=second) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"id":"second","choices":[{"text":"ok"}]}')
        assert answer.headers["x-omniroute-attempts"] == "2"
        assert (await gateway.record()).connection == "acme/spare"


async def test_fallback_goes_on_unseen_after_an_early_keepalive(memory_gateway, autojump_clock):
    async def stalls(side):
        await side.request()
        await trio.sleep(20)
        await side.answer(b'{"error":{"message":"overloaded"}}', 503)

    async def answers(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("rescued"))
        await side.end_stream()

    second = (
        '[[connections]]\nprovider = "acme"\nname = "spare"\napi_key = "spare-key"\npriority = 2'
    )
    async with memory_gateway(stalls, answers, provider=second) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        answer = await client.answer()
        assert answer.status == 200
        assert answer.body.startswith(b": keepalive\n\n")
        assert b"rescued" in answer.body
        assert b"overloaded" not in answer.body


async def test_a_request_that_comes_back_to_us_is_a_loop(serve_gateway):
    async def upstream(side):
        head, _ = await side.request()
        (via,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"via:")]
        await side.answer(json.dumps({"via": via.decode(), "choices": [{"text": "x"}]}).encode())

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        via = json.loads((await client.answer()).body)["via"]
        await client.post(request(), extra=f"{via}\r\n")
        answer = await client.answer()
        assert answer.status == 508
        assert "base_url" in json.loads(answer.body)["error"]["message"]


async def test_a_claude_client_is_answered_by_an_openai_provider(serve_gateway):
    async def upstream(side):
        _, body = await side.request()
        sent = json.loads(body)
        assert sent["model"] == "plain"
        assert sent["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ]
        await side.start_stream()
        await side.event(chunk("hel"))
        await side.event(chunk("lo"))
        await side.event(FINISH)
        await side.event(USAGE)
        await side.end_stream()

    asked = {
        "model": "acme/plain[1m]",
        "max_tokens": 50,
        "stream": True,
        "top_k": 3,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "hi"}],
    }
    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(json.dumps(asked).encode(), path="/v1/messages?beta=true")
        answer = await client.answer()
        assert answer.status == 200
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
        assert answer.headers["x-omniroute-losses"] == "top_k"
        assert answer.body.rstrip().endswith(b'data: {"type":"message_stop"}')
        record = await gateway.record()
        assert (record.client_format, record.endpoint) == ("claude", "/v1/messages")
        assert (record.usage.input_tokens, record.usage.output_tokens) == (7, 3)


async def test_an_answer_in_another_form_than_asked_for_is_turned_over(serve_gateway):
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "all"}, "finish_reason": "stop"}]
    }

    async def upstream(side):
        _, body = await side.request()
        if json.loads(body).get("stream"):
            await side.answer(json.dumps(whole).encode())
        else:
            await side.start_stream()
            await side.event(chunk("all"))
            await side.event(FINISH)
            await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        streamed = await client.answer()
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert b'"content":"all"' in streamed.body
        assert streamed.body.endswith(b"data: [DONE]\n\n")
        await client.post(request())
        folded = json.loads((await client.answer()).body)
        assert folded["choices"][0]["message"]["content"] == "all"


async def test_tokens_are_counted_for_a_target_that_cannot_be_asked(serve_gateway):
    async with serve_gateway(None) as gateway:
        client = await gateway.client()
        body = {"model": "acme/plain", "messages": [{"role": "user", "content": "hi " * 100}]}
        await client.post(json.dumps(body).encode(), path="/v1/messages/count_tokens")
        assert json.loads((await client.answer()).body)["input_tokens"] > 50
