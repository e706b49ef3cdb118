"""One error for a search that found nothing: every word in it, and the status that helps most."""

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.last_word import (
    NOT_THIS_ACCOUNT,
    NOT_THIS_MODEL,
    SHOWN_CHARACTERS,
    SHOWN_TARGETS,
    exhausted,
    told,
)
from omniroute.gateway.view import Principal
from omniroute.routing.plan import Passed
from omniroute.routing.resolve import Route
from omniroute.snapshot import KeyView

PRINCIPAL = Principal(KeyView("file/laptop", "laptop", b""))
ROUTE = Route("coding", ("coding",), "coding", ())


def failure(status: int, message: str = "", retry_after_s: float | None = None) -> GatewayError:
    return GatewayError(
        ErrorKind.UPSTREAM_ERROR,
        message or f"it answered {status}",
        status=status,
        error_type=f"type of {status}",
        code=f"code of {status}",
        retry_after_s=retry_after_s,
    )


def passed(reason: str, number: int = 0) -> Passed:
    return Passed(f"acme/{number}", "acme/plain", "", reason, None)


def last(
    failures: list[GatewayError],
    skipped: tuple[Passed, ...] = (),
    refused: GatewayError | None = None,
    back_s: float | None = None,
) -> GatewayError:
    return exhausted(PRINCIPAL, ROUTE, failures, skipped, refused, back_s)


def test_a_single_failure_keeps_its_own_words() -> None:
    error = last([failure(503, "busy")])
    assert (error.message, error.status) == ("busy", 503)
    assert (error.openai_type, error.openai_code) == ("type of 503", "code of 503")


def test_of_several_every_word_is_told() -> None:
    message = last([failure(429, "one"), failure(500, "two")], (passed("rests"),)).message
    assert message == "All 2 attempts failed: one; two. Passed over: acme/0: rests."


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((429, 500), 500),
        ((429, 400), 429),
        ((500, 404, 401), 500),
        ((401, 404), 404),
        ((400, 529), 529),
    ],
)
def test_what_will_pass_has_the_word_before_what_will_not(
    statuses: tuple[int, ...], status: int
) -> None:
    assert last([failure(each) for each in statuses]).status == status


def test_it_says_when_the_first_of_all_comes_back() -> None:
    failures = [failure(429, retry_after_s=30), failure(429)]
    assert last(failures).retry_after_s == 30
    assert last(failures, back_s=12).retry_after_s == 12
    assert last([], (passed("rests"),), back_s=7).retry_after_s == 7


def test_no_return_is_promised_where_waiting_changes_nothing() -> None:
    assert last([failure(404)], back_s=12).retry_after_s is None


def test_a_limit_of_the_key_is_told_where_nothing_was_tried() -> None:
    limit = failure(429, "the budget")
    assert last([], (passed("costs"),), refused=limit) is limit
    assert "busy" in last([failure(503, "busy")], refused=limit).message


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ((NOT_THIS_MODEL, NOT_THIS_MODEL), ErrorKind.MODEL_NOT_ALLOWED),
        ((NOT_THIS_ACCOUNT, NOT_THIS_MODEL), ErrorKind.MODEL_NOT_ALLOWED),
        ((NOT_THIS_ACCOUNT, "rests"), ErrorKind.ALL_UNAVAILABLE),
        ((), ErrorKind.ALL_UNAVAILABLE),
    ],
)
def test_only_what_the_key_may_not_is_forbidden(reasons: tuple[str, ...], kind: ErrorKind) -> None:
    assert last([], tuple(map(passed, reasons))).kind is kind


def test_the_message_is_bounded_whatever_was_said() -> None:
    failures = [failure(500, "x" * 100_000) for _ in range(30)]
    skipped = tuple(passed("rests", number) for number in range(500))
    message = last(failures, skipped).message
    assert len(message) < 30 * (SHOWN_CHARACTERS + 10) + SHOWN_TARGETS * 100
    assert f"and {500 - SHOWN_TARGETS} more" in message


def test_what_every_target_would_say_keeps_its_status_behind_what_was_said_before() -> None:
    error = told(failure(400, "wrong"), [failure(429, "slow", retry_after_s=9)])
    assert (error.status, error.retry_after_s) == (400, None)
    assert error.message == "All 2 attempts failed: slow; wrong"
