"""The accounts of a simulated provider: what each may use, what it has used, what befalls it.

A `Script` says what happens at an account; a `Quota` in it is counted by a `Meter`, whose
`Standing` at one moment is what a vendor's words are made of (`vendors`, `quota_endpoints`).
Nothing here reads a clock: times are Unix seconds given as arguments. Accounts go by their
credential as it came; it is never a secret, since the simulator accepts any.

A quota of requests counts a request when it is let in, one of tokens when its answer ends: the
answer that passes the limit is still given whole, as at the real services. A quota is exhausted
when as much as its limit was used. It starts anew when its time has come, and by `restart`;
credits only by the latter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from omniroute.simulator.play import Bill

__all__ = ["WINDOWS", "Account", "Meter", "Quota", "Script", "Standing", "WindowName"]

WindowName = Literal["minute", "5h", "daily", "7d", "monthly"]

WINDOWS: Mapping[str, int] = {
    "minute": 60,
    "5h": 5 * 3600,
    "daily": 86400,
    "7d": 7 * 86400,
    "monthly": 30 * 86400,
}
_MODELS_COUNTED = 1000
_CONVERSATIONS_COUNTED = 10_000

Count = Annotated[int, Meta(ge=0)]


class Quota(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account may use."""

    limit: Count
    measure: Literal["requests", "tokens"] = "requests"
    window: WindowName = "5h"
    kind: Literal["quota", "rate", "credits"] = "quota"
    """What is said when it is used up: the plan's quota, a rate limit, or that money is gone."""
    used: Count = 0
    """So much of it is used from the start."""
    resets_in_s: Annotated[float, Meta(gt=0)] | None = None
    """When it starts anew for the first time; None: after the length of its window."""


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to the requests of an account. The empty one: they are answered."""

    scenario: str = ""
    """Words of `scenario` that hold in place of the model's name: `error-503`, `reset-head`,
    `stall-0`, `cut-3`, `slow-2s`, `long-200+pace-10ms`."""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """The part of the requests that the scenario befalls; which ones is decided by `seed`."""
    seed: int = 0
    models: tuple[str, ...] = ("*",)
    """The models that the scenario befalls, with wildcards."""
    refused: bool = False
    """The credential is wrong."""
    quotas: tuple[Quota, ...] = ()
    bill: Bill = Bill()
    prompt_cache: bool = False
    """What a conversation has sent here before is reported as read from the prompt cache."""

    def befalls(self, model: str, number: int) -> bool:
        """Whether the scenario holds for the account's request of this number."""
        if not self.scenario or not any(fnmatchcase(model, pattern) for pattern in self.models):
            return False
        drawn = sha256(f"{self.seed} {number}".encode()).digest()[:8]
        return int.from_bytes(drawn) < self.share * 2**64


class Standing(NamedTuple):
    """A quota at one moment."""

    quota: Quota
    used: int
    resets_at_s: float
    """Unix time."""
    now_s: float

    @property
    def is_exhausted(self) -> bool:
        return self.used >= self.quota.limit

    @property
    def share(self) -> float:
        """The part that is used, 0 to 1."""
        return min(1.0, self.used / self.quota.limit) if self.quota.limit else 1.0

    @property
    def remaining(self) -> int:
        return max(0, self.quota.limit - self.used)

    @property
    def resets_in_s(self) -> int:
        """Whole seconds, rounded up: who waits so long is let in."""
        return max(1, -int(-(self.resets_at_s - self.now_s) // 1))

    @property
    def window_s(self) -> int:
        return WINDOWS[self.quota.window]


class Meter:
    """Counts what is used of one quota."""

    def __init__(self, quota: Quota, now_s: float) -> None:
        self.quota = quota
        self._used = quota.used
        self._window_s = WINDOWS[quota.window]
        first_s = self._window_s if quota.resets_in_s is None else quota.resets_in_s
        self._resets_at_s = now_s + first_s

    def standing(self, now_s: float) -> Standing:
        if now_s >= self._resets_at_s and self.quota.kind != "credits":
            passed = (now_s - self._resets_at_s) // self._window_s + 1
            self._resets_at_s += passed * self._window_s
            self._used = 0
        return Standing(self.quota, self._used, self._resets_at_s, now_s)

    def add(self, requests: int, tokens: int, now_s: float) -> None:
        self.standing(now_s)  # what is used now belongs to the window of now
        self._used += requests if self.quota.measure == "requests" else tokens

    def restart(self, now_s: float) -> None:
        self._used = 0
        self._resets_at_s = now_s + self._window_s


@dataclass(slots=True)
class Account:
    """One credential at one provider: its counts, and its own script where it has one."""

    credential: str
    script: Script | None = None
    meters: list[Meter] = field(default_factory=list)
    requests: int = 0
    """Requests received, refused ones included."""
    refused: int = 0
    """Of them, those that were answered with an error before anything was generated."""
    running: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    by_model: dict[str, int] = field(default_factory=dict)
    """Model → requests received."""
    conversations: dict[str, int] = field(default_factory=dict)
    """Conversation → requests of it that were let in."""
    _sent: dict[str, int] = field(default_factory=dict)

    def measure(self, script: Script, now_s: float) -> None:
        """Count by the quotas of a script from now on."""
        self.meters = [Meter(quota, now_s) for quota in script.quotas]

    def standings(self, now_s: float) -> list[Standing]:
        return [meter.standing(now_s) for meter in self.meters]

    def arrived(self, model: str) -> None:
        """A request has come."""
        self.requests += 1
        if model in self.by_model or len(self.by_model) < _MODELS_COUNTED:
            self.by_model[model] = self.by_model.get(model, 0) + 1

    def let_in(self, conversation: str, now_s: float) -> None:
        """A request that came has been let in."""
        for meter in self.meters:
            meter.add(1, 0, now_s)
        if conversation in self.conversations or len(self.conversations) < _CONVERSATIONS_COUNTED:
            self.conversations[conversation] = self.conversations.get(conversation, 0) + 1

    def cached(self, conversation: str, input_tokens: int) -> int:
        """How much of a prompt this account has seen before; it has seen all of it from now on."""
        seen = self._sent.get(conversation, 0)
        if conversation in self.conversations:
            self._sent[conversation] = input_tokens
        return min(seen, input_tokens)

    def answered(self, input_tokens: int, output_tokens: int, now_s: float) -> None:
        """The answer to a request that was let in has ended, wherever it ended."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        for meter in self.meters:
            meter.add(0, input_tokens + output_tokens, now_s)

    def restart(self, now_s: float) -> None:
        """All of its quotas are fresh."""
        for meter in self.meters:
            meter.restart(now_s)

    def told(self, now_s: float) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "refused": self.refused,
            "running": self.running,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "by_model": self.by_model,
            "conversations": self.conversations,
            "quotas": [
                {
                    "window": standing.quota.window,
                    "measure": standing.quota.measure,
                    "limit": standing.quota.limit,
                    "used": standing.used,
                    "exhausted": standing.is_exhausted,
                    "resets_at_s": standing.resets_at_s,
                }
                for standing in self.standings(now_s)
            ],
        }
