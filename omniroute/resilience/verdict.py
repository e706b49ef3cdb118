"""What a failed attempt means: the one table, failure -> verdict. Pure.

`NEXT` another target may do better, `TELL` the request itself is at fault and every target would
say so: the client is told. Whether a request may be sent again at all (nothing of the answer has
reached the client) is for the caller to know.
"""

from enum import Enum
from typing import Final


class Verdict(Enum):
    """What to do after a failed attempt."""

    NEXT = "next"
    TELL = "tell"


class Failure(Enum):
    """How an attempt failed when there was no status to judge by."""

    CONNECT = "connect"  # no connection came about
    BROKEN = "broken"  # the connection or its framing broke before anything was generated
    TIMEOUT = "timeout"
    STREAM_ERROR = "stream_error"  # the first event of a stream was an error
    EGRESS = "egress"  # our own policy refused the address


# By status where there was one. What is not listed: 4xx is the request's own fault, 5xx is not.
STATUS_VERDICTS: Final[dict[int, Verdict]] = {
    401: Verdict.NEXT,  # this account's credentials; another's may be good
    402: Verdict.NEXT,
    403: Verdict.NEXT,
    404: Verdict.TELL,
    408: Verdict.NEXT,
    409: Verdict.NEXT,
    425: Verdict.NEXT,
    429: Verdict.NEXT,
}

FAILURE_VERDICTS: Final[dict[Failure, Verdict]] = {
    Failure.CONNECT: Verdict.NEXT,
    Failure.BROKEN: Verdict.NEXT,
    Failure.TIMEOUT: Verdict.NEXT,
    Failure.STREAM_ERROR: Verdict.NEXT,
    Failure.EGRESS: Verdict.NEXT,
}


def of_status(status: int) -> Verdict:
    """The verdict on an answer with a status that is not 2xx."""
    found = STATUS_VERDICTS.get(status)
    if found is not None:
        return found
    return Verdict.NEXT if status >= 500 or status < 400 else Verdict.TELL


def of_failure(failure: Failure) -> Verdict:
    """The verdict on an attempt that ended without a status."""
    return FAILURE_VERDICTS[failure]
