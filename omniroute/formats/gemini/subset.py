"""Schemas in Gemini's subset: how they are united, bounded and told in words.

What the reduction of `schema` builds with. All functions give new objects and change none, but for
the ones that say they fill `made` and `notes`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, Any]

MAX_DEPTH: Final = 60
_MAX_NOTE_CHARACTERS: Final = 300

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


def any_value(*, nullable: bool = False) -> JsonObject:
    """Whatever JSON: the subset wants a type everywhere, so all are offered."""
    return united([{"type": kind} for kind in _ANY], {}, nullable=nullable)


def variants(schema: JsonObject) -> list[JsonObject]:
    """The alternatives of a schema; one that has none is its only one."""
    found: list[JsonObject] = schema.get("anyOf") or [schema]
    return found


def united(made: Iterable[JsonObject], rest: JsonObject, *, nullable: bool) -> JsonObject:
    """One schema out of alternatives. Beside anyOf nothing else may stand, so what concerns all of
    them moves into them: null into each, the words into the first."""
    unique = list({msgspec.json.encode(one): one for one in made}.values())
    if not unique:
        return with_text({"type": "NULL"}, rest, [])
    if nullable:
        unique = [one if one.get("type") == "NULL" else {**one, "nullable": True} for one in unique]
    unique[0] = with_text(unique[0], rest, [])
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def joined(objects: list[JsonObject]) -> JsonObject:
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
    notes = [f"Give one of these sets of members: {quoted(choices)}."] if any(choices) else []
    return with_text(made, objects[0], notes)


def both(left: JsonObject, right: JsonObject) -> JsonObject:
    """A schema that says what both say, as far as their members can be united."""
    made = dict(left)
    for name, value in right.items():
        old = made.get(name)
        if name not in made:
            made[name] = value
        elif name == "properties" and isinstance(old, dict) and isinstance(value, dict):
            made[name] = {**old, **value}
        elif name == "required" and isinstance(old, list) and isinstance(value, list):
            made[name] = unique_names([*old, *value])
        elif name == "description" and old != value:
            made[name] = f"{old} {value}"
        elif name in ("minimum", "minLength", "minItems", "exclusiveMinimum"):
            made[name] = max(old, value) if numeric(old) and numeric(value) else value
        elif name in ("maximum", "maxLength", "maxItems", "exclusiveMaximum"):
            made[name] = min(old, value) if numeric(old) and numeric(value) else value
        elif name == "enum" and isinstance(old, list) and isinstance(value, list):
            made[name] = [one for one in old if one in value] or value
        else:
            made[name] = value
    return made


def unique_names(names: list[Any]) -> list[str]:
    """The texts among `names`, each once, in order."""
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def numeric(value: Any) -> bool:
    """Is it a number? (Truth values are ints in Python, and no numbers in JSON.)"""
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounds(schema: JsonObject, kind: str, made: JsonObject, notes: list[str]) -> None:
    """Fill in the bounds of a number; what is exclusive and no integer is told in `notes`."""
    for bound, exclusive, step, words in (
        ("minimum", "exclusiveMinimum", 1, "Greater than"),
        ("maximum", "exclusiveMaximum", -1, "Less than"),
    ):
        value, strict = schema.get(bound), schema.get(exclusive)
        if numeric(value):
            made[bound] = value
        if strict is True and numeric(value):  # draft 4
            strict = value
        if not numeric(strict):
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


def enumeration(schema: JsonObject, kinds: list[str], *, nullable: bool) -> JsonObject:
    """Values by their types: only texts have an enum, the others are bounded and told."""
    values = [schema["const"]] if "const" in schema else schema["enum"]
    if not isinstance(values, list) or not values:
        values = []
    if None in values:
        nullable = True
    values = [value for value in values if value is not None]
    texts = [value for value in values if isinstance(value, str)]
    flags = [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if numeric(value)]
    others = [value for value in values if isinstance(value, dict | list)]
    made: list[JsonObject] = []
    if texts:
        one: JsonObject = {"type": "STRING", "enum": list(dict.fromkeys(t for t in texts if t))}
        if not one["enum"]:
            del one["enum"]
        made.append(described(one, ["The empty string is allowed, too."] if "" in texts else []))
    if numbers:
        whole = all(isinstance(value, int) for value in numbers) and kinds != ["number"]
        bounds = {"minimum": min(numbers), "maximum": max(numbers)}
        told = f"One of: {', '.join(str(value) for value in numbers)}."
        base = {"type": "INTEGER" if whole else "NUMBER", **bounds}
        made.append(base if len(numbers) == 1 else described(base, [told]))
    if flags:
        told = "" if len(set(flags)) == 2 else f"Always {str(flags[0]).lower()}."
        made.append(described({"type": "BOOLEAN"}, [told] if told else []))
    for value in others:
        kind = "OBJECT" if isinstance(value, dict) else "ARRAY"
        shown: JsonObject = {"type": kind}
        if kind == "ARRAY":
            shown["items"] = any_value()
        made.append(described(shown, [f"Exactly {quoted(value)}."]))
    if not made:
        return with_text({"type": "NULL"} if nullable else any_value(), schema, [])
    return united(made, schema, nullable=nullable)


def told_in_words(schema: JsonObject) -> list[str]:
    """Sentences for the keywords that the subset has no member for."""
    return [words.format(quoted(schema[name])) for name, words in _TOLD.items() if name in schema]


def quoted(value: Any) -> str:
    """A value as a description quotes it: JSON, shortened."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= _MAX_NOTE_CHARACTERS:
        return text
    return text[:_MAX_NOTE_CHARACTERS] + "…"


def described(made: JsonObject, notes: list[str]) -> JsonObject:
    """`made` with the notes behind its description."""
    if not notes:
        return made
    words = [made["description"], *notes] if made.get("description") else notes
    return {**made, "description": " ".join(words)}


def with_text(made: JsonObject, schema: JsonObject, notes: list[str]) -> JsonObject:
    """`made` with the schema's own words before those it has, and the notes behind them."""
    if "anyOf" in made:
        first, *others = made["anyOf"]
        return {"anyOf": [with_text(first, schema, notes), *others]}
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
