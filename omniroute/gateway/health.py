"""What a worker knows of the shared conditions, decoded once per change of them.

`against` says what stands against a target just now and costs one look into a dictionary while all
is well. What a request finds out is written by `failed`, `began` and `reported`: each is one short
transaction, and only when something changed that others should know.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from omniroute.providers import quotas
from omniroute.resilience import breaker, cooldown, quota
from omniroute.resilience.quota import Report
from omniroute.resilience.verdict import Judgement, Mark
from omniroute.routing.plan import Skipped
from omniroute.state.interface import StateError

if TYPE_CHECKING:
    from omniroute.config import ResilienceSettings
    from omniroute.gateway.view import Target
    from omniroute.state.interface import Conditions

READ_EVERY_MS: Final = 1000
PROBE_LOOK_MS: Final = 2000
"""How soon to look again while another request tries whether a provider is back."""
UNLISTED_MOST: Final = 256
"""Rests of which a model that no provider lists may be one: clients make up names."""

_RESTS: Final = (cooldown.CONNECTION, cooldown.LOCKOUT, cooldown.TARGET)

_log = logging.getLogger("omniroute.gateway")


class Health:
    """The conditions as this worker last read them, and the way to change them."""

    def __init__(self, conditions: "Conditions") -> None:
        self._conditions = conditions
        self._version = -1
        self.table: Mapping[str, bytes] = {}  # all conditions as they were last read
        self._rests: dict[str, cooldown.Cooldown] = {}
        self._of_models = False  # does any rest concern a model?
        self._breakers: dict[str, bytes] = {}
        self._reports: dict[str, tuple[Report, ...]] = {}
        self._read_again_ms: dict[str, int] = {}  # the headers of an account

    def refresh(self, version: int) -> None:
        """Read again if the shared version is not the one that is known."""
        if version == self._version:
            return
        self._version, self.table = self._conditions.read()
        self._rests = {
            key: cooldown.read(stored)
            for key, stored in self.table.items()
            if key.partition(":")[0] in _RESTS
        }
        self._of_models = any(not key.startswith(cooldown.CONNECTION) for key in self._rests)
        self._breakers = {
            key.partition(":")[2]: stored
            for key, stored in self.table.items()
            if key.startswith(f"{breaker.BREAKER}:")
        }
        self._reports = quota.by_connection(self.table)

    # --- asking ---------------------------------------------------------------------------------

    def against(self, target: "Target", model: str, now_ms: int) -> Skipped | None:
        """What stands against a model at a connection now; None: nothing."""
        if not self.table:
            return None
        rests = self._rests
        if rests:
            found = rests.get(target.cooldown_key)
            if found is not None and found.until_ms > now_ms:
                return Skipped(f"rests: {found.reason}", found.until_ms)
            if self._of_models:
                for key in _model_keys(target, model):
                    found = rests.get(key)
                    if found is not None and found.until_ms > now_ms:
                        return Skipped(f"this model rests: {found.reason}", found.until_ms)
        stored = self._breakers.get(target.provider_id)
        if stored is not None:
            standing = breaker.standing(stored, now_ms)
            if standing.state != "closed" and not standing.probe_free:
                why = breaker.read(stored).reason
                until_ms = standing.until_ms
                if standing.state == "half_open":
                    until_ms = min(until_ms, now_ms + PROBE_LOOK_MS)
                return Skipped(f"the breaker of {target.provider_id} is open: {why}", until_ms)
        reports = self._reports.get(target.connection_id)
        if reports is not None:
            until_ms = quota.exhausted_until_ms(reports, target.quota_threshold, now_ms, model)
            if until_ms:
                return Skipped("its quota is used up, as its provider reports", until_ms)
        return None

    def admit(
        self, target: "Target", claimant: str, now_ms: int, settings: "ResilienceSettings"
    ) -> bool:
        """May a request go to the provider now? A half-open breaker lets one probe through."""
        stored = self._breakers.get(target.provider_id)
        if stored is None or breaker.standing(stored, now_ms).state == "closed":
            return True
        policy = breaker_policy(settings)
        kept = self._change(
            breaker.breaker_key(target.provider_id),
            lambda known: breaker.claim_probe(known, now_ms, policy, claimant),
        )
        return (
            kept is None
            or breaker.holds_probe(kept, claimant)
            or (breaker.standing(kept, now_ms).state == "closed")
        )

    def is_shut(self, target: "Target", now_ms: int) -> bool:
        """Is the breaker of the provider open, or its one probe under way?"""
        standing = breaker.standing(self._breakers.get(target.provider_id), now_ms)
        return standing.state != "closed" and not standing.probe_free

    # --- telling --------------------------------------------------------------------------------

    def failed(
        self,
        target: "Target",
        model: str,
        judgement: Judgement,
        reason: str,
        hint_s: float | None,
        claimant: str,
        now_ms: int,
        settings: "ResilienceSettings",
    ) -> None:
        """Remember a failure as its judgement says."""
        mark = judgement.mark
        if mark is Mark.FAULT:
            key = breaker.breaker_key(target.provider_id)
            self._change(
                key,
                lambda known: breaker.on_failure(
                    known, now_ms, breaker_policy(settings), claimant, reason
                ),
            )
            if hint_s is None:
                return
            # Who says when to come back is not asked before.
            mark = Mark.COOLDOWN
        else:
            self._release(target, claimant)
        if mark is Mark.NONE:
            return
        local = target.tier == "local"
        policy = cooldown.policy_of(
            mark,
            base_s=settings.cooldown_base_local_s if local else settings.cooldown_base_s,
            max_s=settings.cooldown_max_s,
            hint_max_s=settings.hint_max_s,
            least_s=judgement.base_s,
        )
        of_model = mark in (Mark.LOCKOUT, Mark.TARGET)
        unlisted = of_model and model not in target.max_output_tokens
        if unlisted and len(self._rests) >= UNLISTED_MOST:
            return  # perhaps a name that somebody made up, and all workers read what is written
        if mark is Mark.LOCKOUT:
            key = cooldown.lockout_key(target.connection_id, model)
        elif mark is Mark.TARGET:
            key = cooldown.target_key(target.provider_id, model)
        else:
            key = target.cooldown_key
        self._change(
            key, lambda known: cooldown.after_failure(known, now_ms, policy, hint_s, reason)
        )

    def began(self, target: "Target", model: str, claimant: str, began_ms: int) -> None:
        """The target has begun to answer a request that was sent at `began_ms`."""
        if not self.table:
            return
        for key in (target.cooldown_key, *(_model_keys(target, model) if self._of_models else ())):
            if key in self._rests:
                self._change(key, lambda known: cooldown.after_success(known, began_ms))
        if target.provider_id in self._breakers:
            key = breaker.breaker_key(target.provider_id)
            self._change(key, lambda known: breaker.on_success(known, claimant))

    def gave_up(self, target: "Target", claimant: str) -> None:
        """An attempt ended without telling anything of its target."""
        self._release(target, claimant)

    def reported(self, target: "Target", headers: dict[bytes, bytes], now_ms: int) -> None:
        """Quotas that an answer told. Read once a second for each account, or when they matter."""
        connection = target.connection_id
        if now_ms < self._read_again_ms.get(connection, 0) and not quotas.is_urgent(headers):
            return
        self._read_again_ms[connection] = now_ms + READ_EVERY_MS
        for report in quotas.reports_of_headers(headers, now_ms):
            key = quota.quota_key(target.connection_id, report.window)
            stored = self.table.get(key)
            if quota.after_report(stored, report) != stored:
                self._change(key, lambda known, told=report: quota.after_report(known, told))

    def _release(self, target: "Target", claimant: str) -> None:
        stored = self._breakers.get(target.provider_id)
        if stored is not None and claimant:
            key = breaker.breaker_key(target.provider_id)
            self._change(key, lambda known: breaker.release_probe(known, claimant))

    def _change(self, key: str, decide) -> bytes | None:  # type: ignore[no-untyped-def]
        try:
            return self._conditions.change(key, decide)
        except StateError:
            # What a request has found out must not fail it; others will find out again.
            _log.exception("the condition %s could not be written", key)
            return None


def breaker_policy(settings: "ResilienceSettings") -> breaker.Policy:
    """The policy of breakers out of the settings."""
    return breaker.Policy(
        settings.breaker_failures,
        round(settings.breaker_window_s * 1000),
        round(settings.breaker_reset_s * 1000),
    )


def _model_keys(target: "Target", model: str) -> tuple[str, str]:
    return (
        cooldown.lockout_key(target.connection_id, model),
        cooldown.target_key(target.provider_id, model),
    )
