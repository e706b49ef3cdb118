"""Which answers are given again, and to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import CacheSettings
from omniroute.gateway import keeping
from omniroute.gateway.keeping import KeptBytes, KeptMeaning, TooLarge

ON, OFF = CacheSettings(), CacheSettings(enabled=False)
ASKS = {b"x-omniroute-cache": b"true"}
DECLINES = {b"x-omniroute-no-cache": b"True"}


@pytest.mark.parametrize(
    ("expected", "settings", "key_setting", "fields", "temperature", "refers"),
    [
        (True, ON, None, {}, 0.0, False),
        (True, ON, None, {}, 0, False),
        (False, ON, None, {}, 0.1, False),
        (False, ON, None, {}, None, False),
        (True, ON, None, ASKS, None, False),
        (True, ON, True, {}, 1.0, False),
        (False, ON, False, ASKS, 0.0, False),
        (False, OFF, True, ASKS, 0.0, False),
        (False, ON, True, ASKS | DECLINES, 0.0, False),
        (False, ON, None, {b"x-omniroute-cache": b"false"}, None, False),
        (True, ON, None, {b"x-omniroute-no-cache": b"false"}, 0.0, False),
        (False, ON, True, ASKS, 0.0, True),
    ],
)
def test_what_the_cache_answers(expected, settings, key_setting, fields, temperature, refers):
    said = keeping.wants_cache(settings, key_setting, fields, temperature, refers=refers)
    assert said is expected
    looked_at = keeping.may_take_part(settings, key_setting, fields, temperature)
    assert looked_at or not said


def test_most_requests_are_not_looked_at_closely():
    assert not keeping.may_take_part(ON, None, {b"content-type": b"application/json"}, 0.7)
    for name in (b"idempotency-key", b"x-request-id"):
        assert keeping.may_take_part(OFF, False, {name: b"k"}, 0.7)


def test_keys_belong_to_a_principal_unless_answers_are_shared():
    shared = CacheSettings(shared=True)
    for make in (keeping.cache_key, keeping.bucket_key):
        assert make(ON, "alice", b"q") == make(ON, "alice", b"q")
        assert make(ON, "alice", b"q") != make(ON, "bob", b"q")
        assert make(shared, "alice", b"q") == make(shared, "bob", b"q")
        # What was kept for one is not given to all when sharing is switched on, nor the reverse.
        assert make(shared, "alice", b"q") != make(ON, "alice", b"q")
        assert make(shared, "", b"q") != make(ON, "", b"q")
    repeated = {b"idempotency-key": b"k"}
    keys = {keeping.idempotency_key(shared, who, repeated) for who in ("alice", "bob", "")}
    assert len(keys) == 3  # a repetition is never another's


def test_a_repetition_is_known_by_its_own_key_or_else_by_the_id_of_the_request():
    def key(**fields):
        named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
        return keeping.idempotency_key(ON, "alice", named)

    assert key() == b""
    assert key(x_request_id=b"") == b""
    assert len(key(x_request_id=b"r")) == 32
    assert key(idempotency_key=b"k", x_request_id=b"r") == key(idempotency_key=b"k")
    off = CacheSettings(idempotency_s=0)
    assert keeping.idempotency_key(off, "alice", {b"idempotency-key": b"k"}) == b""


@given(st.lists(st.binary(max_size=8), min_size=2, max_size=2, unique=True))
def test_what_was_asked_is_told_apart_wherever_it_differs(parts):
    one, two = parts
    assert keeping.request_tag(one, two) != keeping.request_tag(two, one)
    assert keeping.request_tag(one, b"") != keeping.request_tag(two, b"")
    assert keeping.request_tag(one + two, b"") != keeping.request_tag(one, two) or not two
    assert keeping.form_key(one, "x") != keeping.form_key(two, "x")


def test_the_form_of_an_answer_takes_any_fact():
    assert keeping.form_key("\ud800", True, None) == keeping.form_key("\ud800", True, None)
    assert keeping.form_key(True) != keeping.form_key("True")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, True) for status in (200, 400, 401, 404, 422)),
        *((status, False) for status in (408, 409, 425, 429, 500, 503, 529)),
    ],
)
def test_what_is_worth_another_try_is_not_repeated(status, expected):
    assert keeping.is_repeatable(status) is expected


def test_of_the_headers_only_those_that_still_hold_are_given_again():
    extra = (
        b"x-omniroute-provider: acme\r\nX-OmniRoute-Attempts: 3\r\nopenai-processing-ms: 5\r\n"
        b"x-ratelimit-remaining-requests: 7\r\nx-omniroute-overhead-us: 90\r\n"
        b"x-omniroute-losses: logprobs\r\ncache-control: no-cache\r\n"
    )
    assert keeping.lasting_headers(extra) == (
        b"x-omniroute-provider: acme\r\nx-omniroute-losses: logprobs\r\n"
    )


@pytest.mark.parametrize(
    "kept",
    [
        KeptBytes(201, b"text/x", b"a: b\r\n", True, b"\x00body"),
        KeptMeaning(b"", b"ir"),
        TooLarge(),
    ],
)
def test_what_is_kept_is_read_back_under_its_own_key_only(kept):
    key, other = b"k" * 32, b"o" * 32
    blob = keeping.encode_kept(key, kept)
    assert keeping.decode_kept(key, blob) == kept
    for damaged_key, damaged in ((other, blob), (key, blob[:-1]), (key, key), (key, b"")):
        with pytest.raises(ValueError, match=r"."):
            keeping.decode_kept(damaged_key, damaged)
