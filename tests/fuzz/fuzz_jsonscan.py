"""Fuzz the member scanner: it agrees with decoders on what they accept, and its twins with it.

python tests/fuzz/fuzz_jsonscan.py --seconds 60 --seed 1
"""

import json
import random
from importlib.util import find_spec
from typing import Any

import msgspec
from mutation import run

from omniroute._speedups import DuplicateMember, JsonScanError, jsonscan_py
from omniroute.wire.jsonscan import insert_member, remove_member, replace_value

TWINS: list[Any] = [jsonscan_py]
if find_spec("omniroute._speedups.jsonscan_c"):
    from omniroute._speedups import jsonscan_c

    TWINS.append(jsonscan_c)

NAMES = (b"model", b"n", b"", "\u00e9".encode(), "\U0001f600".encode(), b"a\\", b'"')
CORPUS = [
    b'{"model":"acme/m","messages":[{"role":"user","content":"hi"}],"stream":true}',
    rb'{"mod\u0065l" : "\"}\\" , "n":-1.5e+3 , "x":[{"model":[]}, null]}',
    rb' { "\u00e9":{},"\ud83d\ude00":[],"\ud83d":0,"a\\":"\\\\\"", "\"":"{[" , "":1 } ' + b"\n",
    b"{}",
    b'{"a":[[[{"b":{"c":[1,2,{"d":"]"}]}}]]]}',
]


def scan(twin: Any, body: bytes) -> Any:
    try:
        return twin.find_members(body, NAMES)
    except JsonScanError as error:
        return error


def check(body: bytes, dice: random.Random) -> None:
    found = scan(jsonscan_py, body)
    for twin in TWINS[1:]:
        other = scan(twin, body)
        assert (type(other), str(other)) == (type(found), str(found)), twin
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    pairs: list[tuple[str, Any]] = loads(body, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    if isinstance(found, JsonScanError):
        assert isinstance(found, DuplicateMember), found
        assert names.count(found.name.decode()) > 1
        return
    assert [name.decode() for name in found] == [n for n in names if n.encode() in NAMES]
    for name, member in found.items():
        value = body[member.value_start : member.value_end]
        assert value == bytes(raw[name.decode()]).strip()
        assert decoded(replace_value(body, member, b"7")) == {**decoded(body), name.decode(): 7}
        left = decoded(body)
        del left[name.decode()]
        assert decoded(remove_member(body, member)) == left
    if "new" not in names:
        assert decoded(insert_member(body, b"new", b"7")) == {**decoded(body), "new": 7}


def decoded(body: bytes) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: loads(bytes(value)) for name, value in result.items()}


def loads(text: bytes, **options: Any) -> Any:
    """As lenient as msgspec is about strings that it only skips: any bytes but the end quote."""
    return json.loads(text.decode("utf-8", "surrogateescape"), strict=False, **options)


if __name__ == "__main__":
    run(check, CORPUS)
