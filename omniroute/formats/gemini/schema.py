"""JSON Schema to the subset that Gemini's `Schema` message takes, and back.

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

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, Any]

MAX_UNROLLED: Final = 2
MAX_NODES: Final = 2000
MAX_DEPTH: Final = 60
_MAX_NOTE_CHARACTERS: Final = 300

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
# Said in words where they stand in a schema, as the subset has no member for them.
_TOLD: Final[Mapping[str, str]] = {
    "multipleOf": "A multiple of {}.",
    "not": "Must not match the JSON Schema {}.",
    "contains": "At least one item matches the JSON Schema {}.",
    "patternProperties": "Members by name pattern, as JSON Schema: {}.",
    "propertyNames": "Member names match the JSON Schema {}.",
    "dependentRequired": "Members that need others: {}.",
    "dependentSchemas": "Members that bring further rules: {}.",
    "if": "If it matches the JSON Schema {}, then further rules hold.",
    "then": "Then: {}.",
    "else": "Otherwise: {}.",
    "contentEncoding": "Encoded as {}.",
    "contentMediaType": "Holds {}.",
}
_ANY: Final = ("STRING", "NUMBER", "BOOLEAN", "OBJECT")
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


def parameters(schema: Any) -> JsonObject | None:
    """The schema of a function's arguments in the subset; None where there are none to describe.

    Arguments are an object: alternatives at the root become one object with the members of all.
    """
    reduced = reduce(schema)
    variants = reduced.get("anyOf")
    if variants:
        reduced = _joined([one for one in variants if one.get("type") == "OBJECT"])
    if reduced.get("type") != "OBJECT" or not reduced.get("properties"):
        return None
    reduced.pop("nullable", None)
    return reduced


def reduce(schema: Any, *, ordered: bool = False) -> JsonObject:
    """Any JSON Schema in the subset. `ordered` states the order of members, which a model then
    keeps when it writes them (`propertyOrdering`)."""
    return _Reducer(schema, ordered=ordered).node(schema, (), 0)


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
            return _described({"type": "OBJECT"}, ["Further structure is not shown."])
        if schema is False:
            return _described({"type": "NULL"}, ["No value is allowed."])
        if not isinstance(schema, dict):
            return _any_value()
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
            return _enumeration(schema, kinds, nullable=nullable)
        if not kinds:
            return _with_text(_any_value(nullable=nullable), schema, _notes(schema))
        made = [self._typed(schema, kind.upper(), refs, depth) for kind in kinds]
        return _united(made, schema if len(made) > 1 else {}, nullable=nullable)

    def _reference(self, schema: JsonObject, refs: tuple[str, ...], depth: int) -> JsonObject:
        ref = schema["$ref"]
        siblings = {name: value for name, value in schema.items() if name != "$ref"}
        target = _resolved(self._root, ref) if isinstance(ref, str) else None
        if target is None:
            return _with_text(_any_value(), siblings, [f"See {ref}."])
        if refs.count(ref) >= MAX_UNROLLED:
            name = ref.rpartition("/")[2] or "the whole"
            kinds = _kinds(target) if isinstance(target, dict) else []
            kind = kinds[0].upper() if kinds else "OBJECT"
            cut: JsonObject = {"type": kind if kind in ("STRING", "NUMBER") else "OBJECT"}
            return _with_text(cut, siblings, [f"The same structure again: {name}."])
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
            merged = _both(merged, part)
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
                option = _both(shared, option)
            reduced = self.node(option, refs, depth + 1)
            made.extend(_variants(reduced))
        return _united(made, rest, nullable=nullable)

    def _typed(
        self, schema: JsonObject, kind: str, refs: tuple[str, ...], depth: int
    ) -> JsonObject:
        """The members of `schema` that hold for one type."""
        made: JsonObject = {"type": kind}
        notes = _notes(schema)
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
            _bounds(schema, kind, made, notes)
        elif kind == "ARRAY":
            self._items(schema, made, notes, refs, depth)
        elif kind == "OBJECT":
            self._members(schema, made, notes, refs, depth)
        return _with_text(made, schema, notes)

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
            made["items"] = _united(
                [
                    variant
                    for option in options
                    for variant in _variants(self.node(option, refs, depth + 1))
                ],
                {},
                nullable=False,
            )
            notes.append(f"The items in order, as JSON Schema: {_quoted(ahead)}.")
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
            names = _unique(required)
            for name in names:
                members.setdefault(name, _any_value())
            if names:
                made["required"] = names
        if members:
            made["properties"] = members
            if self._ordered and len(members) > 1:
                made["propertyOrdering"] = list(members)
        further = schema.get("additionalProperties")
        if isinstance(further, dict) and further:
            what = "Further members" if members else "Members of any name"
            notes.append(f"{what} are allowed; each value as JSON Schema: {_quoted(further)}.")
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


def _any_value(*, nullable: bool = False) -> JsonObject:
    """Whatever JSON: the subset wants a type everywhere, so all are offered."""
    return _united([{"type": kind} for kind in _ANY], {}, nullable=nullable)


def _variants(schema: JsonObject) -> list[JsonObject]:
    found: list[JsonObject] = schema.get("anyOf") or [schema]
    return found


def _united(made: Iterable[JsonObject], rest: JsonObject, *, nullable: bool) -> JsonObject:
    """One schema out of alternatives. Beside anyOf nothing else may stand, so what concerns all of
    them moves into them: null into each, the words into the first."""
    unique = list({msgspec.json.encode(one): one for one in made}.values())
    if not unique:
        return _with_text({"type": "NULL"}, rest, [])
    if nullable:
        unique = [one if one.get("type") == "NULL" else {**one, "nullable": True} for one in unique]
    unique[0] = _with_text(unique[0], rest, [])
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def _joined(objects: list[JsonObject]) -> JsonObject:
    """One object that has the members of all; required is what each of them requires."""
    if not objects:
        return {}
    properties: JsonObject = {}
    for one in objects:
        for name, value in one.get("properties", {}).items():
            properties.setdefault(name, value)
    required = [
        name
        for name in objects[0].get("required", [])
        if all(name in one.get("required", []) for one in objects)
    ]
    made: JsonObject = {"type": "OBJECT", "properties": properties}
    if required:
        made["required"] = required
    choices = [one.get("required", []) for one in objects]
    notes = [f"Give one of these sets of members: {_quoted(choices)}."] if any(choices) else []
    return _with_text(made, objects[0], notes)


def _both(left: JsonObject, right: JsonObject) -> JsonObject:
    """A schema that says what both say, as far as their members can be united."""
    made = dict(left)
    for name, value in right.items():
        old = made.get(name)
        if name not in made:
            made[name] = value
        elif name == "properties" and isinstance(old, dict) and isinstance(value, dict):
            made[name] = {**old, **value}
        elif name == "required" and isinstance(old, list) and isinstance(value, list):
            made[name] = _unique([*old, *value])
        elif name == "description" and old != value:
            made[name] = f"{old} {value}"
        elif name in ("minimum", "minLength", "minItems", "exclusiveMinimum"):
            made[name] = max(old, value) if _numeric(old) and _numeric(value) else value
        elif name in ("maximum", "maxLength", "maxItems", "exclusiveMaximum"):
            made[name] = min(old, value) if _numeric(old) and _numeric(value) else value
        elif name == "enum" and isinstance(old, list) and isinstance(value, list):
            made[name] = [one for one in old if one in value] or value
        else:
            made[name] = value
    return made


def _unique(names: list[Any]) -> list[str]:
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounds(schema: JsonObject, kind: str, made: JsonObject, notes: list[str]) -> None:
    for bound, exclusive, step, words in (
        ("minimum", "exclusiveMinimum", 1, "Greater than"),
        ("maximum", "exclusiveMaximum", -1, "Less than"),
    ):
        value, strict = schema.get(bound), schema.get(exclusive)
        if _numeric(value):
            made[bound] = value
        if strict is True and _numeric(value):  # draft 4
            strict = value
        if not _numeric(strict):
            continue
        if kind == "INTEGER" and isinstance(strict, int):
            strict += step
        else:
            notes.append(f"{words} {strict}.")
        if bound not in made:
            made[bound] = strict
        elif strict is not value:
            made[bound] = (max if step > 0 else min)(made[bound], strict)
        if kind == "INTEGER" and isinstance(strict, int) and schema.get(exclusive) is True:
            made[bound] = strict


def _enumeration(schema: JsonObject, kinds: list[str], *, nullable: bool) -> JsonObject:
    values = [schema["const"]] if "const" in schema else schema["enum"]
    if not isinstance(values, list) or not values:
        values = []
    if None in values:
        nullable = True
    values = [value for value in values if value is not None]
    texts = [value for value in values if isinstance(value, str)]
    flags = [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if _numeric(value)]
    others = [value for value in values if isinstance(value, dict | list)]
    made: list[JsonObject] = []
    if texts:
        one: JsonObject = {"type": "STRING", "enum": list(dict.fromkeys(t for t in texts if t))}
        if not one["enum"]:
            del one["enum"]
        made.append(_described(one, ["The empty string is allowed, too."] if "" in texts else []))
    if numbers:
        whole = all(isinstance(value, int) for value in numbers) and kinds != ["number"]
        bounds = {"minimum": min(numbers), "maximum": max(numbers)}
        told = f"One of: {', '.join(str(value) for value in numbers)}."
        base = {"type": "INTEGER" if whole else "NUMBER", **bounds}
        made.append(base if len(numbers) == 1 else _described(base, [told]))
    if flags:
        told = "" if len(set(flags)) == 2 else f"Always {str(flags[0]).lower()}."
        made.append(_described({"type": "BOOLEAN"}, [told] if told else []))
    for value in others:
        kind = "OBJECT" if isinstance(value, dict) else "ARRAY"
        shown: JsonObject = {"type": kind}
        if kind == "ARRAY":
            shown["items"] = _any_value()
        made.append(_described(shown, [f"Exactly {_quoted(value)}."]))
    if not made:
        return _with_text({"type": "NULL"} if nullable else _any_value(), schema, [])
    return _united(made, schema, nullable=nullable)


def _notes(schema: JsonObject) -> list[str]:
    return [words.format(_quoted(schema[name])) for name, words in _TOLD.items() if name in schema]


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= _MAX_NOTE_CHARACTERS:
        return text
    return text[:_MAX_NOTE_CHARACTERS] + "…"


def _described(made: JsonObject, notes: list[str]) -> JsonObject:
    if not notes:
        return made
    words = [made["description"], *notes] if made.get("description") else notes
    return {**made, "description": " ".join(words)}


def _with_text(made: JsonObject, schema: JsonObject, notes: list[str]) -> JsonObject:
    """`made` with the schema's own words before those it has, and the notes behind them."""
    if "anyOf" in made:
        first, *others = made["anyOf"]
        return {"anyOf": [_with_text(first, schema, notes), *others]}
    words = [schema.get("description"), made.get("description"), *notes]
    told = [word for word in words if isinstance(word, str) and word]
    done = dict(made)
    if told:
        done["description"] = " ".join(dict.fromkeys(told))
    if isinstance(schema.get("title"), str):
        done["title"] = schema["title"]
    if schema.get("default") is not None:
        done["default"] = schema["default"]
    examples = schema.get("examples")
    if "example" in schema:
        done["example"] = schema["example"]
    elif isinstance(examples, list) and examples:
        done["example"] = examples[0]
    return done


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
