"""The pursuit of an answer: one request through its plan, until one target has answered.

For each target of the plan: reserve, stand in line where its limits are reached, ask, judge what
went wrong, remember it, and repeat, move on or give up as judged. Contract: `run` returns when the
client has been answered and raises GatewayError when nothing answers, with one sentence that names
the targets tried and passed over, and when to come back. Nothing that reached the client is ever
repeated: a failure after that ends the request.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from omniroute.errors import GatewayError
from omniroute.gateway.admission import Admission, is_of_key
from omniroute.gateway.attempt import AttemptFailed
from omniroute.gateway.health import PROBE_LOOK_MS
from omniroute.gateway.last_word import NOT_THIS_ACCOUNT, NOT_THIS_MODEL, exhausted, told
from omniroute.gateway.lines import LOOK_S
from omniroute.gateway.permission import is_allowed, limit_error
from omniroute.logs import redact
from omniroute.record import Tried
from omniroute.resilience.meters import Meter
from omniroute.resilience.retry import PATIENCE_S, pause_ms
from omniroute.resilience.verdict import Judgement, Mark, Verdict, judge
from omniroute.routing.plan import Attempt, Passed, Plan, Skipped
from omniroute.routing.resolve import Route
from omniroute.state.interface import Hold, Refusal

if TYPE_CHECKING:
    from omniroute.gateway.reply import Reply
    from omniroute.gateway.server import Gateway
    from omniroute.gateway.view import Principal, Target, View
    from omniroute.routing.combos import Model

MOST_WAITS: Final = 3  # for the end of a cooldown, in one request
SAYS_OF_THE_TARGET: Final = frozenset({401, 402, 403, 404, 408, 429})
BY_TARGET: Final = frozenset({"tokens", "usd"})  # how much of it, the target decides
QUEUED: Final = frozenset({"requests", "gap"})  # what may be free again soon, at a known time

# Somebody stands in line there already.
NO_PLACE: Final = Refusal(
    Hold(Meter(key="line", measure="running", kind="running", limit=1), 1), 0, 0, 0
)

_log = logging.getLogger("omniroute.gateway")


class CannotServe(Exception):
    """The target's format cannot carry what the request depends on; another's may."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


Send = Callable[["Attempt[Target]"], Awaitable[None]]
"""Asks one target and answers the client. Raises AttemptFailed or CannotServe."""


class Pursuit:
    """One request in search of an answer."""

    __slots__ = (
        "_admission",
        "_asked",
        "_asked_at",
        "_asked_at_ms",
        "_back_ms",
        "_busy",
        "_claimant",
        "_failures",
        "_faulty",
        "_gateway",
        "_given",
        "_input_tokens",
        "_kept",
        "_latency_ms",
        "_ledger",
        "_on_served",
        "_output_tokens",
        "_principal",
        "_refused_by_key",
        "_reply",
        "_route",
        "_send",
        "_streaming",
        "_view",
        "_whole_route_allowed",
    )

    def __init__(
        self,
        gateway: "Gateway",
        view: "View",
        principal: "Principal",
        route: Route,
        reply: "Reply",
        admission: Admission,
        send: Send,
        *,
        input_tokens: Callable[["Target", str], int],
        output_tokens: Callable[["Target", str], int],
        streaming: bool,
        kept: str,
        on_served: Callable[["Target"], None],
    ) -> None:
        """`input_tokens`, `output_tokens`: upper bounds at a target, asked only where it matters.

        `kept`: the connection that the conversation stays with; `on_served`: told which it was.
        """
        self._gateway = gateway
        self._view = view
        self._principal = principal
        self._route = route
        self._reply = reply
        self._ledger = reply.ledger
        self._admission = admission
        self._send = send
        self._input_tokens = input_tokens
        self._output_tokens = output_tokens
        self._streaming = streaming
        self._kept = kept
        self._on_served = on_served
        self._failures: list[GatewayError] = []
        self._refused_by_key: GatewayError | None = None
        self._busy: list[tuple[Attempt[Target], Refusal]] = []
        self._given: Attempt[Target] | None = None  # the latest of the plan
        self._faulty: Model | None = None  # whose provider failed last
        self._back_ms: int | None = None  # when the first of those that failed may be asked again
        # Of another route than a combo's that has been made sure of before.
        self._whole_route_allowed = not route.combo or is_allowed(principal, route)
        self._claimant = self._ledger.ticket.hex()  # of a probe
        self._asked: Attempt[Target] | None = None  # the try under way, and since when it is
        self._asked_at = 0.0
        self._asked_at_ms = 0
        self._latency_ms: float | None = None  # until its target began to answer

    async def run(self, now_ms: int) -> None:
        """See the module's text."""
        gateway = self._gateway
        waits = waited_ms = 0
        while True:
            plan = Plan(self._route, gateway.stock, self._standing, now_ms, self._kept)
            if await self._walk(plan, now_ms):
                return
            now_ms = gateway.now_ms()
            back_ms = self._earliest_ms(plan)
            limit_ms = self._view.resilience.wait_for_cooldown_s * 1000 - waited_ms
            if back_ms is None or back_ms - now_ms > limit_ms or waits >= MOST_WAITS:
                raise self._summary(plan)
            waits += 1
            self._admission.give_back(now_ms)
            await self._pause(max(0, back_ms - now_ms + 1) / 1000)
            paused_ms, now_ms = now_ms, gateway.now_ms()
            waited_ms += now_ms - paused_ms
            self._back_ms = None
            gateway.look_at_conditions()

    def _earliest_ms(self, plan: "Plan[Target]") -> int | None:
        """When the first of all targets comes back that failed or were passed over."""
        known = [each for each in (plan.back_ms, self._back_ms) if each is not None]
        return min(known, default=None)

    # --- choosing -------------------------------------------------------------------------------

    def _standing(self, target: "Target", model: str) -> Skipped | None:
        principal = self._principal
        connections = principal.connections
        if connections is not None and not connections.allows(target.connection_id):
            return Skipped(NOT_THIS_ACCOUNT)
        if not self._whole_route_allowed and not self._allowed(target, model):
            return Skipped(NOT_THIS_MODEL)
        health = self._gateway.health
        return health.against(target, model, self._gateway.now_ms()) if health.table else None

    def _allowed(self, target: "Target", model: str) -> bool:
        models = self._principal.models
        return models is None or models.allows(f"{target.provider_id}/{model}")

    async def _walk(self, plan: "Plan[Target]", now_ms: int) -> bool:
        """Try what the plan gives. False when it is used up."""
        most = self._view.resilience.max_attempts
        while True:
            self._given = attempt = plan.next_attempt()
            if self._busy and (attempt is None or attempt.of is not self._busy[0][0].of):
                # Every account of that model is at its limits: stand in line before going on.
                while self._busy and self._ledger.attempts < most:
                    if await self._queue(plan):
                        return True
                self._busy.clear()
                now_ms = self._gateway.now_ms()
            if attempt is None:
                return False
            if self._ledger.attempts >= most:
                raise self._summary(plan)
            if attempt.of is self._faulty and not self._may_add_load():
                # Another account of a provider that fails adds to what it cannot bear.
                self._pass(plan, attempt, "its provider fails for too many requests", None)
                self._leave(plan, attempt)
            elif attempt.why and not self._allowed(attempt.connection, attempt.model):
                # What follows by the owner's chains is not what the key was given.
                self._pass(plan, attempt, NOT_THIS_MODEL, None)
            elif attempt.connection.connection_id in self._gateway.lines:
                self._busy.append((attempt, NO_PLACE))
            elif (refusal := self._reserve(attempt, now_ms)) is None:
                if await self._at(plan, attempt, now_ms):
                    return True
                now_ms = self._gateway.now_ms()
            else:
                self._refused(plan, attempt, refusal, attempt.connection.queue_wait_s)

    def _reserve(self, attempt: "Attempt[Target]", now_ms: int) -> Refusal | None:
        target, model = attempt.connection, attempt.model
        ledger = self._ledger
        price = self._view.prices.price(target.provider_id, model)
        refusal = None
        if target.meters or self._principal.meters or ledger.held:
            refusal = self._admission.take(
                target,
                model,
                price,
                self._input_tokens(target, model),
                self._output_tokens(target, model),
                now_ms,
            )
        if refusal is None:
            ledger.price = price
        return refusal

    def _refused(
        self,
        plan: "Plan[Target]",
        attempt: "Attempt[Target]",
        refusal: Refusal,
        patience_s: float,
    ) -> None:
        """A limit is in the way: of the key, for a while (no longer than `patience_s`), or longer.

        What may be waited for is put to those that are busy.
        """
        meter = refusal.hold.meter
        now_ms = self._gateway.now_ms()
        if is_of_key(meter):
            error = limit_error(self._principal.name, refusal)
            if meter.measure not in BY_TARGET:
                raise error
            # Another target may take less, cost less, or nothing.
            self._refused_by_key = self._refused_by_key or error
            self._pass(plan, attempt, "takes more than the key has left", None)
            return
        if _is_short(refusal, patience_s):
            self._busy.append((attempt, refusal))
            return
        until_ms = None if refusal.wait_ms is None else now_ms + refusal.wait_ms
        self._pass(plan, attempt, f"its limit is reached: {meter.key}", until_ms)

    @staticmethod
    def _pass(
        plan: "Plan[Target]", attempt: "Attempt[Target]", reason: str, until_ms: int | None
    ) -> None:
        target = attempt.connection
        name = f"{target.provider_id}/{attempt.model}"
        plan.skipped.append(Passed(target.connection_id, name, attempt.why, reason, until_ms))

    async def _queue(self, plan: "Plan[Target]") -> bool:
        """Wait for a place at one of the busy accounts of a model. True when it has answered.

        The request stands in line where the fewest stand; at the head it looks at the others too,
        where nobody stands. Accounts that are not worth waiting for leave `_busy`.
        """
        gateway = self._gateway
        lines = gateway.lines
        clock = gateway.clock
        own, _ = min(
            self._busy,
            key=lambda each: (lines.standing(each[0].connection.connection_id), each[1].wait_ms),
        )
        target = own.connection
        self._admission.give_back(gateway.now_ms())
        found: Attempt[Target] | None = None
        began = look_at = clock()
        deadline = began + target.queue_wait_s
        place = lines.join(target.connection_id, self._principal.id)
        try:
            while (left_s := deadline - clock()) > 0:
                quiet_s = self._until_keepalive()
                if not await place.turn(min(left_s, quiet_s), look_at - clock()):
                    if quiet_s <= left_s:
                        began = await self._keepalive(began)
                    continue
                gateway.look_at_conditions()
                found, look_s = self._look(plan, own, deadline - clock())
                if found is not None or all(each is not own for each, _ in self._busy):
                    break
                look_at = clock() + look_s
            else:
                reason = f"all its places stayed taken for {target.queue_wait_s:g} s"
                for each, _ in self._busy:
                    self._pass(plan, each, reason, gateway.now_ms() + 1000)
                self._busy.clear()
        finally:
            self._ledger.queue_s += clock() - began
            lines.leave(target.connection_id, place)
        return found is not None and await self._at(plan, found, gateway.now_ms())

    def _look(
        self, plan: "Plan[Target]", own: "Attempt[Target]", patience_s: float
    ) -> "tuple[Attempt[Target] | None, float]":
        """The first of the busy with a place, which is taken; else when to look again, in s."""
        busy, self._busy = self._busy, []
        look_s = patience_s
        for number, (attempt, known) in enumerate(busy, 1):
            target = attempt.connection
            if attempt is not own and target.connection_id in self._gateway.lines:
                self._busy.append((attempt, known))
            elif (against := self._standing(target, attempt.model)) is not None:
                self._pass(plan, attempt, against.reason, against.until_ms)
            elif (refusal := self._reserve(attempt, self._gateway.now_ms())) is None:
                self._busy += busy[number:]
                return attempt, 0.0
            else:
                self._refused(plan, attempt, refusal, patience_s)
                soon = refusal.hold.meter.measure == "running"
                look_s = min(look_s, LOOK_S if soon else (refusal.wait_ms or 0) / 1000)
        return None, look_s

    # --- asking ---------------------------------------------------------------------------------

    async def _at(self, plan: "Plan[Target]", attempt: "Attempt[Target]", now_ms: int) -> bool:
        """Ask one target, again where that is judged worth it. True when it has answered.

        GatewayError when every target would say the same, or the client has seen the beginning.
        """
        target = attempt.connection
        gateway = self._gateway
        settings = self._view.resilience
        health = gateway.health
        if health.table and not health.admit(target, self._claimant, now_ms, settings):
            until_ms = now_ms + PROBE_LOOK_MS
            self._pass(plan, attempt, "another request tries whether it is back", until_ms)
            return False
        repeats = 0
        while True:
            try:
                await self._once(attempt, now_ms)
                return True
            except CannotServe as unfit:
                self._failures.append(unfit.error)
                self._leave(plan, attempt)
                return False
            except AttemptFailed as failed:
                judgement = judge(failed.failed, content_policy_next=settings.content_policy_next)
                self._remember(attempt, failed, judgement)
                verdict = judgement.verdict
                if verdict is Verdict.RETRY:
                    if await self._may_repeat(target, repeats, failed):
                        repeats += 1
                        now_ms = gateway.now_ms()
                        continue
                    verdict = judgement.otherwise
                if verdict is Verdict.TELL:
                    raise told(failed.error, self._failures) from None
                self._failures.append(failed.error)
                self._note_return(attempt)
                if verdict is Verdict.NEXT_MODEL:
                    self._leave(plan, attempt)
                elif judgement.mark is Mark.FAULT:
                    self._faulty = attempt.of
                return False

    def _note_return(self, attempt: "Attempt[Target]") -> None:
        """When may be asked again what has just failed, where that is known?"""
        against = self._standing(attempt.connection, attempt.model)
        if against is not None and against.until_ms is not None:
            self._back_ms = min(against.until_ms, self._back_ms or against.until_ms)

    async def _once(self, attempt: "Attempt[Target]", began_ms: int) -> None:
        """One try, with what is measured of it."""
        target, model = attempt.connection, attempt.model
        gateway, reply = self._gateway, self._reply
        account = gateway.gauges.account(target.connection_id)
        of_model = gateway.gauges.model(target.provider_id, model)
        self._asked = attempt
        self._asked_at = gateway.clock()
        self._asked_at_ms = began_ms
        reply.aim(target, model)
        reply.on_began = self._began
        account.begin(began_ms)
        of_model.begin(began_ms)
        failed: bool | None = None
        judged = False
        try:
            await self._send(attempt)
            failed = False if self._latency_ms is not None else None
        except AttemptFailed as error:
            # What is the request's own fault says nothing of who was asked.
            status = error.failed.status
            says = status is None or status >= 500 or status in SAYS_OF_THE_TARGET
            failed = True if says else None
            judged = True
            raise
        finally:
            reply.forget_began()
            latency_ms, self._latency_ms = self._latency_ms, None
            if latency_ms is None and not judged:
                # The client left, or nothing was asked at all: nobody knows more than before.
                gateway.health.gave_up(target, self._claimant)
            ended_ms = gateway.now_ms()
            account.end(ended_ms, failed=failed, latency_ms=latency_ms)
            of_model.end(ended_ms, failed=failed, latency_ms=latency_ms)
            gateway.lines.freed(target.connection_id)

    def _began(self) -> None:
        """The target has begun to answer."""
        attempt = self._asked
        if attempt is not None and self._latency_ms is None:
            target, gateway = attempt.connection, self._gateway
            self._latency_ms = (gateway.clock() - self._asked_at) * 1000
            gateway.health.began(target, attempt.model, self._claimant, self._asked_at_ms)
            self._on_served(target)

    def _remember(
        self,
        attempt: "Attempt[Target]",
        failed: AttemptFailed,
        judgement: Judgement,
    ) -> None:
        target, model = attempt.connection, attempt.model
        gateway = self._gateway
        error = failed.error
        took_us = int((gateway.clock() - self._ledger.attempt_began) * 1e6)
        status = failed.failed.status or 0
        self._ledger.tried.append(
            Tried(
                target.provider_id,
                target.connection_id,
                model,
                status,
                redact(error.message),
                took_us,
            )
        )
        failure = failed.failed.failure
        short = str(status) if failure is None else failure.value
        reason = f"{short}: {failed.failed.message or error.message}"
        gateway.health.failed(
            target,
            model,
            judgement,
            reason,
            failed.hint_s,
            self._claimant,
            gateway.now_ms(),
            self._view.resilience,
        )
        gateway.look_at_conditions()
        _log.info(
            "%s (%s) failed: %s, %s",
            target.connection_id,
            model,
            judgement.row,
            judgement.verdict.value,
            extra={"fields": {"request": self._ledger.id, "mark": judgement.mark.value}},
        )

    async def _may_repeat(self, target: "Target", repeats: int, failed: AttemptFailed) -> bool:
        """Wait until the same target may be asked once more; False: it is not to be."""
        settings = self._view.resilience
        gateway = self._gateway
        if repeats >= settings.retries or self._ledger.attempts >= settings.max_attempts:
            return False
        rng = gateway.rng.random
        pause = pause_ms(repeats, settings.retry_base_ms, rng, failed.hint_s)
        if pause is None:
            return False
        if gateway.health.is_shut(target, gateway.now_ms()) or not self._may_add_load():
            return False
        await self._pause(pause / 1000)
        admission = self._admission
        refusal = admission.take_again(target, gateway.now_ms())
        if refusal is not None and (wait_ms := refusal.wait_ms or 0) <= PATIENCE_S * 1000:
            await self._pause((wait_ms + 1) / 1000)
            refusal = admission.take_again(target, gateway.now_ms())
        if refusal is not None:
            return False
        return gateway.health.admit(target, self._claimant, gateway.now_ms(), settings)

    def _may_add_load(self) -> bool:
        return self._gateway.retry_budget.spend(self._gateway.clock())

    def _leave(self, plan: "Plan[Target]", attempt: "Attempt[Target]") -> None:
        """The model is no use: not at its provider's other accounts either."""
        self._busy.clear()
        if self._given is not None and self._given.of is attempt.of:
            # Else it was asked from a line, when the plan had come to the end of its accounts.
            plan.leave_member()

    # --- waiting --------------------------------------------------------------------------------

    async def _pause(self, seconds: float) -> None:
        """Wait, and let a client that waits for a stream know that we are still there."""
        clock = self._gateway.clock
        began = clock()
        end = began + seconds
        try:
            while (left_s := end - clock()) > 0:
                quiet_s = self._until_keepalive()
                await trio.sleep(min(left_s, quiet_s))
                if quiet_s <= left_s:
                    began = await self._keepalive(began)
        finally:
            self._ledger.queue_s += clock() - began

    async def _keepalive(self, began: float) -> float:
        """Send one in a wait that began then; now, from when on the rest of the wait counts."""
        now = self._gateway.clock()
        self._ledger.queue_s += now - began
        await self._reply.keepalive()
        return now

    def _until_keepalive(self) -> float:
        """Seconds until a client that waits for a stream should hear of us; far off for others."""
        if not self._streaming:
            return 1e9
        reply = self._reply
        return max(0.0, reply.heard_at + reply.keepalive_s - self._gateway.clock())

    def _summary(self, plan: "Plan[Target]") -> GatewayError:
        """One error for a plan that is exhausted."""
        back_ms = self._earliest_ms(plan)
        back_s = None if back_ms is None else max(0.0, (back_ms - self._gateway.now_ms()) / 1000)
        return exhausted(
            self._principal, self._route, self._failures, plan.skipped, self._refused_by_key, back_s
        )


def _is_short(refusal: Refusal, limit_s: float) -> bool:
    """Is it worth standing in line for? Budgets and quotas are not: they send on to others."""
    measure = refusal.hold.meter.measure
    if measure == "running":
        return limit_s > 0
    return measure in QUEUED and refusal.wait_ms is not None and refusal.wait_ms < limit_s * 1000
