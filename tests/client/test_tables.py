"""Tables that people can read: values by their kind, and nothing that moves the cursor."""

import pytest

from omniroute.client.tables import SHOWN, Column, fields, rows_of, table, value_at


def test_columns_are_as_wide_as_what_they_hold() -> None:
    columns = (Column("NAME", "name"), Column("RPM", "limits.rpm"))
    rows = [{"name": "a long name", "limits": {"rpm": 60}}, {"name": "b"}]
    assert table(columns, rows) == "NAME         RPM\na long name  60\nb\n"


def test_an_empty_list_is_said() -> None:
    assert table((Column("NAME", "name"),), []) == "nothing there\n"


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("text", None, ""),
        ("text", True, "yes"),
        ("text", ["a", "b"], "a, b"),
        ("text", "x" * 100, "x" * 59 + "…"),
        ("text", "a\x1b[2Jb\nc", "a [2Jb c"),
        ("micro", 1_500_000, "$1.50"),
        ("micro", 12, "$0.000012"),
        ("micro", 0, "$0.00"),
        ("micro", None, ""),
        ("usd", 2.5, "$2.50"),
        ("size", 512, "512 B"),
        ("size", 1536, "1.5 KiB"),
        ("size", 5 << 30, "5.0 GiB"),
        ("us", 12_345, "12 ms"),
        ("members", ["a/x", {"model": "b/y", "weight": 2.0}], "a/x, b/y ×2"),
        ("members", None, ""),
        ("budgets", {"usd": 50, "period": "monthly"}, "$50.00 monthly"),
        (
            "budgets",
            [{"usd": 5, "period": "daily"}, {"usd": 9, "period": "weekly"}],
            "$5.00 daily, $9.00 weekly",
        ),
        ("budgets", None, ""),
        ("time", None, ""),
        ("time", 0, ""),
    ],
)
def test_values_are_shown_by_their_kind(kind: str, value: object, shown: str) -> None:
    assert SHOWN[kind](value) == shown


def test_times_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHOWN["time"](1_700_000_000_000).startswith("2023-11-1")


def test_the_list_of_an_answer_is_found() -> None:
    assert rows_of([1]) == [1]
    assert rows_of({"entries": [1, 2], "next": None}) == [1, 2]
    assert rows_of({"a": 1}) == [{"a": 1}]


def test_one_thing_is_shown_field_by_field() -> None:
    thing = {
        "id": "a",
        "cost_microusd": 250_000,
        "limits": {"rpm": 5},
        "tried": [{"status": 500}, {"status": 200}],
        "empty": {},
    }
    assert fields(thing) == (
        "id             a\n"
        "cost_microusd  $0.25\n"
        "limits\n  rpm  5\n"
        "tried\n  status  500\n\n  status  200\n"
        "empty          {}\n"
    )


def test_a_path_leads_nowhere_where_there_is_nothing() -> None:
    assert value_at({"a": 1}, "a.b") is None
