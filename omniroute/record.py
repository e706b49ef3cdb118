"""The record of one finished request: what the outbox carries and the history keeps.

Exactly one record exists per request that reached a worker's pipeline, whatever its end. It holds
no bodies and no secrets. `id` is unique and is the primary key of the history, which makes the
drain from outbox to history idempotent.
"""

import msgspec

from omniroute.usage import NO_USAGE, Usage


class Record(msgspec.Struct, kw_only=True, gc=False):
    """One finished, failed or cancelled request. Times in microseconds unless named otherwise."""

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
