"""What a failed attempt means: the one table, failure -> what to do and what to remember. Pure.

`judge` walks `TABLE` from the top; the first row whose every condition holds decides. A row says

* what to do: repeat at the same target, go to another account, leave this model of this provider,
  or tell the client, because every target would say the same;
* what to remember, and of whom, so that other requests need not find out again.

Three rules stand above the rows:

* A request that is itself at fault marks nobody: a client's 400 must not cool one account after
  the other.
* Nothing is forever. A refused credential is tried again after a long while, and a single 403
  cools an account like a rate limit does.
* Once something generated has reached the client, nothing is repeated, whatever the row says; what
  is remembered stays.

A row that repeats also says what to do when there is no repeating left (`Judgement.otherwise`).
With faults of a whole provider that is another account where an account can make a difference
(5xx: it may reach another machine), and another model where it cannot: no connection came about,
or the model is overloaded for everybody. Connections with a way of their own (`Failed.own_way`:
base URL or proxy) do make a difference where no connection came about.

Sources: the error references of OpenAI, Anthropic, Google AI, OpenRouter and Groq, and error bodies
as these services send them.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from msgspec import Struct

from omniroute.resilience.wording import (
    ACCOUNT_GONE,
    CANNOT_AFFORD,
    CONTENT_POLICY,
    CONTEXT_TOO_LONG,
    CREDENTIAL_REFUSED,
    CREDITS_GONE,
    ELSEWHERE_STORED,
    FREE_TIER_OF_MODEL,
    MODEL_GONE,
    NO_ACCESS,
    NOT_ALLOWED_NOW,
    OVERLOADED,
    PER_DAY,
    RATE_LIMITED,
    REGION_REFUSED,
    STATUS_OF_WORD,
    USED_UP,
    Wording,
)

SEARCHED_CHARACTERS: Final = 8192
"""Of an error body; what tells the cause stands at its beginning."""


LIMITS_PER_MODEL: Final = "limits-per-model"
"""The quirk of services that limit each model on its own: see `Failed.limits_per_model`."""


class Verdict(Enum):
    """What to do after a failed attempt."""

    RETRY = "retry"  # the same target once more, after a pause
    NEXT = "next"  # another account of the same provider, then other models
    NEXT_MODEL = "next_model"  # leave this model of this provider
    TELL = "tell"  # the client


class Mark(Enum):
    """What is remembered of a failure, and of whom."""

    NONE = "none"
    COOLDOWN = "cooldown"  # the connection rests for a while
    EXHAUSTED = "exhausted"  # the connection is used up: until its reset, or for long
    DEAD = "dead"  # the connection's credential is refused: until changed, or for very long
    LOCKOUT = "lockout"  # this model at this connection
    TARGET = "target"  # this model at the whole provider
    FAULT = "fault"  # the provider's; feeds its breaker


class Failure(Enum):
    """How an attempt failed when there was no status to judge by."""

    CONNECT = "connect"  # no connection came about
    BROKEN = "broken"  # the connection or its framing broke before anything was generated
    TIMEOUT = "timeout"
    STREAM_ERROR = "stream_error"  # the first event of a stream was an error
    UNREADABLE = "unreadable"  # an answer came that is not of its format, or too large
    EGRESS = "egress"  # our own policy refused the address


class Failed(Struct, frozen=True, kw_only=True):
    """One failed attempt: an answer with `status`, or a `failure` without one.

    `type`, `code` and `message` are what the format's error reader found, `body` the error's bytes
    as they came (vendors tell the reason in members that no reader knows); empty where there is
    none. An error inside a stream has a failure, and type, code and message all the same.
    """

    status: int | None = None
    failure: Failure | None = None
    type: str = ""
    code: str = ""
    message: str = ""
    body: bytes = b""
    auth: str = "key"  # key | sign-in | local
    limits_per_model: bool = False  # the service limits each model on its own
    own_way: bool = False  # the connection has a base URL or proxy of its own
    begun: bool = False  # something generated has reached the client


class Judgement(NamedTuple):
    """What `judge` found. `row` names the row, for logs."""

    verdict: Verdict
    otherwise: Verdict  # in place of RETRY when the attempt is not repeated; else the verdict
    mark: Mark
    base_s: float  # first duration of the mark, where no hint says more; 0: the policy's own
    row: str


class Row(NamedTuple):
    """One row: it holds where every condition given does. Its name explains it in logs."""

    name: str
    verdict: Verdict
    mark: Mark = Mark.NONE
    otherwise: Verdict | None = None
    base_s: float = 0.0
    statuses: range | frozenset[int] | None = None
    failures: frozenset[Failure] | None = None
    wording: Wording | None = None
    holds: Callable[[Failed], bool] | None = None
    if_policy_next: bool = False  # only where refusals by content policy move on


def _local(failed: Failed) -> bool:
    return failed.auth == "local"


def _signed_in(failed: Failed) -> bool:
    return failed.auth == "sign-in"


def _per_model(failed: Failed) -> bool:
    return failed.limits_per_model


def _own_way(failed: Failed) -> bool:
    return failed.own_way


def _of(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


_RETRY, _NEXT, _NEXT_MODEL, _TELL = Verdict.RETRY, Verdict.NEXT, Verdict.NEXT_MODEL, Verdict.TELL
_REFUSALS = _of(400, 401, 402, 403, 429)
_REQUEST_FAULTS = _of(400, 403, 413, 422)

TABLE: Final[tuple[Row, ...]] = (
    # --- no answer ---
    Row("egress-refused", _NEXT, failures=frozenset({Failure.EGRESS})),
    Row(
        "no-connection-on-its-own-way",
        _RETRY,
        Mark.COOLDOWN,
        _NEXT,
        failures=frozenset({Failure.CONNECT}),
        holds=_own_way,
    ),
    Row(
        "no-connection",
        _RETRY,
        Mark.FAULT,
        _NEXT_MODEL,
        failures=frozenset({Failure.CONNECT}),
    ),
    Row("broken", _RETRY, Mark.FAULT, _NEXT, failures=frozenset({Failure.BROKEN})),
    # Not repeated there: the request may still be running, and waiting twice as long helps nobody.
    Row("timeout", _NEXT, Mark.FAULT, failures=frozenset({Failure.TIMEOUT})),
    Row("unreadable", _NEXT_MODEL, Mark.TARGET, failures=frozenset({Failure.UNREADABLE})),
    # --- the account ---
    Row(
        "account-gone",
        _NEXT,
        Mark.DEAD,
        base_s=3600.0,
        statuses=_REFUSALS,
        wording=ACCOUNT_GONE,
    ),
    Row("credential-refused", _NEXT, Mark.DEAD, statuses=_REFUSALS, wording=CREDENTIAL_REFUSED),
    Row("region-refused", _NEXT, Mark.DEAD, statuses=_of(400, 403), wording=REGION_REFUSED),
    Row("unauthorised", _NEXT, Mark.DEAD, statuses=_of(401)),
    Row("cannot-afford", _NEXT, Mark.COOLDOWN, statuses=_of(402), wording=CANNOT_AFFORD),
    Row("credits-gone", _NEXT, Mark.EXHAUSTED, statuses=_REFUSALS, wording=CREDITS_GONE),
    Row("payment-required", _NEXT, Mark.EXHAUSTED, statuses=_of(402)),
    # --- the request itself, in words that any status may come with ---
    Row(
        "stored-elsewhere",
        _NEXT,
        statuses=_of(400, 404),
        wording=ELSEWHERE_STORED,
    ),
    Row("context-too-long", _NEXT_MODEL, statuses=_REQUEST_FAULTS, wording=CONTEXT_TOO_LONG),
    Row("too-large", _NEXT_MODEL, statuses=_of(413)),
    Row(
        "content-policy-next",
        _NEXT_MODEL,
        statuses=_REQUEST_FAULTS,
        wording=CONTENT_POLICY,
        if_policy_next=True,
    ),
    Row("content-policy", _TELL, statuses=_REQUEST_FAULTS, wording=CONTENT_POLICY),
    # --- how much may be asked ---
    Row(
        "free-tier-of-model-used-up",
        _NEXT,
        Mark.LOCKOUT,
        base_s=3600.0,
        statuses=_of(403, 429),
        wording=FREE_TIER_OF_MODEL,
    ),
    Row(
        "used-up-for-the-day-per-model",
        _NEXT,
        Mark.LOCKOUT,
        base_s=3600.0,
        statuses=_of(403, 429),
        wording=PER_DAY,
        holds=_per_model,
    ),
    Row("used-up-for-the-day", _NEXT, Mark.EXHAUSTED, statuses=_of(403, 429), wording=PER_DAY),
    Row("used-up", _NEXT, Mark.EXHAUSTED, statuses=_of(403, 429), wording=USED_UP),
    Row("rate-limited-per-model", _NEXT, Mark.LOCKOUT, statuses=_of(429), holds=_per_model),
    Row("rate-limited", _NEXT, Mark.COOLDOWN, statuses=_of(429)),
    Row("rate-limited-as-forbidden", _NEXT, Mark.COOLDOWN, statuses=_of(403), wording=RATE_LIMITED),
    # --- the model ---
    Row("no-access-to-model", _NEXT, Mark.LOCKOUT, statuses=_of(400, 403, 404), wording=NO_ACCESS),
    Row(
        "model-gone-locally",
        _NEXT_MODEL,
        Mark.TARGET,
        base_s=5.0,
        statuses=_of(400, 404, 410),
        wording=MODEL_GONE,
        holds=_local,
    ),
    Row(
        "model-gone",
        _NEXT_MODEL,
        Mark.TARGET,
        base_s=120.0,
        statuses=_of(400, 404, 410),
        wording=MODEL_GONE,
    ),
    Row("not-found", _NEXT_MODEL, statuses=_of(404, 410)),
    # --- forbidden, without a reason above ---
    Row(
        "not-allowed-now",
        _NEXT,
        Mark.COOLDOWN,
        base_s=5.0,
        statuses=_of(403),
        wording=NOT_ALLOWED_NOW,
    ),
    Row(
        "sign-in-forbidden", _NEXT, Mark.COOLDOWN, base_s=60.0, statuses=_of(403), holds=_signed_in
    ),
    Row("forbidden", _NEXT, Mark.COOLDOWN, statuses=_of(403)),
    # --- faults that pass ---
    Row("overloaded-status", _RETRY, Mark.TARGET, _NEXT_MODEL, statuses=_of(529)),
    Row(
        "overloaded",
        _RETRY,
        Mark.TARGET,
        _NEXT_MODEL,
        statuses=range(500, 600),
        wording=OVERLOADED,
    ),
    Row("conflict-or-too-early", _RETRY, Mark.NONE, _NEXT, statuses=_of(409, 425)),
    Row("upstream-timeout", _RETRY, Mark.FAULT, _NEXT, statuses=_of(408)),
    Row("cannot", _NEXT_MODEL, statuses=_of(501, 505)),
    Row("server-fault", _RETRY, Mark.FAULT, _NEXT, statuses=range(500, 600)),
    # --- the rest ---
    Row("redirect", _NEXT, statuses=range(300, 400)),
    Row("bad-request", _TELL, statuses=range(400, 500)),
    # Behind all statuses: a word in it stood for one.
    Row("stream-error", _RETRY, Mark.FAULT, _NEXT, failures=frozenset({Failure.STREAM_ERROR})),
    Row("unknown", _NEXT, Mark.FAULT),
)
"""The table. `tests/resilience/test_verdict.py` holds an example for every row."""


def judge(failed: Failed, *, content_policy_next: bool = False) -> Judgement:
    """The first row that holds. For sign-ins, judge a 401 after its token was refreshed once."""
    status = failed.status
    words = (failed.code.lower(), failed.type.lower())
    if status is None and failed.failure is Failure.STREAM_ERROR:
        # Inside a stream the status was 200 and the word is all there is.
        for word in words:
            if (status := STATUS_OF_WORD.get(word)) is not None:
                break
    text = ""
    for row in TABLE:
        if row.statuses is not None and status not in row.statuses:
            continue
        if row.failures is not None and failed.failure not in row.failures:
            continue
        if row.if_policy_next and not content_policy_next:
            continue
        if row.holds is not None and not row.holds(failed):
            continue
        if row.wording is not None:
            text = text or _searched(failed)
            if not row.wording.found(words, text):
                continue
        verdict = _TELL if failed.begun else row.verdict
        otherwise = _TELL if failed.begun else row.otherwise or row.verdict
        return Judgement(verdict, otherwise, row.mark, row.base_s, row.name)
    raise AssertionError("the last row has no condition")


def _searched(failed: Failed) -> str:
    body = failed.body[:SEARCHED_CHARACTERS].decode("utf-8", "replace")
    return f"{failed.message[:SEARCHED_CHARACTERS]}\n{body}".lower()
