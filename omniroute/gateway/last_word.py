"""What a client is told when nothing has answered: one error, with every word that was said. Pure.

It names the targets that were tried and what each said, those that were passed over and why, and
when to come back. Its status is the one that helps the client to do the right thing next.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.permission import not_allowed
from omniroute.routing.plan import Passed
from omniroute.routing.resolve import Route

if TYPE_CHECKING:
    from omniroute.gateway.view import Principal

SHOWN_TARGETS: Final = 8  # of those passed over, in one message
SHOWN_CHARACTERS: Final = 500  # of what each of several said: a body may have been a web page
NOT_THIS_ACCOUNT: Final = "the key may not use this account"
NOT_THIS_MODEL: Final = "the key may not use this model"
PASSING: Final = frozenset({408, 425, 429, 529, *range(500, 505)})
"""Statuses of what will pass: waiting helps."""

_NOT_THE_KEYS: Final = frozenset({NOT_THIS_ACCOUNT, NOT_THIS_MODEL})


def told(error: GatewayError, before: Sequence[GatewayError]) -> GatewayError:
    """An error that every target would answer with, behind what was said before it."""
    return _together((*before, error), (), error, error.retry_after_s)


def exhausted(
    principal: "Principal",
    route: Route,
    failures: Sequence[GatewayError],
    skipped: Sequence[Passed],
    refused_by_key: GatewayError | None,
    back_s: float | None,
) -> GatewayError:
    """The error for a plan that is used up: what failed, in order, and what was passed over.

    `refused_by_key`: the limit of the key that kept it from a target; `back_s`: seconds until the
    first target comes back, where that is known.
    """
    waits_s = [each.retry_after_s for each in failures if each.retry_after_s is not None]
    if back_s is not None:
        waits_s.append(back_s)
    wait_s = min(waits_s, default=None)
    if failures:
        # A small stand-in that finds the request too long must not tell the client to cut it when
        # the model that it asked for is only throttled: what will pass has the word.
        last = next((each for each in reversed(failures) if each.status in PASSING), None)
        if last is not None:
            return _together(failures, skipped, last, wait_s)
        return _together(failures, skipped, failures[-1], failures[-1].retry_after_s)
    if refused_by_key is not None:
        return refused_by_key
    if skipped and all(each.reason == NOT_THIS_MODEL for each in skipped):
        return not_allowed(principal, route)
    if skipped and all(each.reason in _NOT_THE_KEYS for each in skipped):
        return GatewayError(
            ErrorKind.MODEL_NOT_ALLOWED,
            f"The API key {principal.name!r} may use no account that serves {route.asked!r}.",
            param="model",
        )
    return GatewayError(
        ErrorKind.ALL_UNAVAILABLE,
        f"Nothing can serve {route.asked!r} now. {_told_skipped(skipped)}",
        param="model",
        retry_after_s=wait_s,
    )


def _together(
    failures: Sequence[GatewayError],
    skipped: Sequence[Passed],
    last: GatewayError,
    wait_s: float | None,
) -> GatewayError:
    """Every word said, with the status of one of them."""
    message = failures[0].message
    if len(failures) > 1:
        said = "; ".join(_short(failure.message) for failure in failures)
        message = f"All {len(failures)} attempts failed: {said}"
    if skipped:
        message = f"{message.rstrip('.')}. {_told_skipped(skipped)}"
    return GatewayError(
        last.kind,
        message,
        param=last.param,
        status=last.status,
        error_type=last.openai_type,
        code=last.openai_code,
        retry_after_s=wait_s,
    )


def _short(message: str) -> str:
    return message if len(message) <= SHOWN_CHARACTERS else f"{message[:SHOWN_CHARACTERS]}…"


def _told_skipped(skipped: Sequence[Passed]) -> str:
    told = [f"{each.connection or each.model}: {each.reason}" for each in skipped[:SHOWN_TARGETS]]
    if len(skipped) > SHOWN_TARGETS:
        told.append(f"and {len(skipped) - SHOWN_TARGETS} more")
    return f"Passed over: {'; '.join(told)}."
