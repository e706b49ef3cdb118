"""Every setting that is not a list of things: its value, its default, where it comes from, and its
change, which acts at the next request.

Sections are those of the configuration file, in a path with dashes (`/api/settings/ip-filter`). The
ETag of a section is the version of what is stored of it, that of `/api/settings` of all that is.
What says who is let in, and how long the history is kept, needs the scope `admin`.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from omniroute.config.schema import Source, sections
from omniroute.config.setting import Setting
from omniroute.config.stored import storable
from omniroute.control.api import shapes
from omniroute.control.api.declare import Answer, Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of, in_wire_names
from omniroute.control.changing import STRUCTS
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied, Detail, invalid_fields

_NAMES: Final = tuple(section.name for section in sections() if not section.repeated)
# How older scripts call some of them.
_OTHER_NAMES: Final[Mapping[str, str]] = {"thinking-budget": "thinking", "cache-config": "cache"}
_BY_PATH: Final[Mapping[str, str]] = {
    **{name.replace("_", "-"): name for name in _NAMES},
    **_OTHER_NAMES,
}


class SettingOut(msgspec.Struct):
    """A setting. `isEditable`: no other source gives it, and it acts without a new start."""

    value: Any
    default: Any
    source: Source
    isEditable: bool
    problem: str


class SectionOut(msgspec.Struct):
    """The settings of a section by name."""

    name: str
    version: int
    settings: dict[str, SettingOut]


class SettingsOut(msgspec.Struct):
    """All sections."""

    sections: list[SectionOut]


_CHANGES: Final[Mapping[str, type[msgspec.Struct]]] = {
    name: shapes.patched(f"{STRUCTS[name].__name__.removesuffix('Settings')}Change", STRUCTS[name])
    for name in _NAMES
}
SettingsChange = msgspec.defstruct(
    "SettingsChange",
    [(name, change | UnsetType, UNSET) for name, change in _CHANGES.items()],
    rename=shapes.camel,
    kw_only=True,
    forbid_unknown_fields=True,
)


async def show_all(call: Call) -> Answer:
    value, version = await call.blocking(_all, call.services)
    return Answer(value, etag=version)


async def change_all(call: Call) -> Answer:
    changes = {
        name: shapes.values_of(section)
        for name in _NAMES
        if (section := getattr(call.body, name)) is not UNSET
    }
    with in_wire_names(Setting):
        before, after = await call.blocking(
            editing_of(call.services, call.actor).change_sections, changes, match_all=call.match
        )
    call.audit("settings", before=before, after=after)
    return await show_all(call)


def _all(services: Services) -> tuple[SettingsOut, int]:
    version = services.store.entities.version()
    return SettingsOut([_section(services, name) for name in _NAMES]), version


def _section(services: Services, name: str) -> SectionOut:
    values, version = editing_of(services).section(name)
    settings = {
        shapes.camel(key): SettingOut(
            value=known.value,
            default=known.default,
            source=known.source,
            isEditable=storable(name, key) and known.source in ("default", "stored"),
            problem=known.problem,
        )
        for key, known in values.items()
    }
    return SectionOut(shapes.camel(name), version, settings)


def _routes(path: str, name: str) -> Iterator[Route]:
    """Those of one section."""

    async def show(call: Call) -> Answer:
        section = await call.blocking(_section, call.services, name)
        return Answer(section, etag=section.version)

    async def change(call: Call) -> Answer:
        with _of_one(name), in_wire_names(Setting):
            before, after = await call.blocking(
                editing_of(call.services, call.actor).change_sections,
                {name: shapes.values_of(call.body)},
                call.match,
            )
        call.audit(f"setting/{name}", before=before[name], after=after[name])
        return await show(call)

    yield Route("GET", path, Policy.READ, f"The settings of [{name}].", show, output=SectionOut)
    if not any(storable(name, key) for key in STRUCTS[name].__struct_fields__):
        return
    for method in ("PUT", "PATCH"):
        yield Route(
            method,
            path,
            Policy.WRITE,
            f"Change settings of [{name}]: what is not given stays, null gives the default.",
            change,
            input=_CHANGES[name],
            output=SectionOut,
            editable=True,
        )


@contextlib.contextmanager
def _of_one(name: str) -> Iterator[None]:
    """Who changes one section is told its fields without it."""
    try:
        yield
    except Denied as denial:
        if not denial.details:
            raise
        section = f"{shapes.camel(name)}."
        details = (
            Detail(field.removeprefix(section), message) for field, message in denial.details
        )
        raise invalid_fields(*details) from denial


ROUTES = (
    Route(
        "GET",
        "/api/settings",
        Policy.READ,
        "Every setting with its default and where its value comes from.",
        show_all,
        output=SettingsOut,
    ),
    *(
        Route(
            method,
            "/api/settings",
            Policy.WRITE,
            "Change settings of several sections together.",
            change_all,
            input=SettingsChange,
            output=SettingsOut,
            editable=True,
        )
        for method in ("PUT", "PATCH")
    ),
    *(route for path, name in _BY_PATH.items() for route in _routes(f"/api/settings/{path}", name)),
    *_routes("/api/resilience", "resilience"),
)
