"""One client that is answered from a flight or from what is kept: its own headers, its record."""

import pytest
import trio

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway import answers
from omniroute.gateway.connection import ClientConnection
from omniroute.gateway.keeping import KeptBytes
from omniroute.gateway.passenger import Passenger
from omniroute.net.transport import memory_pair
from omniroute.wire.http1 import Limits, RequestReader
from tests.gateway.conftest import MemoryStream, RawClient
from tests.gateway.flight_material import DIALECT, EVENTS, Account, House

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"


async def nobody(carrier, request):
    raise AssertionError("nobody asks for an exchange")


@pytest.fixture
async def board(tmp_path, nursery):
    """Makes a passenger with its account and the client's side of its connection."""
    worker = await House(nursery, tmp_path).worker(nobody)

    def make(keepalive_s=0.0):
        ours, theirs = memory_pair()
        connection = ClientConnection(worker, theirs, "192.0.2.1")
        connection.request_id = b"req_own"
        reader = RequestReader(Limits(65536, 100))
        reader.feed(HEAD)
        connection._body_complete = True
        account = Account()
        passenger = Passenger(
            connection,
            reader.next_request(),
            DIALECT,
            account,
            personal=b"x-mine: 1\r\n",
            keepalive_s=keepalive_s,
            sse=True,
        )
        return passenger, account, RawClient(MemoryStream(ours))

    return make


async def test_an_answer_that_is_kept_comes_with_the_clients_own_headers(board, autojump_clock):
    passenger, account, client = board()
    extra = b"x-omniroute-provider: acme\r\nopenai-version: 1\r\n"
    await passenger.give(KeptBytes(200, answers.JSON, extra, False, b"{}"), "semantic-hit")
    answer = await client.answer()
    shown = {name: answer.headers.get(name) for name in ("x-mine", "x-omniroute-cache")}
    assert shown == {"x-mine": "1", "x-omniroute-cache": "semantic-hit"}
    assert answer.headers["x-request-id"] == "req_own"
    assert answer.headers["x-omniroute-overhead-us"] == "1"
    assert "openai-version" not in answer.headers
    assert (account.settled, account.answer_bytes) == (("ok", 200, ""), 2)
    assert account.cache == "semantic-hit"


async def test_a_stream_that_is_kept_comes_as_one(board, autojump_clock):
    passenger, account, client = board(15.0)
    await passenger.give(KeptBytes(200, EVENTS, b"", True, b"data: 1\n\n"), "replayed")
    answer = await client.answer()
    assert answer.body == b"data: 1\n\n"
    assert answer.headers["cache-control"] == "no-cache"
    assert "x-omniroute-cache" not in answer.headers
    assert account.settled == ("ok", 200, "")


async def test_a_kept_error_is_an_error_also_after_a_keepalive(board, autojump_clock):
    told = DIALECT.error_body(GatewayError(ErrorKind.BAD_REQUEST, "never right"))
    kept = KeptBytes(400, answers.JSON, b"", False, told)
    passenger, account, client = board()
    await passenger.give(kept, "replayed")
    answer = await client.answer()
    assert (answer.status, answer.body) == (400, told)
    assert account.settled[:2] == ("failed", 400)
    passenger, account, client = board(15.0)
    await passenger.pause(15)
    await passenger.give(kept, "replayed")
    answer = await client.answer()
    assert answer.status == 200
    assert answer.body.startswith(b": keepalive\n\n")
    assert b"never right" in answer.body
    assert account.settled[:2] == ("failed", 200)


async def test_only_a_stream_that_is_silent_for_long_gets_keepalives(board, autojump_clock):
    passenger, account, client = board(15.0)
    for _ in range(40):
        await passenger.pause(1)
    assert account.upstream_wait_s == 40  # no time of ours
    await client.head()
    assert [await client.piece() for _ in range(2)] == [b": keepalive\n\n"] * 2
    plain, _, other = board()
    await plain.pause(100)
    await plain.give(KeptBytes(200, answers.JSON, b"", False, b"{}"), "hit")
    assert (await other.answer()).body == b"{}"


async def test_a_client_that_left_leaves_a_record(board, autojump_clock):
    passenger, account, client = board(15.0)
    await client.stream.aclose()
    await passenger.cancelled()
    assert account.settled == ("cancelled", 499, "the client left")
    passenger, account, client = board(15.0)
    await passenger.pause(15)
    passenger.lost("gone")
    assert account.settled == ("cancelled", 200, "gone")


async def test_who_leads_leaves_its_record_to_the_exchange(board, autojump_clock):
    passenger, account, client = board()
    passenger.leads = True
    await passenger.cancelled()
    passenger.lost("gone")
    await passenger.refuse(GatewayError(ErrorKind.INTERNAL, "a defect"))
    assert (await client.answer()).status == 500
    assert account.settled is None
    assert account.answer_bytes == 0


async def test_the_end_of_a_gateway_is_told_once(board, autojump_clock):
    passenger, account, client = board()
    with trio.CancelScope() as scope:
        scope.cancel()
        await passenger.cancelled()
    answer = await client.answer()
    assert answer.status == 503
    assert answer.headers["connection"] == "close"
    assert account.settled[:2] == ("failed", 503)
