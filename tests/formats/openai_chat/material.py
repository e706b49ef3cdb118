"""What the tests of this format share: JSON of any kind, and pieces of streams."""

import json

from hypothesis import strategies as st

from omniroute.formats.openai_chat import StreamTap

LIMIT = 1 << 20

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["model", "stream", "stream_options"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def event(**members) -> bytes:
    return b"data: %b\n\n" % json.dumps(members, separators=(",", ":")).encode()


def chunk(text: str | None = None, finish: str | None = None, **more) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return event(id="c1", object="chat.completion.chunk", choices=choices, **more)


def tap_all(data: bytes, *, strip: bool = False, pieces: list[bytes] | None = None):
    tap = StreamTap(strip_usage=strip, max_event_bytes=LIMIT)
    out = b"".join([tap.feed(piece) for piece in (pieces or [data])]) + tap.finish()
    return tap, out
