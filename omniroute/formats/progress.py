"""Progress of a stream, for clients that asked for it: an SSE event beside those of the dialect.

Opt-in, since clients that know every event of their dialect may refuse one that is of none.
"""


def progress_event(tokens: int, elapsed_ms: int, *, done: bool = False, sse: bool = True) -> bytes:
    """`event: progress` with the tokens generated so far and the time since the request came.

    Both are whole numbers; `done` marks the last one, before the stream's own end. b"" for streams
    that are no server-sent events (Gemini's JSON array), which have no place for it.
    """
    if not sse:
        return b""
    end = b',"done":true' if done else b""
    return b'event: progress\ndata: {"tokens_generated":%d,"elapsed_ms":%d%b}\n\n' % (
        tokens,
        elapsed_ms,
        end,
    )
