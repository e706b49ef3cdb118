"""Gemini's `Schema` message, checked as the service checks it.

Source: Gemini API reference, "Schema". The message is closed: JSON Schema's other keywords ("$ref",
"const", "additionalProperties" …) are fields it does not have. Those it has go by two spellings, as
everywhere in proto3 JSON; the vendor's SDK mixes them (`property_ordering` of a pydantic model).
"""

import re
from collections.abc import Mapping
from typing import Any

from omniroute.simulator.dialect import Refusal

__all__ = ["as_json_schema", "check_schema"]

_TYPES = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_FIELDS = frozenset(
    {
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    }
)
_STRING_FORMATS = (None, "enum", "date-time")


def check_schema(schema: Any, where: str) -> None:
    """Refuse a schema that the service would refuse, with the path at which it is wrong."""
    if not isinstance(schema, dict):
        raise _refused(f"{where}: an object is expected")
    schema = _camel_case(schema)
    for name in schema:
        if name not in _FIELDS:
            raise Refusal(
                400,
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': "
                "Cannot find field.",
            )
    options = schema.get("anyOf")
    if options is not None:
        if not isinstance(options, list) or not options:
            raise _refused(f"{where}.any_of: a list of schemas is expected")
        if set(schema) != {"anyOf"}:
            raise _refused(f"{where}: when using any_of, it must be the only field set")
        for index, option in enumerate(options):
            check_schema(option, f"{where}.any_of[{index}]")
        return
    kind = schema.get("type")
    if not isinstance(kind, str) or kind.upper() not in _TYPES:
        raise _refused(f"{where}.type: must be specified, and one of {', '.join(_TYPES)}")
    _check_values(schema, kind.upper(), where)
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise _refused(f"{where}.properties: an object is expected")
    for name in schema.get("required", ()):
        if name not in properties:
            raise _refused(f"{where}.required: property {name!r} is not defined")
    for name, inner in properties.items():
        check_schema(inner, f"{where}.properties[{name}]")
    if kind.upper() == "ARRAY":
        if "items" not in schema:
            raise _refused(f"{where}.items: missing field")
        check_schema(schema["items"], f"{where}.items")


def _check_values(schema: Mapping[str, Any], kind: str, where: str) -> None:
    values = schema.get("enum")
    if values is not None:
        if kind != "STRING":
            raise _refused(f"{where}.enum: only allowed for STRING type")
        if not all(isinstance(value, str) and value for value in values):
            raise _refused(f"{where}.enum: each value has to be a non-empty string")
    if kind == "STRING" and schema.get("format") not in _STRING_FORMATS:
        raise _refused(f"{where}.format: only 'enum' and 'date-time' are supported for STRING type")


def as_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A checked schema as JSON Schema, for making up a value that fits."""
    made = _camel_case(schema)
    if isinstance(made.get("type"), str):
        made["type"] = made["type"].lower()
    if "properties" in made:
        made["properties"] = {
            name: as_json_schema(inner) for name, inner in made["properties"].items()
        }
    if "items" in made:
        made["items"] = as_json_schema(made["items"])
    if "anyOf" in made:
        made["anyOf"] = [as_json_schema(inner) for inner in made["anyOf"]]
    return made


def _camel_case(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub("_([a-z])", lambda m: m[1].upper(), name): schema[name] for name in schema}


def _refused(message: str) -> Refusal:
    return Refusal(400, f"* GenerateContentRequest.{message}\n")
