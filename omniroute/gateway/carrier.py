"""What an exchange writes its answer to: the connection of one client, or a flight with several.

An exchange neither knows nor asks which of the two it is. `gateway/connection` is the one carrier,
`gateway/flight` the other.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from omniroute.errors import GatewayError
from omniroute.formats.base import Dialect
from omniroute.gateway import answers
from omniroute.wire.http1 import Request

if TYPE_CHECKING:
    from omniroute.gateway.server import Gateway


class Carrier(Protocol):
    """Takes one answer: either `respond` or `respond_error`, or `start_stream` with what follows.

    `due` and `on_overdue` belong to whoever serves: the gateway's sweep calls `on_overdue(now)`
    once `due`, in seconds of `clock`, has passed. `extra` is finished header lines.
    """

    gateway: "Gateway"
    clock: Callable[[], float]
    request_id: bytes
    received_at: float
    body_wait_s: float
    keep_alive: bool
    due: float
    on_overdue: Callable[[float], None] | None

    @property
    def hung_up(self) -> bool:
        """Nobody is left who wants the answer."""

    async def respond(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: bytes = answers.JSON,
        extra: bytes = b"",
    ) -> None:
        """One whole answer."""

    async def respond_error(
        self, request: Request, error: GatewayError, dialect: Dialect, extra: bytes = b""
    ) -> None:
        """An error in the shape of the client's dialect."""

    async def start_stream(
        self, request: Request, status: int, content_type: bytes, extra: bytes, first: bytes
    ) -> None:
        """The head of an answer of unknown length, with its first bytes."""

    async def send_piece(self, request: Request, data: bytes) -> None:
        """Further bytes of a streamed answer. Returns when more may be given."""

    async def end_stream(self, request: Request, last: bytes = b"") -> None:
        """The proper end of a streamed answer, with its last bytes."""

    async def break_stream(self, request: Request, last: bytes) -> None:
        """The end of a streamed answer that failed; `last` says so in the client's dialect."""
