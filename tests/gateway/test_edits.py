"""What an owner lays over requests: in every one, forwarded or translated, and the same way each
time, so that prompt caches hold."""

import json

import pytest
import trio

from tests.gateway.accounts_material import Accounts, account, ask, key, post, reserved, told
from tests.gateway.chat_material import FINISH, KEY, USAGE, chunk

AROUND = '[system_prompt]\nprefix = "House rules."\nsuffix = "Be brief."\n'
THINK = '[thinking]\nmode = "custom"\nbudget_tokens = 2048\n'
CLAUDE = (
    '[[providers]]\nid = "claudelike"\nformat = "claude"\nbase_url = "http://127.0.0.1:9"\n'
    'models = ["claude-sonnet-4-5"]\n' + account("claudelike", "main")
)
SYSTEM = {"role": "system", "content": "You help."}
HELLO = {"role": "user", "content": "hi"}


class ClaudeAccounts(Accounts):
    """Answers in Claude's own format."""

    async def __call__(self, side):
        while True:
            self.bodies.append(json.loads((await side.request())[1]))
            said = {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "c",
                "content": [{"type": "text", "text": "ok"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
            await side.answer(json.dumps(said).encode())


async def ask_claude(harness, body: dict, path: str = "/v1/messages", key: str = KEY):
    client = await harness.client()
    await client.post(json.dumps(body).encode(), path=path, key=key)
    return await client.answer()


CLAUDE_ASKS = {"max_tokens": 4096, "system": "You help.", "messages": [HELLO]}


async def test_a_forwarded_request_has_the_texts_around_its_instructions(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    async with memory_gateway(upstream, more=AROUND) as gateway:
        await ask(gateway, messages=[SYSTEM, HELLO], x_vendor={"kept": 1.50})
        (sent,) = upstream.bodies
        assert sent["messages"] == [
            {"role": "system", "content": "House rules.\n\nYou help.\n\nBe brief."},
            HELLO,
        ]
        assert sent["x_vendor"] == {"kept": 1.5}
        await ask(gateway, messages=[HELLO])
        assert upstream.bodies[1]["messages"] == [
            {"role": "system", "content": "House rules.\n\nBe brief."},
            HELLO,
        ]


async def test_a_translated_request_has_them_too(memory_gateway, autojump_clock):
    upstream = Accounts()
    async with memory_gateway(upstream, more=AROUND) as gateway:
        answer = await ask_claude(gateway, {"model": "acme/plain", **CLAUDE_ASKS})
        assert answer.status == 200
        system = json.dumps([m for m in upstream.bodies[0]["messages"] if m["role"] == "system"])
        places = [system.index(text) for text in ("House rules.", "You help.", "Be brief.")]
        assert places == sorted(places)


async def test_a_claude_request_that_passes_through_keeps_its_own_parts(
    memory_gateway, autojump_clock
):
    upstream = ClaudeAccounts()
    mark = {"type": "text", "text": "You help.", "cache_control": {"type": "ephemeral"}}
    asked = {"model": "claudelike/claude-sonnet-4-5", **CLAUDE_ASKS, "system": [mark]}
    async with memory_gateway(upstream, more=AROUND + CLAUDE) as gateway:
        assert (await ask_claude(gateway, asked)).status == 200
        system = upstream.bodies[0]["system"]
        assert [part["text"] for part in system] == ["House rules.", "You help.", "Be brief."]
        assert system[1] == mark


async def test_a_key_has_its_own_texts_in_place_of_those_for_all(memory_gateway, autojump_clock):
    upstream = Accounts()
    own = key("own", 'system_prompt = { prefix = "Mine." }') + key("none", "system_prompt = {}")
    async with memory_gateway(upstream, more=AROUND + own) as gateway:
        for name in ("own", "none", "test"):
            await ask(gateway, key=name, messages=[SYSTEM, HELLO])
    assert [body["messages"][0]["content"] for body in upstream.bodies] == [
        "Mine.\n\nYou help.",
        "You help.",
        "House rules.\n\nYou help.\n\nBe brief.",
    ]


async def test_the_beginning_of_a_prompt_is_the_same_at_every_turn(memory_gateway, autojump_clock):
    upstream = Accounts()
    turns = [SYSTEM, HELLO]
    async with memory_gateway(upstream, more=AROUND + THINK) as gateway:
        for number in range(4):
            await ask(gateway, messages=turns)
            answer = {"role": "assistant", "content": f"answer {number}"}
            turns = [*turns, answer, {"role": "user", "content": f"question {number}"}]
    for earlier, later in zip(upstream.bodies, upstream.bodies[1:], strict=False):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]


@pytest.mark.parametrize(
    ("thinking", "asked", "sent"),
    [
        ('mode = "custom"\nbudget_tokens = 2048', None, "medium"),
        ('mode = "custom"\nbudget_tokens = 0', "high", "none"),
        ('mode = "auto"', "high", None),
        ('mode = "passthrough"', "high", "high"),
    ],
)
async def test_how_much_is_thought_is_the_owners_to_say(
    memory_gateway, autojump_clock, thinking, asked, sent
):
    upstream = Accounts()
    more = f'[thinking]\n{thinking}\n[[models]]\nprovider = "acme"\nid = "gpt-5.2"\n'
    wish = {} if asked is None else {"reasoning_effort": asked}
    async with memory_gateway(upstream, more=more) as gateway:
        await ask(gateway, "acme/gpt-5.2", messages=[HELLO], **wish)
        assert upstream.bodies[0].get("reasoning_effort") == sent


async def test_a_budget_of_a_key_holds_at_a_target_of_another_format(
    memory_gateway, autojump_clock
):
    upstream = ClaudeAccounts()
    own = key("thinker", 'thinking = { mode = "custom", budget_tokens = 2048 }')
    async with memory_gateway(upstream, more=CLAUDE + own) as gateway:
        answer = await ask(gateway, "claudelike/claude-sonnet-4-5", key="thinker")
        assert answer.status == 200
        await ask(gateway, "claudelike/claude-sonnet-4-5")
    thought, plain = upstream.bodies
    assert thought["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert thought["max_tokens"] > 2048
    assert "thinking" not in plain


@pytest.mark.parametrize("edits", [AROUND, THINK, AROUND + THINK], ids=["text", "think", "both"])
@pytest.mark.parametrize("asked", [False, True])
async def test_usage_is_shown_to_those_who_asked_for_it_and_counted_for_all(
    memory_gateway, autojump_clock, edits, asked
):
    async def streams(side):
        _, body = await side.request()
        seen.append(json.loads(body))
        await side.start_stream()
        await side.event(chunk("hi", usage=None))
        await side.event(FINISH)
        await side.event(USAGE)
        await side.end_stream()

    seen: list[dict] = []
    options = {"stream_options": {"include_usage": True}} if asked else {}
    async with memory_gateway(streams, more=edits) as gateway:
        answer = await ask(gateway, stream=True, **options)
        assert (b"prompt_tokens" in answer.body) is asked
        assert seen[0]["stream_options"] == {"include_usage": True}
        record = await gateway.record()
        assert (record.usage.input_tokens, record.usage_source) == (7, "upstream")


async def test_what_is_added_is_part_of_what_is_reserved(memory_gateway, autojump_clock):
    async def silent(side):
        await trio.sleep(100)

    upstream = Accounts(acme_main=silent)
    long = f'[system_prompt]\nprefix = "{"x" * 5000}"\n'
    limited = key("counted", "tpm = 1000000")
    bounds = []
    for more in (limited, long + limited):
        async with memory_gateway(upstream, more=more) as gateway:
            client = await gateway.client()
            await post(client, "acme/plain", key="counted", messages=[HELLO], max_tokens=10)
            await trio.sleep(0.1)
            bounds.append(reserved(gateway)["key/file/counted/tpm"])
    assert bounds[1] - bounds[0] >= 5000


async def test_what_is_added_is_counted_where_tokens_are(memory_gateway, autojump_clock):
    long = f'[system_prompt]\nprefix = "{"x " * 5000}"\n'
    upstream = ClaudeAccounts()
    asked = {"messages": [HELLO]}
    path = "/v1/messages/count_tokens"
    async with memory_gateway(upstream, more=long + CLAUDE) as gateway:
        answer = await ask_claude(gateway, {"model": "acme/plain", **asked}, path)
        assert json.loads(answer.body)["input_tokens"] > 2000
        model = "claudelike/claude-sonnet-4-5"
        await ask_claude(gateway, {"model": model, **asked}, path)
        assert len(json.dumps(upstream.bodies[-1]["system"])) > 9000


async def test_a_request_that_cannot_be_edited_is_refused_not_forwarded_as_it_is(
    memory_gateway, autojump_clock
):
    upstream = Accounts()
    async with memory_gateway(upstream, more=AROUND) as gateway:
        answer = await ask(gateway, messages=7)
        assert answer.status == 400
        assert "messages" in told(answer)
        assert upstream.bodies == []
