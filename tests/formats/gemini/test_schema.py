"""The reduction of JSON Schema to Gemini's subset: meaning is kept, and never is it refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.formats.gemini.expansion import expand
from omniroute.formats.gemini.schema import MAX_NODES, parameters, reduce

SUBSET = {
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "default",
    "anyOf",
    "propertyOrdering",
}
TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}


def check(schema: Any) -> int:
    """Assert that the service would take it; return how many schemas it has."""
    assert isinstance(schema, dict)
    assert set(schema) <= SUBSET
    if "anyOf" in schema:
        assert set(schema) == {"anyOf"}
        assert len(schema["anyOf"]) > 1
        return 1 + sum(check(one) for one in schema["anyOf"])
    assert schema["type"] in TYPES
    if schema["type"] == "ARRAY":
        assert "items" in schema
    if "enum" in schema:
        assert schema["type"] == "STRING"
        assert all(isinstance(value, str) and value for value in schema["enum"])
    if schema["type"] == "STRING" and "format" in schema:
        assert schema["format"] in ("enum", "date-time")
    properties = schema.get("properties", {})
    assert set(schema.get("required", [])) <= set(properties)
    count = 1 + sum(check(one) for one in properties.values())
    return count + (check(schema["items"]) if "items" in schema else 0)


ANY = {"anyOf": [{"type": kind} for kind in ("STRING", "NUMBER", "BOOLEAN", "OBJECT")]}


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
            {"type": "STRING", "nullable": True, "description": "d"},
        ),
        (
            {"type": ["string", "integer"]},
            {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
        ),
        ({"const": "x"}, {"type": "STRING", "enum": ["x"]}),
        ({"const": 3}, {"type": "INTEGER", "minimum": 3, "maximum": 3}),
        ({"const": True}, {"type": "BOOLEAN", "description": "Always true."}),
        ({"type": "null"}, {"type": "NULL"}),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
        (
            {"enum": ["a", ""]},
            {
                "type": "STRING",
                "enum": ["a"],
                "description": "The empty string is allowed, too.",
            },
        ),
        (
            {"type": "integer", "enum": [1, 5]},
            {"type": "INTEGER", "minimum": 1, "maximum": 5, "description": "One of: 1, 5."},
        ),
        (
            {"enum": ["a", 1]},
            {
                "anyOf": [
                    {"type": "STRING", "enum": ["a"]},
                    {"type": "INTEGER", "minimum": 1, "maximum": 1},
                ]
            },
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "INTEGER", "minimum": 1}),
        (
            {"type": "integer", "minimum": 5, "exclusiveMinimum": 0},
            {"type": "INTEGER", "minimum": 5},
        ),
        (
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            {"type": "INTEGER", "minimum": 1},
        ),
        (
            {"type": "number", "exclusiveMaximum": 1},
            {"type": "NUMBER", "maximum": 1, "description": "Less than 1."},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        (
            {"type": "string", "format": "uri", "description": "A link."},
            {"type": "STRING", "description": "A link. Format: uri."},
        ),
        (
            {"type": "number", "multipleOf": 0.5},
            {"type": "NUMBER", "description": "A multiple of 0.5."},
        ),
        ({"type": "array"}, {"type": "ARRAY", "items": ANY}),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
            {
                "type": "ARRAY",
                "items": {"type": "STRING"},
                "minItems": 1,
                "description": "No item twice.",
            },
        ),
        ({}, ANY),
        (True, ANY),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {
                "type": "OBJECT",
                "description": "Members of any name are allowed; each value as JSON Schema: "
                '{"type":"string"}.',
            },
        ),
        (
            {"type": "object", "properties": {}, "additionalProperties": False},
            {"type": "OBJECT"},
        ),
        (
            {"type": "object", "required": ["a"]},
            {"type": "OBJECT", "properties": {"a": ANY}, "required": ["a"]},
        ),
        (
            {"oneOf": [{"const": "a", "description": "A"}, {"const": "b"}], "title": "T"},
            {
                "anyOf": [
                    {"type": "STRING", "enum": ["a"], "description": "A", "title": "T"},
                    {"type": "STRING", "enum": ["b"]},
                ]
            },
        ),
        (
            {
                "type": "object",
                "properties": {"k": {"type": "string"}},
                "anyOf": [{"required": ["k"]}, {"properties": {"z": {"type": "number"}}}],
            },
            {
                "anyOf": [
                    {
                        "type": "OBJECT",
                        "properties": {"k": {"type": "STRING"}},
                        "required": ["k"],
                    },
                    {
                        "type": "OBJECT",
                        "properties": {"k": {"type": "STRING"}, "z": {"type": "NUMBER"}},
                    },
                ]
            },
        ),
        (
            {
                "allOf": [
                    {"$ref": "#/definitions/A"},
                    {"properties": {"y": {"type": "string"}}, "required": ["y"]},
                ],
                "definitions": {
                    "A": {
                        "type": "object",
                        "properties": {"x": {"type": "string"}},
                        "required": ["x"],
                    }
                },
            },
            {
                "type": "OBJECT",
                "properties": {"x": {"type": "STRING"}, "y": {"type": "STRING"}},
                "required": ["x", "y"],
            },
        ),
        (
            {"$ref": "#/$defs/N", "description": "here", "$defs": {"N": {"type": "string"}}},
            {"type": "STRING", "description": "here"},
        ),
        ({"$ref": "https://example.com/s.json"}, None),
        ({"type": "string", "default": "x", "examples": ["y"]}, None),
    ],
)
def test_a_schema_keeps_its_meaning(given_schema: Any, expected: Any) -> None:
    made = reduce(given_schema)
    check(made)
    if expected is not None:
        assert made == expected


def test_a_reference_to_itself_is_unrolled_and_then_described() -> None:
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "value": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                },
            }
        },
    }
    made = reduce(tree)
    check(made)
    below = made["properties"]["children"]["items"]["properties"]["children"]["items"]
    assert below == {"type": "OBJECT", "description": "The same structure again: Node."}


def test_references_that_multiply_stay_bounded() -> None:
    definitions = {
        f"L{level}": {
            "type": "object",
            "properties": {
                "a": {"$ref": f"#/$defs/L{level + 1}"},
                "b": {"$ref": f"#/$defs/L{level + 1}"},
            },
        }
        for level in range(40)
    }
    definitions["L40"] = {"type": "string"}
    made = reduce({"$ref": "#/$defs/L0", "$defs": definitions})
    assert check(made) <= MAX_NODES * 8


def test_endless_nesting_stays_bounded() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    check(reduce(schema))


def test_arguments_without_members_have_no_schema() -> None:
    assert parameters({"type": "object", "properties": {}}) is None
    assert parameters({}) is None
    assert parameters({"type": "string"}) is None


def test_alternatives_of_arguments_become_one_object_that_names_the_sets() -> None:
    made = parameters(
        {
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]
        }
    )
    assert made is not None
    check(made)
    assert set(made["properties"]) == {"a", "b"}
    assert '[["a"],["b"]]' in made["description"]


def test_order_is_stated_where_it_is_asked_for() -> None:
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}}
    assert reduce(schema, ordered=True)["propertyOrdering"] == ["z", "a"]


def test_the_input_is_left_as_it_was() -> None:
    schema = {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}]}
    before = repr(schema)
    reduce(schema)
    assert repr(schema) == before


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "STRING", "format": "enum", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"type": "INTEGER", "enum": ["1", "2"]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "ARRAY", "min_items": "2"}, {"type": "array", "minItems": 2}),
        (
            {"any_of": [{"type": "STRING"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": "STRING", "example": "x"}, {"type": "string", "examples": ["x"]}),
    ],
)
def test_the_subset_is_told_as_json_schema(subset: Any, expected: Any) -> None:
    assert expand(subset) == expected


def test_the_order_of_members_becomes_their_order() -> None:
    made = expand(
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}},
            "propertyOrdering": ["b", "a"],
        }
    )
    assert list(made["properties"]) == ["b", "a"]


NAMES = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "enum",
        "const",
        "$ref",
        "required",
        "minimum",
        "exclusiveMinimum",
        "format",
        "description",
        "additionalProperties",
        "prefixItems",
        "nullable",
        "pattern",
        "not",
        "if",
        "default",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["string", "object", "array", "null", "integer", "#", "#/anyOf/0", "x", ""]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=30,
)


@given(ANYTHING)
def test_whatever_comes_in_the_service_takes_what_goes_out(schema: Any) -> None:
    check(reduce(schema))
    made = parameters(schema)
    if made is not None:
        check(made)
        assert made["type"] == "OBJECT"


@given(ANYTHING)
def test_what_was_expanded_can_be_reduced(schema: Any) -> None:
    check(reduce(expand(schema)))
