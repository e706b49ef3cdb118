"""What a wire format has to provide so that the simulator speaks it.

A dialect reads a request into an `Ask` (or refuses it as the real service would), and writes the
pieces of an answer as one document or as a series of frames. A frame is what a stream puts on the
wire at once: for SSE formats one event with its blank line, lines ending in LF. Delays, faults and
line endings are none of its business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from omniroute.simulator.play import Ask, Piece
from omniroute.simulator.scenario import Scenario

__all__ = ["Dialect", "Refusal"]


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is answered with an error, before anything is generated."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """The answer as a vendor writes it, in place of what a dialect makes of the rest."""


class Dialect(Protocol):
    """One wire format; stateless, so that one instance serves all requests."""

    stream_type: str
    """The content type of a streamed answer."""

    def read(self, body: bytes, path: Mapping[str, str]) -> Ask:
        """The request; `path` holds what the URL said. Raises `Refusal`."""

    def whole(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> bytes:
        """The answer as one JSON document."""

    def frames(self, ask: Ask, scenario: Scenario, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """The answer as a stream, terminator included."""

    def error(self, refusal: Refusal) -> bytes:
        """The JSON body of an error answer."""

    def error_frame(self, refusal: Refusal) -> bytes:
        """An error in the middle of a stream."""

    def broken_frame(self) -> bytes:
        """A frame that looks like one of the stream but holds no JSON."""

    def models(self, listed: Mapping[str, str]) -> dict[str, Any]:
        """The list of models, from name and description."""
