"""What every setting is made of: the base of the structs, marks of secrets and files, wildcards.

`Meta(extra={"secret": True})` marks what must never be shown; `repr` hides it.
`extra={"file": True}` marks a path, made absolute on loading.
"""

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

Format = Literal["openai", "openai-responses", "claude", "gemini"]
Tier = Literal["subscription", "apikey", "cheap", "free", "local"]
Text = Annotated[str, Meta(min_length=1)]
# Bounds of what may be left out; msgspec wants them inside of the `| None`.
AtLeastOne = Annotated[int, Meta(ge=1, le=1_000_000_000)]
NotNegative = Annotated[float, Meta(ge=0)]
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]  # USD per million tokens
SECRET: dict[str, Any] = {"secret": True}
FILE: dict[str, Any] = {"file": True}


class Setting(Struct, frozen=True, kw_only=True):
    """Base of all settings: immutable, built by name, silent about secrets."""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name}={'***' if is_secret(field.type) else repr(getattr(self, field.name))}"
            for field in msgspec.structs.fields(self)
        )
        return f"{type(self).__name__}({shown})"


def unwrap(annotation: Any) -> tuple[Any, Meta]:
    """The bare type of a setting and its `Meta`."""
    if get_origin(annotation) is Annotated:
        bare, meta = get_args(annotation)
        return bare, meta
    return annotation, Meta()


def is_secret(annotation: Any) -> bool:
    """May values of this type never be shown?"""
    return bool((unwrap(annotation)[1].extra or {}).get("secret"))


def is_file(annotation: Any) -> bool:
    """Are values of this type paths of files?"""
    return bool((unwrap(annotation)[1].extra or {}).get("file"))


class Nest(NamedTuple):
    """A setting that holds tables of its own: which, and in which shapes it may be written."""

    struct: type[Setting]
    table: bool  # as one table
    listed: bool  # as a list of tables …
    text: bool  # … in which plain strings may stand, too


def nest(annotation: Any) -> Nest | None:
    """How a setting holds tables; None when it holds none."""
    alternatives = _alternatives(unwrap(annotation)[0])
    table = _struct(alternatives)
    items = [
        item
        for each in alternatives
        if get_origin(each) is tuple
        for item in _alternatives(get_args(each)[0])
    ]
    item = _struct(items)
    found = table or item
    if found is None:
        return None
    return Nest(found, table is not None, item is not None, str in items)


def _alternatives(bare: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type that it is."""
    return get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)


def _struct(types: Sequence[Any]) -> type[Setting] | None:
    for each in types:
        if isinstance(each, type) and issubclass(each, Setting):
            return each
    return None
