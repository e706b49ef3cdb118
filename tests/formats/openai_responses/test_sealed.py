"""Seals: another format's signatures on their way through a client of this one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats.openai_responses.sealed import PREFIX, Seal, closed, opened, without_seals

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_seal_opens_to_what_it_was_closed_on(a: str, b: str, c: str, d: str) -> None:
    assert opened(closed(Seal(a, b, c, d))) == Seal(a, b, c, d)


@given(st.text(max_size=40))
def test_what_is_no_seal_opens_to_nothing_and_never_fails(text: str) -> None:
    opened(PREFIX + text)
    if not text.startswith(PREFIX):
        assert opened(text) is None


def test_passthrough_takes_sealed_reasoning_out_and_nothing_else() -> None:
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": closed(Seal("claude"))}
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    quoting = {"role": "user", "content": f'what is "{PREFIX}" about?'}
    body = json.dumps({"model": "m", "input": [sealed, own, sealed, quoting], "x": 1}).encode()
    assert json.loads(without_seals(body)) == {"model": "m", "input": [own, quoting], "x": 1}


def test_bodies_without_seals_are_given_back_untouched() -> None:
    for body in (
        b'{"input":"hi"}',
        b'{"input": "\\"omni1."}',
        b'"omni1.',
        b'{"input":["omni1.x"]}',
    ):
        assert without_seals(body) == body
