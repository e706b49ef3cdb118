"""Requests that are the same are answered once, whoever leaves, dies or comes late."""

import json

import pytest
import trio
import trio.testing

from omniroute.errors import ErrorKind, GatewayError
from omniroute.state.interface import StateError
from tests.gateway.flight_material import CACHED, DIALECT, Script, open_house


async def streamed(client):
    """The rest of a streamed answer whose head was read."""
    data = b""
    while piece := await client.piece():
        data += piece
    return data


# --- the cache ---


async def test_what_was_answered_is_answered_again_for_its_time(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question")
        await script.whole(b"answer")
        answer = await first.answer()
        assert (answer.body, answer.headers["x-omniroute-cache"]) == (b"answer", "miss")
        assert answer.headers["openai-version"] == "1"
        second = await house.post(worker, b"question")
        answer = await second.answer()
        assert (answer.body, answer.headers["x-omniroute-cache"]) == (b"again: answer", "hit")
        assert answer.headers["x-omniroute-provider"] == "acme"
        assert "x-omniroute-attempts" not in answer.headers
        assert worker.accounts[1].settled == ("ok", 200, "")
        assert [each.cache for each in worker.accounts] == ["miss", "hit"]
        await trio.sleep(worker.settings.ttl_s)
        third = await house.post(worker, b"question")
        await script.whole(b"a newer one")
        assert (await third.answer()).body == b"a newer one"
        assert worker.calls == 2


async def test_a_kept_answer_is_streamed_to_whoever_wants_a_stream(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question")
        await script.whole(b"answer")
        await first.answer()
        second = await house.post(worker, b"question stream")
        other = await house.post(worker, b"another question")
        assert (await second.head()).headers["content-type"] == "text/event-stream"
        assert worker.calls == 2
        await script.whole(b"other")
        await other.answer()


async def test_nobody_gets_what_another_principal_was_told(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        for number, who in enumerate(("alice", "bob")):
            both = f"{CACHED}idempotency-key: same\r\nx-principal: {who}\r\n"
            client = await house.post(worker, b"question", both)
            await script.whole(who.encode())
            assert (await client.answer()).body == who.encode()
            assert worker.calls == number + 1


@pytest.mark.parametrize("ending", ["error", "fail", "status"])
async def test_what_is_no_good_answer_is_not_kept(tmp_path, autojump_clock, ending):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        client = await house.post(worker, b"question stream")
        if ending == "error":
            await script.error(GatewayError(ErrorKind.BAD_REQUEST, "no"))
        elif ending == "status":
            await script.whole(b"no", status=404)
        else:
            await script.begin(b"half")
            await script.fail(b"broken")
        await client.answer()
        again = await house.post(worker, b"question stream")
        assert worker.calls == 2
        await script.whole(b"answer")
        assert (await again.answer()).body == b"answer"


async def test_what_cannot_be_opened_any_more_is_asked_for_anew(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        for body in (b"unreadable", b"answer"):
            client = await house.post(worker, b"question")
            await script.whole(body)
            assert (await client.answer()).body == body
        entry, blob = next(iter(house.kept._entries.values()))
        house.kept._entries = {key: (entry, blob[:-1]) for key in house.kept._entries}
        client = await house.post(worker, b"question")
        await script.whole(b"third")
        assert (await client.answer()).body == b"third"
        client = await house.post(worker, b"question")
        assert (await client.answer()).body == b"again: third"


async def test_an_entry_moved_to_another_key_opens_for_nobody(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        for question in (b"question one", b"question two"):
            client = await house.post(worker, question)
            await script.whole(question)
            await client.answer()
        entries = house.kept._entries
        one, two = entries
        entries[one], entries[two] = entries[two], entries[one]
        client = await house.post(worker, b"question one")
        assert worker.calls == 3
        await script.whole(b"asked anew")
        assert (await client.answer()).body == b"asked anew"


async def test_nothing_in_the_state_can_be_read(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        client = await house.post(worker, b"a private question")
        await script.whole(b"a private answer")
        await client.answer()
        (_, blob), *_ = house.kept._entries.values()
        assert b"private" not in blob


async def test_a_broken_state_costs_a_request_its_cache_and_not_its_answer(
    tmp_path, autojump_clock, caplog
):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)

        def broken(*arguments, **options):
            raise StateError("broken")

        claim = house.kept.claim
        house.kept.claim = broken
        client = await house.post(worker, b"question")
        await script.whole(b"answer")
        assert (await client.answer()).body == b"answer"
        house.kept.claim, house.kept.put = claim, broken
        client = await house.post(worker, b"question")
        await script.whole(b"answer")
        assert (await client.answer()).body == b"answer"
        assert "could not be kept" in caplog.text
        house.kept._claims.clear()  # it would end with its lease


# --- collapsing ---


async def test_identical_requests_share_one_call_live(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question stream")
        await script.begin(b"one ")
        second = await house.post(worker, b"question stream")
        await script.piece(b"two ")
        heads = [await client.head() for client in (first, second)]
        assert [head.headers["x-omniroute-cache"] for head in heads] == ["miss", "hit"]
        assert [head.headers["x-mine"] for head in heads] == ["req_0", "req_1"]
        assert [head.headers["x-request-id"] for head in heads] == ["req_0", "req_1"]
        assert await second.piece() == b"one "
        assert await second.piece() == b"two "  # while the call still runs
        third = await house.post(worker, b"question stream")
        await script.end(b"three")
        await third.head()
        assert await streamed(third) == b"one two three"
        assert await streamed(second) == b"three"
        assert await streamed(first) == b"one two three"
        assert worker.calls == 1
        assert [each.cache for each in worker.accounts] == ["miss", "collapsed", "collapsed"]
        # The call's own exchange accounts for the first; the others cost nothing.
        assert [each.settled for each in worker.accounts] == [None, *[("ok", 200, "")] * 2]
        assert worker.accounts[2].answer_bytes == len(b"one two three")


async def test_who_leaves_does_not_end_the_call_of_the_others(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question stream")
        await script.begin(b"one ")
        second = await house.post(worker, b"question stream")
        await first.stream.aclose()
        await script.piece(b"two ")
        assert not script.carriers[0].hung_up
        assert worker.flights.ledgers() == worker.accounts[:1]  # still to be noted as running
        await script.end(b"three")
        await second.head()
        assert await streamed(second) == b"one two three"
        assert script.cancelled == 0


async def test_when_the_last_leaves_the_call_is_cancelled(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question stream")
        second = await house.post(worker, b"question stream")
        await script.begin(b"one ")
        await first.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert script.cancelled == 0
        await second.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert script.cancelled == 1
        assert script.carriers[0].hung_up
        assert worker.accounts[1].settled[0] == "cancelled"
        third = await house.post(worker, b"question stream")  # nothing stands in its way
        await script.whole(b"answer")
        assert (await third.answer()).body == b"answer"


async def test_who_wants_another_form_waits_for_the_end_and_gets_its_own(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question")
        other = await house.post(worker, b"questionstream")
        await trio.sleep(31)
        assert "x-omniroute-cache" not in (await other.head()).headers  # who knows as yet
        assert [await other.piece() for _ in range(2)] == [b": keepalive\n\n"] * 2
        await first.stream.aclose()  # the one that waits keeps the call alive
        await trio.sleep(1)
        await script.whole(b"answer")
        assert await other.piece() == b"again: answer"
        assert await streamed(other) == b": x-omniroute-cache: hit\n\n"
        assert worker.calls == 1


async def test_many_who_wait_for_what_is_not_kept_do_not_go_one_by_one(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question stream")
        others = [await house.post(worker, b"question ") for _ in range(6)]
        for _ in range(2):
            await script.error(GatewayError(ErrorKind.BAD_REQUEST, "no"))
            await trio.sleep(0.1)
        assert (await first.answer()).status == 400
        # One tried again for all who share its form; nobody is left waiting.
        assert {(await other.answer()).status for other in others} == {400}
        assert worker.calls == 2


async def test_a_defect_is_told_to_all_and_ends_nothing_else(tmp_path, autojump_clock, caplog):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        clients = [await house.post(worker, b"question stream") for _ in range(2)]
        await script.defect()
        assert [(await client.answer()).status for client in clients] == [500, 500]
        assert "defect of the gateway" in caplog.text
        client = await house.post(worker, b"question stream")
        await script.whole(b"answer")
        assert (await client.answer()).body == b"answer"


async def test_errors_are_told_to_each_in_its_own_state(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(script), await house.worker(Script())
        first = await house.post(one, b"question stream")
        waiting = await house.post(two, b"question stream")
        await trio.sleep(16)
        await waiting.head()
        assert await waiting.piece() == b": keepalive\n\n"
        house.dead.add(b"worker 0")  # the other takes over, and fails after its keepalive
        await trio.sleep(1)
        await two.exchange.error(GatewayError(ErrorKind.BAD_REQUEST, "told late"))
        ending = await streamed(waiting)
        assert b"told late" in ending
        assert ending.endswith(b"data: [DONE]\n\n")
        await script.whole(b"answer")
        assert (await first.answer()).status == 200


async def test_a_gateway_that_stops_has_last_words_for_everyone(tmp_path, autojump_clock):
    async def exchange(carrier, request):
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                error = GatewayError(ErrorKind.OVERLOADED, "The gateway is shutting down.")
                await carrier.respond_error(request, error, DIALECT)
            raise

    async with open_house(tmp_path) as house:
        one, two = await house.worker(exchange), await house.worker(exchange)
        riding = [await house.post(one, b"question stream") for _ in range(2)]
        waiting = await house.post(two, b"question stream")
        for connection in two.connections + one.connections:
            connection.cancel()
        for client in [*riding, waiting]:
            answer = await client.answer()
            assert answer.status == 503
            assert b"shutting down" in answer.body


# --- between workers ---


async def test_another_worker_waits_with_keepalives_and_gives_what_was_kept(
    tmp_path, autojump_clock
):
    script = Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(script), await house.worker(script)
        first = await house.post(one, b"question stream")
        second = await house.post(two, b"question stream")
        await trio.sleep(16)
        await second.head()
        assert await second.piece() == b": keepalive\n\n"
        await script.whole(b"answer")
        await first.answer()
        assert (await streamed(second)).startswith(b"again: answer")
        assert (one.calls, two.calls) == (1, 0)
        assert two.accounts[0].cache == "hit"


async def test_the_call_of_a_dead_worker_is_taken_over(tmp_path, autojump_clock):
    lost, script = Script(), Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(lost), await house.worker(script)
        first = await house.post(one, b"question")
        second = await house.post(two, b"question")
        assert two.calls == 0
        house.dead.add(b"worker 0")
        await trio.sleep(0.03)
        assert two.calls == 1
        await script.whole(b"answer")
        assert (await second.answer()).body == b"answer"
        await lost.whole(b"late")
        await first.answer()


async def test_a_long_call_keeps_its_claim(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(script), await house.worker(script)
        first = await house.post(one, b"question")
        second = await house.post(two, b"question")
        await trio.sleep(300)
        assert two.calls == 0
        await script.whole(b"answer")
        await first.answer()
        assert (await second.answer()).body == b"again: answer"


# --- idempotency ---

KEYED = "idempotency-key: k1\r\n"


@pytest.mark.parametrize("other_worker", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_request_again_is_answered_from_the_first(
    tmp_path, autojump_clock, stream, other_worker
):
    script = Script()
    body = b"question stream" if stream else b"question"
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        second = await house.worker(script) if other_worker else worker
        first = await house.post(worker, body, KEYED)
        meanwhile = await house.post(second, body, KEYED)
        if stream:
            await script.begin(b"one ")
            await script.end(b"two")
        else:
            await script.whole(b"one two")
        told = await first.answer()
        assert "x-omniroute-cache" not in told.headers
        await trio.sleep(4.9)
        late = await house.post(second, body, KEYED)
        for client in (meanwhile, late):
            answer = await client.answer()
            assert (answer.status, answer.body) == (told.status, b"one two")
            assert answer.headers["content-type"] == told.headers["content-type"]
        assert worker.calls + (second.calls if other_worker else 0) == 1
        assert {each.cache for each in second.accounts[-2:]} == {"replayed"}
        await trio.sleep(0.2)
        anew = await house.post(second, body, KEYED)
        await script.whole(b"anew")
        assert (await anew.answer()).body == b"anew"


async def test_the_same_key_with_another_request_is_refused(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(script), await house.worker(script)
        first = await house.post(one, b"question", KEYED)
        during = [await house.post(worker, b"another", KEYED) for worker in (one, two)]
        await script.whole(b"answer")
        await first.answer()
        after = [await house.post(worker, b"another", KEYED) for worker in (one, two)]
        for client in during + after:
            answer = await client.answer()
            assert answer.status == 422
            assert json.loads(answer.body)["error"]["code"] == "idempotency_key_reused"
        assert (one.calls, two.calls) == (1, 0)
        assert two.accounts[0].settled[:2] == ("failed", 422)


@pytest.mark.parametrize(
    ("kind", "calls"),
    [(ErrorKind.BAD_REQUEST, 1), (ErrorKind.UPSTREAM_BROKEN, 2), (ErrorKind.RATE_LIMITED, 2)],
)
async def test_errors_are_repeated_where_another_try_would_not_help(
    tmp_path, autojump_clock, kind, calls
):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        for attempt in range(2):
            client = await house.post(worker, b"question", KEYED)
            if attempt < calls:
                await script.error(GatewayError(kind, "what was wrong"))
            answer = await client.answer()
            assert answer.status == kind.value.status
            assert b"what was wrong" in answer.body
        assert worker.calls == calls


async def test_a_stream_that_broke_may_be_asked_for_again(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question stream", KEYED)
        second = await house.post(worker, b"question stream", KEYED)
        await script.begin(b"half")
        await script.fail(b" broken")
        assert (await first.answer()).body == b"half broken"
        assert (await second.answer()).body == b"half broken"
        assert worker.accounts[1].settled[:2] == ("failed", 200)
        again = await house.post(worker, b"question stream", KEYED)
        await script.begin(b"whole")
        await script.end()
        assert (await again.answer()).body == b"whole"


async def test_what_is_too_large_to_repeat_is_said_to_be(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        one, two = await house.worker(script), await house.worker(script)
        first = await house.post(one, b"question stream", KEYED)
        await script.begin(b"x" * 60_000)
        await script.piece(b"y" * 60_000)
        during = await house.post(one, b"question stream", KEYED)
        reader = first.answer()
        await script.end(b"z")
        assert len((await reader).body) == 120_001
        after = [await house.post(worker, b"question stream", KEYED) for worker in (one, two)]
        for client in [during, *after]:
            answer = await client.answer()
            assert answer.status == 409
            assert b"max_entry_bytes" in answer.body
        assert (one.calls, two.calls) == (1, 0)


async def test_a_request_may_be_both_repeated_and_known(tmp_path, autojump_clock):
    script = Script()
    async with open_house(tmp_path) as house:
        worker = await house.worker(script)
        first = await house.post(worker, b"question", CACHED)
        joined = await house.post(worker, b"question", CACHED + KEYED)
        await script.whole(b"answer")
        await first.answer()
        assert (await joined.answer()).body == b"answer"
        again = await house.post(worker, b"question", CACHED + KEYED)
        assert (await again.answer()).body == b"answer"  # its own first answer, byte for byte
        known = await house.post(worker, b"question", CACHED + "idempotency-key: k2\r\n")
        assert (await known.answer()).body == b"again: answer"
        wrong = await house.post(worker, b"other", CACHED + "idempotency-key: k2\r\n")
        assert (await wrong.answer()).status == 422
        assert worker.calls == 1
        assert [each.cache for each in worker.accounts[1:4]] == ["collapsed", "replayed", "hit"]
