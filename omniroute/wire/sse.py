"""Server-sent events as they travel: a byte stream split into raw events, and their fields read.

Raw events are what the gateway forwards, so they are kept as bytes, blank line included; only
the tap looks inside, with `event_data`. The contract (any line end, any cut, linear, bounded) is
stated with the reference in `omniroute._speedups.sse_py`; a compiled twin runs where it is built.
"""

from omniroute._speedups import SseReader, SseTooLong, event_data, event_type

__all__ = ["SseReader", "SseTooLong", "event_data", "event_type"]
