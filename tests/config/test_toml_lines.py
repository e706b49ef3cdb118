"""Every key of a TOML document is found on the line where it stands."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.toml_lines import key_lines

SAMPLE = '''\
# comment = "not a key"
title = "a # b = c"

[server]
port = 1 # [x]
"quoted key" = 2
'literal.key' = 3
"esc\\u0061ped" = 4
a.b.c = [1,
  2, # "]"
  [3, {x = 1}],
  """
  multi ] line """,
]
inline = { one = 1, two = { three = "}" } }
when = 1979-05-27 07:32:00
text = \'\'\'
[not.a.table]
key = 1\'\'\'
quotes = """"two quotes at the end\\""""""

[[providers]]
id = "a"
[providers.headers]
X-Team = "t"
[[providers]]
id = "b"
models = [
  "plain",
  "think",
]
[[providers.nested]]
deep = true
[[providers.nested]]
deep = false
[other."dotted.name"]
last = 1'''

EXPECTED = {
    ("title",): 2,
    ("server",): 4,
    ("server", "port"): 5,
    ("server", "quoted key"): 6,
    ("server", "literal.key"): 7,
    ("server", "escaped"): 8,
    ("server", "a", "b", "c"): 9,
    ("server", "a", "b", "c", 1): 10,
    ("server", "a", "b", "c", 2, 1, "x"): 11,
    ("server", "a", "b", "c", 3): 12,
    ("server", "inline", "two", "three"): 15,
    ("server", "when"): 16,
    ("server", "text"): 17,
    ("server", "quotes"): 20,
    ("providers", 0): 22,
    ("providers", 0, "id"): 23,
    ("providers", 0, "headers", "X-Team"): 25,
    ("providers", 1): 26,
    ("providers", 1, "models", 1): 30,
    ("providers", 1, "nested", 1, "deep"): 35,
    ("other", "dotted.name", "last"): 37,
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path in what tomllib made of a document."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found = [path] if path else []
    for step, item in items:
        found += paths(item, (*path, step))
    return found


@pytest.mark.parametrize(("path", "line"), EXPECTED.items())
def test_a_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert key_lines(SAMPLE)[path] == line


def test_windows_line_ends_change_no_line() -> None:
    assert key_lines(SAMPLE.replace("\n", "\r\n")) == key_lines(SAMPLE)


def test_every_path_that_the_parser_sees_has_a_line_and_no_other_has() -> None:
    assert set(key_lines(SAMPLE)) == set(paths(tomllib.loads(SAMPLE)))


bare_keys = st.text("abcxyz_-0123456789", min_size=1, max_size=6)
scalars = st.sampled_from(
    ["1", "-2.5e3", "true", '"s"', "'l'", '"""m\n[x]\n"""', "'''\n# n\n'''", "1979-05-27", '"\\""']
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(
        lambda items: "[ " + " ,\n # c ]\n".join(items) + " ]"
    ),
    max_leaves=6,
)
tables = st.lists(
    st.tuples(bare_keys, st.booleans(), st.dictionaries(bare_keys, values, max_size=4)),
    max_size=5,
    unique_by=lambda table: table[0],
)


@given(tables, st.integers(0, 3))
def test_lines_agree_with_the_text_whatever_it_holds(
    document: list[tuple[str, bool, dict[str, str]]], blanks: int
) -> None:
    text = "\n" * blanks
    expected: dict[tuple[str | int, ...], int] = {}
    for name, repeated, pairs in document:
        for index in range(2 if repeated else 1):
            table: tuple[str | int, ...] = (name, index) if repeated else (name,)
            expected[table] = text.count("\n") + 1
            text += f"[[{name}]]\n" if repeated else f"[{name}] # head\n"
            for key, value in pairs.items():
                expected[(*table, key)] = text.count("\n") + 1
                text += f" {key} =\t{value}\n"
    found = key_lines(text)
    assert {path: found[path] for path in expected} == expected
    assert set(found) == set(paths(tomllib.loads(text)))
