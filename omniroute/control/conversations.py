"""Which conversations go on: the sessions that requests name, with what each has used so far.

Counted from finished requests, in memory and bounded: the ones that rest longest are forgotten, and
all begin anew with the control process.
"""

import threading
from collections.abc import Iterable
from typing import Final

import msgspec

from omniroute.record import Record

MOST: Final = 1_000


class Conversation(msgspec.Struct, kw_only=True):
    """One session. `connection` and `model` are those of its last request."""

    id: str
    key_id: str
    first_ms: int
    last_ms: int
    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    provider: str = ""
    connection: str = ""
    model: str = ""


class Conversations:
    """Thread-safe."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Conversation] = {}  # the last used at the end

    def add(self, records: Iterable[Record]) -> None:
        """Requests that have ended; those without a session are nobody's conversation."""
        with self._lock:
            for record in records:
                if record.session:
                    self._add(record)

    def _add(self, record: Record) -> None:
        key = (record.key_id, record.session)
        ended_ms = record.started_ms + record.total_us // 1000
        found = self._known.pop(key, None)
        if found is None:
            found = Conversation(
                id=record.session,
                key_id=record.key_id,
                first_ms=record.started_ms,
                last_ms=ended_ms,
            )
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
        self._known[key] = found
        found.first_ms = min(found.first_ms, record.started_ms)
        found.last_ms = max(found.last_ms, ended_ms)
        found.requests += 1
        found.errors += record.status >= 400
        found.input_tokens += record.usage.input_tokens
        found.output_tokens += record.usage.output_tokens
        found.cost_microusd += record.cost_microusd
        if record.connection:
            found.provider = record.provider
            found.connection = record.connection
            found.model = record.model

    def since(self, at_ms: int) -> list[Conversation]:
        """Those that were used since then, the last used first."""
        with self._lock:
            return [
                msgspec.structs.replace(each)
                for each in reversed(self._known.values())
                if each.last_ms >= at_ms
            ]
