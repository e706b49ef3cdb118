"""How often somebody may guess: a bound per address and one over all addresses.

Only failures count. The bound per address stops one guesser; the total stops a botnet, at the
price that a determined one can delay an honest sign-in (the admin token of the data dir is not
subject to it). An IPv6 address counts as its /64, which whoever has one address has whole. Times
come in as arguments; memory is bounded by forgetting the oldest address.
"""

import ipaddress
from collections import OrderedDict, deque

WINDOW_S = 900.0
PER_ADDRESS = 5
TOTAL = 100
_MAX_ADDRESSES = 4096


class AttemptLimiter:
    """Failures of the last quarter of an hour."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=TOTAL)

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        waits = [0.0]
        mine = self._by_address.get(_owner(address))
        if mine is not None and len(mine) == PER_ADDRESS:
            waits.append(mine[0] + WINDOW_S - now_s)
        if len(self._all) == TOTAL:
            waits.append(self._all[0] + WINDOW_S - now_s)
        return max(waits)

    def failed(self, address: str, now_s: float) -> None:
        self._all.append(now_s)
        address = _owner(address)
        mine = self._by_address.pop(address, None) or deque(maxlen=PER_ADDRESS)
        mine.append(now_s)
        self._by_address[address] = mine
        if len(self._by_address) > _MAX_ADDRESSES:
            self._by_address.popitem(last=False)

    def succeeded(self, address: str, at_s: float) -> None:
        """What was counted at `at_s` as a failure was none; the address begins anew."""
        self._by_address.pop(_owner(address), None)
        if at_s in self._all:
            self._all.remove(at_s)


def _owner(address: str) -> str:
    """What of an address names who has it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return address
