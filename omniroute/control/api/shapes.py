"""The settings' structs as they go over the wire: camelCase, `isActive`, secrets never in clear.

One struct of the settings gives three of the API: what creating takes, what a change takes
(everything optional), and what is answered. Descriptions and bounds are those of the settings, so
that the API's document says what the reference says. `null` means the default.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from omniroute.config import KeySettings, ModelSettings
from omniroute.config.schema import Source
from omniroute.config.setting import Setting, nest
from omniroute.config.stored import SECTIONS
from omniroute.control.changing import default_of
from omniroute.control.editing import struct_of

# Names that people know from elsewhere, and those that would be two things.
_NAMES: Final[Mapping[tuple[type[Setting], str], str]] = {
    (KeySettings, "models"): "allowedModels",
    (KeySettings, "connections"): "allowedConnections",
    (KeySettings, "schedule"): "accessSchedule",
    (ModelSettings, "id"): "modelId",
    (ModelSettings, "name"): "modelName",
}
# A thing is active; a section of settings has a setting `enabled`.
_THINGS: Final = frozenset(struct_of(kind) for kind in SECTIONS)
# What is said of everything: where it comes from, and why it does not act if it does not.
_ALWAYS: Final = (("id", str), ("source", Source), ("version", int), ("problem", str))
_WORD: Final = re.compile(r"[a-z][a-z0-9_]*")
_LATER_WORD: Final = re.compile(r"_([a-z0-9])")


def camel(name: str) -> str:
    """`max_concurrent` as `maxConcurrent`."""
    return _LATER_WORD.sub(lambda found: found[1].upper(), name)


def wire_name(struct: type[Setting], name: str) -> str:
    """What a setting is called on the wire."""
    if name == "enabled" and struct in _THINGS:
        return "isActive"
    return _NAMES.get((struct, name)) or camel(name)


def wire_path(struct: type[Setting], path: str) -> str:
    """`quotas[0].reset_at` as `quotas[0].resetAt`."""
    return _WORD.sub(lambda found: wire_name(struct, found[0]), path)


@cache
def taken(name: str, struct: type[Setting], omit: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """What creating takes; what has no default must be given."""
    return _input(name, struct, omit, is_patch=False)


@cache
def patched(name: str, struct: type[Setting], omit: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """What a change takes: any of it."""
    return _input(name, struct, omit, is_patch=True)


@cache
def given(
    name: str,
    struct: type[Setting],
    omit: tuple[str, ...] = (),
    more: tuple[tuple[str, Any], ...] = (),
) -> type[msgspec.Struct]:
    """What is answered: every setting, where the thing comes from, and `more` (name, type)."""
    fields = [(f"_{name}", kind, msgspec.field(name=name)) for name, kind in (*_ALWAYS, *more)]
    fields += [
        (field.name, _answered(field), msgspec.field(name=wire_name(struct, field.name)))
        for field in msgspec.structs.fields(struct)
        if field.name not in omit and wire_name(struct, field.name) != "id"
    ]
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__)


def values_of(body: msgspec.Struct) -> dict[str, Any]:
    """What was given, by the settings' names; None for what shall have its default."""
    return {
        name: _plain(value)
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }


def shown(
    struct: type[Setting], values: Mapping[str, Any], omit: Sequence[str] = ()
) -> dict[str, Any]:
    """Values, whose secrets are hidden, as JSON with every default filled in."""
    made: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if field.name in omit:
            continue
        value = values.get(field.name, msgspec.to_builtins(default_of(field)))
        # A table that people fill in has names of their own.
        made[wire_name(struct, field.name)] = _camelled(value) if nest(field.type) else value
    return made


def _camelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {camel(name): _camelled(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_camelled(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        made = values_of(value)
        return {name: item for name, item in made.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _input(
    name: str, struct: type[Setting], omit: tuple[str, ...], *, is_patch: bool
) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        if field.name in omit:
            continue
        kind, told = _wire(field.type), wire_name(struct, field.name)
        if field.required and not is_patch:
            fields.append((field.name, kind, msgspec.field(name=told)))
        else:
            optional: Any = Union[kind, None, UnsetType]  # noqa: UP007
            fields.append((field.name, optional, msgspec.field(name=told, default=UNSET)))
    return msgspec.defstruct(
        name, fields, kw_only=True, forbid_unknown_fields=True, module=__name__
    )


@cache
def _nested(struct: type[Setting], is_output: bool) -> type[msgspec.Struct]:
    name = struct.__name__.removesuffix("Settings") + ("Out" if is_output else "")
    if not is_output:
        return _input(name, struct, (), is_patch=False)
    fields = [
        (each.name, Union[_answered(each), UnsetType], UNSET)  # noqa: UP007
        for each in msgspec.structs.fields(struct)
    ]
    return msgspec.defstruct(name, fields, rename=camel, kw_only=True, module=__name__)


def _answered(field: msgspec.structs.FieldInfo) -> Any:
    kind = _wire(field.type, is_output=True)
    return Union[kind, None] if default_of(field) is None else kind  # noqa: UP007


def _wire(annotation: Any, *, is_output: bool = False) -> Any:
    """The type with structs of settings replaced by those of the wire."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, meta = arguments
        # Of what is answered bounds say nothing: a hidden secret need not keep them.
        if is_output:
            meta = msgspec.Meta(description=meta.description)
        return Annotated[_wire(inner, is_output=is_output), meta]
    if origin in (Union, UnionType):
        made = tuple(_wire(each, is_output=is_output) for each in arguments)
        return Union[made]  # noqa: UP007
    if origin is tuple:
        return tuple[_wire(arguments[0], is_output=is_output), ...]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, Setting):
        return _nested(annotation, is_output)
    return annotation
