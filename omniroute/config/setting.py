"""What every setting is made of: the base of the structs, marks of secrets and files, wildcards.

`Meta(extra={"secret": True})` marks what must never be shown; `repr` hides it.
`extra={"file": True}` marks a path, made absolute on loading.
"""

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

Format = Literal["openai", "openai-responses", "claude", "gemini"]
Tier = Literal["subscription", "apikey", "cheap", "free", "local"]
# Bounds of what may be left out; msgspec wants them inside of the `| None`.
AtLeastOne = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
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


def nested(annotation: Any) -> type[Setting] | None:
    """The struct inside of a setting that is a table or a list of tables, else None."""
    bare = unwrap(annotation)[0]
    if isinstance(bare, type) and issubclass(bare, Setting):
        return bare
    for inner in get_args(bare):
        if (found := nested(inner)) is not None:
            return found
    return None
