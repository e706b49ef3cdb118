"""Gemini's schema subset as JSON Schema; the other way is `schema`.

Types are in upper case there (lower is taken, too), null is a flag, order of members is a list,
64-bit counts may be strings, and names may stand in snake_case: proto3 JSON.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omniroute.formats.gemini.subset import MAX_DEPTH, JsonObject

_SNAKE: Final[Mapping[str, str]] = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
}


def expand(schema: Any, depth: int = 0) -> Any:
    """The subset as JSON Schema: types in lower case, `nullable` as a type, numbers as numbers."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema if isinstance(schema, bool) else {}
    given = {_SNAKE.get(name, name): value for name, value in schema.items()}
    kind = given.get("type")
    kind = kind.lower() if isinstance(kind, str) else kind
    if kind == "type_unspecified":
        kind = None
    made: JsonObject = {}
    if kind is not None:
        made["type"] = [kind, "null"] if given.get("nullable") is True else kind
    ordering = given.get("propertyOrdering")
    for name, value in given.items():
        if name in ("type", "nullable", "propertyOrdering"):
            continue
        if name == "format" and value == "enum":
            continue
        if name == "properties" and isinstance(value, dict):
            made[name] = {
                key: expand(value[key], depth + 1) for key in _ordered_names(value, ordering)
            }
        elif name == "items" or (name == "additionalProperties" and isinstance(value, dict)):
            made[name] = expand(value, depth + 1)
        elif name == "anyOf" and isinstance(value, list):
            made[name] = [expand(one, depth + 1) for one in value]
        elif name == "enum" and isinstance(value, list):
            made[name] = _expanded_enum(value, kind, nullable=given.get("nullable") is True)
        elif name == "example":
            made["examples"] = [value]
        elif isinstance(value, str) and name[:3] in ("min", "max") and value.isdigit():
            made[name] = int(value)  # proto's JSON writes 64-bit counts as strings
        else:
            made[name] = value
    if given.get("nullable") is True and kind is None and "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made


def _ordered_names(properties: JsonObject, ordering: Any) -> list[str]:
    if not isinstance(ordering, list):
        return list(properties)
    first = [name for name in ordering if isinstance(name, str) and name in properties]
    return list(dict.fromkeys([*first, *properties]))


def _expanded_enum(values: list[Any], kind: Any, *, nullable: bool) -> list[Any]:
    made = values
    if kind in ("integer", "number"):
        # Gemini's enum holds strings whatever the type.
        made = [_number(value) for value in values]
    return [*made, None] if nullable and None not in made else made


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value, type=int | float)
    except msgspec.MsgspecError:
        return value
