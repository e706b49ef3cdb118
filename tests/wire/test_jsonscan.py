"""Finding and editing members in a JSON object's bytes: one suite for both twins."""

import importlib
import json
import os
import re
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import MAX_DEPTH
from omniroute.wire import jsonscan
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    Member,
    insert_member,
    remove_member,
    replace_value,
)

TWINS = ["jsonscan_py"]
REQUIRED = os.environ.get("OMNIROUTE_REQUIRE_EXTENSIONS", "") not in ("", "0")
if REQUIRED or find_spec("omniroute._speedups.jsonscan_c"):
    TWINS.append("jsonscan_c")


@pytest.fixture(params=TWINS, scope="module")
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"omniroute._speedups.{request.param}")


def value_of(body: bytes, member: Member) -> bytes:
    return body[member.value_start : member.value_end]


def test_wire_offers_what_the_chooser_chose() -> None:
    import omniroute._speedups as chosen

    assert jsonscan.find_members is chosen.find_members
    assert jsonscan.holds_string is chosen.holds_string


def test_members_are_found_at_depth_one_only(twin: ModuleType) -> None:
    body = b'{"messages":[{"model":"deep"}],"x":{"model":1},"model":"gpt-5","stream":true}'
    found = twin.find_members(body, (b"stream", b"model", b"absent"))
    assert list(found) == [b"model", b"stream"]
    assert value_of(body, found[b"model"]) == b'"gpt-5"'
    assert value_of(body, found[b"stream"]) == b"true"
    assert all(type(member) is Member for member in found.values())


@pytest.mark.parametrize(
    "value", ['"s"', '""', "-1.5e+3", "true", "null", "[]", "{}", '[{"a":[1]}]']
)
@pytest.mark.parametrize("space", ["", " ", "\t\r\n "])
def test_spans_hold_the_value_without_its_space(twin: ModuleType, value: str, space: str) -> None:
    text = "{@'a'@:@1@,@'model'@:@VALUE@,@'b'@:@2@}".replace("@", space).replace("'", '"')
    body = text.replace("VALUE", value).encode()
    found = twin.find_members(body, (b"model",))
    assert value_of(body, found[b"model"]) == value.encode()
    assert body[found[b"model"].key_start :].startswith(b'"model"')


@pytest.mark.parametrize(
    "body",
    [
        rb'{"mod\u0065l":"a","model":"b"}',
        rb'{"model":"a","mod\u0065l":"b"}',
        rb'{"\u006D\u006f\u0064\u0065\u006C":1,"x":2,"model":3}',
        rb'{"model":1,"model":1}',
    ],
)
def test_a_wanted_name_twice_is_refused_in_any_spelling(twin: ModuleType, body: bytes) -> None:
    with pytest.raises(DuplicateMember) as caught:
        twin.find_members(body, (b"model",))
    assert caught.value.name == b"model"
    assert caught.value.offset == body.rindex(b',"') + 1
    assert 'the member "model" appears twice' in str(caught.value)
    assert twin.find_members(body, (b"stream",)) == {}


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        (rb"mod\u0065l", "model"),
        (rb"\"\\\/\b\f\n\r\t", '"\\/\b\f\n\r\t'),
        (rb"\u00e4", "ä"),
        (rb"\u20AC", "€"),
        (rb"\uD83D\ude00", "😀"),
        (rb"\u0000", "\0"),
        ("é\\u0061😀".encode(), "éa😀"),
        (b"", ""),
        (rb"a\u0062", "ab"),
    ],
)
def test_escaped_names_mean_what_json_says(twin: ModuleType, spelled: bytes, name: str) -> None:
    body = b'{"' + spelled + b'":1}'
    assert json.loads(body) == {name: 1}
    found = twin.find_members(body, (b"zz", name.encode(), b"yy"))
    assert value_of(body, found[name.encode()]) == b"1"


def test_a_lone_surrogate_equals_no_name_and_breaks_nothing(twin: ModuleType) -> None:
    body = rb'{"\ud800":1,"\udc00":2,"\ud800\u0041":3,"\ud800\ud83d\ude00":4,"A":5}'
    found = twin.find_members(body, (b"A", "😀".encode(), b"?"))
    assert list(found) == [b"A"]


def test_quotes_and_brackets_inside_strings_are_text(twin: ModuleType) -> None:
    body = rb'{"a":"}\"]\\","b":["\\\"{",{"c":"[\\\\"}],"\\":"","model":7}'
    found = twin.find_members(body, (b"model", b"\\"))
    assert value_of(body, found[b"model"]) == b"7"
    assert value_of(body, found[b"\\"]) == b'""'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a JSON object"),
        (b"  ", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"model"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "not a JSON object"),
        (b"{", "expected a member name"),
        (b"{,}", "expected a member name"),
        (b'{"a":1,}', "expected a member name"),
        (b'{"a":1,,"b":2}', "expected a member name"),
        (b"{a:1}", "expected a member name"),
        (b"{'a':1}", "expected a member name"),
        (b'{"a"', "expected ':'"),
        (b'{"a" 1}', "expected ':'"),
        (b'{"a":', "expected a value"),
        (b'{"a":}', "expected a value"),
        (b'{"a":,"b":1}', "expected a value"),
        (b'{"a":\xff}', "expected a value"),
        (b'{"a":1', "expected ',' or '}'"),
        (b'{"a":1 "b":2}', "expected ',' or '}'"),
        (b'{"a":1]', "expected ',' or '}'"),
        (b'{"a":1:2}', "expected ',' or '}'"),
        (b'{"a":1 1}', "expected ',' or '}'"),
        (b'{"a', "unterminated string"),
        (b'{"a\\"', "unterminated string"),
        (b'{"a":"', "unterminated string"),
        (b'{"a":"\\', "unterminated string"),
        (b'{"a":"\\"}', "unterminated string"),
        (b'{"a":["\\"]}', "unterminated string"),
        (b'{"a":[1}', "mismatched bracket"),
        (b'{"a":{"b":1]}', "mismatched bracket"),
        (b'{"a":[{]}]}', "mismatched bracket"),
        (b'{"a":[1', "unterminated array or object"),
        (b'{"a":{"b":[]', "unterminated array or object"),
        (b"{}{}", "data after the object"),
        (b"{} x", "data after the object"),
        (b'{"a":1}}', "data after the object"),
        (b"{}\0", "data after the object"),
        (rb'{"\x":1}', "bad escape in a member name"),
        (rb'{"\u00g0":1}', "bad escape in a member name"),
        (rb'{"\u00":1}', "bad escape in a member name"),
        (rb'{"a\U0061":1}', "bad escape in a member name"),
    ],
)
def test_what_is_broken_at_depth_one_is_refused(twin: ModuleType, body: bytes, reason: str) -> None:
    with pytest.raises(JsonScanError) as caught:
        twin.find_members(body, (b"model",))
    assert caught.value.reason == reason
    assert str(caught.value) == f"{reason} (byte {caught.value.offset})"
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def test_every_proper_prefix_of_an_object_is_refused(twin: ModuleType) -> None:
    body = rb'{"a" : ["x\"", {"b":[1, 2]}], "mod\u0065l": "m\\", "c": -1.0e5 , "d":{} }'
    assert len(twin.find_members(body, (b"model", b"d"))) == 2
    for end in range(len(body)):
        with pytest.raises(JsonScanError):
            twin.find_members(body[:end], (b"model",))


@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_followed_to_the_stated_depth_and_no_further(
    twin: ModuleType, opener: bytes, closer: bytes
) -> None:
    inside = MAX_DEPTH - 1
    assert twin.find_members(
        b'{"x":' + opener * inside + b"1" + closer * inside + b',"model":1}', (b"model",)
    )
    with pytest.raises(JsonScanError, match=f"nested deeper than {MAX_DEPTH}"):
        twin.find_members(b'{"x":' + opener * (inside + 1), (b"model",))


def test_arguments_of_a_wrong_type_are_refused(twin: ModuleType) -> None:
    for wrong in ("{}", bytearray(b"{}"), None):
        with pytest.raises(TypeError):
            twin.find_members(wrong, (b"model",))
    for names in ((b"a", "model"), [b"model"]):
        with pytest.raises(TypeError):
            twin.find_members(b"{}", names)


def test_replacing_a_value_leaves_every_other_byte(twin: ModuleType) -> None:
    body = b'{ "x":1 ,"model" :\t"acme/m" , "y":[ ] }\n'
    member = twin.find_members(body, (b"model",))[b"model"]
    assert replace_value(body, member, b'"m"') == b'{ "x":1 ,"model" :\t"m" , "y":[ ] }\n'


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'{"z":1}', b"{}"),
        (b'{ "z":1 }', b"{  }"),
        (b'{"z":1,"a":2}', b'{"a":2}'),
        (b'{ "z" : 1 , "a":2}', b'{ "a":2}'),
        (b'{"a":2,"z":1}', b'{"a":2}'),
        (b'{"a":2 , "z":1 }', b'{"a":2  }'),
        (b'{"a":2,"z":[1,2],"b":3}', b'{"a":2,"b":3}'),
        (b'{"a":2, "z":{} , "b":3}', b'{"a":2 , "b":3}'),
    ],
)
def test_removing_a_member_takes_the_right_comma(
    twin: ModuleType, body: bytes, left: bytes
) -> None:
    assert remove_member(body, twin.find_members(body, (b"z",))[b"z"]) == left
    expected = json.loads(body)
    del expected["z"]
    assert json.loads(left) == expected


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b"{}", b'{"z":{"a":true}}'),
        (b" {\n} ", b' {"z":{"a":true}\n} '),
        (b'{"a":1}', b'{"z":{"a":true},"a":1}'),
        (b'\t{ "a":1}', b'\t{"z":{"a":true}, "a":1}'),
    ],
)
def test_an_inserted_member_comes_first(body: bytes, result: bytes) -> None:
    assert insert_member(body, b"z", b'{"a":true}') == result
    assert json.loads(result) == {**json.loads(body), "z": {"a": True}}


@pytest.mark.parametrize("name", [b'a"', b"a\\", b"a\n", b"\x00"])
def test_a_name_that_needs_escaping_is_not_inserted(name: bytes) -> None:
    with pytest.raises(ValueError, match="needs escaping"):
        insert_member(b"{}", name, b"1")


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"\xef\xbb\xbf{}"])
def test_nothing_is_inserted_into_what_is_no_object(body: bytes) -> None:
    with pytest.raises(JsonScanError, match="not a JSON object"):
        insert_member(body, b"z", b"1")


NAMES = ("model", "stream", "n", "é", "😀", 'q"', "back\\slash", "")
WANTED = tuple(name.encode() for name in NAMES)
SPACES = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n  "])


@st.composite
def spelled_names(draw: st.DrawFn) -> str:
    """A JSON string for a name: some characters escaped, of which some need not be."""
    name = draw(st.sampled_from(NAMES) | st.text(max_size=4))
    spelled = ""
    for character in name:
        units = json.dumps(character)[1:-1]
        if draw(st.booleans()) and not units.startswith("\\"):
            units = f"\\u{ord(character):04x}"
        elif draw(st.booleans()) and character >= " " and character not in '"\\':
            units = character
        spelled += units
    return f'"{spelled}"'


STRINGS = st.builds(
    lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only),
    st.text(
        st.sampled_from('"\\{}[]:,a\u00e9\U0001f600\n') | st.characters(codec="utf-8"), max_size=8
    ),
    st.booleans(),
)
SCALARS = STRINGS | st.sampled_from(["0", "-1", "1.5e-7", "12E+3", "true", "false", "null"])


def _objects(values: st.SearchStrategy[str], spaces: st.SearchStrategy[str]) -> Any:
    member = st.tuples(spaces, spelled_names(), spaces, spaces, values, spaces).map(
        lambda parts: "{}{}{}:{}{}{}".format(*parts)
    )
    return st.lists(member, max_size=5).map(lambda members: "{" + ",".join(members) + "}")


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + " ,".join(items) + "]")
        | _objects(inner, SPACES)
    ),
    max_leaves=8,
)
DOCUMENTS = _objects(VALUES, SPACES).map(str.encode)


def members_of(document: bytes) -> list[tuple[str, Any]]:
    """The members by the standard library's decoder, in order and with duplicates.

    As lenient as msgspec about what stands in strings that it only skips."""
    text = document.decode("utf-8", "surrogateescape")
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=Pairs, strict=False)
    return pairs


class Pairs(list[tuple[str, Any]]):
    """An object as the list of its members; a class of its own, unlike an array."""


@given(document=DOCUMENTS)
def test_the_scanner_sees_the_members_that_decoders_see(twin: ModuleType, document: bytes) -> None:
    pairs = members_of(document)
    names = [name for name, _ in pairs]
    assert set(msgspec.json.decode(document)) == set(names)
    if any(names.count(name) > 1 for name in NAMES):
        with pytest.raises(DuplicateMember) as caught:
            twin.find_members(document, WANTED)
        assert names.count(caught.value.name.decode()) > 1
        return
    found = twin.find_members(document, WANTED)
    assert [name.decode() for name in found] == [name for name in names if name in NAMES]
    raw = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for wanted, member in found.items():
        name = wanted.decode()
        assert value_of(document, member) == bytes(raw[name]).strip()
        assert json.JSONDecoder().raw_decode(document[member.key_start :].decode())[0] == name
        replaced = members_of(replace_value(document, member, b'"new"'))
        assert replaced == [(n, "new" if n == name else v) for n, v in pairs]
        removed = members_of(remove_member(document, member))
        assert removed == [(n, v) for n, v in pairs if n != name]
    assert members_of(insert_member(document, b"added", b"[1]")) == [("added", [1]), *pairs]


@given(
    document=DOCUMENTS,
    edits=st.lists(
        st.tuples(
            st.integers(0, 200), st.integers(0, 3), st.sampled_from(b'{}[]",:\\ 1tu\xff\x00')
        ),
        max_size=4,
    ),
)
def test_what_msgspec_accepts_the_scanner_accepts_and_agrees_on(
    twin: ModuleType, document: bytes, edits: list[tuple[int, int, int]]
) -> None:
    """Documents damaged at random: whatever msgspec still takes as an object must scan alike."""
    broken = bytearray(document)
    for place, removed, byte in edits:
        start = place % (len(broken) + 1)
        broken[start : start + removed] = bytes([byte])
    body = bytes(broken)
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The scanner may be more lenient inside values, but fails with nothing but its own error.
        try:
            twin.find_members(body, WANTED)
        except JsonScanError:
            return
        return
    names = [name for name, _ in members_of(body)]
    if any(names.count(name) > 1 for name in NAMES):
        with pytest.raises(DuplicateMember):
            twin.find_members(body, WANTED)
        return
    found = twin.find_members(body, WANTED)
    expected = {name: bytes(value).strip() for name, value in raw.items() if name in NAMES}
    assert {name.decode(): value_of(body, member) for name, member in found.items()} == expected


SOUGHT = (b"file", b"image_url", b"b")


@pytest.mark.parametrize(
    "body",
    [
        b'{"file":1}',
        b'{"a":[{"type":"image_url"}]}',
        b'a"b"',
        rb'{"text":"\"file" is a word"}',  # too often, for the quotes are in a text
        b'"x"file"',
    ],
)
def test_a_name_between_quotes_is_found(twin: ModuleType, body: bytes) -> None:
    assert twin.holds_string(body, SOUGHT)


@pytest.mark.parametrize(
    "body", [b"", b'"', b"file", b'"file', b'file"', b'"files"', b'"fil"', b'"File"', b'"" "a"']
)
def test_what_is_no_name_between_quotes_is_not_found(twin: ModuleType, body: bytes) -> None:
    assert not twin.holds_string(body, SOUGHT)


def test_no_names_are_nowhere(twin: ModuleType) -> None:
    assert not twin.holds_string(b'{"a":1}', ())


@given(st.lists(st.sampled_from([b'"', b"file", b"b", b"\\", b" ", b"x"])).map(b"".join))
def test_the_names_found_are_those_that_a_pattern_finds(body: bytes) -> None:
    expected = re.search(rb'"(?:file|image_url|b)"', body) is not None
    for name in TWINS:
        twin = importlib.import_module(f"omniroute._speedups.{name}")
        assert twin.holds_string(body, SOUGHT) is expected
