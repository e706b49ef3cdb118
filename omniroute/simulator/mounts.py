"""Simulated providers side by side: one below each `/p/NAME`, each with accounts of its own.

At a mount the simulator plays a provider, so every model's name is served: one that is a scenario
is played as that, any other is answered plainly. Who asks is an account, by the credential as it
came. A mount or an account comes about by being asked or scripted; an account without a script of
its own has that of its mount, with quotas of its own.

A visit is one request at an account, from its arrival to the end of its answer. What goes wrong is
decided in this order: the credential, the scripted scenario, the quotas. A request that the
scenario fails before anything is generated is not counted against a quota.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import msgspec

from omniroute.simulator.accounts import Account, Script, Standing
from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask, Piece, Tally
from omniroute.simulator.scenario import HEAD_FAULTS, Scenario, UnknownScenario, scenario_named
from omniroute.simulator.vendors import FORMAT_VENDORS, MOUNT_VENDORS, VENDORS, Vendor

__all__ = ["Mount", "MountScript", "Mounts", "TooMany", "Visit", "conversation_of"]

_MOUNTS = 100
_ACCOUNTS = 1000


class TooMany(Exception):
    """No further mount or account is kept."""


class MountScript(Script, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens at a provider: to each of its accounts that has no script of its own."""

    vendor: str = ""
    """Whose words it uses, of `vendors.VENDORS`; "": by the mount's name, else by the format."""
    credentials: tuple[str, ...] | None = None
    """The only ones that are right; None: any."""


@dataclass(slots=True)
class Mount:
    """One provider."""

    name: str
    script: MountScript = field(default_factory=MountScript)
    accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, credential: str, now_s: float) -> Account:
        """The account of a credential. Raises `TooMany`."""
        account = self.accounts.get(credential)
        if account is None:
            if len(self.accounts) >= _ACCOUNTS:
                raise TooMany
            account = self.accounts[credential] = Account(credential)
            account.measure(self.script, now_s)
        return account

    def accepts(self, account: Account) -> bool:
        """Whether the account's credential is right."""
        known = self.script.credentials
        script = account.script or self.script
        return not script.refused and (known is None or account.credential in known)

    def vendor(self, format_name: str) -> Vendor:
        name = self.script.vendor or MOUNT_VENDORS.get(self.name, FORMAT_VENDORS[format_name])
        return VENDORS[name]

    def play(self, script: MountScript, now_s: float) -> None:
        """Another script from now on; the counts stay, the quotas begin anew."""
        self.script = script
        for account in self.accounts.values():
            if account.script is None:
                account.measure(script, now_s)

    def play_account(self, credential: str, script: Script | None, now_s: float) -> None:
        """Another script for one account; None: that of the mount. Raises `TooMany`."""
        account = self.account(credential, now_s)
        account.script = script
        account.measure(script or self.script, now_s)

    def told(self, now_s: float) -> dict[str, Any]:
        accounts = self.accounts.values()
        by_model: Counter[str] = Counter()
        homes: Counter[str] = Counter()
        for account in accounts:
            by_model.update(account.by_model)
            homes.update(account.conversations.keys())
        return {
            **{
                name: sum(getattr(account, name) for account in accounts)
                for name in ("requests", "refused", "running", "input_tokens", "output_tokens")
            },
            "by_model": dict(by_model),
            "conversations": len(homes),
            "moved": sum(1 for count in homes.values() if count > 1),
            "accounts": {account.credential: account.told(now_s) for account in accounts},
            "script": msgspec.to_builtins(self.script),
        }


@dataclass(slots=True)
class Visit:
    """How one request is answered."""

    ask: Ask
    """The request, with the bill that its answer reports."""
    scenario: Scenario
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the vendor says of quotas beside the answer."""
    tally: Tally = field(default_factory=lambda: Tally(0))

    def count(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The same pieces, counted as they are taken."""
        for piece in pieces:
            self.tally.count(piece)
            yield piece


class Mounts:
    """All simulated providers. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._mounts: dict[str, Mount] = {}

    def now_s(self) -> float:
        return self._clock()

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts.values())

    def get(self, name: str) -> Mount:
        """The mount of this name. Raises `TooMany`."""
        mount = self._mounts.get(name)
        if mount is None:
            if len(self._mounts) >= _MOUNTS:
                raise TooMany
            mount = self._mounts[name] = Mount(name)
        return mount

    def forget(self) -> None:
        """No mount, account, script or count is left."""
        self._mounts.clear()

    def standings(self, name: str, credential: str) -> list[Standing]:
        """The quotas of an account. Raises `Refusal` where its credential is wrong."""
        mount, account = self._account(name, credential)
        if not mount.accepts(account):
            raise _wrong_credential()
        return account.standings(self._clock())

    def _account(self, name: str, credential: str) -> tuple[Mount, Account]:
        try:
            mount = self.get(name)
            return mount, mount.account(credential, self._clock())
        except TooMany:
            raise Refusal(507, "The simulator keeps no more providers or accounts.") from None

    @contextmanager
    def visit(
        self, name: str, credential: str, format_name: str, ask: Ask, body: bytes
    ) -> Iterator[Visit]:
        """One request at an account, for as long as it is answered. Raises `Refusal`."""
        mount, account = self._account(name, credential)
        account.arrived(ask.model)
        account.running += 1
        visit = None
        try:
            visit = _begin(mount, account, format_name, ask, body, self._clock())
            yield visit
        except Refusal:
            account.refused += 1
            raise
        finally:
            account.running -= 1
            if visit is not None and not _fails(visit.scenario):
                billed = visit.tally.billed(visit.ask.bill)
                account.answered(billed.input_tokens, billed.output_tokens, self._clock())


def _wrong_credential() -> Refusal:
    message = "The credential is wrong: this is a simulated error."
    return Refusal(401, message, None, "invalid_api_key")


def _begin(
    mount: Mount, account: Account, format_name: str, ask: Ask, body: bytes, now_s: float
) -> Visit:
    if not mount.accepts(account):
        raise _wrong_credential()
    script = account.script or mount.script
    befallen = script.befalls(ask.model, account.requests)
    scenario = scenario_named(script.scenario) if befallen else _plain_or_named(ask.model)
    if _fails(scenario):
        return Visit(ask, scenario)
    vendor = mount.vendor(format_name)
    for standing in account.standings(now_s):
        if standing.is_exhausted:
            status, document, headers = vendor.told(standing)
            told = {**vendor.headers(account.standings(now_s)), **headers}
            written = json.dumps(document).encode()
            raise Refusal(status, "A quota is used up.", headers=told, body=written)
    conversation = conversation_of(body)
    account.let_in(conversation, now_s)
    bill = script.bill
    if script.prompt_cache:
        cached = account.cached(conversation, ask.input_tokens)
        bill = msgspec.structs.replace(bill, cached_tokens=cached)
    headers = vendor.headers(account.standings(now_s))
    return Visit(replace(ask, bill=bill), scenario, headers, Tally(ask.input_tokens))


def _fails(scenario: Scenario) -> bool:
    """Whether nothing at all is generated."""
    return scenario.status != 200 or scenario.fault in HEAD_FAULTS


def _plain_or_named(model: str) -> Scenario:
    try:
        return scenario_named(model)
    except UnknownScenario:
        return Scenario()


def conversation_of(body: bytes) -> str:
    """A name for the conversation that a request continues: by its first message of the user."""
    request = json.loads(body)
    turns = request.get("messages") or request.get("contents") or request.get("input") or ""
    if isinstance(turns, list):
        turns = next((turn for turn in turns if turn.get("role", "user") == "user"), "")
    return sha256(json.dumps(turns, sort_keys=True).encode()).hexdigest()[:16]
