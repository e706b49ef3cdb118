"""What is read of a request, and the edits of its bytes."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import GatewayError
from omniroute.formats.openai_chat.peeking import PEEKED, peek, upstream_body
from tests.formats.openai_chat.material import JSON


def refused(body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        peek(body)
    assert caught.value.status == 400
    assert caught.value.openai_type == "invalid_request_error"
    return caught.value


# --- peek -------------------------------------------------------------------------------------


def test_what_routing_needs_is_read():
    found = peek(b' {"messages":[], "model": "acme/plain", "stream" :true }')
    assert (found.model, found.stream, found.include_usage) == ("acme/plain", True, False)
    assert set(found.members) == {b"model", b"stream"}


@pytest.mark.parametrize(
    ("text", "stream", "include_usage"),
    [
        ("{}", False, False),
        ('{"stream":null}', False, False),
        ('{"stream":false}', False, False),
        ('{"stream":true}', True, False),
        ('{"stream":true,"stream_options":null}', True, False),
        ('{"stream":true,"stream_options":{}}', True, False),
        ('{"stream":true,"stream_options":{"include_usage":null}}', True, False),
        ('{"stream":true,"stream_options":{"include_usage":false}}', True, False),
        ('{"stream":true,"stream_options":{"include_usage":true,"x":1}}', True, True),
        ('{"stream":false,"stream_options":{"include_usage":true}}', False, False),
    ],
)
def test_streaming_and_usage_are_off_unless_asked_for(text, stream, include_usage):
    body = json.dumps({"model": "m", **json.loads(text)}).encode()
    found = peek(body)
    assert (found.stream, found.include_usage) == (stream, include_usage)


def test_members_deeper_down_are_not_taken_for_the_requests_own():
    found = peek(b'{"tools":[{"model":"x","stream":true}],"model":"m","metadata":{"model":"y"}}')
    assert (found.model, found.stream) == ("m", False)


@pytest.mark.parametrize("name", [each.decode() for each in PEEKED])
@pytest.mark.parametrize("escaped", [False, True])
def test_a_parameter_named_twice_is_refused(name, escaped):
    value = {"model": '"m"', "stream": "true", "stream_options": "{}"}.get(name, "1")
    value = '"a"' if name == "prompt_cache_key" else value
    again = f"\\u{ord(name[0]):04x}{name[1:]}" if escaped else name
    model = "" if name == "model" else '"model":"m",'
    body = f'{{{model}"{name}":{value},"x":1,"{again}":{value}}}'.encode()
    error = refused(body)
    assert name in error.message
    assert "twice" in error.message
    assert "once" in error.message


def test_usage_asked_for_twice_is_refused():
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true,"%b":false}}'
    for name in (b"include_usage", b"include\\u005fusage"):
        assert refused(body % name).param == "stream_options"


def test_other_members_may_appear_twice():
    assert peek(b'{"model":"m","x":1,"x":2,"messages":[],"messages":[]}').model == "m"


@pytest.mark.parametrize(
    ("member", "param"),
    [
        ('"model":null', "model"),
        ('"model":1', "model"),
        ('"model":["m"]', "model"),
        ('"stream":"true"', "stream"),
        ('"stream":1', "stream"),
        ('"stream":{}', "stream"),
        ('"n":"2"', "n"),
        ('"n":1.5', "n"),
        ('"n":true', "n"),
        ('"n":' + "9" * 5000, "n"),
        ('"n":1e400', "n"),
        ('"max_tokens":"100"', "max_tokens"),
        ('"max_completion_tokens":[]', "max_completion_tokens"),
        ('"stream":true,"stream_options":"yes"', "stream_options"),
        ('"stream":true,"stream_options":[]', "stream_options"),
        ('"stream":true,"stream_options":{"include_usage":"yes"}', "stream_options"),
    ],
)
def test_a_wrong_type_names_its_parameter(member, param):
    model = "" if member.startswith('"model"') else '"model":"m",'
    error = refused(f"{{{model}{member}}}".encode())
    assert error.param == param
    assert len(error.message) < 300


@pytest.mark.parametrize("body", [b"{}", b'{"messages":[]}', b'{"Model":"m"}'])
def test_a_missing_model_is_named(body):
    assert refused(body).param == "model"


def test_an_empty_model_is_told_how_to_be():
    error = refused(b'{"model":""}')
    assert error.param == "model"
    assert "provider/model" in error.message


def test_large_numbers_are_numbers():
    assert peek(b'{"model":"m","seed":100000000000000000000000000}').model == "m"


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true", b'[{"model":"m"}]'])
def test_what_is_no_object_is_refused(body):
    assert "not a chat completion request" in refused(body).message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"model":"m"',
        b'{"model":"m"}}',
        b'{"model":"m"} {}',
        b'{"model":"m",}',
        b"{'model':'m'}",
        b'{"model":"m","x":NaN}',
        b'{"model":"m","x":01}',
        b'{"model":"m" "x":1}',
        b'\xef\xbb\xbf{"model":"m"}',
        b'{"model":"\xff"}',
        b'{"model":"\xed\xa0\x80"}',
        b'{"model":"\\ud800"}',
        b'{"model":"a\nb"}',
        b"model=m&stream=true",
        b"\x1f\x8b\x08\x00",
        b'{"model":"m","x":"\\q"}',
    ],
)
def test_what_is_no_json_is_refused(body):
    assert "JSON" in refused(body).message


def test_nesting_has_a_limit_and_no_crash():
    for depth in (500_000, 5000):
        error = refused(b'{"model":"m","x":' + b"[" * depth + b"]" * depth + b"}")
        assert "nested" in error.message or "deep" in error.message
    assert peek(b'{"model":"m","x":' + b"[" * 100 + b"]" * 100 + b"}").model == "m"


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body):
    for tried in (body, b'{"model":"m",' + body + b"}", b'{"model":"' + body + b'"}'):
        with suppress(GatewayError):
            assert isinstance(peek(tried).model, str)


# --- edits ------------------------------------------------------------------------------------


def edited(body: bytes, model: str = "up", *, ask_usage: bool = False) -> bytes:
    return upstream_body(body, peek(body), model, ask_usage=ask_usage)


def test_the_model_is_replaced_and_nothing_else():
    body = (
        b'{ "temperature":1.0e0 ,"model" : "acme/plain","x":"\\u00e4\xc3\xa4", '
        b'"big":123456789012345678901234567890}'
    )
    assert edited(body, "plain") == body.replace(b'"acme/plain"', b'"plain"')


def test_the_same_model_leaves_the_very_body():
    body = b'{"model":"plain"}'
    assert edited(body, "plain") is body


def test_a_model_of_any_letters_is_well_formed():
    for model in ('a"b', "a\\b", "modèle", "a\nb", "𝒳"):
        assert json.loads(edited(b'{"model":"m"}', model)) == {"model": model}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, b'{"stream_options":{"include_usage":true},"model":"m","stream":true}'),
        (b"null", b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'),
        (b"{}", b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'),
        (
            b'{"include_usage" : false}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage" : true}}',
        ),
        (
            b'{"x":1e5,"include_usage":null,"y":[ 2]}',
            b'{"model":"m","stream":true,"stream_options":{"x":1e5,"include_usage":true,"y":[ 2]}}',
        ),
        (
            b'{"big":' + b"9" * 40 + b"}",
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true,"big":'
            + b"9" * 40
            + b"}}",
        ),
    ],
)
def test_usage_is_asked_for_beside_what_the_client_wishes(options, expected):
    body = b'{"model":"m","stream":true%b}' % (
        b"" if options is None else b',"stream_options":' + options
    )
    assert edited(body, "m", ask_usage=True) == expected


OPTIONS = st.none() | st.dictionaries(
    st.text(max_size=5).filter(lambda name: name != "include_usage"), JSON, max_size=2
).flatmap(
    lambda other: st.one_of(
        st.just(other),
        st.sampled_from([True, False, None]).map(lambda value: {**other, "include_usage": value}),
    )
)


@st.composite
def requests(draw):
    """(body, members) of a streaming request, spelled in some way."""
    members = draw(
        st.dictionaries(st.text(max_size=6), JSON, max_size=4).map(
            lambda each: {k: v for k, v in each.items() if k.encode() not in PEEKED}
        )
    )
    members["model"] = draw(st.text(min_size=1, max_size=12))
    members["stream"] = True
    if draw(st.booleans()):
        members["stream_options"] = draw(OPTIONS)
    items = draw(st.permutations(list(members.items())))
    indent = draw(st.sampled_from([None, 1]))
    ascii_only = draw(st.booleans())
    body = json.dumps(dict(items), indent=indent, ensure_ascii=ascii_only)
    return body.encode(), members


@given(request=requests(), model=st.text(min_size=1, max_size=12), ask_usage=st.booleans())
def test_only_what_is_meant_changes(request, model, ask_usage):
    body, members = request
    peeked = peek(body)
    assert peeked.model == members["model"]
    result = upstream_body(body, peeked, model, ask_usage=ask_usage)
    expected = {**members, "model": model}
    if ask_usage:
        expected["stream_options"] = {
            **(members.get("stream_options") or {}),
            "include_usage": True,
        }
    assert json.loads(result) == expected
    if not ask_usage:
        span = peeked.members[b"model"]
        assert result.startswith(body[: span.value_start])
        assert result.endswith(body[span.value_end :])
    assert peek(result).include_usage is (
        ask_usage or (members.get("stream_options") or {}).get("include_usage") is True
    )
