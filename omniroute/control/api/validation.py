"""What a client sent, as the structs that a route declares, or a refusal that names field and rule.

A body that is no JSON is 400; JSON or a query that breaks a rule is 422 with the field's path
(`targets[1].weight`). Query values are text and are read as the type that the field has; a list is
given by repeating the name.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from omniroute.control.refusal import Denied, invalid

S = TypeVar("S", bound=msgspec.Struct)

# How msgspec words its errors: a rule, then the place, as far as it is below the top.
_PLACE: Final = re.compile(r"^(?P<rule>.*?)(?: - at `(?:key in )?\$(?P<place>[^`]*)`)?$", re.DOTALL)
_NAMED: Final = re.compile(
    r"^Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`$"
)
_SAID: Final = {
    "contains unknown": "there is no such field",
    "missing required": "this field is needed",
}


def read_body(content: bytes, struct: type[S]) -> S:
    """Raises Denied: 400 for what is no JSON, 422 for what does not fit."""
    try:
        return msgspec.json.decode(content, type=struct)
    except msgspec.ValidationError as error:
        raise refusal_of(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Denied(400, f"the body is not JSON: {error}") from error


def read_query(pairs: Sequence[tuple[str, str]], struct: type[S]) -> S:
    """Raises Denied (422)."""
    lists = _list_fields(struct)
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise invalid(name, "this is given more than once")
        else:
            given[name] = value
    try:
        return msgspec.convert(given, struct, strict=False)
    except msgspec.ValidationError as error:
        raise refusal_of(error) from error


def refusal_of(error: msgspec.ValidationError) -> Denied:
    """422 with the field's path and the rule it breaks."""
    found = _PLACE.match(str(error))
    assert found is not None, "every text matches"
    field, rule = (found["place"] or "").lstrip("."), found["rule"]
    named = _NAMED.match(rule)
    if named is not None:
        field = f"{field}.{named['name']}" if field else named["name"]
        rule = _SAID[named["what"]]
    return invalid(field, rule[:1].lower() + rule[1:])


def _list_fields(struct: type[msgspec.Struct]) -> frozenset[str]:
    described = msgspec.inspect.type_info(struct)
    assert isinstance(described, msgspec.inspect.StructType)
    return frozenset(
        field.encode_name
        for field in described.fields
        if isinstance(
            field.type,
            msgspec.inspect.ListType | msgspec.inspect.VarTupleType | msgspec.inspect.SetType,
        )
    )
