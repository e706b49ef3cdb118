"""The simulator's routes and counters, as a client sees them."""

from typing import Any

import pytest


async def test_it_answers_whole_and_streamed_with_any_key_or_none(simulator: Any) -> None:
    async with simulator() as it:
        answer = await it.ask("plain")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert "simulator" in answer.json()["choices"][0]["message"]["content"]
        it.client.headers["authorization"] = "Bearer whatever"
        streamed = await it.ask("plain", stream=True)
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert streamed.text.endswith("data: [DONE]\n\n")
        await it.idle()
        assert (it.stats.requests, it.stats.finished) == (2, 2)
        assert ["authorization", "Bearer whatever"] in it.stats.last["headers"]


async def test_stats_tell_what_was_asked(simulator: Any) -> None:
    async with simulator() as it:
        await it.ask("plain", query="?x=1")
        told = (await it.client.get("/_simulator/stats")).json()
        assert told["requests"] == 1
        assert told["by_model"] == {"plain": 1}
        assert told["last"]["query"] == "x=1"
        assert '"content":"Hi"' in told["last"]["body"].replace(" ", "")


async def test_models_are_listed_and_the_root_says_what_it_is(simulator: Any) -> None:
    async with simulator() as it:
        models = (await it.client.get("/v1/models")).json()
        assert {"plain", "tools", "cut"} <= {model["id"] for model in models["data"]}
        assert "no key" in (await it.client.get("/")).text


async def test_errors_have_their_status_and_retry_after(simulator: Any) -> None:
    async with simulator() as it:
        limited = await it.ask("error-429-17")
        assert limited.status_code == 429
        assert limited.headers["retry-after"] == "17"
        assert limited.json()["error"]["code"] == "rate_limit_exceeded"
        failed = await it.ask("error-500", stream=True)
        assert failed.status_code == 500
        assert "retry-after" not in failed.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/nowhere", 404), ("GET", "/v1/chat/completions", 405)],
)
async def test_other_places_get_an_error_of_the_dialect(
    simulator: Any, method: str, path: str, status: int
) -> None:
    async with simulator() as it:
        answer = await it.client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_is_not_found_and_the_known_ones_are_named(simulator: Any) -> None:
    async with simulator() as it:
        answer = await it.ask("gpt-5")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "model_not_found"
        assert "parallel-tools" in answer.json()["error"]["message"]


async def test_a_wrong_request_is_counted_and_refused(simulator: Any) -> None:
    async with simulator() as it:
        answer = await it.client.post("/v1/chat/completions", content=b"{")
        assert answer.status_code == 400
        await it.idle()
        assert (it.stats.requests, it.stats.finished) == (1, 1)
