"""What one request cost and took, gathered while it is served and written down once.

`settle` writes the one record of a request into the shared state and settles what the request held,
however often it is called: the first word holds. `lost` is the record as it would be if this worker
died now. Times are kept in seconds of the gateway's clock and recorded in microseconds.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from omniroute.gateway.endpoints import Endpoint
from omniroute.logs import redact
from omniroute.providers.pricing import Price, cost_microusd
from omniroute.record import Record, Tried
from omniroute.usage import NO_USAGE, Usage, estimate_usage

if TYPE_CHECKING:
    from omniroute.formats.base import Tap
    from omniroute.gateway.capture import Capture
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.view import Principal, Target
    from omniroute.state.interface import Hold

_log = logging.getLogger("omniroute.gateway")


class Ledger:
    """The account of one request."""

    __slots__ = (
        "_characters",
        "_connection",
        "_endpoint",
        "_model",
        "_principal",
        "_record",
        "_settled",
        "_target",
        "answer_bytes",
        "attempt_began",
        "attempts",
        "body_bytes",
        "cache",
        "capture",
        "combo",
        "connect_s",
        "first_byte_us",
        "guard",
        "held",
        "model_asked",
        "noted",
        "overhead_us",
        "price",
        "queue_s",
        "session",
        "started_ms",
        "stream",
        "tap",
        "ticket",
        "tried",
        "upstream_wait_s",
    )

    def __init__(
        self,
        connection: "ClientConnection",
        endpoint: Endpoint,
        principal: "Principal",
        started_ms: int,
    ) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._principal = principal
        self._target: Target | None = None
        self._model = ""
        self._settled = False
        self.noted = False
        self._characters = 0
        self._record: Record | None = None  # as it was noted when the request was admitted
        self.ticket = connection.gateway.new_ticket()  # under which it reserves
        self.held: Sequence[Hold] = ()  # what it has reserved and will settle
        self.started_ms = started_ms  # Unix time
        self.model_asked = ""
        self.stream = False
        self.attempts = 0
        self.attempt_began = 0.0  # on the gateway's clock
        self.body_bytes = 0  # of the request, content codings undone
        self.answer_bytes = 0
        self.connect_s = 0.0
        self.upstream_wait_s = 0.0
        self.queue_s = 0.0
        self.first_byte_us = 0
        self.overhead_us = 0
        self.price: Price | None = None  # of the target at hand; None: not known, or nothing
        self.combo = ""
        self.cache = ""
        self.session = ""
        self.guard = ""  # what the injection guard found
        self.capture: Capture | None = None  # where bodies are kept
        self.tried: list[Tried] = []
        self.tap: Tap | None = None  # of the stream at hand

    @property
    def id(self) -> str:
        """Of the request."""
        return self._connection.request_id.decode("ascii")

    def aim(self, target: "Target", model: str) -> None:
        """The target of the attempt that now begins."""
        self._target = target
        self._model = model
        self.attempts += 1
        self.attempt_began = self._connection.clock()
        self.tap = None
        self._characters = -1  # what was noted of another target is not what would be lost now

    def note_first_byte(self) -> None:
        """The answer begins: what of the time until now was spent in the gateway itself?"""
        connection = self._connection
        elapsed_s = connection.clock() - connection.received_at
        waited_s = connection.body_wait_s + self.connect_s + self.upstream_wait_s + self.queue_s
        self.first_byte_us = int(elapsed_s * 1e6)
        if waited_s < elapsed_s:
            self.overhead_us = int((elapsed_s - waited_s) * 1e6)

    # --- the end, and what would be the end -----------------------------------------------------

    def settle(
        self,
        outcome: str,
        status: int,
        error: str,
        usage: Usage = NO_USAGE,
        usage_source: str = "none",
    ) -> None:
        """Write the record and settle what was held, unless that has been done."""
        if self._settled:
            return
        self._settled = True
        if not self.first_byte_us:
            self.note_first_byte()
        record = self._told(
            self._record or self._begun(), outcome, status, error, usage, usage_source
        )
        held = self.held
        gateway = self._connection.gateway
        if not held and not self.noted:
            gateway.settle(record)
            return
        for hold in held:
            if hold.meter.measure == "usd" and record.cost_microusd > hold.amount:
                record.beyond_microusd = record.cost_microusd - hold.amount
                _log.warning(
                    "request %s cost USD %.6f more than the most that was expected of it (%s, %s)",
                    record.id,
                    record.beyond_microusd / 1e6,
                    record.connection,
                    record.model,
                )
                break
        gateway.settle(record, self.ticket)

    def lost(self) -> Record:
        """The record as it would have to be if this process ended now."""
        tap = self.tap
        usage = tap.usage if tap is not None else None
        if usage is None and self.attempts:
            usage = estimate_usage(self.body_bytes, tap.characters if tap is not None else 0)
        return self._told(self._begun(), "worker_lost", 0, "", usage or NO_USAGE, "estimated")

    def lost_at(self, target: "Target", model: str, price: Price | None) -> Record:
        """The same if it ends while that target, aimed at next, is being asked."""
        record = self._record
        if record is None:
            # Nearly always it is the first target, and `settle` only adds how the request ended.
            record = self._record = self._begun()
        record.outcome = "worker_lost"
        record.attempts = self.attempts
        _aim(record, target, model)
        _charge(record, estimate_usage(self.body_bytes, 0), "estimated", price)
        return record

    def note(self) -> Record | None:
        """`lost()` for the heartbeat to write down; None when nothing is new since the last one."""
        characters = self.tap.characters if self.tap is not None else 0
        if self._settled or (self.noted and characters == self._characters):
            return None
        self.noted = True
        self._characters = characters
        return self.lost()

    def _begun(self) -> Record:
        """A record of what the request is, as far as that has been read."""
        connection = self._connection
        return Record(
            id=connection.request_id.decode("ascii"),
            started_ms=self.started_ms,
            worker=connection.gateway.worker_id,
            key_id=self._principal.id,
            client_format=self._endpoint.format,
            endpoint=self._endpoint.name,
            requested_model=self.model_asked,
            stream=self.stream,
            bytes_in=self.body_bytes,
            combo=self.combo,
        )

    def _told(
        self,
        record: Record,
        outcome: str,
        status: int,
        error: str,
        usage: Usage,
        usage_source: str,
    ) -> Record:
        """The record with how the request stands or ended."""
        connection = self._connection
        if self._target is not None:
            _aim(record, self._target, self._model)
        else:  # what it was noted for has refused it, and was not asked
            record.provider = record.connection = record.model = record.tier = ""
        _charge(record, usage, usage_source, self.price)
        record.status = status
        record.outcome = outcome
        record.attempts = self.attempts
        if error:
            # A model that is not there may be a key that was put into the wrong field.
            record.error = redact(error)
            record.requested_model = redact(record.requested_model)
        record.bytes_out = self.answer_bytes
        record.connect_us = int(self.connect_s * 1e6)
        record.first_byte_us = self.first_byte_us
        record.total_us = int((connection.clock() - connection.received_at) * 1e6)
        record.overhead_us = self.overhead_us
        record.cache = self.cache
        record.session = self.session
        record.queue_us = int(self.queue_s * 1e6)
        record.tried = tuple(self.tried)
        record.guard = self.guard
        return record


def _aim(record: Record, target: "Target", model: str) -> None:
    record.provider = target.provider_id
    record.connection = target.connection_id
    record.model = model
    record.tier = target.tier


def _charge(record: Record, usage: Usage, usage_source: str, price: Price | None) -> None:
    record.usage = usage
    record.usage_source = usage_source
    record.cost_microusd = 0 if price is None else cost_microusd(usage, price)
