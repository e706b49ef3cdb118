"""Members outside the dialect go, and not one byte of the rest changes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats.openai_chat import sanitise
from omniroute.formats.openai_chat.sanitising import ALLOWED
from tests.formats.openai_chat.material import JSON


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b'{"id":"a","x_groq":{"id":1}, "model" : "m"}', b'{"id":"a", "model" : "m"}'),
        (b'{"x_groq":1,"usage_breakdown":[{}],"id":"a"}', b'{"id":"a"}'),
        (b'{"x_groq":1}', b"{}"),
        (b'{"id":"a","service_tier":"on_demand"}', b'{"id":"a"}'),
        (b'{"id":"a","service_tier":"flex"}', b'{"id":"a","service_tier":"flex"}'),
        (b'{"id":"a","choices":[{"x":1}]}', b'{"id":"a","choices":[{"x":1}]}'),
        (b'{"x\\u0031":1,"id":"a"}', b'{"id":"a"}'),
        (b"not json", b"not json"),
        (b'{"broken":', b'{"broken":'),
        (b"[1]", b"[1]"),
    ],
)
def test_a_body(given: bytes, kept: bytes) -> None:
    assert sanitise(given) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b'data: {"x":1,"id":"a"}\n\n', b'data: {"id":"a"}\n\n'),
        (b'event: e\ndata: {"id":"a",\ndata: "x":1}\n\n', b'event: e\ndata: {"id":"a"}\n\n'),
        (b'data:{"id":"a"}\r\n\r\n', b'data:{"id":"a"}\r\n\r\n'),
        (b"data: [DONE]\n\n", b"data: [DONE]\n\n"),
        (b": ping\n\n", b": ping\n\n"),
    ],
)
def test_an_event(given: bytes, kept: bytes) -> None:
    assert sanitise(given) == kept


def test_what_is_allowed_is_the_callers_to_say() -> None:
    assert sanitise(b'{"a":1,"b":2,"c":3}', {"b": None, "c": frozenset({b"3"})}) == b'{"b":2,"c":3}'


@given(
    st.dictionaries(st.sampled_from([*ALLOWED, "x_groq", "é", 'q"', "provider"]), JSON),
    st.sampled_from([None, 2]),
)
def test_what_stays_means_what_it_meant(members: dict[str, object], indent: int | None) -> None:
    body = msgspec.json.encode(members)
    if indent:
        body = msgspec.json.format(body, indent=indent)
    kept = msgspec.json.decode(sanitise(body))
    decoded = msgspec.json.decode(body)
    expected = {name: value for name, value in decoded.items() if name in ALLOWED}
    if kept.get("service_tier", 0) == 0:
        expected.pop("service_tier", None)
    assert kept == expected
