"""Requests that are the same are answered once: cache, collapsing, idempotency.

How the pipeline meets it: an exchange reads its request and asks `gateway/keeping` whether it takes
part. If not, nothing here is touched. If so, it makes an `Asked` and a `Passenger` and calls
`Flights.serve(asked, passenger, fly)` as the last thing it does; `fly(carrier)` is the rest of the
exchange: it answers through the carrier exactly once and settles its record, whatever happens, and
raises only what ends a client's connection. `serve` then answers the client

* by what is kept (`Answers` in the shared state), else
* by a flight that is on its way in this worker: live, where its bytes are those that this client
  wants; otherwise by what is kept of it once it has landed, else
* by what another worker is making: it looks every `POLL_S`, and takes over when that dies, else
* by a flight of its own, which others may board.

A request can take part twice, under its idempotency key and under its cache key; its flight then
bears both. Streams get keepalives while they wait. Invariants: whatever goes wrong with the state
or with a seal is logged and costs the request its cache, never its answer; a claim is held by a
flight or by a client that waits, and ended by whoever held it.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec
import trio

from omniroute.config import CacheSettings
from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.carrier import Carrier
from omniroute.gateway.flight import Flight, Hold
from omniroute.gateway.keeping import (
    Kept,
    KeptBytes,
    KeptMeaning,
    TooLarge,
    decode_kept,
    encode_kept,
)
from omniroute.gateway.passenger import Passenger
from omniroute.installation import Installation, InstallationError
from omniroute.state.answers import Answers, Claimed, Found, Mine, Theirs
from omniroute.state.interface import StateError

if TYPE_CHECKING:
    from omniroute.gateway.ledger import Ledger

POLL_S: Final = 0.02
RENEW_S: Final = 10.0  # of a lease of 30 s
MAKERS: Final = 2  # that a request waits for; what they do not keep, it asks for itself
HOLD_BYTES: Final = 64 << 20  # what the flights of one worker retain together
_MIB: Final = 1 << 20

_log = logging.getLogger("omniroute.gateway")

Fly: TypeAlias = Callable[[Carrier], Awaitable[None]]


class Asked(NamedTuple):
    """One request that takes part. See `keeping` for how keys, tag and form are made."""

    settings: CacheSettings
    idempotency_key: bytes  # b"": it has none
    tag: bytes
    cache_key: bytes  # b"": neither answered from the cache nor kept there
    form: bytes
    model: str  # as people shall see it in the list of entries
    keep: Callable[[KeptBytes], bytes | None]
    """What the cache keeps of a good answer; None: not this one."""
    replay: Callable[[bytes], KeptBytes]
    """What was kept, as this client wants it. Raises ValueError when it cannot be read."""
    similar: Callable[[], bytes | None] | None = None
    """The key of an answer to a question that means the same, looked for after a miss."""
    remember: Callable[[], None] | None = None
    """Called when the answer is in the cache."""


class _Claim(NamedTuple):
    key: bytes
    owner: bytes
    tag: bytes  # b"": a claim of the cache


class _Trip:
    """What one request holds: claims, and in the end a flight that bears them."""

    __slots__ = ("asked", "claims", "flight", "keys", "ledger", "owner", "renewed_at")

    def __init__(self, asked: Asked, owner: bytes, now: float) -> None:
        self.asked = asked
        self.owner = owner
        self.claims: list[_Claim] = []
        self.keys: list[bytes] = []  # under which its flight is registered
        self.renewed_at = now
        self.flight: Flight | None = None
        self.ledger: Ledger | None = None  # of the exchange in the flight


class _Aloft(NamedTuple):
    """What is registered under a key."""

    flight: Flight
    tag: bytes
    trip: _Trip


class Flights:
    """All flights of one worker. `run` must be running for any to take off."""

    def __init__(
        self,
        answers: Answers,
        installation: Installation,
        incarnation: bytes,
        *,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
        hold_bytes: int = HOLD_BYTES,
    ) -> None:
        self._answers = answers
        self._installation = installation
        self._incarnation = incarnation
        self._clock = clock
        self._wall_ms = wall_ms
        self._hold = Hold(hold_bytes)
        self._owners = 0
        self._aloft: dict[bytes, _Aloft] = {}
        self._trips: set[_Trip] = set()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The home of the flights' tasks. Runs until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def sweep(self, now: float) -> None:
        """Enforce the deadlines of flights and renew their claims; `now`: by the clock."""
        for trip in list(self._trips):
            flight = trip.flight
            if flight is not None and flight.due <= now and flight.on_overdue is not None:
                flight.on_overdue(now)
            if now - trip.renewed_at >= RENEW_S:
                self._renew(trip, now)

    def ledgers(self) -> list["Ledger"]:
        """Of all calls under way, also those whose first client has left."""
        return [trip.ledger for trip in self._trips if trip.ledger is not None]

    @property
    def count(self) -> int:
        """Flights and clients that wait for one."""
        return len(self._trips)

    @property
    def retained_bytes(self) -> int:
        return self._hold.taken_bytes

    # --- serving --------------------------------------------------------------------------------

    async def serve(self, asked: Asked, passenger: Passenger, fly: Fly) -> None:
        """Answer the client. Raises only what ends its connection."""
        self._owners += 1
        owner = self._incarnation + self._owners.to_bytes(8, "big")
        trip = _Trip(asked, owner, self._clock())
        self._trips.add(trip)
        try:
            await self._serve(trip, passenger, fly)
        except GatewayError as error:
            await passenger.refuse(error)
        except trio.Cancelled:
            await passenger.cancelled()
            raise
        except OSError as error:
            passenger.lost(f"the client's connection broke: {error}")
            raise
        finally:
            if trip.flight is None:
                self._trips.discard(trip)
                self._abandon(trip)

    async def _serve(self, trip: _Trip, passenger: Passenger, fly: Fly) -> None:
        asked = trip.asked
        try:
            if asked.idempotency_key and await self._is_repeated(trip, passenger):
                return
            if asked.cache_key and await self._is_known(trip, passenger):
                return
        except StateError:
            _log.exception("the kept answers cannot be used")
        if self._nursery is None or not trip.claims:
            passenger.leads = True  # neither kept nor shared: as any other request
            await fly(passenger.connection)
            return
        limit_bytes = asked.settings.max_entry_bytes
        flight = trip.flight = Flight(passenger.connection, limit_bytes, self._hold)
        for claim in trip.claims:
            self._register(claim, _Aloft(flight, claim.tag, trip))
        passenger.leads = True
        trip.ledger = passenger.ledger
        # It boards before its exchange has begun: neither waits in between.
        self._nursery.start_soon(self._fly, trip, flight, fly)
        await passenger.ride(flight, "miss" if asked.cache_key else "")

    async def _is_repeated(self, trip: _Trip, passenger: Passenger) -> bool:
        """Answer a request that was sent before; False: it was not, and is now claimed."""
        asked = trip.asked
        key = asked.idempotency_key
        while True:
            aloft = self._aloft.get(key)
            if aloft is not None:
                _check_tag(aloft.tag, asked.tag)
                if aloft.flight.open:
                    await passenger.ride(aloft.flight, "replayed")
                    return True
                if aloft.flight.closed:
                    raise _too_large(asked.settings)
                await passenger.pause(POLL_S)
                continue
            claimed = self._claim(trip, key, asked.tag)
            if isinstance(claimed, Mine):
                return False
            _check_tag(claimed.tag, asked.tag)
            if isinstance(claimed, Theirs):
                await passenger.pause(POLL_S)
                continue
            kept = self._opened(key, claimed)
            if isinstance(kept, TooLarge):
                raise _too_large(asked.settings)
            if isinstance(kept, KeptBytes):
                await passenger.give(kept, "replayed")
                return True

    async def _is_known(self, trip: _Trip, passenger: Passenger) -> bool:
        """Answer what another request has asked; False: nobody has, and it is now claimed."""
        asked = trip.asked
        key = asked.cache_key
        makers: set[bytes] = set()
        while len(makers) <= MAKERS:
            aloft = self._aloft.get(key)
            if aloft is not None:
                flight = aloft.flight
                makers.add(aloft.trip.owner)
                if flight.closed:
                    return False  # it will not be kept
                if flight.open and aloft.trip.asked.form == asked.form:
                    self._hand_over(trip, aloft)
                    await passenger.ride(flight, "collapsed")
                    return True
                flight.wait_for(passenger)
                try:
                    while flight.may_be_kept:
                        await passenger.pause(POLL_S)
                finally:
                    flight.leave(passenger)
                continue
            claimed = self._claim(trip, key, b"")
            if isinstance(claimed, Theirs):
                makers.add(claimed.owner)
                await passenger.pause(POLL_S)
            elif isinstance(claimed, Mine):
                return await self._has_similar(trip, passenger)
            elif (answer := self._known(trip, key, claimed)) is not None:
                await self._give_known(trip, passenger, answer, "hit")
                return True
        return False

    async def _has_similar(self, trip: _Trip, passenger: Passenger) -> bool:
        """Answer what has been asked in other words; its answer stays where it is."""
        similar = trip.asked.similar
        if similar is None or (key := similar()) is None:
            return False
        found = self._answers.take(key, self._wall_ms())
        if found is None or (answer := self._known(trip, key, found)) is None:
            return False
        await self._give_known(trip, passenger, answer, "semantic-hit")
        return True

    def _known(self, trip: _Trip, key: bytes, found: Found) -> KeptBytes | None:
        """What is kept, as this client wants it; None when it cannot be read, and is then gone."""
        kept = self._opened(key, found)
        if isinstance(kept, KeptMeaning):
            try:
                answer = trip.asked.replay(kept.kept)
            except ValueError as error:
                _log.warning("a kept answer cannot be given again: %s", error)
                self._answers.forget(key)
            else:
                return msgspec.structs.replace(answer, extra=kept.extra)
        return None

    async def _give_known(
        self, trip: _Trip, passenger: Passenger, answer: KeptBytes, mark: str
    ) -> None:
        for claim in [claim for claim in trip.claims if not claim.tag]:
            trip.claims.remove(claim)
            self._answers.abandon(claim.key, claim.owner)
        self._keep_all(trip, answer, too_large=False)
        await passenger.give(answer, mark)

    def _hand_over(self, trip: _Trip, aloft: _Aloft) -> None:
        """Another's flight answers this request: let it bear its idempotency key, too."""
        for claim in trip.claims:
            aloft.trip.claims.append(claim)
            self._register(claim, aloft)
        trip.claims.clear()

    def _register(self, claim: _Claim, aloft: _Aloft) -> None:
        self._aloft[claim.key] = aloft._replace(tag=claim.tag)
        aloft.trip.keys.append(claim.key)

    # --- flying ---------------------------------------------------------------------------------

    async def _fly(self, trip: _Trip, flight: Flight, fly: Fly) -> None:
        try:
            with flight.scope:
                await fly(flight)
        except Exception:
            # One flight's fault must not end the others; it is a defect, so it is told loudly.
            _log.exception("a flight ended by a defect of the gateway")
        finally:
            self._land(trip, flight)

    def _land(self, trip: _Trip, flight: Flight) -> None:
        """Keep what may be kept, end the claims, let those go on who wait."""
        try:
            self._keep_all(trip, flight.whole(), too_large=flight.closed and flight.is_good)
        finally:
            for key in trip.keys:
                if (aloft := self._aloft.get(key)) is not None and aloft.flight is flight:
                    del self._aloft[key]
            self._trips.discard(trip)
            flight.land()

    def _keep_all(self, trip: _Trip, answer: KeptBytes | None, *, too_large: bool) -> None:
        """Under every claim what belongs there; the claims end by it."""
        settings = trip.asked.settings
        for claim in trip.claims:
            kept: Kept | None = answer
            lasts_s = settings.ttl_s
            if claim.tag:
                lasts_s = settings.idempotency_s
                if too_large:
                    kept = TooLarge()
            elif answer is not None:
                kept = self._meaning(trip.asked, answer)
            try:
                stored = self._keep(trip, claim, kept, lasts_s)
                if stored and not claim.tag and trip.asked.remember is not None:
                    trip.asked.remember()
            except Exception:
                _log.exception("an answer could not be kept")
        trip.claims.clear()

    def _meaning(self, asked: Asked, answer: KeptBytes) -> KeptMeaning | None:
        if answer.status >= 300:
            return None
        try:
            kept = asked.keep(answer)
        except Exception:
            # The answer has been given; that it is not kept costs a later request, not this one.
            _log.exception("an answer could not be read for the cache")
            return None
        if kept is None or len(kept) > asked.settings.max_entry_bytes:
            return None
        return KeptMeaning(answer.extra, kept)

    def _keep(self, trip: _Trip, claim: _Claim, kept: Kept | None, lasts_s: float) -> bool:
        if kept is None:
            self._answers.abandon(claim.key, claim.owner)
            return False
        now_ms = self._wall_ms()
        return self._answers.put(
            claim.key,
            claim.owner,
            self._installation.encrypt(encode_kept(claim.key, kept)),
            now_ms=now_ms,
            expires_ms=now_ms + int(lasts_s * 1000),
            limit_bytes=trip.asked.settings.max_mb * _MIB,
            model=trip.asked.model,
            tag=claim.tag,
        )

    # --- claims ---------------------------------------------------------------------------------

    def _claim(self, trip: _Trip, key: bytes, tag: bytes) -> Claimed:
        claimed = self._answers.claim(key, trip.owner, self._wall_ms(), tag)
        if isinstance(claimed, Mine):
            trip.claims.append(_Claim(key, trip.owner, tag))
        return claimed

    def _renew(self, trip: _Trip, now: float) -> None:
        """Go on holding what is held; what another has taken meanwhile is theirs."""
        trip.renewed_at = now
        try:
            trip.claims = [claim for claim in trip.claims if self._is_still_held(claim)]
        except StateError:
            _log.exception("claims of answers could not be renewed")

    def _is_still_held(self, claim: _Claim) -> bool:
        claimed = self._answers.claim(claim.key, claim.owner, self._wall_ms(), claim.tag)
        return isinstance(claimed, Mine)

    def _abandon(self, trip: _Trip) -> None:
        try:
            for claim in trip.claims:
                self._answers.abandon(claim.key, claim.owner)
        except StateError:
            _log.exception("claims of answers could not be given back")  # they end by themselves
        trip.claims.clear()

    def _opened(self, key: bytes, found: Found) -> Kept | None:
        try:
            return decode_kept(key, self._installation.decrypt(found.blob))
        except (InstallationError, ValueError) as error:
            _log.warning("a kept answer cannot be opened: %s", error)
            self._answers.forget(key)
            return None


def _check_tag(theirs: bytes, ours: bytes) -> None:
    if theirs != ours:
        raise GatewayError(
            ErrorKind.IDEMPOTENCY_MISMATCH,
            "This Idempotency-Key (or X-Request-Id) was sent a moment ago with another request. "
            "Use a new one for each request, and the same only to repeat one unchanged.",
        )


def _too_large(settings: CacheSettings) -> GatewayError:
    return GatewayError(
        ErrorKind.IDEMPOTENCY_MISMATCH,
        "This request was sent before under the same Idempotency-Key (or X-Request-Id), and its "
        f"answer is too large to be given again ({settings.max_entry_bytes} bytes at most: "
        "cache.max_entry_bytes). Send it with a new key to have it answered anew.",
        status=409,
        code="answer_too_large_to_repeat",
    )
