"""What one request cost and took, gathered while it is served and written down once.

`settle` writes the one record of a request into the shared state, however often it is called: the
first word holds. Times are kept in seconds of the gateway's clock and recorded in microseconds.
"""

from typing import TYPE_CHECKING

from omniroute.gateway.endpoints import Endpoint
from omniroute.record import Record
from omniroute.usage import NO_USAGE, Usage

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.view import Principal, Target


class Ledger:
    """The account of one request."""

    __slots__ = (
        "_connection",
        "_endpoint",
        "_model",
        "_principal",
        "_settled",
        "_target",
        "answer_bytes",
        "attempts",
        "body_bytes",
        "connect_s",
        "first_byte_us",
        "model_asked",
        "overhead_us",
        "started_ms",
        "stream",
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
        self.started_ms = started_ms  # Unix time
        self.model_asked = ""
        self.stream = False
        self.attempts = 0
        self.body_bytes = 0  # of the request, content codings undone
        self.answer_bytes = 0
        self.connect_s = 0.0
        self.upstream_wait_s = 0.0
        self.first_byte_us = 0
        self.overhead_us = 0

    def aim(self, target: "Target", model: str) -> None:
        """The target of the attempt that now begins."""
        self._target = target
        self._model = model

    def note_first_byte(self) -> None:
        """The answer begins: what of the time until now was spent in the gateway itself?"""
        connection = self._connection
        elapsed_s = connection.clock() - connection.received_at
        waited_s = connection.body_wait_s + self.connect_s + self.upstream_wait_s
        self.first_byte_us = int(elapsed_s * 1e6)
        self.overhead_us = max(0, int((elapsed_s - waited_s) * 1e6))

    def settle(
        self,
        outcome: str,
        status: int,
        error: str,
        usage: Usage = NO_USAGE,
        usage_source: str = "none",
    ) -> None:
        """Write the record, unless it has been written."""
        if self._settled:
            return
        self._settled = True
        if not self.first_byte_us:
            self.note_first_byte()
        connection = self._connection
        target = self._target
        connection.gateway.settle(
            Record(
                id=connection.request_id.decode("ascii"),
                started_ms=self.started_ms,
                key_id=self._principal.id,
                client_format=self._endpoint.format,
                endpoint=self._endpoint.name,
                provider=target.provider_id if target is not None else "",
                connection=target.connection_id if target is not None else "",
                requested_model=self.model_asked,
                model=self._model,
                stream=self.stream,
                status=status,
                outcome=outcome,
                attempts=self.attempts,
                error=error,
                bytes_in=self.body_bytes,
                bytes_out=self.answer_bytes,
                connect_us=int(self.connect_s * 1e6),
                first_byte_us=self.first_byte_us,
                total_us=int((connection.clock() - connection.received_at) * 1e6),
                overhead_us=self.overhead_us,
                usage=usage,
                usage_source=usage_source,
            )
        )
