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

    __slots__ = (
        "_amounts",
        "_counted",
        "_held",
        "_ledger",
        "_limits",
        "_principal",
        "_taken",
        "ticket",
    )

    def __init__(
        self, limits: "Limits", ticket: bytes, principal: "Principal", ledger: "Ledger"
    ) -> None:
        self._limits = limits
        self._principal = principal
        self._ledger = ledger
        self._held: tuple[Hold, ...] = ()
        self._taken = False  # something has been reserved
        self._counted = False  # the request, at its key
        self._amounts: dict[str, int] = {"requests": 1, "running": 1, "gap": 1}
        self.ticket = ticket

    def count(self, now_ms: int) -> Refusal | None:
        """Count the request at its key without reserving anything: others may answer it."""
        own = [meter for meter in self._principal.meters if meter.measure in _COUNTED]
        self._counted = True
        if not own:
            return None
        try:
            return self._limits.reserve(self.ticket, self._of(own), self._ledger.lost(), now_ms)
        except StateError as error:
            raise _unkept(error) from error

    @property
    def holds(self) -> bool:
        """Is anything to be settled?"""
        return bool(self._held)

    @property
    def reserved_microusd(self) -> int | None:
        """The bound that the request's cost was admitted with; None where no budget was asked."""
        for hold in self._held:
            if hold.meter.measure == "usd":
                return hold.amount
        return None

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
        own = self._principal.meters
        amounts = self._amounts
        amounts["tokens"] = input_tokens + output_tokens
        amounts["usd"] = (
            bound_microusd(input_tokens, output_tokens, price) if price is not None else 0
        )
        if self._counted:
            # The key's request was counted with the first target, or before any.
            own = tuple(meter for meter in own if meter.measure not in _COUNTED)
        holds = (*self._of(own), *self._of(target.meters))
        if not holds:
            self.give_back(now_ms)
            return None
        note = self._ledger.lost_at(target, model, price)
        try:
            if self._taken or self._ledger.noted:
                refusal = self._limits.exchange(self.ticket, self._held, holds, note, now_ms)
            else:
                refusal = self._limits.reserve(self.ticket, holds, note, now_ms)
        except StateError as error:
            raise _unkept(error) from error
        if refusal is None:
            self._taken = self._counted = True
            self._held = tuple(hold for hold in holds if hold.meter.measure not in _COUNTED)
        return refusal

    def take_again(self, target: "Target", now_ms: int) -> Refusal | None:
        """Count a repetition at the target for which all else is held already."""
        holds = self._of(meter for meter in target.meters if meter.measure in _COUNTED)
        return self._exchange((), holds, now_ms) if holds else None

    def _of(self, meters: Iterable[Meter]) -> list[Hold]:
        # Nothing is asked for nothing: what is free is served when a budget is overdrawn, too.
        amounts = self._amounts
        return [Hold(meter, amount) for meter in meters if (amount := amounts[meter.measure])]

    def give_back(self, now_ms: int) -> None:
        """Hold nothing any more, for now: the request waits, or is served by who has no limits."""
        if self._held:
            self._exchange(self._held, (), now_ms)
            self._held = ()

    def _exchange(self, gone: Sequence[Hold], new: Sequence[Hold], now_ms: int) -> Refusal | None:
        try:
            return self._limits.exchange(self.ticket, gone, new, self._ledger.lost(), now_ms)
        except StateError as error:
            raise _unkept(error) from error


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
