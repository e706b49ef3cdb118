"""What a failed attempt means."""

import pytest

from omniroute.resilience.verdict import (
    FAILURE_VERDICTS,
    STATUS_VERDICTS,
    Failure,
    Verdict,
    of_failure,
    of_status,
)


@pytest.mark.parametrize("status", [401, 402, 403, 408, 409, 425, 429])
def test_what_another_account_may_do_better_goes_to_the_next(status):
    assert of_status(status) is Verdict.NEXT


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 413, 415, 422, 431, 451, 499])
def test_the_requests_own_fault_is_told(status):
    assert of_status(status) is Verdict.TELL


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 520, 524, 529, 599])
def test_the_upstreams_fault_goes_to_the_next(status):
    assert of_status(status) is Verdict.NEXT


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_followed_by_nobody_and_goes_to_the_next(status):
    assert of_status(status) is Verdict.NEXT


def test_every_status_has_a_verdict():
    assert {of_status(status) for status in range(300, 600)} == {Verdict.NEXT, Verdict.TELL}
    assert all(of_status(status) is verdict for status, verdict in STATUS_VERDICTS.items())


@pytest.mark.parametrize("failure", list(Failure))
def test_every_failure_without_a_status_goes_to_the_next(failure):
    assert of_failure(failure) is Verdict.NEXT


def test_the_table_names_every_failure():
    assert set(FAILURE_VERDICTS) == set(Failure)
