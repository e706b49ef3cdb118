"""Records as hypothesis draws them: few values for each dimension, so that they meet."""

from hypothesis import strategies as st

from omniroute.record import Record
from omniroute.usage import Usage

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LATEST_MS = 40 * DAY_MS

_TEXTS = st.sampled_from(["", "a", "b"])


@st.composite
def fields(draw: st.DrawFn) -> dict[str, object]:
    status = draw(st.sampled_from([200, 200, 200, 404, 429, 502, 499, 0]))
    return {
        # Near the borders of hours and days, and many at the same time.
        "started_ms": draw(st.integers(0, 40)) * DAY_MS
        + draw(st.sampled_from([0, 1, HOUR_MS - 1, HOUR_MS, 5 * HOUR_MS, DAY_MS - 1])),
        "key_id": draw(_TEXTS),
        "provider": draw(_TEXTS),
        "connection": draw(_TEXTS),
        "model": draw(_TEXTS),
        "combo": draw(st.sampled_from(["", "c"])),
        "status": status,
        "outcome": {200: "ok", 499: "cancelled"}.get(status, "failed"),
        "error": draw(st.sampled_from(["Rate limit 100%", "no_such model", ""]))
        if status != 200
        else "",
        "cache": draw(st.sampled_from(["", "miss", "hit", "semantic-hit"])),
        "total_us": draw(st.integers(0, 1 << 36)),
        "first_byte_us": draw(st.integers(0, 1 << 30)),
        "overhead_us": draw(st.integers(0, 2000)),
        "usage": Usage(*draw(st.tuples(*[st.integers(0, 1000)] * 5))),
        "cost_microusd": draw(st.sampled_from([0, 1, 5, 1000])),
    }


def records(max_size: int = 40) -> st.SearchStrategy[list[Record]]:
    """Lists of records with ids of their own."""
    return st.lists(fields(), max_size=max_size).map(
        lambda drawn: [Record(id=f"r{n}", **each) for n, each in enumerate(drawn)]  # type: ignore[arg-type]
    )
