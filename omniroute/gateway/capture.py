"""Bodies of one request, kept for a look at them later: what came, what was asked, what was said.

Contract: nothing here is made where capture is off. Of each body the beginning and the end are
kept, bounded in bytes; what lay between is left out with a mark. Headers are never kept.
Credentials are taken out of what is kept, before it is sealed: those of this request by their own
text, others by what they look like (`logs.redact`). Sealing is done in the courier's thread.

A capture is held by the client's connection and, where the answer goes to several, by the exchange
that asks the upstream; it goes off when both have released it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from omniroute.gateway.endpoints import query_key
from omniroute.logs import redact
from omniroute.spool import CapturedBody, Entry
from omniroute.wire.http1 import Request

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.courier import Courier
    from omniroute.gateway.ledger import Ledger
    from omniroute.gateway.view import View

MOST_ATTEMPTS: Final = 8  # whose bodies are kept; of more the last ones are
LEAST_SECRET: Final = 8  # bytes; anything shorter is no credential but a word
REDACTED: Final = b"[redacted]"

Seal = Callable[[bytes], bytes]


class Ends:
    """The beginning and the end of what is added, at most `limit` bytes in all."""

    __slots__ = ("_half", "_head", "_tail", "size")

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        room = self._half - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if piece:
            self._tail += piece[-self._half :]
            if len(self._tail) > 2 * self._half:
                del self._tail[: -self._half]

    def kept(self, secrets: Iterable[bytes] = ()) -> bytes:
        """What is kept, without these secrets and without what looks like one."""
        head, tail = bytes(self._head), bytes(self._tail[-self._half :])
        if self.size == len(head) + len(tail):
            return _without(head + tail, secrets)
        for secret in secrets:
            # Half a secret at a cut is one that no search finds any more.
            head = head[: len(head) - _overlap(head, secret)]
            tail = tail[_overlap(secret, tail) :]
        left_out = self.size - len(head) - len(tail)
        mark = b"\n[... %d bytes left out ...]\n" % left_out
        return _without(head, secrets) + mark + _without(tail, secrets)


class Capture:
    """The bodies of one request."""

    __slots__ = (
        "_asked",
        "_at_ms",
        "_courier",
        "_got",
        "_holders",
        "_limit",
        "_request_id",
        "_seal",
        "_secrets",
        "_told",
        "_upstream",
    )

    def __init__(
        self,
        courier: "Courier",
        seal: Seal,
        limit: int,
        request_id: str,
        at_ms: int,
        secrets: Iterable[bytes],
    ) -> None:
        """`limit`: bytes kept of each body; `secrets`: the credentials that the client sent."""
        self._courier = courier
        self._seal = seal
        self._limit = limit
        self._request_id = request_id
        self._at_ms = at_ms
        self._secrets = {secret for secret in secrets if len(secret) >= LEAST_SECRET}
        self._holders = 1
        self._got = Ends(limit)
        self._told = Ends(limit)
        self._upstream: dict[int, tuple[Ends, Ends]] = {}  # by attempt: request, response

    # --- what passes ----------------------------------------------------------------------------

    def got(self, body: bytes) -> None:
        """From the client."""
        self._got.add(body)

    def told(self, piece: bytes) -> None:
        """To the client."""
        self._told.add(piece)

    def asked(self, attempt: int, body: bytes, credentials: Iterable[bytes]) -> None:
        """A new attempt asks an upstream, with these credentials of ours."""
        self._secrets.update(each for each in credentials if len(each) >= LEAST_SECRET)
        sides = self._upstream[attempt] = Ends(self._limit), Ends(self._limit)
        sides[0].add(body)
        if len(self._upstream) > MOST_ATTEMPTS:
            del self._upstream[next(iter(self._upstream))]

    def answered(self, attempt: int, piece: bytes) -> None:
        """The upstream of an attempt says this, content codings undone."""
        sides = self._upstream.get(attempt)
        if sides is not None:
            sides[1].add(piece)

    # --- the end --------------------------------------------------------------------------------

    def hold(self) -> None:
        """One more will release it."""
        self._holders += 1

    def release(self) -> None:
        """Nothing more comes from this side."""
        self._holders -= 1
        if not self._holders:
            bodies = self._bodies()
            size = sum(min(ends.size, self._limit) for _, _, _, ends in bodies)
            self._courier.send(size + 200 * len(bodies), lambda: self._sealed(bodies))

    def _bodies(self) -> list[tuple[int, str, str, Ends]]:
        found = [(0, "client", "request", self._got), (0, "client", "response", self._told)]
        for attempt, (request, response) in self._upstream.items():
            found.append((attempt, "upstream", "request", request))
            found.append((attempt, "upstream", "response", response))
        return [each for each in found if each[3].size]

    def _sealed(self, bodies: list[tuple[int, str, str, Ends]]) -> Sequence[Entry]:
        return [
            CapturedBody(
                self._request_id,
                attempt,
                side,
                direction,
                self._at_ms,
                ends.size,
                self._seal(ends.kept(self._secrets)),
            )
            for attempt, side, direction, ends in bodies
        ]


def begin_capture(
    connection: "ClientConnection", request: Request, ledger: "Ledger", view: "View", body: bytes
) -> None:
    """From here on what passes of a request is kept; `body` is what the client sent."""
    gateway = connection.gateway
    capture = Capture(
        gateway.courier,
        gateway.seal,
        view.capture.body_bytes,
        ledger.id,
        ledger.started_ms,
        presented(request.fields, query_key(request.target)),
    )
    capture.got(body)
    ledger.capture = connection.capture = capture


def presented(fields: Mapping[bytes, bytes], in_query: bytes | None) -> list[bytes]:
    """The credentials with which a client came, by which a body must not be known."""
    found = [fields.get(name, b"") for name in (b"x-api-key", b"x-goog-api-key")]
    found.append(fields.get(b"authorization", b"").rpartition(b" ")[2])
    found.append(in_query or b"")
    return [secret for secret in found if secret]


def _without(kept: bytes, secrets: Iterable[bytes]) -> bytes:
    for secret in secrets:
        kept = kept.replace(secret, REDACTED)
    return redact(kept.decode("latin-1")).encode("latin-1")  # byte for byte, whatever it is


def _overlap(left: bytes, right: bytes) -> int:
    """How many bytes at the end of `left` are the beginning of `right`, or 0."""
    for length in range(min(len(left), len(right)), 0, -1):
        if left.endswith(right[:length]):
            return length
    return 0
