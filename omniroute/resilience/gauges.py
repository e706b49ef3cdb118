"""Gauges: what has been used of a limit, and what may still be. Pure: stored bytes in and out.

The `Gauge` of a meter, made once, reads and writes the bytes that are stored under `Gauge.key`. A
request is *admitted* with an upper bound, which is reserved, and *settled* with the true figure.
Times are Unix milliseconds.

Invariants, at every meter:

* After an admission used + reserved <= limit. Settling raises the sum only by what the true figure
  is beyond the bound.
* What is reserved outlives the window it was reserved in, and is used in that in which it ends.
* A rolling meter counts in slots of a twelfth of its window, the one at hand and the twelve before:
  more than the window, so that no window of that length, wherever it begins, holds more than the
  limit.
* A clock that steps back never makes room: what was used stays used, at most one window longer.

What a gauge remembers of the calendar spares work and decides nothing.
"""

import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from omniroute.resilience.calendar import Calendar
from omniroute.resilience.meters import MEASURES, Kind, Meter, Part, Reading, Refused

RESERVED_WAIT_MS: Final = 1_000
"""When to try again where reservations stand in the way: nobody knows when those requests end."""

SLOTS: Final = 12

_CLOCK_SLACK_MS: Final = 60_000
"""Processes read the clock before they wait for the write lock: this much is no step back."""

_FIGURE_MAX: Final = (1 << 63) - 1
_KEY_BYTES: Final = 400  # LMDB keys end at 511 bytes


class Gauge(ABC):
    """The ways of one kind of meter with its stored bytes; None: nothing is stored yet."""

    __slots__ = ("blob", "key", "limit", "measured", "meter", "reserves")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.limit = meter.limit
        shape = (
            f"{meter.kind}/{meter.measure}/{meter.window_ms}/"
            f"{meter.period}/{meter.reset_minute}/{meter.timezone}"
        )
        # A meter of another shape is another meter: a limit may change, what it counts may not.
        self.key = _stored_key(f"{meter.key}\0{shape}".encode())
        self.blob = msgspec.msgpack.encode(meter)
        self.measured = MEASURES[meter.measure]
        self.reserves = meter.measure in ("tokens", "usd", "running")

    @abstractmethod
    def admit(self, stored: bytes | None, amount: int, now_ms: int) -> bytes | Refused:
        """The new bytes, with the amount reserved (or counted at once), or why not."""

    @abstractmethod
    def settle(self, stored: bytes | None, held: int, actual: int, now_ms: int) -> bytes | None:
        """The new bytes: `held` is reserved no more, `actual` is used. None: nothing to store."""

    @abstractmethod
    def read(self, stored: bytes | None, now_ms: int) -> Reading:
        """How far it is used."""

    @abstractmethod
    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        """The bytes of a meter that saw all this; None for a kind that has no past."""

    @abstractmethod
    def reaches_back_ms(self, now_ms: int) -> int | None:
        """The earliest time of what `prime` still counts; None for a kind that has no past."""


def _stored_key(name: bytes) -> bytes:
    return name if len(name) <= _KEY_BYTES else b"sha256:" + hashlib.sha256(name).digest()


_count = struct.Struct("<q")


class _Running(Gauge):
    """Stored: what is reserved."""

    __slots__ = ()

    def admit(self, stored: bytes | None, amount: int, now_ms: int) -> bytes | Refused:
        reserved = _count.unpack(stored)[0] if stored else 0
        if reserved + amount > self.limit:
            return Refused(0, reserved, None if amount > self.limit else RESERVED_WAIT_MS)
        return _count.pack(reserved + amount)

    def settle(self, stored: bytes | None, held: int, actual: int, now_ms: int) -> bytes | None:
        return _count.pack(max(0, _count.unpack(stored)[0] - held)) if stored else None

    def read(self, stored: bytes | None, now_ms: int) -> Reading:
        return Reading(0, _count.unpack(stored)[0] if stored else 0, None)

    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        return None

    def reaches_back_ms(self, now_ms: int) -> int | None:
        return None


class _Gap(Gauge):
    """Stored: when the last request was admitted. Used: what of the gap has yet to pass."""

    __slots__ = ()

    def _left_ms(self, stored: bytes | None, now_ms: int) -> int:
        passed_ms = now_ms - _count.unpack(stored)[0] if stored else self.limit
        if passed_ms < -_CLOCK_SLACK_MS:
            return 0  # the clock was set back; the true time is unknown
        return min(self.limit, max(0, self.limit - passed_ms))

    def admit(self, stored: bytes | None, amount: int, now_ms: int) -> bytes | Refused:
        if left_ms := self._left_ms(stored, now_ms):
            return Refused(left_ms, 0, left_ms)
        return _count.pack(now_ms)

    def settle(self, stored: bytes | None, held: int, actual: int, now_ms: int) -> bytes | None:
        return None

    def read(self, stored: bytes | None, now_ms: int) -> Reading:
        left_ms = self._left_ms(stored, now_ms)
        return Reading(left_ms, 0, now_ms + left_ms if left_ms else None)

    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        return None

    def reaches_back_ms(self, now_ms: int) -> int | None:
        return None


_ring_head = struct.Struct("<qqq")
_ring = struct.Struct(f"<{SLOTS + 1}q")
_HEAD_BYTES: Final = _ring_head.size
_RING_BYTES: Final = _HEAD_BYTES + _ring.size
_headed = struct.Struct(f"<qqq{_ring.size}s")  # the slots as they are
_pack_headed, _unpack_headed = _headed.pack, _headed.unpack


class _Rolling(Gauge):
    """Stored: number of the slot at hand, sum of all slots, reserved; then the slots, as a ring.

    Slot n holds what was used between n and n + 1 times `_slot_ms`, in place n mod 13. The place of
    the slot at hand is written when the ring turns: until then it is the sum less all the others,
    so that most requests change nothing but the head.
    """

    __slots__ = ("_slot_ms",)

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        self._slot_ms = max(1, -(-meter.window_ms // SLOTS))

    def _turned(self, stored: bytes | None, now_ms: int) -> tuple[bytearray, int, int, int]:
        """The ring as of now: (bytes, slot at hand, used, reserved); its place at hand is true."""
        slot = now_ms // self._slot_ms
        if stored is None:
            return bytearray(_RING_BYTES), slot, 0, 0
        ring = bytearray(stored)
        head, used, reserved = _ring_head.unpack_from(ring)
        places = _ring.unpack_from(ring, _HEAD_BYTES)
        at_hand = used - (sum(places) - places[head % (SLOTS + 1)])
        _count.pack_into(ring, _place(head), at_hand)
        if slot == head:
            return ring, head, used, reserved
        if slot < head:
            if now_ms >= head * self._slot_ms - _CLOCK_SLACK_MS:
                return ring, head, used, reserved
            # The clock was set back: all counts as used now, and ends with the window from now.
            ring = bytearray(_RING_BYTES)
            _count.pack_into(ring, _place(slot), used)
            return ring, slot, used, reserved
        if slot - head > SLOTS:
            return bytearray(_RING_BYTES), slot, 0, reserved
        for gone in range(head + 1, slot + 1):
            place = _place(gone)
            used -= _count.unpack_from(ring, place)[0]
            _count.pack_into(ring, place, 0)
        return ring, slot, used, reserved

    def admit(self, stored: bytes | None, amount: int, now_ms: int) -> bytes | Refused:
        if stored is not None:
            slot, used, reserved, slots = _unpack_headed(stored)
            if slot == now_ms // self._slot_ms and used + reserved + amount <= self.limit:
                if self.reserves:
                    return _pack_headed(slot, used, reserved + amount, slots)
                return _pack_headed(slot, used + amount, reserved, slots)
        ring, slot, used, reserved = self._turned(stored, now_ms)
        if used + reserved + amount > self.limit:
            return Refused(
                used, reserved, self._wait_ms(ring, slot, used, reserved, amount, now_ms)
            )
        if self.reserves:
            reserved += amount
        else:
            used += amount
        _ring_head.pack_into(ring, 0, slot, used, reserved)
        return bytes(ring)

    def settle(self, stored: bytes | None, held: int, actual: int, now_ms: int) -> bytes | None:
        if not self.reserves:
            return None
        if stored is not None:
            slot, used, reserved, slots = _unpack_headed(stored)
            if slot == now_ms // self._slot_ms and held <= reserved:
                used += actual
                if used <= _FIGURE_MAX:
                    return _pack_headed(slot, used, reserved - held, slots)
        ring, slot, used, reserved = self._turned(stored, now_ms)
        used = min(_FIGURE_MAX, used + actual)  # an absurd figure is capped, not refused
        _ring_head.pack_into(ring, 0, slot, used, max(0, reserved - held))
        return bytes(ring)

    def _wait_ms(
        self, ring: bytearray, slot: int, used: int, reserved: int, amount: int, now_ms: int
    ) -> int | None:
        if amount > self.limit:
            return None
        surplus = used + amount - self.limit
        if surplus <= 0:
            return RESERVED_WAIT_MS
        for number in range(slot - SLOTS, slot + 1):
            surplus -= _count.unpack_from(ring, _place(number))[0]
            if surplus <= 0:
                return max(1, (number + SLOTS + 1) * self._slot_ms - now_ms)
        return RESERVED_WAIT_MS

    def read(self, stored: bytes | None, now_ms: int) -> Reading:
        ring, slot, used, reserved = self._turned(stored, now_ms)
        for number in range(slot - SLOTS, slot + 1):
            if _count.unpack_from(ring, _place(number))[0]:
                return Reading(used, reserved, (number + SLOTS + 1) * self._slot_ms)
        return Reading(used, reserved, None)

    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        ring, used = bytearray(_RING_BYTES), 0
        now_slot = now_ms // self._slot_ms
        for ended_ms, amount in parts:
            slot = min(now_slot, ended_ms // self._slot_ms)
            if slot >= now_slot - SLOTS:
                amount = min(amount, _FIGURE_MAX - used)
                used += amount
                place = _place(slot)
                _count.pack_into(ring, place, _count.unpack_from(ring, place)[0] + amount)
        _ring_head.pack_into(ring, 0, now_slot, used, 0)
        return bytes(ring)

    def reaches_back_ms(self, now_ms: int) -> int | None:
        return (now_ms // self._slot_ms - SLOTS) * self._slot_ms


def _place(slot: int) -> int:
    return _HEAD_BYTES + slot % (SLOTS + 1) * _count.size


_window = struct.Struct("<qqq")
_pack_window, _unpack_window = _window.pack, _window.unpack


class _Windowed(Gauge, ABC):
    """Windows one after the other. Stored: when the one at hand began, used in it, reserved."""

    __slots__ = ()

    @abstractmethod
    def _turned(self, stored: bytes | None, now_ms: int) -> tuple[int, int, int]:
        """(start of the window at hand, used, reserved) as of now; start 0: none is open."""

    @abstractmethod
    def _ends_ms(self, start_ms: int, now_ms: int) -> int:
        """When that window ends."""

    def admit(self, stored: bytes | None, amount: int, now_ms: int) -> bytes | Refused:
        start_ms, used, reserved = self._turned(stored, now_ms)
        if used + reserved + amount > self.limit:
            return Refused(used, reserved, self._wait_ms(start_ms, used, amount, now_ms))
        start_ms = start_ms or now_ms
        if self.reserves:
            return _pack_window(start_ms, used, reserved + amount)
        return _pack_window(start_ms, used + amount, reserved)

    def settle(self, stored: bytes | None, held: int, actual: int, now_ms: int) -> bytes | None:
        if not self.reserves:
            return None
        start_ms, used, reserved = self._turned(stored, now_ms)
        used += actual
        if used > _FIGURE_MAX:
            used = _FIGURE_MAX
        reserved = reserved - held if reserved > held else 0
        return _pack_window(start_ms or (now_ms if actual else 0), used, reserved)

    def _wait_ms(self, start_ms: int, used: int, amount: int, now_ms: int) -> int | None:
        if amount > self.limit:
            return None
        ends_ms = self._ends_ms(start_ms, now_ms) - now_ms if start_ms else RESERVED_WAIT_MS
        return max(1, ends_ms if used + amount > self.limit else min(ends_ms, RESERVED_WAIT_MS))

    def read(self, stored: bytes | None, now_ms: int) -> Reading:
        start_ms, used, reserved = self._turned(stored, now_ms)
        return Reading(used, reserved, self._ends_ms(start_ms, now_ms) if start_ms else None)


class _Fixed(_Windowed):
    """Windows of the calendar."""

    __slots__ = ("_calendar", "_end_ms", "_start_ms")

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        self._calendar = Calendar(meter.period, meter.reset_minute, meter.timezone)
        self._start_ms = self._end_ms = 0

    def _start(self, now_ms: int) -> int:
        if not self._start_ms <= now_ms < self._end_ms:
            self._start_ms, self._end_ms = self._calendar.window(now_ms)
        return self._start_ms

    def _turned(self, stored: bytes | None, now_ms: int) -> tuple[int, int, int]:
        start_ms = self._start_ms
        if not start_ms <= now_ms < self._end_ms:
            start_ms = self._start(now_ms)
        if stored is None:
            return start_ms, 0, 0
        began_ms, used, reserved = _unpack_window(stored)
        if began_ms == start_ms:
            return start_ms, used, reserved
        if began_ms < start_ms:
            return start_ms, 0, reserved
        # Another process was in the next window already, or else the clock was set back.
        return (began_ms if now_ms >= began_ms - _CLOCK_SLACK_MS else start_ms), used, reserved

    def _ends_ms(self, start_ms: int, now_ms: int) -> int:
        self._start(max(start_ms, now_ms))
        return self._end_ms

    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        start_ms = self._start(now_ms)
        used = sum(amount for ended_ms, amount in parts if ended_ms >= start_ms)
        return _pack_window(start_ms, min(_FIGURE_MAX, used), 0)

    def reaches_back_ms(self, now_ms: int) -> int | None:
        return self._start(now_ms)


class _Session(_Windowed):
    """Windows that begin with the first use after the last one ended."""

    __slots__ = ()

    # A session that begins with the end of a request that outlived the last one, begins then.

    def _turned(self, stored: bytes | None, now_ms: int) -> tuple[int, int, int]:
        if stored is None:
            return 0, 0, 0
        began_ms, used, reserved = _unpack_window(stored)
        if now_ms >= began_ms + self.meter.window_ms:
            return 0, 0, reserved
        if now_ms < began_ms - _CLOCK_SLACK_MS:
            return now_ms, used, reserved  # the clock was set back
        return began_ms, used, reserved

    def _ends_ms(self, start_ms: int, now_ms: int) -> int:
        return start_ms + self.meter.window_ms

    def prime(self, parts: Iterable[Part], now_ms: int) -> bytes | None:
        start_ms = used = 0
        for ended_ms, amount in sorted(parts):
            if not start_ms or ended_ms >= start_ms + self.meter.window_ms:
                start_ms, used = ended_ms, 0
            used = min(_FIGURE_MAX, used + amount)
        return _pack_window(start_ms, used, 0)

    def reaches_back_ms(self, now_ms: int) -> int | None:
        # Where one session ends decides where the next begins, so a few are gone through.
        return now_ms - 4 * self.meter.window_ms


_KINDS: Final[Mapping[Kind, Callable[[Meter], Gauge]]] = {
    "running": _Running,
    "rolling": _Rolling,
    "fixed": _Fixed,
    "session": _Session,
    "gap": _Gap,
}


def gauge(meter: Meter) -> Gauge:
    """The gauge of a meter. To be made once and kept."""
    return _KINDS[meter.kind](meter)


class Gauges:
    """The gauges of meters met so far: `of[meter]`, and by a meter's encoded form."""

    __slots__ = ("_by_blob", "of")

    def __init__(self, most: int = 10_000) -> None:
        self._by_blob: dict[bytes, Gauge] = {}
        self.of: Mapping[Meter, Gauge] = _Made(self._by_blob, most)

    def of_blob(self, blob: bytes) -> Gauge:
        """Raises `msgspec.MsgspecError` for bytes that are no `Gauge.blob`."""
        return self._by_blob.get(blob) or self.of[msgspec.msgpack.decode(blob, type=Meter)]


class _Made(dict[Meter, Gauge]):
    """Makes what is missing, and keeps it in `by_blob`, too."""

    def __init__(self, by_blob: dict[bytes, Gauge], most: int) -> None:
        super().__init__()
        self._by_blob = by_blob
        self._most = most

    def __missing__(self, meter: Meter) -> Gauge:
        if len(self) >= self._most:
            self.clear()
            self._by_blob.clear()
        made = self[meter] = gauge(meter)
        self._by_blob[made.blob] = made
        return made
