"""JSON Schema to the subset that Gemini's `Schema` message takes; `expansion` is the way back.

`Schema` is a closed message: one member it does not know ("const", "$ref", "additionalProperties")
makes the service refuse the whole request ("Unknown name … Cannot find field"). What the subset can
say is said in it; what it cannot say goes into the description, in words, because the model reads
that; nothing is dropped that would change which values are right.

Source: Gemini API reference, "Caching, Schema" (fields of Schema), and the service's own refusals:
formats of strings other than enum and date-time, empty enum values, arrays without items, names in
`required` without a property, members beside anyOf (Vertex).

Pure functions of decoded JSON. The result is bounded: references are unrolled `MAX_UNROLLED` times,
at most `MAX_NODES` schemas are visited, and what lies beyond is described instead.
"""

from collections.abc import Mapping
from typing import Any, Final

from omniroute.formats.gemini.subset import (
    MAX_DEPTH,
    JsonObject,
    any_value,
    both,
    bounds,
    described,
    enumeration,
    joined,
    quoted,
    told_in_words,
    unique_names,
    united,
    variants,
    with_text,
)

MAX_UNROLLED: Final = 2
MAX_NODES: Final = 2000

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "STRING": frozenset({"enum", "date-time"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}
# Members of the subset that hold for one type only, and are taken over as they are.
_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "STRING": ("minLength", "maxLength"),
    "ARRAY": ("minItems", "maxItems"),
    "OBJECT": ("minProperties", "maxProperties"),
}


def parameters(schema: Any) -> JsonObject | None:
    """The schema of a function's arguments in the subset; None where there are none to describe.

    Arguments are an object: alternatives at the root become one object with the members of all.
    """
    reduced = reduce(schema)
    variants = reduced.get("anyOf")
    if variants:
        reduced = joined([one for one in variants if one.get("type") == "OBJECT"])
    if reduced.get("type") != "OBJECT" or not reduced.get("properties"):
        return None
    reduced.pop("nullable", None)
    return reduced


def reduce(schema: Any, *, ordered: bool = False) -> JsonObject:
    """Any JSON Schema in the subset. `ordered` states the order of members, which a model then
    keeps when it writes them (`propertyOrdering`)."""
    return _Reducer(schema, ordered=ordered).node(schema, (), 0)


class _Reducer:
    """One reduction: the root that references point into, and how much of it was visited."""

    __slots__ = ("_nodes", "_ordered", "_root")

    def __init__(self, root: Any, *, ordered: bool) -> None:
        self._root = root
        self._ordered = ordered
        self._nodes = 0

    def node(self, schema: Any, refs: tuple[str, ...], depth: int) -> JsonObject:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            return described({"type": "OBJECT"}, ["Further structure is not shown."])
        if schema is False:
            return described({"type": "NULL"}, ["No value is allowed."])
        if not isinstance(schema, dict):
            return any_value()
        if "$ref" in schema:
            return self._reference(schema, refs, depth)
        if "allOf" in schema:
            schema = self._merged(schema, refs, depth)
            if "$ref" in schema:
                return self._reference(schema, refs, depth)
        for name in ("anyOf", "oneOf"):
            options = schema.get(name)
            if isinstance(options, list) and options:
                return self._alternatives(schema, name, options, refs, depth)
        kinds = _kinds(schema)
        nullable = "null" in kinds or schema.get("nullable") is True
        kinds = [kind for kind in kinds if kind != "null"]
        if not kinds and nullable and not _says_something(schema):
            return {"type": "NULL"}
        if "enum" in schema or "const" in schema:
            return enumeration(schema, kinds, nullable=nullable)
        if not kinds:
            return with_text(any_value(nullable=nullable), schema, told_in_words(schema))
        made = [self._typed(schema, kind.upper(), refs, depth) for kind in kinds]
        return united(made, schema if len(made) > 1 else {}, nullable=nullable)

    def _reference(self, schema: JsonObject, refs: tuple[str, ...], depth: int) -> JsonObject:
        ref = schema["$ref"]
        siblings = {name: value for name, value in schema.items() if name != "$ref"}
        target = _resolved(self._root, ref) if isinstance(ref, str) else None
        if target is None:
            return with_text(any_value(), siblings, [f"See {ref}."])
        if refs.count(ref) >= MAX_UNROLLED:
            name = ref.rpartition("/")[2] or "the whole"
            kinds = _kinds(target) if isinstance(target, dict) else []
            kind = kinds[0].upper() if kinds else "OBJECT"
            cut: JsonObject = {"type": kind if kind in ("STRING", "NUMBER") else "OBJECT"}
            return with_text(cut, siblings, [f"The same structure again: {name}."])
        if isinstance(target, dict):
            # A definition's own words come first: the place that refers adds to them.
            target = {**target, **{k: v for k, v in siblings.items() if k not in _DEFINITIONS}}
        return self.node(target, (*refs, ref), depth + 1)

    def _merged(self, schema: JsonObject, refs: tuple[str, ...], depth: int) -> JsonObject:
        """The schema with its allOf worked into it: all of them hold, so their members unite."""
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        parts = schema["allOf"]
        for part in parts if isinstance(parts, list) else []:
            seen = 0
            while isinstance(part, dict) and "$ref" in part and seen < MAX_UNROLLED * 8:
                seen += 1
                own = {name: value for name, value in part.items() if name != "$ref"}
                ref = part["$ref"]
                found = _resolved(self._root, ref) if isinstance(ref, str) else None
                if not isinstance(found, dict) or ref in refs:
                    part = own
                    break
                part = {**found, **own}
            if not isinstance(part, dict):
                continue
            self._nodes += 1
            if "allOf" in part and depth < MAX_DEPTH and self._nodes < MAX_NODES:
                part = self._merged(part, refs, depth + 1)
            merged = both(merged, part)
        merged.pop("allOf", None)
        return merged

    def _alternatives(
        self, schema: JsonObject, name: str, options: list[Any], refs: tuple[str, ...], depth: int
    ) -> JsonObject:
        rest = {key: value for key, value in schema.items() if key != name}
        shared = {key: value for key, value in rest.items() if key not in _TEXTS}
        nullable = rest.pop("nullable", None) is True
        made: list[JsonObject] = []
        for option in options:
            if isinstance(option, dict) and _kinds(option) == ["null"]:
                nullable = True
                continue
            if isinstance(option, dict) and shared:
                option = both(shared, option)
            reduced = self.node(option, refs, depth + 1)
            made.extend(variants(reduced))
        return united(made, rest, nullable=nullable)

    def _typed(
        self, schema: JsonObject, kind: str, refs: tuple[str, ...], depth: int
    ) -> JsonObject:
        """The members of `schema` that hold for one type."""
        made: JsonObject = {"type": kind}
        notes = told_in_words(schema)
        for name in _COUNTS.get(kind, ()):
            value = schema.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                made[name] = value
        if kind == "STRING" and isinstance(schema.get("pattern"), str):
            made["pattern"] = schema["pattern"]
        written = schema.get("format")
        if isinstance(written, str) and kind in ("STRING", "NUMBER", "INTEGER"):
            if written in _FORMATS[kind]:
                made["format"] = written
            else:
                notes.append(f"Format: {written}.")
        if kind in ("NUMBER", "INTEGER"):
            bounds(schema, kind, made, notes)
        elif kind == "ARRAY":
            self._items(schema, made, notes, refs, depth)
        elif kind == "OBJECT":
            self._members(schema, made, notes, refs, depth)
        return with_text(made, schema, notes)

    def _items(
        self,
        schema: JsonObject,
        made: JsonObject,
        notes: list[str],
        refs: tuple[str, ...],
        depth: int,
    ) -> None:
        items = schema.get("items")
        ahead = schema.get("prefixItems")
        if isinstance(items, list):  # draft 7's tuple
            ahead, items = items, schema.get("additionalItems")
        if isinstance(ahead, list) and ahead:
            options = [*ahead, items] if isinstance(items, dict) else ahead
            made["items"] = united(
                [
                    variant
                    for option in options
                    for variant in variants(self.node(option, refs, depth + 1))
                ],
                {},
                nullable=False,
            )
            notes.append(f"The items in order, as JSON Schema: {quoted(ahead)}.")
            if items is False and "maxItems" not in made:
                made["maxItems"] = len(ahead)
        else:
            made["items"] = self.node(items if items is not None else True, refs, depth + 1)
        if schema.get("uniqueItems") is True:
            notes.append("No item twice.")

    def _members(
        self,
        schema: JsonObject,
        made: JsonObject,
        notes: list[str],
        refs: tuple[str, ...],
        depth: int,
    ) -> None:
        properties = schema.get("properties")
        members: JsonObject = {}
        if isinstance(properties, dict):
            for name, value in properties.items():
                if value is not False:
                    members[name] = self.node(value, refs, depth + 1)
        required = schema.get("required")
        if isinstance(required, list):
            names = unique_names(required)
            for name in names:
                members.setdefault(name, any_value())
            if names:
                made["required"] = names
        if members:
            made["properties"] = members
            if self._ordered and len(members) > 1:
                made["propertyOrdering"] = list(members)
        further = schema.get("additionalProperties")
        if isinstance(further, dict) and further:
            what = "Further members" if members else "Members of any name"
            notes.append(f"{what} are allowed; each value as JSON Schema: {quoted(further)}.")
        elif further is True and members:
            notes.append("Further members are allowed.")


_DEFINITIONS: Final = frozenset({"$defs", "definitions", "$schema", "$id"})
_TEXTS: Final = frozenset({"description", "title", "default", "examples", "example", "nullable"})


def _kinds(schema: JsonObject) -> list[str]:
    """The types a schema names, or implies by its members; empty: any."""
    kind = schema.get("type")
    if isinstance(kind, str):
        kind = [kind]
    if isinstance(kind, list):
        names = [name.lower() for name in kind if isinstance(name, str)]
        return [name for name in dict.fromkeys(names) if name in _TYPES]
    if "properties" in schema or "required" in schema or "additionalProperties" in schema:
        return ["object"]
    if "items" in schema or "prefixItems" in schema:
        return ["array"]
    if "pattern" in schema or "minLength" in schema or "maxLength" in schema:
        return ["string"]
    if "const" in schema and schema["const"] is None:
        return ["null"]
    return []


def _says_something(schema: JsonObject) -> bool:
    return any(name in schema for name in ("enum", "const", "properties", "items")) or (
        "type" not in schema
    )


def _resolved(root: Any, ref: str) -> Any:
    """What a reference inside the document points at (RFC 6901); None for any other."""
    if not ref.startswith("#"):
        return None
    at = root
    for step in ref[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict) and name in at:
            at = at[name]
        elif isinstance(at, list) and name.isdigit() and int(name) < len(at):
            at = at[int(name)]
        else:
            return None
    return at if isinstance(at, dict | bool) else None
