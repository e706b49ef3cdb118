"""JSON Schemas as this format takes them: a tool's input, and the answer itself.

Structured outputs compile a schema to a grammar and take a part of JSON Schema only: every object
closed, no bounds on numbers, lengths or counts. What cannot be said there is told to the model in
the description, as Anthropic's SDKs do. Source: "Structured outputs", JSON Schema limitations; and
"Define tools" (an input schema is an object, without a choice of schemas at its top).
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import Raw

from omniroute.formats.ir import FormatError

Schema = dict[str, Any]

EMPTY_OBJECT: Final = Raw(b'{"type":"object","properties":{}}')
_DEPTH: Final = 64
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_KEPT: Final = frozenset(
    {"$ref", "const", "default", "description", "enum", "title", "type", "additionalProperties"}
)
_STRING_FORMATS: Final = frozenset(
    {
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "uri",
        "ipv4",
        "ipv6",
        "uuid",
    }
)


class Unclosed(Exception):
    """The schema allows members without a name (a map), which a grammar here cannot say."""


def parsed(raw: Raw, where: str) -> Schema:
    """The schema as an object. FormatError for what is none."""
    try:
        schema = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{where} is not valid JSON: {error}", where) from None
    if not isinstance(schema, dict):
        raise FormatError(f"{where} is not a JSON schema", where)
    return cast(Schema, schema)


def tool_schema(raw: Raw, where: str) -> tuple[Raw, bool]:
    """A tool's `input_schema`, and whether meaning was lost on the way.

    Unchanged wherever it is an object already, so that prompt caches see the same bytes.
    """
    if raw == Raw(b"null"):
        return EMPTY_OBJECT, False
    schema = parsed(raw, where)
    choices = [name for name in _CHOICES if name in schema]
    if schema.get("type") == "object" and not choices:
        return raw, False
    merged: Schema = {name: value for name, value in schema.items() if name not in _CHOICES}
    merged["type"] = "object"
    properties = dict(_mapping(merged.get("properties")))
    for name in choices:
        options = schema[name] if isinstance(schema[name], list) else []
        required: list[set[str]] = []
        for option in options:
            known = _mapping(option)
            for member, value in _mapping(known.get("properties")).items():
                properties.setdefault(member, value)
            demanded = known.get("required")
            required.append(
                {str(entry) for entry in demanded} if isinstance(demanded, list) else set()
            )
        if required:
            everywhere = set.union(*required) if name == "allOf" else set.intersection(*required)
            already = merged.get("required")
            own = [str(entry) for entry in already] if isinstance(already, list) else []
            merged["required"] = [*own, *sorted(everywhere - set(own))]
    merged["properties"] = properties
    lossy = any(name != "allOf" for name in choices)
    return Raw(msgspec.json.encode(merged)), lossy


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def answer_schema(schema: Schema) -> Schema:
    """The schema within the limits of structured outputs. `Unclosed` where they are too narrow."""
    return _narrowed(schema, 0)


def is_narrow(raw: Raw) -> bool:
    """Is the schema within those limits as it stands?"""
    try:
        schema = parsed(raw, "schema")
        return _narrowed(schema, 0) == schema
    except (Unclosed, FormatError):
        return False


def _narrowed(given: object, depth: int) -> Schema:
    if depth > _DEPTH or not isinstance(given, dict):
        raise Unclosed("true, false, or too deep")
    schema = cast(Schema, given)
    out: Schema = {name: value for name, value in schema.items() if name in _KEPT}
    said: list[str] = []
    for name, value in schema.items():
        if name in ("$defs", "definitions"):
            out[name] = {
                str(key): _narrowed(inner, depth + 1) for key, inner in _mapping(value).items()
            }
        elif name in _CHOICES:
            options = value if isinstance(value, list) else []
            kept = "allOf" if name == "allOf" else "anyOf"
            out[kept] = [_narrowed(option, depth + 1) for option in options]
        elif name == "properties":
            out[name] = {
                str(key): _narrowed(inner, depth + 1) for key, inner in _mapping(value).items()
            }
        elif name == "items":
            out[name] = _narrowed(value, depth + 1)
        elif (
            name == "required"
            or (name == "format" and isinstance(value, str) and value in _STRING_FORMATS)
            or (name == "minItems" and value in (0, 1))
        ):
            out[name] = value
        elif name not in _KEPT and name != "$schema":
            said.append(f"{name}: {msgspec.json.encode(value).decode()}")
    kinds = schema.get("type")
    if kinds == "object" or "properties" in schema:
        if schema.get("additionalProperties") not in (None, False) or (
            not _mapping(schema.get("properties")) and schema.get("additionalProperties") is None
        ):
            raise Unclosed("an object of any members")
        out["additionalProperties"] = False
    if said:
        described = str(out.get("description", ""))
        limits = "{" + ", ".join(said) + "}"
        out["description"] = f"{described}\n\n{limits}" if described else limits
    return out
