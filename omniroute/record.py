"""The record of one finished request: what the outbox carries and the history keeps.

Exactly one record exists per request that reached a worker's pipeline, whatever its end. It holds
no bodies and no secrets. `id` is unique and is the primary key of the history, which makes the
drain from outbox to history idempotent.
"""

import msgspec

from omniroute.usage import NO_USAGE, Usage


class Tried(msgspec.Struct, gc=False, array_like=True):
    """One attempt that came to nothing, and what its target said."""

    provider: str
    connection: str
    model: str
    status: int  # 0 without an answer
    error: str
    took_us: int


class Record(msgspec.Struct, kw_only=True, gc=False, array_like=True):
    """One finished, failed or cancelled request. Times in microseconds unless named otherwise.

    Written as an array, without the names of its fields: a new field goes to the end.
    """

    id: str
    started_ms: int  # Unix time
    worker: int = 0
    key_id: str = ""
    client_format: str = ""
    endpoint: str = ""
    provider: str = ""
    connection: str = ""
    requested_model: str = ""
    model: str = ""
    stream: bool = False
    status: int = 0  # what the client got; 499 when it left before the status was sent
    outcome: str = "ok"  # ok | failed | cancelled | worker_lost
    attempts: int = 0
    error: str = ""
    bytes_in: int = 0  # request body as received
    bytes_out: int = 0  # answer body as sent
    connect_us: int = 0
    first_byte_us: int = 0
    total_us: int = 0
    overhead_us: int = 0
    usage: Usage = NO_USAGE
    usage_source: str = "none"  # upstream | estimated | none
    cost_microusd: int = 0
    tier: str = ""  # of the provider that answered
    combo: str = ""  # the combo that was asked for
    cache: str = ""  # hit | semantic-hit | collapsed | replayed | miss; "" where no cache applies
    session: str = ""  # the conversation's id, where one is known
    queue_us: int = 0  # waited for a place at a connection or for the end of a cooldown
    beyond_microusd: int = 0  # billed beyond what was reserved
    tried: tuple[Tried, ...] = ()  # the attempts before the last one
    guard: str = ""  # what the injection guard found, such as "high: override-instructions"
