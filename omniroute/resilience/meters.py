"""Meters: what has been used of a limit, and what may still be. Pure: stored bytes in and out.

A `Meter` names one limit of one owner. What is stored under its key is bytes that only this module
reads. A request is *admitted* at a meter with an upper bound, and *settled* with the true figure;
`used + reserved <= limit` holds after every admission, and settling never raises the sum beyond
what was reserved unless the true figure is greater than the bound (told as `Settlement.beyond`).
"""

from typing import Literal

from msgspec import Struct

Measure = Literal["requests", "tokens", "usd", "running", "gap"]
Kind = Literal["running", "rolling", "fixed", "session", "gap"]


class Meter(Struct, frozen=True, kw_only=True):
    """One limit of one owner.

    kind: `running` counts what is under way; `rolling` what was used in the last `window_ms`;
    `fixed` what was used since `period` began at `reset_minute` of the local day; `session` what
    was used in a window of `window_ms` that began with its first use; `gap` is the time in ms that
    must pass between two requests.

    measure: what is counted. `requests` and `gap` count when admitted and are not given back;
    `tokens` (input + output) and `usd` (in micro-USD) are reserved and settled; `running` is
    reserved and given back.
    """

    key: str  # unique: "key/file/laptop/usd/monthly"; the owner's kind comes first
    measure: Measure
    kind: Kind
    limit: int  # requests, tokens, micro-USD, running requests; ms for a gap
    window_ms: int = 0  # rolling and session
    period: Literal["", "daily", "weekly", "monthly"] = ""  # fixed
    reset_minute: int = 0  # of the local day
    timezone: str = "UTC"
