"""The simulator as several providers: each with accounts, scripts and counts of its own."""

import json
from typing import Any

import httpx
import pytest
import trio

from omniroute.simulator.mounts import conversation_of

CLAUDE = {
    "model": "claude-opus-4-6",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hi"}],
}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/p/glm/v1/chat/completions", {"model": "glm-4.7", "messages": CLAUDE["messages"]}),
        ("/p/cx/v1/responses", {"model": "gpt-5.2-codex", "input": "Hi"}),
        ("/p/cc/v1/messages", CLAUDE),
        ("/p/gc/v1beta/models/gemini-3-flash:generateContent", GEMINI),
        ("/p/gc/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", GEMINI),
    ],
)
async def test_every_model_is_served_in_every_format(simulator: Any, path: str, body: Any) -> None:
    async with simulator() as it:
        answer = await it.client.post(path, json=body)
        assert answer.status_code == 200
        assert "simulator" in answer.text
        name = path.split("/")[2]
        await it.idle()
        told = await it.told(name)
        assert (told["requests"], told["running"]) == (1, 0)
        assert told["output_tokens"] > 10


async def test_a_scenario_is_played_where_the_model_names_one(simulator: Any) -> None:
    async with simulator() as it:
        assert (await it.at("glm", model="error-418")).status_code == 418


async def test_accounts_go_by_credential_however_it_is_carried(simulator: Any) -> None:
    async with simulator() as it:
        places = [
            {"headers": {"authorization": "Bearer a"}},
            {"headers": {"x-api-key": "b"}},
            {"headers": {"x-goog-api-key": "c"}},
            {"params": {"key": "d"}},
            {},
        ]
        for place in places:
            answer = await it.client.post("/p/cc/v1/messages", json=CLAUDE, **place)
            assert answer.status_code == 200
        assert set((await it.told("cc"))["accounts"]) == {"a", "b", "c", "d", ""}


async def test_a_quota_ends_in_the_vendors_words_and_begins_anew(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("cc", quotas=[{"limit": 1, "resets_in_s": 30}])

        async def ask() -> httpx.Response:
            headers = {"x-api-key": "one"}
            return await it.client.post("/p/cc/v1/messages", json=CLAUDE, headers=headers)

        first, second = await ask(), await ask()
        assert first.headers["anthropic-ratelimit-unified-5h-utilization"] == "1"
        assert second.status_code == 429
        assert second.json()["error"]["type"] == "rate_limit_error"
        assert second.headers["retry-after"] == "30"
        it.clock.now_s += 30
        assert (await ask()).status_code == 200
        told = await it.told("cc")
        assert (told["requests"], told["refused"]) == (3, 1)


async def test_each_account_has_quotas_of_its_own(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", quotas=[{"limit": 1}])
        assert [(await it.at("glm", key=key)).status_code for key in "aabb"] == [200, 429, 200, 429]


async def test_a_quota_of_tokens_counts_what_is_billed(simulator: Any) -> None:
    async with simulator() as it:
        quota = {"limit": 500, "measure": "tokens"}
        await it.script("if", quotas=[quota], bill={"input_tokens": 300, "output_tokens": 400})
        answer = await it.at("if")
        assert answer.json()["usage"]["total_tokens"] == 700
        await it.idle()
        assert (await it.at("if")).json()["error"]["code"] == "insufficient_quota"
        told = await it.told("if")
        assert (told["input_tokens"], told["output_tokens"]) == (300, 400)


async def test_an_outage_befalls_one_provider_and_costs_no_quota(simulator: Any) -> None:
    async with simulator() as it:
        quotas = [{"limit": 1}]
        await it.script("glm", scenario="error-503", quotas=quotas)
        assert [(await it.at("glm")).status_code for _ in range(3)] == [503] * 3
        assert (await it.at("if")).status_code == 200
        told = await it.told("glm")
        assert told["accounts"]["one"]["quotas"][0]["used"] == 0
        assert (told["refused"], told["output_tokens"]) == (3, 0)


async def test_an_outage_may_be_a_connection_that_breaks(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", scenario="reset-head")
        with pytest.raises(httpx.TransportError):
            await it.at("glm")
        await it.script("glm", scenario="cut-3")
        with pytest.raises(httpx.RemoteProtocolError):
            await it.at("glm")
        await it.script("glm")
        assert (await it.at("glm")).status_code == 200
        await it.idle()
        assert (await it.told("glm"))["running"] == 0


async def test_what_is_running_is_told_and_a_client_that_leaves_ends_it(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", scenario="slow-60s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.at, "glm")
            # Nobody tells; a fail_after stands around it.
            while (await it.told("glm"))["running"] != 1:  # noqa: ASYNC110
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        await it.idle()
        assert (await it.told("glm"))["running"] == 0


async def test_a_wrong_credential_is_refused_everywhere(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", credentials=["good", "gone"])
        await it.script("glm", account="gone", refused=True)
        statuses = [(await it.at("glm", key=key)).status_code for key in ("good", "bad", "gone")]
        assert statuses == [200, 401, 401]
        for key, status in (("good", 200), ("bad", 401), ("gone", 401)):
            usage = await it.client.get(
                "/p/glm/api/monitor/usage/quota/limit", headers={"authorization": f"Bearer {key}"}
            )
            assert usage.status_code == status


async def test_quota_endpoints_tell_what_errors_are_made_of(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("cc", quotas=[{"limit": 4}])
        headers = {"authorization": "Bearer one"}
        await it.client.post("/p/cc/v1/messages", json=CLAUDE, headers=headers)
        usage = await it.client.get("/p/cc/api/oauth/usage", headers=headers)
        assert usage.json()["five_hour"]["utilization"] == 25


async def test_conversations_that_move_between_accounts_are_counted(simulator: Any) -> None:
    async with simulator() as it:
        for key, say in (("a", "one"), ("a", "one"), ("b", "one"), ("b", "two")):
            await it.at("glm", key=key, say=say)
        told = await it.told("glm")
        assert (told["conversations"], told["moved"]) == (2, 1)
        assert list(told["accounts"]["a"]["conversations"].values()) == [2]


async def test_a_prompt_cache_belongs_to_the_account(simulator: Any) -> None:
    async with simulator() as it:
        await it.script("glm", prompt_cache=True)

        async def cached(key: str) -> int:
            answer = await it.at("glm", key=key, say="the same question again and again")
            tokens: int = answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
            return tokens

        assert await cached("a") == 0
        assert await cached("a") > 0
        assert await cached("b") == 0


async def test_the_vendor_may_be_chosen_in_the_script(simulator: Any) -> None:
    async with simulator() as it:
        quotas = [{"limit": 0, "kind": "credits"}]
        await it.script("anything", vendor="openrouter", quotas=quotas)
        answer = await it.at("anything")
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, 402)


def test_a_conversation_goes_by_its_first_message_of_the_user() -> None:
    def named(**body: Any) -> str:
        return conversation_of(json.dumps(body).encode())

    first = {"role": "user", "content": "Hi"}
    answer = {"role": "assistant", "content": "Hello"}
    system = {"role": "system", "content": "Be brief"}
    assert named(messages=[first]) == named(messages=[system, first, answer, first])
    assert named(messages=[first]) != named(messages=[{"role": "user", "content": "Ho"}])
    assert named(input="Hi") != named(input="Ho")
    assert named(contents=[{"parts": [{"text": "Hi"}]}]) != named(contents=[])
