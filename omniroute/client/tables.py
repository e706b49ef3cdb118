"""Answers as tables for people: columns as wide as their content, times and money readable."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_CELL_LETTERS: Final = 60
_MICRO: Final = 1_000_000
_AFTER_2001_MS: Final = 1_000_000_000_000  # smaller ones are spans, not moments


class Column(NamedTuple):
    """A head, where its value lies in a row (`limits.rpm`), and how it is shown (`SHOWN`)."""

    head: str
    path: str
    shown: str = "text"


def value_at(row: object, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for name in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(name)
    return row


def rows_of(answer: object) -> list[Any]:
    """The rows of a list's answer: the list itself, or the one list that an object holds."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        lists = [value for value in answer.values() if isinstance(value, list)]
        if len(lists) == 1:
            return lists[0]
    return [answer]


def table(columns: Sequence[Column], rows: Sequence[object]) -> str:
    """Heads and rows, ending in a newline; a sentence when there is nothing."""
    if not rows:
        return "nothing there\n"
    cells = [[column.head for column in columns]]
    cells += [
        [SHOWN[column.shown](value_at(row, column.path)) for column in columns] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(lines) + "\n"


def fields(answer: object, indent: str = "") -> str:
    """One thing, a field a line; what is nested stands below, further in."""
    if not isinstance(answer, dict):
        return f"{indent}{_text(answer)}\n"
    width = max((len(name) for name in answer), default=0)
    lines = ""
    for name, value in answer.items():
        if isinstance(value, dict) and value:
            lines += f"{indent}{name}\n{fields(value, indent + '  ')}"
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            lines += f"{indent}{name}\n"
            lines += "".join(f"{fields(item, indent + '  ')}\n" for item in value).rstrip("\n")
            lines += "\n"
        else:
            lines += f"{indent}{name.ljust(width)}  {_of_name(name, value)}".rstrip() + "\n"
    return lines


def _of_name(name: str, value: object) -> str:
    """Names say what their values are: `created_ms`, `cost_microusd`."""
    if name.endswith(("_ms", "Ms")) and isinstance(value, int) and value > _AFTER_2001_MS:
        return _time(value)
    if name.endswith("_microusd"):
        return _money(value)
    return _text(value)


def _text(value: object) -> str:
    match value:
        case None | "":
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_text, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return _printable(str(value))


def _printable(text: str) -> str:
    """Names come from elsewhere: nothing of them may move the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _short(value: object) -> str:
    text = _text(value)
    return text if len(text) <= _CELL_LETTERS else f"{text[: _CELL_LETTERS - 1]}…"


def _time(value: object) -> str:
    if not isinstance(value, int) or value <= 0:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value / 1000))


def _money(value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    whole, _, rest = f"{value / _MICRO:.6f}".partition(".")
    return f"${whole}.{rest.rstrip('0'):0<2}"


def _dollars(value: object) -> str:
    return f"${value:.2f}" if isinstance(value, int | float) else ""


def _size(value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    size = float(value)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _millis(value: object) -> str:
    return f"{value / 1000:.0f} ms" if isinstance(value, int | float) else ""


def _members(value: object) -> str:
    """Members of a combo: their names, with a weight where one has it."""
    if not isinstance(value, list):
        return ""
    names = [
        f"{each['model']} ×{each['weight']:g}" if isinstance(each, dict) else str(each)
        for each in value
    ]
    return _short(names)


def _budgets(value: object) -> str:
    """One budget or several: `$50.00 monthly`."""
    each = value if isinstance(value, list) else [value]
    return _short(
        [f"{_dollars(one['usd'])} {one['period']}" for one in each if isinstance(one, dict)]
    )


SHOWN: Final = {
    "text": _short,
    "whole": _text,
    "time": _time,  # Unix ms
    "micro": _money,  # micro-USD
    "usd": _dollars,
    "size": _size,  # bytes
    "us": _millis,  # microseconds
    "members": _members,
    "budgets": _budgets,
}
