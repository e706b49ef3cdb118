"""Conversations are those that requests name, the last used first, and never more than the most."""

from typing import Any

from omniroute.control.conversations import Conversations
from omniroute.record import Record
from omniroute.usage import Usage


def request(session: str, started_ms: int, **fields: Any) -> Record:
    return Record(id="r", started_ms=started_ms, session=session, **fields)


def test_requests_of_one_session_are_one_conversation() -> None:
    known = Conversations()
    usage = Usage(input_tokens=3, output_tokens=2)
    known.add(
        [
            request("s", 10, connection="a/x", provider="a", model="m", usage=usage, status=200),
            request("", 15),
            request("s", 20, status=429, cost_microusd=7, total_us=5_000),
        ]
    )
    [one] = known.since(0)
    assert (one.id, one.requests, one.errors, one.cost_microusd) == ("s", 2, 1, 7)
    assert (one.first_ms, one.last_ms) == (10, 25)
    assert (one.connection, one.input_tokens, one.output_tokens) == ("a/x", 3, 2)


def test_one_name_with_two_keys_is_two_conversations() -> None:
    known = Conversations()
    known.add([request("s", 1, key_id="k1"), request("s", 2, key_id="k2")])
    assert [each.key_id for each in known.since(0)] == ["k2", "k1"]
    assert [each.key_id for each in known.since(2)] == ["k2"]


def test_the_one_that_rests_longest_is_forgotten() -> None:
    known = Conversations(most=2)
    known.add([request("a", 1), request("b", 2), request("a", 3), request("c", 4)])
    assert [each.id for each in known.since(0)] == ["c", "a"]


def test_what_is_given_does_not_change_afterwards() -> None:
    known = Conversations()
    known.add([request("a", 1)])
    [before] = known.since(0)
    known.add([request("a", 2)])
    assert before.requests == 1
