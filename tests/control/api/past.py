"""Requests of the past for the tests of the request log and its sums."""

from typing import Any

from omniroute.control.api.services import Services
from omniroute.record import Record, Tried
from omniroute.usage import Usage

HOUR_MS = 3_600_000


def remember(services: Services) -> list[Record]:
    """Twelve requests, one each hour, the last an hour ago; returns them, latest first."""
    now_ms = services.now_ms()
    records = [
        request(
            f"r{number:02d}",
            now_ms - (number + 1) * HOUR_MS,
            provider="acme" if number % 2 else "other",
            connection="acme/main" if number % 2 else "other/main",
            model=f"m{number % 3}",
            combo="fast" if number % 4 == 0 else "",
            cache="hit" if number == 5 else "",
        )
        for number in range(12)
    ]
    records[3].status = 503
    records[3].outcome = "failed"
    records[3].error = "=SUM(1) Bearer SECRETVALUE is no key"
    records[4].attempts = 2
    records[4].queue_us = 1_000
    records[4].tried = (Tried("acme", "acme/main", "m1", 429, "too many", 10_000),)
    services.store.insert_records(records)
    return records


def request(id_: str, started_ms: int, **fields: Any) -> Record:
    return Record(
        id=id_,
        started_ms=started_ms,
        key_id="laptop",
        status=200,
        attempts=1,
        total_us=50_000,
        first_byte_us=20_000,
        overhead_us=500,
        usage=Usage(input_tokens=100, output_tokens=10),
        cost_microusd=250,
        **fields,
    )
