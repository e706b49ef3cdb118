"""Who may connect from where: lists of addresses, bans that all workers share, limits per address.

Contract: the server asks `admit` before it looks at anything else of a request, `count` for what
needs a key, and tells `guessed` of keys that are not known; each raises GatewayError or lets pass.
Where nothing is configured and nobody is banned, `active` is False, nothing of this is asked, and
it costs nothing.

Limits are counted by each worker for itself, for a bounded number of addresses: those that rested
longest are forgotten first, and an address that is forgotten begins anew. Of IPv6, the 64 bits of a
network count as one address, since whoever has one has all of them.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from omniroute.errors import ErrorKind, GatewayError
from omniroute.net.networks import Address, NetworkSet, client_behind, parse, told
from omniroute.resilience import bans
from omniroute.state.interface import StateError

if TYPE_CHECKING:
    from omniroute.config import AddressLimitSettings, IpFilterSettings, ServerSettings
    from omniroute.state.interface import Conditions

MOST_ADDRESSES: Final = 16_384  # counted at a time; some 200 bytes each
MOST_BANS: Final = 1024  # by workers; people may add more. The table has room for 4096 conditions
MINUTE_US: Final = 60_000_000
_NETWORK_BITS: Final = {4: 32, 6: 64}  # that count as one address

_log = logging.getLogger("omniroute.gateway")


class Allowances:
    """So many in a minute for each address: a bucket that refills evenly (GCRA).

    Kept is one number for each: until when its bucket is not full. Who is forgotten for want of
    room is the one that asked least recently, whose bucket is likely full.
    """

    __slots__ = ("_step_us", "_until_us", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._step_us = max(1, MINUTE_US // limit)
        self._until_us: OrderedDict[Address, int] = OrderedDict()

    def take(self, who: Address, now_ms: int) -> float:
        """0 when it may; else seconds until it may."""
        known = self._until_us
        now_us = now_ms * 1000
        until_us = max(known.get(who, 0), now_us)
        late_us = until_us - now_us - (MINUTE_US - self._step_us)
        if late_us > 0:
            return late_us / 1e6
        if who not in known and len(known) >= MOST_ADDRESSES:
            known.popitem(last=False)
        known[who] = until_us + self._step_us
        known.move_to_end(who)
        return 0.0


class AddressGuard:
    """What one worker knows of addresses."""

    def __init__(self, conditions: "Conditions") -> None:
        self._conditions = conditions
        self._version = -1
        self._bans: dict[str, bans.Ban] = {}
        self._banned = NetworkSet(())
        self._trusted = NetworkSet(())
        self._blacklist: NetworkSet | None = None
        self._whitelist: NetworkSet | None = None
        self._rpm: Allowances | None = None
        self._guesses: Allowances | None = None
        self._ban_ms = 0
        self.active = False  # is there anything to ask `admit` for?
        self.counts = False  # … and `count`?

    # --- what is configured, who is banned ------------------------------------------------------

    def adopt(
        self, server: "ServerSettings", lists: "IpFilterSettings", limit: "AddressLimitSettings"
    ) -> None:
        """Take over settings. Counts go on where their limit is the same."""
        self._trusted = NetworkSet(server.trusted_proxies)
        listed = lists.mode != "off" and lists.blacklist
        self._blacklist = NetworkSet(lists.blacklist) if listed else None
        self._whitelist = NetworkSet(lists.whitelist) if lists.mode == "whitelist" else None
        self._rpm = _allowances(self._rpm, limit.rpm)
        self._guesses = _allowances(self._guesses, limit.failed_keys)
        self._ban_ms = round(limit.ban_s * 1000)
        self.counts = self._rpm is not None
        self._judge_activity()

    def refresh(self, version: int, table: Mapping[str, bytes]) -> None:
        """Take over the bans of the shared conditions, if they are of another version."""
        if version == self._version:
            return
        self._version = version
        found = {
            key.partition(":")[2]: bans.read(stored)
            for key, stored in table.items()
            if key.startswith(f"{bans.BAN}:")
        }
        if found != self._bans:
            self._bans = found
            self._banned = NetworkSet(_networks(found))
            self._judge_activity()

    def _judge_activity(self) -> None:
        self.active = bool(
            self._bans
            or self._trusted
            or self.counts
            or self._blacklist is not None
            or self._whitelist is not None
        )

    # --- asking ---------------------------------------------------------------------------------

    def admit(self, peer: str, fields: Mapping[bytes, bytes], now_ms: int) -> str:
        """The client's address, which is another than the peer's behind a trusted proxy.

        GatewayError (403) for one that is banned or not wanted.
        """
        address = parse(peer)
        if address is None:
            return peer  # a socket of this machine
        if self._trusted:
            address = client_behind(address, fields.get(b"x-forwarded-for", b""), self._trusted)
        for network in self._banned.around(address):
            ban = self._bans[network]
            if ban.until_ms > now_ms:
                raise _refused(address, f"is banned for now: {ban.reason}" if ban.reason else "")
        if self._blacklist is not None and address in self._blacklist:
            raise _refused(address, "")
        if self._whitelist is not None and address not in self._whitelist:
            raise _refused(address, "")
        return told(address)

    def count(self, client: str, now_ms: int) -> None:
        """One request of this client. GatewayError (429) when it has had its share."""
        address = parse(client)
        if self._rpm is None or address is None:
            return
        wait_s = self._rpm.take(_group(address), now_ms)
        if wait_s:
            raise GatewayError(
                ErrorKind.RATE_LIMITED,
                f"Requests from {client} are limited to {self._rpm.limit} a minute.",
                retry_after_s=wait_s,
            )

    def guessed(self, client: str, now_ms: int) -> None:
        """This client presented a key that is not known; too many of those, and it is banned."""
        address = parse(client)
        guesses = self._guesses
        if guesses is None or address is None:
            return
        if address.is_loopback or address in self._trusted:
            return  # all who come by way of it would be banned with the one that guesses
        if not guesses.take(_group(address), now_ms) or len(self._bans) >= MOST_BANS:
            return
        network = told(address, _NETWORK_BITS[address.version])
        until_ms = now_ms + self._ban_ms
        reason = f"more than {guesses.limit} unknown API keys a minute"
        try:
            self._conditions.change(
                bans.ban_key(network), lambda known: bans.after_ban(known, now_ms, until_ms, reason)
            )
        except StateError:
            _log.exception("the ban of %s could not be written", network)
        else:
            _log.warning("%s is banned for %d s: %s", network, self._ban_ms // 1000, reason)


def check_origin(networks: NetworkSet, name: str, client: str) -> None:
    """GatewayError (403) for a key that is used from elsewhere than it may be."""
    address = parse(client)
    if address is not None and address not in networks:
        raise GatewayError(
            ErrorKind.FORBIDDEN_ADDRESS, f"The API key {name!r} may not be used from {client}."
        )


def _allowances(present: Allowances | None, limit: int | None) -> Allowances | None:
    if limit is None:
        return None
    if present is not None and present.limit == limit:
        return present
    return Allowances(limit)


def _group(address: Address) -> Address:
    return address if address.version == 4 else Address(6, address.value >> 64)


def _networks(found: Mapping[str, bans.Ban]) -> list[str]:
    """The texts of banned networks; one that is none is told and passed over."""
    networks: list[str] = []
    for text in found:
        try:
            NetworkSet((text,))
        except ValueError:
            _log.error("the ban of %r is passed over: it is no address", text)
        else:
            networks.append(text)
    return networks


def _refused(address: Address, why: str) -> GatewayError:
    return GatewayError(
        ErrorKind.FORBIDDEN_ADDRESS,
        f"The address {told(address)} {why or 'may not use this gateway'}.",
    )
