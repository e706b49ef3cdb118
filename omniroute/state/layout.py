"""How the values of the shared state look in bytes, for every implementation.

* outbox key: 8 bytes of time (ns, big-endian, strictly rising within a process) and 4 random bytes
  of the process, so keys sort by time and two processes never make the same one;
* outbox value: the record as a msgpack array, new fields at its end, so that a newer version reads
  what an older one wrote;
* usage key: UTC day (4 bytes, big-endian) and key id, so that old days go from the front;
* usage value: seven signed 64-bit numbers in the order of `UsageTotals`.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Sequence

import msgspec

from omniroute.record import Record
from omniroute.state.interface import UsageTotals
from omniroute.usage import Usage

DAY_MS = 86_400_000
KEY_ID_BYTES = 400  # LMDB keys end at 511 bytes; a longer id is stored as its digest
KEYS_REMEMBERED = 10_000
RECORD_BYTES = 8_192  # an encoded record beyond this has its texts cut
TEXT_CHARS = 512

_outbox_key = struct.Struct(">QI")
_counters = struct.Struct("<7q")
_COUNTER_MAX = (1 << 63) - 1


class OutboxKeys:
    """Makes outbox keys that are unique across processes and restarts and rise in this one.

    The clock may stand still or step back; the keys of this process rise all the same.
    """

    __slots__ = ("_clock_ns", "_last_ns", "_process")

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._last_ns = 0
        self._process = int.from_bytes(os.urandom(4), "big")

    def next(self) -> bytes:
        now_ns = self._clock_ns()
        if now_ns <= self._last_ns:
            now_ns = self._last_ns + 1
        self._last_ns = now_ns
        return _outbox_key.pack(now_ns, self._process)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The outbox value, of a bounded size.

    What came from a client or an upstream may be anything: over-long texts are cut, lone surrogates
    replaced and numbers beyond 63 bits capped, since a record must never fail to be written.
    """
    try:
        blob = _encoder.encode(record)
    except (UnicodeEncodeError, OverflowError):
        blob = _encoder.encode(_tamed(record))
    if len(blob) > RECORD_BYTES:
        blob = _encoder.encode(_tamed(record))
    return blob


def _tamed(record: Record) -> Record:
    changes: dict[str, str | int | Usage] = {
        "usage": Usage(*(_capped(count) for count in msgspec.structs.astuple(record.usage)))
    }
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, str):
            # The id stays whole: it is the primary key of the history.
            text = value if name == "id" else value[:TEXT_CHARS]
            changes[name] = text.encode("utf-8", "replace").decode()
        elif type(value) is int:
            changes[name] = _capped(value)
    return msgspec.structs.replace(record, **changes)


def _capped(count: int) -> int:
    return max(-_COUNTER_MAX, min(_COUNTER_MAX, count))


def decode_record(blob: bytes) -> Record:
    """Raises `msgspec.MsgspecError` for what is not an encoded record."""
    return _decoder.decode(blob)


def usage_key(key_id: str, day: int) -> bytes:
    name = key_id.encode()
    if len(name) > KEY_ID_BYTES:
        name = b"sha256:" + hashlib.sha256(name).hexdigest().encode()
    return day.to_bytes(4, "big") + name


def split_usage_key(key: bytes) -> tuple[str, int]:
    return key[4:].decode(), int.from_bytes(key[:4], "big")


class UsageKeys:
    """The usage keys of records, remembered for the day at hand."""

    __slots__ = ("_day", "_keys")

    def __init__(self) -> None:
        self._day = -1
        self._keys: dict[str, bytes] = {}

    def of(self, record: Record) -> bytes:
        day = record.started_ms // DAY_MS
        if day != self._day or len(self._keys) > KEYS_REMEMBERED:
            self._keys.clear()
            self._day = day
        key = self._keys.get(record.key_id)
        if key is None:
            key = self._keys[record.key_id] = usage_key(record.key_id, max(0, day))
        return key


def record_counts(record: Record) -> UsageTotals:
    """What one record adds to its counters."""
    usage = record.usage
    return UsageTotals(
        1,
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        record.cost_microusd,
    )


def add_counts(stored: bytes | None, counts: Sequence[int]) -> bytes:
    """The usage value after adding `counts` to the stored one."""
    if stored is None:
        return pack_counts(counts)
    return pack_counts(
        [old + new for old, new in zip(_counters.unpack(stored), counts, strict=True)]
    )


def add_record(stored: bytes | None, record: Record) -> bytes:
    """`add_counts` of one record, written out: it runs once per request, a loop costs 1 us more."""
    if stored is None:
        return pack_counts(record_counts(record))
    requests, whole_input, read, written, output, reasoning, cost = _counters.unpack(stored)
    usage = record.usage
    try:
        return _counters.pack(
            requests + 1,
            whole_input + usage.input_tokens,
            read + usage.cache_read_tokens,
            written + usage.cache_write_tokens,
            output + usage.output_tokens,
            reasoning + usage.reasoning_tokens,
            cost + record.cost_microusd,
        )
    except struct.error:
        return add_counts(stored, record_counts(record))


def pack_counts(counts: Sequence[int]) -> bytes:
    """Caps at 63 bits: an impossible number must not stop the rest."""
    return _counters.pack(*map(_capped, counts))


def unpack_counts(stored: bytes) -> UsageTotals:
    return UsageTotals._make(_counters.unpack(stored))
