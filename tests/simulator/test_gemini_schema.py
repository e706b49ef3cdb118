"""The simulator's check of Gemini's schema subset; what requests show of it is tested with them."""

from typing import Any

import pytest

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.gemini_schema import as_json_schema, check_schema


def test_a_schema_of_the_subset_passes() -> None:
    check_schema(
        {
            "type": "OBJECT",
            "properties": {
                "at": {"type": "STRING", "format": "date-time", "nullable": True},
                "of": {"anyOf": [{"type": "INTEGER", "minimum": 1}, {"type": "STRING"}]},
                "all": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            },
            "required": ["at"],
            "propertyOrdering": ["at", "of", "all"],
        },
        "schema",
    )


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": "STRING", "oneOf": []},
        {"anyOf": []},
        {"anyOf": [{"type": "WHAT"}]},
        {"type": "ARRAY", "items": {"const": 1}},
        {"type": "OBJECT", "properties": []},
    ],
)
def test_what_the_message_does_not_have_is_refused_where_it_stands(schema: Any) -> None:
    with pytest.raises(Refusal, match="at_this_place"):
        check_schema(schema, "at_this_place")


def test_a_checked_schema_becomes_json_schema() -> None:
    made = as_json_schema(
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}]}}},
        }
    )
    items = made["properties"]["a"]["items"]
    assert made["type"] == "object"
    assert items == {"anyOf": [{"type": "string"}]}
