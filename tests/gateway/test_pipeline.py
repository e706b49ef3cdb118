"""The way of a chat request: passthrough, held headers, fallback, endings, records."""

import json
from typing import Any

import trio

KEY = "sk-test-1234567890"


def request(model: str = "acme/plain", **more: Any) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return json.dumps(body).encode()


def chunk(content: str = "", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return json.dumps({"id": "c", "choices": [choice], **more}).encode()


FINISH = b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'


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
        await side.answer(b"{}")

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
        await side.answer(b"{}")

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


async def test_an_upstream_error_keeps_its_status_and_names_the_connection(serve_gateway):
    async def upstream(side):
        await side.request()
        error = {"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}
        await side.answer(json.dumps(error).encode(), 429, b"retry-after: 7\r\n")

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        error = json.loads(answer.body)["error"]
        assert answer.status == 429
        assert answer.headers["retry-after"] == "7"
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert "acme/main" in error["message"]
        assert "slow down" in error["message"]
        assert (await gateway.record()).outcome == "failed"


async def test_an_error_as_first_event_of_a_stream_is_an_error_status(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk(""))
        await side.event(b'{"error":{"message":"overloaded"}}')
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        answer = await client.answer()
        assert answer.status == 502
        assert b"overloaded" in answer.body


async def test_a_stream_that_breaks_ends_with_error_event_and_terminator(serve_gateway):
    first_is_there = trio.Event()

    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("half"))
        await first_is_there.wait()  # a reset takes what has not been read with it
        await side.send(b'1000\r\ndata: {"id":"c","cho')  # cut inside an event
        side.reset()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        await client.head()
        first = await client.piece()
        assert json.loads(first[6:])["choices"][0]["delta"]["content"] == "half"
        first_is_there.set()
        error, done, rest = (await client.piece()).split(b"\n\n")
        assert "acme/main" in json.loads(error[6:])["error"]["message"]
        assert (done, rest) == (b"data: [DONE]", b"")
        assert await client.piece() == b""
        record = await gateway.record()
        assert (record.status, record.outcome) == (200, "failed")
        assert record.usage_source == "estimated"


async def test_an_error_event_in_mid_stream_is_told_and_recorded_as_failed(serve_gateway):
    first_is_there = trio.Event()

    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("half"))
        await first_is_there.wait()
        await side.event(b'{"error":{"message":"overloaded","type":"server_error"}}')
        await side.gone()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        assert (await client.head()).status == 200
        assert b"half" in await client.piece()
        first_is_there.set()
        ending = await client.piece()
        assert b"overloaded" in ending
        assert ending.endswith(b"data: [DONE]\n\n")
        assert (await gateway.record()).outcome == "failed"


async def test_a_request_that_dies_on_a_stale_connection_is_sent_again(serve_gateway):
    connections = []

    async def upstream(side):
        connections.append(side)
        number = len(connections)
        await side.request()
        await side.answer(b'{"n":%d}' % number)
        if number == 1:
            await side.request()  # takes the second request, then dies without a word
            side.reset()
        else:
            await side.request()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        assert (await client.answer()).body == b'{"n":1}'
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"n":2}')
        assert answer.headers["x-omniroute-attempts"] == "1"


async def test_a_request_that_dies_after_part_of_an_answer_is_not_sent_again(serve_gateway):
    requests = []

    async def upstream(side):
        requests.append(await side.request())
        await side.send(b"HTTP/1.1 200 OK\r\ncontent-le")
        side.reset()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        assert (await client.answer()).status == 502
    assert len(requests) == 1


async def test_a_second_connection_is_tried_when_the_first_is_throttled(
    memory_gateway, autojump_clock
):
    async def upstream(side):
        while True:
            head, _ = await side.request()
            if b"sk-upstream" in head:
                await side.answer(b'{"error":{"message":"throttled"}}', 429)
            else:
                await side.answer(b'{"id":"second"}')

    second = (
        '[[connections]]\nprovider = "acme"\nname = "spare"\napi_key = "spare-key"\npriority = 2'
    )
    async with memory_gateway(upstream, provider=second) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b'{"id":"second"}')
        assert answer.headers["x-omniroute-attempts"] == "2"
        assert (await gateway.record()).connection == "acme/spare"


async def test_silence_before_the_first_event_is_bridged_by_keepalives(
    memory_gateway, autojump_clock
):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await trio.sleep(40)
        await side.event(chunk("late"))
        await trio.sleep(1)
        await side.end_stream()

    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        started = trio.current_time()
        await client.post(request(stream=True))
        assert (await client.head()).status == 200
        assert await client.piece() == b": keepalive\n\n"
        assert 14 < trio.current_time() - started < 17
        assert await client.piece() == b": keepalive\n\n"
        piece = await client.piece()
        assert json.loads(piece[6:])["choices"][0]["delta"]["content"] == "late"
        last = await client.piece()
        assert last.startswith(b": x-omniroute-provider: acme")
        assert last.endswith(b"data: [DONE]\n\n")


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


async def test_an_upstream_that_stays_silent_is_given_up(memory_gateway, autojump_clock):
    async def upstream(side):
        await side.request()
        await side.gone()

    async with memory_gateway(upstream, more="[upstream]\nfirst_byte_s = 30") as gateway:
        client = await gateway.client()
        started = trio.current_time()
        await client.post(request())
        answer = await client.answer()
        assert answer.status == 504
        assert 30 <= trio.current_time() - started < 32
        assert (await gateway.record()).status == 504


async def test_a_client_that_leaves_ends_the_upstream_call(serve_gateway):
    gone = trio.Event()

    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("some words"))
        await side.gone()
        gone.set()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        await client.head()
        await client.piece()
        await client.stream.aclose()
        with trio.fail_after(5):
            await gone.wait()
        record = await gateway.record()
        assert record.outcome == "cancelled"
        assert record.usage.output_tokens > 0
        assert record.usage_source == "estimated"


async def test_a_client_that_leaves_a_silent_upstream_ends_the_call_too(serve_gateway):
    asked, gone = trio.Event(), trio.Event()

    async def upstream(side):
        await side.request()
        asked.set()
        await side.gone()
        gone.set()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        with trio.fail_after(5):
            await asked.wait()
            await client.stream.aclose()
            await gone.wait()
        record = await gateway.record()
        assert (record.outcome, record.status) == ("cancelled", 499)


async def test_an_encoded_answer_is_undone(serve_gateway):
    import gzip

    plain = b'{"id":"x","usage":{"prompt_tokens":1,"completion_tokens":1}}'

    async def upstream(side):
        head, _ = await side.request()
        assert b"accept-encoding: identity" in head.lower()
        await side.answer(gzip.compress(plain), extra=b"content-encoding: gzip\r\n")

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        answer = await client.answer()
        assert answer.body == plain
        assert "content-encoding" not in answer.headers


async def test_a_slow_client_slows_the_upstream(memory_gateway, autojump_clock):
    taken = 0

    async def upstream(side):
        nonlocal taken
        await side.request()
        await side.start_stream()
        for _ in range(100):
            await side.event(chunk("x" * 20_000))
            taken += 1
        await side.end_stream()

    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request(stream=True))
        await trio.sleep(5)
        assert 0 < taken < 20  # the windows of both legs, not the whole stream
        answer = await client.answer()
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert taken == 100


async def test_a_request_that_comes_back_to_us_is_a_loop(serve_gateway):
    async def upstream(side):
        head, _ = await side.request()
        (via,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"via:")]
        await side.answer(json.dumps({"via": via.decode()}).encode())

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(request())
        via = json.loads((await client.answer()).body)["via"]
        await client.post(request(), extra=f"{via}\r\n")
        answer = await client.answer()
        assert answer.status == 508
        assert "base_url" in json.loads(answer.body)["error"]["message"]


async def test_http_1_0_gets_a_stream_that_ends_with_the_connection(serve_gateway):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(chunk("old"))
        await side.end_stream()

    async with serve_gateway(upstream) as gateway:
        client = await gateway.client()
        body = request(stream=True)
        await client.send(
            b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer "
            + KEY.encode()
            + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        data = await client.closed()
        assert b"transfer-encoding" not in data
        assert data.endswith(b"data: [DONE]\n\n")
