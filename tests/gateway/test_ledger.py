"""What was produced is recorded, however a request ended."""

import trio

from tests.gateway.chat_material import chunk, request


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
