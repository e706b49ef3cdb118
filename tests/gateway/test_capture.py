"""What passed is kept as it was, but for what lay between the ends and for credentials."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.gateway.capture import MOST_ATTEMPTS, REDACTED, Capture, Ends, presented
from omniroute.gateway.courier import Courier
from omniroute.spool import CapturedBody, Spool

OURS = b"canary-credential-of-ours-1"
THEIRS = b"canary-credential-of-theirs"


def kept(pieces: Iterable[bytes], limit: int, secrets: Iterable[bytes] = ()) -> bytes:
    ends = Ends(limit)
    for piece in pieces:
        ends.add(piece)
    return ends.kept(secrets)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_both_ends_are_kept_however_the_bytes_are_cut(pieces, half):
    whole = b"".join(pieces)
    ends = Ends(2 * half)
    for piece in pieces:
        ends.add(piece)
    assert ends.size == len(whole)
    found = ends.kept()
    if len(whole) <= 2 * half:
        assert found == whole
    else:
        mark = b"\n[... %d bytes left out ...]\n" % (len(whole) - 2 * half)
        assert found == whole[:half] + mark + whole[-half:]


@given(st.integers(0, 120), st.integers(0, 120), st.integers(16, 80))
def test_no_part_of_a_secret_that_lies_across_the_cut_is_kept(before, after, half):
    body = b"." * before + OURS + b"." * after
    found = kept([body], 2 * half, [OURS])
    for start in range(len(OURS) - 7):
        assert OURS[start : start + 8] not in found


def test_what_looks_like_a_credential_is_taken_out_even_if_nobody_knows_it():
    body = b'{"error": "Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx"}'
    assert b"abcdefgh" not in kept([body], 1000)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_kept(body):
    kept([body], 64, [OURS])


# --- one request ----------------------------------------------------------------------------------


class Captured:
    """A capture, and what arrives of it."""

    def __init__(self, tmp_path: Path, limit: int = 1000) -> None:
        self.spool = Spool(tmp_path / "spool")
        self.courier = Courier(self.spool)
        self.capture = Capture(
            self.courier, lambda plain: b"sealed:" + plain, limit, "req_1", 17, [THEIRS, b"", b"s"]
        )

    def bodies(self) -> dict[tuple[int, str, str], CapturedBody]:
        self.courier.flush()
        entries = [entry for file in self.spool.waiting() for entry in self.spool.read(file)]
        bodies = [entry for entry in entries if isinstance(entry, CapturedBody)]
        return {(each.attempt, each.side, each.direction): each for each in bodies}


def test_what_both_sides_saw_arrives_sealed_when_it_is_over(tmp_path):
    captured = Captured(tmp_path)
    capture = captured.capture
    capture.got(b"question")
    capture.asked(1, b"first try", [OURS])
    capture.answered(1, b"no")
    capture.asked(2, b"second try", [OURS])
    for piece in (b"an", b"swer"):
        capture.answered(2, piece)
        capture.told(piece)
    assert captured.bodies() == {}
    capture.release()
    found = captured.bodies()
    assert {key: body.sealed for key, body in found.items()} == {
        (0, "client", "request"): b"sealed:question",
        (0, "client", "response"): b"sealed:answer",
        (1, "upstream", "request"): b"sealed:first try",
        (1, "upstream", "response"): b"sealed:no",
        (2, "upstream", "request"): b"sealed:second try",
        (2, "upstream", "response"): b"sealed:answer",
    }
    assert {(body.request_id, body.at_ms) for body in found.values()} == {("req_1", 17)}
    assert found[2, "upstream", "response"].size == 6


def test_what_was_empty_is_not_kept(tmp_path):
    captured = Captured(tmp_path)
    captured.capture.got(b"question")
    captured.capture.release()
    assert list(captured.bodies()) == [(0, "client", "request")]


def test_credentials_of_both_sides_are_in_no_body_of_either(tmp_path):
    captured = Captured(tmp_path)
    both = b"%b and %b" % (OURS, THEIRS)
    captured.capture.got(both)
    captured.capture.asked(1, both, [OURS, b""])
    captured.capture.answered(1, both)
    captured.capture.told(both)
    captured.capture.release()
    bodies = captured.bodies().values()
    assert {body.sealed for body in bodies} == {b"sealed:%b and %b" % (REDACTED, REDACTED)}
    assert {body.size for body in bodies} == {len(both)}


def test_it_goes_off_when_nobody_holds_it_any_more(tmp_path):
    captured = Captured(tmp_path)
    captured.capture.got(b"question")
    captured.capture.hold()
    captured.capture.release()
    assert captured.bodies() == {}
    captured.capture.told(b"later")
    captured.capture.release()
    assert len(captured.bodies()) == 2


def test_of_many_attempts_the_last_are_kept(tmp_path):
    captured = Captured(tmp_path)
    for attempt in range(1, MOST_ATTEMPTS + 4):
        captured.capture.asked(attempt, b"try", [])
    captured.capture.answered(1, b"too late")
    captured.capture.release()
    assert [key[0] for key in captured.bodies()] == list(range(4, MOST_ATTEMPTS + 4))


@pytest.mark.parametrize(
    ("fields", "query", "secrets"),
    [
        ({}, None, []),
        ({b"authorization": b"Bearer one"}, None, [b"one"]),
        ({b"x-api-key": b"two", b"x-goog-api-key": b"three"}, b"four", [b"two", b"three", b"four"]),
    ],
)
def test_a_client_shows_its_credentials_in_several_ways(fields, query, secrets):
    assert presented(fields, query) == secrets
