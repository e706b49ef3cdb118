"""What one request reserves: at the limits of its key, its connection, its provider and its tier.

Contract: `take` reserves for one target, or says which limit refused and changes nothing; for the
next target it gives back what the last one held. The upper bounds are never below the true figures:
input tokens by the bytes of the request (a token is at least one byte) and a margin for what
services add, or the model's whole window where the request refers to content elsewhere; output
tokens by the request's own cap times its choices, else the model's cap. What holds is settled by
the ledger with the record; a request without limits on its way makes no transaction here.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from omniroute.errors import ErrorKind, GatewayError
from omniroute.providers.pricing import Price, bound_microusd
from omniroute.resilience.meters import Meter
from omniroute.state.interface import Hold, Refusal, StateError

if TYPE_CHECKING:
    from omniroute.gateway.ledger import Ledger
    from omniroute.gateway.view import Principal, Target
    from omniroute.state.interface import Limits

# Chat templates and the prompts that services add for tools: Anthropic states up to 530 tokens.
ADDED_INPUT_TOKENS: Final = 1024

# Counted when admitted and never given back: nothing of them is left to settle.
_COUNTED: Final = frozenset({"requests", "gap"})


class Admission:
    """The reservation of one request."""

    __slots__ = ("_counted", "_ledger", "_limits", "_principal", "_taken")

    def __init__(self, limits: "Limits", principal: "Principal", ledger: "Ledger") -> None:
        self._limits = limits
        self._principal = principal
        self._ledger = ledger
        self._taken = False  # something has been reserved
        self._counted = False  # the request, at its key

    def count(self, now_ms: int) -> Refusal | None:
        """Count the request at its key without reserving anything: others may answer it."""
        holds = _counted(self._principal.meters)
        self._counted = True
        if not holds:
            return None
        ledger = self._ledger
        try:
            return self._limits.reserve(ledger.ticket, holds, ledger.lost(), now_ms)
        except StateError as error:
            raise _unkept(error) from error

    def take(
        self,
        target: "Target",
        model: str,
        price: Price | None,
        input_tokens: int,
        output_tokens: int,
        now_ms: int,
    ) -> Refusal | None:
        """Reserve for an attempt at `target`; what an earlier attempt held is given back."""
        ledger = self._ledger
        cost = bound_microusd(input_tokens, output_tokens, price) if price is not None else 0
        amounts = {
            "requests": 1,
            "gap": 1,
            "running": 1,
            "tokens": input_tokens + output_tokens,
            "usd": cost,
        }
        holds: list[Hold] = []
        held: list[Hold] = []
        # The key's request is counted with the first target, or before any.
        for meters, counts in (
            (self._principal.meters, not self._counted),
            (target.meters, True),
        ):
            for meter in meters:
                measure = meter.measure
                # Nothing is asked for nothing: what is free is served when a budget is overdrawn.
                if not (amount := amounts[measure]):
                    continue
                hold = Hold(meter, amount)
                if measure not in _COUNTED:
                    held.append(hold)
                elif not counts:
                    continue
                holds.append(hold)
        if not holds:
            self.give_back(now_ms)
            return None
        note = ledger.lost_at(target, model, price)
        try:
            if self._taken or ledger.noted:
                refusal = self._limits.exchange(ledger.ticket, ledger.held, holds, note, now_ms)
            else:
                refusal = self._limits.reserve(ledger.ticket, holds, note, now_ms)
        except StateError as error:
            raise _unkept(error) from error
        if refusal is None:
            self._taken = self._counted = True
            ledger.held = held
        return refusal

    def take_again(self, target: "Target", now_ms: int) -> Refusal | None:
        """Count a repetition at the target for which all else is held already."""
        holds = _counted(target.meters)
        return self._exchange((), holds, now_ms) if holds else None

    def give_back(self, now_ms: int) -> None:
        """Hold nothing any more, for now: the request waits, or is served by who has no limits."""
        ledger = self._ledger
        if ledger.held:
            self._exchange(ledger.held, (), now_ms)
            ledger.held = ()

    def _exchange(self, gone: Sequence[Hold], new: Sequence[Hold], now_ms: int) -> Refusal | None:
        ledger = self._ledger
        try:
            return self._limits.exchange(ledger.ticket, gone, new, ledger.lost(), now_ms)
        except StateError as error:
            raise _unkept(error) from error


def _counted(meters: Iterable[Meter]) -> list[Hold]:
    return [Hold(meter, 1) for meter in meters if meter.measure in _COUNTED]


def _unkept(error: StateError) -> GatewayError:
    """A limit that cannot be kept is not passed over."""
    return GatewayError(
        ErrorKind.OVERLOADED,
        f"The limits of this request cannot be kept at the moment: {error}.",
        retry_after_s=1,
    )


def is_of_key(meter: Meter) -> bool:
    """Is this a limit of the client's key, and not of who would serve it?"""
    return meter.key.startswith("key/")
