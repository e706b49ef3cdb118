"""Who may ask, by which name and path, and what the simple endpoints answer."""

import json

import msgspec
import pytest
import trio

from tests.gateway.chat_material import ANSWER

KEY = "sk-test-1234567890"
CHAT = b'{"model":"acme/plain","messages":[]}'


async def answers_ok(side):
    while True:
        await side.request()
        await side.answer(ANSWER)


async def error_of(client) -> tuple[int, dict]:
    answer = await client.answer()
    return answer.status, json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    "credential",
    [
        f"authorization: Bearer {KEY}",
        f"authorization: bearer {KEY}",
        f"x-api-key: {KEY}",
        f"x-goog-api-key: {KEY}",
    ],
)
async def test_a_key_is_taken_from_every_header_its_dialects_use(serve_gateway, credential):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, key=None, extra=f"{credential}\r\n")
        assert (await client.answer()).status == 200


async def test_a_key_is_taken_from_the_query(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, key=None, path=f"/v1/chat/completions?key={KEY}")
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1beta/models/m:countTokens"],
)
@pytest.mark.parametrize("key", [None, "sk-wrong"])
async def test_every_data_path_is_closed_without_a_known_key(serve_gateway, path, key):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, path=path, key=key)
        status, error = await error_of(client)
        assert status == 401
        assert ("No API key" if key is None else "not known here") in error["message"]
        assert "sk-wrong" not in error["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/acme/plain"])
async def test_model_lists_are_closed_without_a_key(serve_gateway, path):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.get(path, key=None)
        assert (await client.answer()).status == 401


async def test_an_open_gateway_serves_anybody(serve_gateway):
    async with serve_gateway(answers_ok, more="[server]\nrequire_api_key = false") as gateway:
        client = await gateway.client()
        await client.post(CHAT, key=None)
        assert (await client.answer()).status == 200
        assert (await gateway.record()).key_id == ""


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/codex/chat/completions",
        "/v1/providers/acme/chat/completions",
        "/v1/chat/completions/",
    ],
)
async def test_the_ways_tools_are_configured_reach_the_same_place(serve_gateway, path):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, path=path)
        assert (await client.answer()).status == 200


async def test_a_provider_path_adds_the_prefix_and_refuses_another_providers_model(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        path = "/v1/providers/acme/chat/completions"
        await client.post(b'{"model":"plain","messages":[]}', path=path)
        assert (await client.answer()).status == 200
        await client.post(CHAT, path="/v1/providers/nobody/chat/completions")
        status, error = await error_of(client)
        assert status == 404
        assert "nobody" in error["message"]


async def test_models_are_listed_and_found(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.get("/v1/models")
        listed = json.loads((await client.answer()).body)
        assert [each["id"] for each in listed["data"]] == ["acme/plain", "acme/other"]
        await client.get("/v1/models/acme%2Fplain")
        assert json.loads((await client.answer()).body)["id"] == "acme/plain"
        await client.get("/v1/models/acme/absent")
        assert (await error_of(client))[0] == 404


async def test_an_unknown_model_is_told_with_what_would_be_right(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(b'{"model":"acne/plain","messages":[]}')
        status, error = await error_of(client)
        assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert "did you mean 'acme'" in error["message"]
        await client.post(b'{"model":"plane","messages":[]}')
        assert "did you mean 'plain'" in (await error_of(client))[1]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/", 200),
        ("GET", "/", 302),
        ("GET", "/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
    ],
)
async def test_the_small_endpoints(serve_gateway, method, path, status):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        auth = f"authorization: Bearer {KEY}\r\n"
        await client.send(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{auth}\r\n".encode())
        answer = await (client.head() if method == "HEAD" else client.answer())
        assert answer.status == status
        assert "x-request-id" in answer.headers


async def test_a_clients_own_request_id_is_echoed_and_never_used(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, extra="x-request-id: mine\r\n")
        answer = await client.answer()
        assert answer.headers["x-client-request-id"] == "mine"
        assert answer.headers["x-request-id"].startswith("req_")
        assert (await gateway.record()).id == answer.headers["x-request-id"]


async def test_a_foreign_host_and_a_foreign_page_are_refused(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT, host="evil.example")
        assert (await error_of(client))[1]["code"] == "host_not_allowed"
        client = await gateway.client()
        for origin in ("https://evil.example", "null"):
            await client.post(CHAT, extra=f"origin: {origin}\r\n")
            assert (await error_of(client))[1]["code"] == "origin_not_allowed"
            client = await gateway.client()
        await client.post(CHAT, extra="origin: vscode-webview://abc\r\n")
        assert (await client.answer()).status == 200


async def test_a_listed_page_may_read_answers_and_ask_beforehand(serve_gateway):
    more = '[server]\ncors_origins = ["https://chat.example"]'
    async with serve_gateway(answers_ok, more=more) as gateway:
        client = await gateway.client()
        await client.send(
            b"OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"origin: https://chat.example\r\naccess-control-request-method: POST\r\n"
            b"access-control-request-headers: authorization, content-type\r\n\r\n"
        )
        answer = await client.head()
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        assert "authorization" in answer.headers["access-control-allow-headers"]
        client = await gateway.client()
        await client.post(CHAT, extra="origin: https://chat.example\r\n")
        answer = await client.answer()
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"


async def test_a_new_snapshot_is_in_force_for_the_next_request(serve_gateway):
    async with serve_gateway(answers_ok) as gateway:
        client = await gateway.client()
        await client.post(CHAT)
        assert (await client.answer()).status == 200
        installation = gateway.gateway._installation
        old = gateway.gateway.view
        from omniroute.snapshot import decode, encode

        snapshot = decode(gateway.state.read_snapshot(), installation)
        without_keys = msgspec.structs.replace(snapshot, keys=())
        gateway.state.publish_snapshot(encode(without_keys, installation))
        await client.post(CHAT)
        assert (await client.answer()).status == 401
        assert gateway.gateway.view is not old


async def test_a_snapshot_that_cannot_be_read_leaves_the_old_one_in_force(serve_gateway, caplog):
    async with serve_gateway(answers_ok) as gateway:
        gateway.state.publish_snapshot(gateway.gateway._installation.encrypt(b"\xc1nonsense"))
        client = await gateway.client()
        await client.post(CHAT)
        assert (await client.answer()).status == 200
    assert "stays in force" in caplog.text


async def test_draining_finishes_what_runs_and_takes_nothing_new(serve_gateway):
    go_on = trio.Event()

    async def upstream(side):
        await side.request()
        await go_on.wait()
        await side.answer(ANSWER)

    async with serve_gateway(upstream) as gateway:
        busy, resting = await gateway.client(), await gateway.client()
        await resting.get("/healthz")
        await resting.answer()
        await busy.post(CHAT)
        with trio.fail_after(5):
            while not gateway.gateway.inflight:  # noqa: ASYNC110 - no event tells
                await trio.sleep(0.01)
            gateway.gateway.drain(10)
            assert await resting.closed() == b""
            with pytest.raises(OSError, match="connect"):
                await gateway.client()
            go_on.set()
            answer = await busy.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await busy.closed() == b""


async def test_what_outlasts_the_drain_is_ended_in_its_dialect(memory_gateway, autojump_clock):
    async def upstream(side):
        await side.request()
        await side.start_stream()
        await side.event(b'{"choices":[{"delta":{"content":"half"}}]}')
        await side.gone()

    async with memory_gateway(upstream) as gateway:
        client = await gateway.client()
        await client.post(b'{"model":"acme/plain","messages":[],"stream":true}')
        await client.head()
        await client.piece()
        gateway.gateway.drain(5)
        ending = await client.piece()
        assert b"shutting down" in ending
        assert ending.endswith(b"data: [DONE]\n\n")
        assert (await gateway.record()).outcome == "failed"


async def test_connections_beyond_the_limit_are_turned_away(serve_gateway):
    more = "[limits]\nconnections_per_address = 2"
    async with serve_gateway(answers_ok, more=more) as gateway:
        clients = [await gateway.client() for _ in range(2)]
        for client in clients:
            await client.get("/healthz")
            assert (await client.answer()).status == 200
        third = await gateway.client()
        await third.get("/healthz")
        answer = await third.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        await clients[0].stream.aclose()
        with trio.fail_after(5):
            while gateway.gateway.connection_count > 1:  # noqa: ASYNC110 - no event tells
                await trio.sleep(0.01)
        fourth = await gateway.client()
        await fourth.get("/healthz")
        assert (await fourth.answer()).status == 200
