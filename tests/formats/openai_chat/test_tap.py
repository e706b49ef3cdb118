"""The tap on a passing stream: what it reads, what it gives on, how it ends."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats.openai_chat import DONE, StreamTap, UpstreamError
from omniroute.usage import Usage
from omniroute.wire.sse import SseTooLong, event_data
from tests.formats.openai_chat.material import JSON, LIMIT, chunk, event, tap_all

USAGE = {"prompt_tokens": 5, "completion_tokens": 2}
ROLE = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
STREAM = (
    ROLE
    + b": keepalive\n\n"
    + chunk("Hel")
    + chunk("lo", usage=None)
    + b"event: ping\nid: 7\n\n"
    + chunk(None, "stop")
    + event(choices=[], usage=USAGE)
    + DONE
)


def test_a_stream_passes_byte_for_byte():
    tap, out = tap_all(STREAM)
    assert out == STREAM
    assert (tap.done, tap.complete, tap.generated) == (True, True, True)
    assert tap.finish_reason == "stop"
    assert tap.usage == Usage(input_tokens=5, output_tokens=2)
    assert tap.characters == 5
    assert tap.error is None


def test_usage_that_was_asked_for_on_our_account_is_taken_out_again():
    _, out = tap_all(STREAM, strip=True)
    expected = STREAM.replace(event(choices=[], usage=USAGE), b"").replace(b',"usage":null', b"")
    assert out == expected
    assert b"usage" not in out


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(places=st.lists(st.integers(0, 900), max_size=8))
def test_cuts_do_not_matter(strip, end, places):
    data = b"\xef\xbb\xbf" + STREAM.replace(b"\n", end)
    edges = sorted({0, *(min(place, len(data)) for place in places), len(data)})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    whole, out = tap_all(data, strip=strip)
    cut, cut_out = tap_all(data, strip=strip, pieces=pieces)
    assert cut_out == out
    for name in ("done", "generated", "finish_reason", "usage", "characters", "error"):
        assert getattr(cut, name) == getattr(whole, name)
    assert whole.done
    if not strip:
        assert out == data[3:]  # but for the byte order mark


def test_byte_by_byte_is_the_same():
    _, out = tap_all(STREAM, strip=True)
    assert tap_all(STREAM, strip=True, pieces=[bytes([b]) for b in STREAM])[1] == out


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        ('{"choices":[{}],"usage":null}', '{"choices":[{}]}'),
        ('{"usage":null,"choices":[{}]}', '{"choices":[{}]}'),
        ('{"choices":[{}],"usage":null,"obfuscation":"x"}', '{"choices":[{}],"obfuscation":"x"}'),
        ('{"choices":[{}], "usage" : {"prompt_tokens":1} }', '{"choices":[{}] }'),
        ('{"choices":[{}],"us\\u0061ge":null}', '{"choices":[{}]}'),
        ('{"choices":[{"usage":null}],"x":",\\"usage\\":null}"}', None),
        ('{"choices":[{"x":{"a":1,"usage":null}}]}', None),
        (
            '{"choices":[],"prompt_filter_results":[],"usage":null}',
            '{"choices":[],"prompt_filter_results":[]}',
        ),
        (
            '{"choices":[{"delta":{"content":",\\"usage\\":null}"}}],"usage":null}',
            '{"choices":[{"delta":{"content":",\\"usage\\":null}"}}]}',
        ),
        ('{"choices":[{"usage":null}],"usage":null}', '{"choices":[{"usage":null}]}'),
    ],
)
def test_exactly_the_usage_member_is_taken_out(payload, left):
    _, out = tap_all(f"data: {payload}\n\n".encode(), strip=True)
    assert out == f"data: {payload if left is None else left}\n\n".encode()


@given(
    members=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    usage=st.none() | st.just(USAGE),
    place=st.integers(0, 4),
    finish=st.sampled_from([None, "stop"]),
    ascii_only=st.booleans(),
)
def test_stripping_changes_nothing_but_usage(members, usage, place, finish, ascii_only):
    for name in ("usage", "error", "choices"):
        members.pop(name, None)
    members["choices"] = [{"index": 0, "delta": {"content": "x"}, "finish_reason": finish}]
    items = list(members.items())
    items.insert(min(place, len(items)), ("usage", usage))
    text = json.dumps(dict(items), ensure_ascii=ascii_only)
    tap, out = tap_all(f"data: {text}\n\n".encode(), strip=True)
    assert json.loads(event_data(out)) == members
    assert tap.usage == (None if usage is None else Usage(input_tokens=5, output_tokens=2))


def test_usage_is_taken_out_of_an_event_of_several_lines():
    raw = (
        b'event: message\r\ndata: {\r\n: note\r\ndata: "choices":[{}],\r\n'
        b'data: "usage":null}\r\nid: 9\r\n\r\n'
    )
    _, out = tap_all(raw, strip=True)
    assert json.loads(event_data(out)) == {"choices": [{}]}
    lines = out.split(b"\n")
    assert lines[0] == b"event: message"
    assert b": note" in lines
    assert b"id: 9" in lines
    assert out.endswith(b"\n\n")


def test_an_event_with_usage_twice_passes_as_it_is():
    raw = b'data: {"choices":[{}],"usage":null,"usage":null}\n\n'
    assert tap_all(raw, strip=True)[1] == raw


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
        {"content": [{"type": "text", "text": "x"}]},
        {"content": None, "tool_calls": [{"index": 0}]},
    ],
)
def test_whatever_is_generated_counts_as_generated(delta):
    tap, _ = tap_all(event(choices=[{"index": 0, "delta": delta}]))
    assert tap.generated


@pytest.mark.parametrize(
    "raw",
    [
        b": comment\n\n",
        b"\n",
        b"event: ping\n\n",
        b"retry: 500\n\n",
        ROLE,
        event(choices=[]),
        event(choices=[], prompt_filter_results=[{"x": 1}]),
        event(choices=[{"delta": {}}]),
        event(choices=[{"delta": None}]),
        event(choices=[{"delta": {"content": None, "tool_calls": None, "refusal": ""}}]),
        event(object="something.new"),
        event(choices=None, usage=None),
    ],
)
def test_what_carries_nothing_passes_and_hides_failures_still(raw):
    tap, out = tap_all(raw)
    assert out == raw
    assert not tap.generated
    assert not tap.complete
    assert tap.error is None


@pytest.mark.parametrize(
    "raw",
    [
        b"data: not json\n\n",
        b'data: {"choices":"odd"}\n\n',
        b"data: [1]\n\n",
        b"data: \xff\n\n",
        b'data: {"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n\n",
        b"event: custom\ndata: hello\n\n",
    ],
)
def test_what_cannot_be_read_passes_as_something_generated(raw):
    for strip in (False, True):
        tap, out = tap_all(raw, strip=strip)
        assert out == raw
        assert tap.generated
        assert tap.error is None


def test_of_an_odd_event_is_read_what_can_be():
    delta = {"content": [{"type": "thinking", "thinking": "hm"}]}
    raw = event(choices=[{"delta": delta, "finish_reason": "stop"}], usage=USAGE)
    tap, out = tap_all(raw, strip=True)
    assert tap.finish_reason == "stop"
    assert tap.usage == Usage(input_tokens=5, output_tokens=2)
    assert json.loads(event_data(out)) == {"choices": [{"delta": delta, "finish_reason": "stop"}]}


def test_usage_that_cannot_be_read_does_not_hide_the_rest():
    raw = event(choices=[{"delta": {}, "finish_reason": "length"}], usage="much")
    tap, out = tap_all(raw)
    assert out == raw
    assert tap.finish_reason == "length"
    assert tap.usage is None


def test_the_last_usage_counts():
    tap, _ = tap_all(chunk("a", usage={"prompt_tokens": 1}) + chunk("b", usage=USAGE))
    assert tap.usage == Usage(input_tokens=5, output_tokens=2)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "odd"])
def test_a_finish_reason_completes_a_stream_without_its_terminator(reason):
    tap, _ = tap_all(chunk("a") + chunk(None, reason))
    assert tap.complete
    assert not tap.done
    assert tap.finish_reason == reason


def test_a_stream_without_either_is_not_complete():
    tap, _ = tap_all(chunk("a"))
    assert not tap.complete


@pytest.mark.parametrize("raw", [b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n", b"data: [DONE]\r\r"])
def test_the_terminator_is_known_in_any_spelling(raw):
    tap, out = tap_all(raw)
    assert tap.done
    assert out == raw


# --- error events -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (
            event(error={"message": "boom", "type": "server_error", "code": "x", "param": "p"}),
            UpstreamError("boom", "server_error", "x", "p"),
        ),
        (event(error={"message": "boom", "code": 502}), UpstreamError("boom", None, "502")),
        (event(error="boom"), UpstreamError("boom")),
        (
            event(error={"message": "boom"}, choices=[{"delta": {"content": ""}}]),
            UpstreamError("boom"),
        ),
        (
            event(error={"message": "boom"}, choices=[{"delta": {"content": ["odd"]}}]),
            UpstreamError("boom"),
        ),
        (event(error={}), UpstreamError("no explanation")),
        (b'event: error\ndata: {"message":"boom","code":1}\n\n', UpstreamError("boom", None, "1")),
        (b"event: error\ndata: overloaded\n\n", UpstreamError("overloaded")),
        (
            event(object="error", message="boom", type="BadRequestError", code=400),
            UpstreamError("boom", "BadRequestError", "400"),
        ),
    ],
)
@pytest.mark.parametrize("strip", [False, True])
def test_an_error_event_is_kept_from_the_client(raw, error, strip):
    tap = StreamTap(strip_usage=strip, max_event_bytes=LIMIT)
    before = chunk("half")
    assert tap.feed(before + raw) == before
    assert tap.error == error


def test_an_error_of_null_is_none():
    tap, out = tap_all(chunk("x", error=None))
    assert tap.error is None
    assert out == chunk("x", error=None)


# --- the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_a_last_event_without_its_blank_line_counts_if_it_is_whole(tail):
    tap, out = tap_all(chunk("a") + b"data: [DONE]" + tail)
    assert tap.done
    assert event_data(out.removeprefix(chunk("a"))) == b"[DONE]"
    assert out.endswith((b"\n\n", b"\r\n\n"))
    tap, out = tap_all(chunk(None, "stop").strip() + tail)
    assert tap.finish_reason == "stop"


@pytest.mark.parametrize(
    "tail",
    [
        b'data: {"choices":[{"del',
        b"data: [DON",
        b"da",
        b"event: x",
        b": note",
        b"data: ",
        b'data: "x"',
    ],
)
def test_a_last_event_that_was_cut_is_not_given_on(tail):
    tap, out = tap_all(chunk("a") + tail)
    assert out == chunk("a")
    assert not tap.complete


def test_a_stream_of_bare_cr_gives_its_last_event_at_the_end():
    data = (chunk("a") + DONE).replace(b"\n", b"\r")
    tap = StreamTap(strip_usage=False, max_event_bytes=LIMIT)
    out = tap.feed(data)
    assert not tap.done
    assert out + tap.finish() == data
    assert tap.done


def test_an_error_event_at_the_end_is_found():
    tap, out = tap_all(chunk("a") + event(error={"message": "boom"}).rstrip())
    assert out == chunk("a")
    assert tap.error == UpstreamError("boom")


def test_an_event_that_is_too_long_ends_the_stream_but_not_what_came_before():
    tap = StreamTap(strip_usage=False, max_event_bytes=200)
    good = chunk("a")
    assert tap.feed(good + b"data: " + b"x" * 300) == good
    assert tap.characters == 1
    with pytest.raises(SseTooLong):
        tap.feed(b"\n\n" + DONE)
    with pytest.raises(SseTooLong):
        tap.finish()


def test_an_event_that_is_too_long_from_the_start_is_refused_at_once():
    tap = StreamTap(strip_usage=False, max_event_bytes=200)
    with pytest.raises(SseTooLong):
        tap.feed(b"x" * 300)
    with pytest.raises(SseTooLong):
        tap.finish()
