"""The reaper: what dead workers held is settled or given back, and their requests get records.

Runs once before the first snapshot of a control process, then every second, and at once when the
supervisor tells of a death. Running twice at a time does no harm: each reservation ends once.
"""

import logging
import time

from omniroute.state.interface import State

_log = logging.getLogger("omniroute.control")


def reap(state: State) -> int:
    """Returns how many requests were lost. Raises StateError."""
    lost = state.limits.reap(time.time_ns() // 1_000_000)
    if lost:
        tokens = sum(record.usage.total_tokens for record in lost)
        _log.warning(
            "%d requests were lost with a worker; %d tokens of them are counted",
            len(lost),
            tokens,
            extra={"fields": {"requests": [record.id for record in lost[:10]]}},
        )
    return len(lost)
