"""Editing the stored configuration: things (combos, connections, …) and sections of settings.

    thing = editing.create("combo", {"name": "fast", "models": ["acme/one"]})

What the configuration file declares is listed, too, and refused for editing (409). Values go by the
names of the settings' structs; secrets among them are in clear here and sealed in the database. A
secret that comes back as it was shown (`sealing.hidden`) stays what it is. How a change is made and
what refuses it: `changing`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from omniroute.config import StoredName
from omniroute.config.schema import Source
from omniroute.config.setting import Setting, is_secret
from omniroute.config.stored import KEY, SECTIONS, SETTING, id_of, storable
from omniroute.control.changing import STRUCTS, Changing, Match, any_version, default_of, told
from omniroute.control.refusal import Denied, Detail, conflict, invalid_fields, missing, stale
from omniroute.control.sealing import hidden, seal, unshown
from omniroute.store.interface import Entity, EntityChanged, EntityExists, EntityMissing

# Kinds whose settings name a provider, which may be by a short prefix.
_OF_PROVIDER: Final = frozenset({"connection", "model", "budget"})
# Who is let in, and how long it can be seen who did what: not for those who may only configure.
_RESERVED: Final = frozenset(
    {
        ("server", "require_api_key"),
        ("server", "allowed_hosts"),
        *(("retention", name) for name in STRUCTS["retention"].__struct_fields__),
    }
)


class Thing(NamedTuple):
    """One thing that is configured, stored or in the file."""

    kind: str
    id: str
    source: Source
    values: dict[str, Any]  # as given: what is not here has its default
    version: int = 0  # 0 for the file's
    updated_ms: int = 0
    problem: str = ""  # why it is left out; "" when it acts

    @property
    def struct(self) -> type[Setting]:
        return struct_of(self.kind)

    def hidden(self) -> dict[str, Any]:
        """The values without secrets."""
        return hidden(self.struct, self.values)


class Value(NamedTuple):
    """A setting of a section: what it is, what it would be otherwise, and where it comes from."""

    value: Any
    default: Any
    source: Source
    problem: str = ""


def struct_of(kind: str) -> type[Setting]:
    """The settings of a kind of things."""
    return STRUCTS[SECTIONS[kind]]


class Editing(Changing):
    """All that is stored and can be edited."""

    # Things

    def things(self, kind: str) -> list[Thing]:
        """Those of the file, then the stored ones in their order."""
        return [*self.declared(kind), *map(self._stored, self._store.entities.all(kind))]

    def thing(self, kind: str, id_: str) -> Thing:
        """The file's where both have it, since that one acts. Raises Denied (404)."""
        for each in self.declared(kind):
            if each.id == id_:
                return each
        return self._expected(kind, id_, any_version)

    def declared(self, kind: str) -> Iterator[Thing]:
        """Those of the configuration file; none are known while an earlier process's snapshot is in
        force."""
        settings = self._configuration.settings
        if settings is None:
            return
        section = SECTIONS[kind]
        for index, setting in enumerate(getattr(settings, section)):
            if settings.origin.owner((section, index)) is None:
                values = self._given(kind, msgspec.to_builtins(setting))
                id_ = f"file/{setting.name}" if kind == KEY else id_of(kind, values)
                yield Thing(kind, id_, "file", values)

    def create(self, kind: str, values: Mapping[str, Any]) -> Thing:
        """Raises Denied: 409 when there is one, 422 for what is wrong."""
        return self.create_all(kind, [values])[0]

    def create_all(self, kind: str, wishes: Sequence[Mapping[str, Any]]) -> list[Thing]:
        """All of them or none. Raises Denied."""
        names = (StoredName(kind, id_of(kind, self._given(kind, values))) for values in wishes)
        entities = self.change(lambda: [self.store_new(kind, values) for values in wishes], *names)
        return list(map(self._stored, entities))

    def store_new(self, kind: str, values: Mapping[str, Any]) -> Entity:
        """What creating writes, as part of a larger `change` or `trial`. Raises Denied."""
        self._learn(values)
        self._refuse_files(struct_of(kind), values)
        made = self._given(kind, values)
        id_ = id_of(kind, made)
        self._refuse_declared(kind, id_)
        self._refuse_placeholders(struct_of(kind), made)
        with self._known_conflicts(kind, id_):
            return self._store.entities.create(kind, id_, self._sealed(kind, made), self._now_ms())

    def patch(
        self, kind: str, id_: str, changes: Mapping[str, Any], match: Match = any_version
    ) -> tuple[Thing, Thing]:
        """Changes these values; None gives one its default. Returns it as it was and as it is.

        Another name makes it go by another id. Raises Denied: 404, 409, 412, 422.
        """
        with self._configuration.changing:
            known = self.thing(kind, id_)
            touched = StoredName(kind, id_of(kind, self._changed(known, changes)))
            known, entity = self.change(
                lambda: self.store_changed(kind, id_, changes, match), touched
            )
        return known, self._stored(entity)

    def store_changed(
        self, kind: str, id_: str, changes: Mapping[str, Any], match: Match = any_version
    ) -> tuple[Thing, Entity]:
        """What patching writes, as part of a larger `change` or `trial`. Raises Denied."""
        self._learn(changes)
        self._refuse_files(struct_of(kind), changes)
        self._refuse_declared(kind, id_)
        known = self._expected(kind, id_, match)
        made = self._changed(known, changes)
        self._refuse_placeholders(known.struct, made)
        new_id = id_of(kind, made)
        body = self._sealed(kind, made)
        with self._known_conflicts(kind, new_id):
            if new_id == id_:
                return known, self._store.entities.replace(kind, id_, body, self._now_ms())
            self._refuse_declared(kind, new_id)
            return known, self._renamed(kind, id_, new_id, body)

    def _changed(self, known: Thing, changes: Mapping[str, Any]) -> dict[str, Any]:
        wished = unshown(known.struct, changes, known.values)
        return self._given(known.kind, {**known.values, **wished})

    def delete(self, kind: str, id_: str, match: Match = any_version) -> Thing:
        """Returns it as it was. Raises Denied: 404, 409 (something needs it), 412."""
        if self._store.entities.get(kind, id_) is None:
            self._refuse_declared(kind, id_)

        def work() -> Thing:
            known = self._expected(kind, id_, match)
            self._store.entities.delete(kind, id_)
            return known

        with self._known_conflicts(kind, id_):
            return self.change(work)

    def reorder(self, kind: str, ids: Sequence[str]) -> list[Thing]:
        """These first, the others behind them as they were. Raises Denied (404, 409)."""
        for id_ in ids:
            self._refuse_declared(kind, id_)
        with self._known_conflicts(kind, ", ".join(ids)):
            self.change(lambda: self._store.entities.reorder(kind, ids, self._now_ms()))
        return self.things(kind)

    # Sections

    def section(self, name: str) -> tuple[dict[str, Value], int]:
        """Every setting of a section by its key, and the version of what is stored of it."""
        settings = self._settings()
        section = getattr(settings, name)
        entity = self._store.entities.get(SETTING, name)
        values: dict[str, Value] = {}
        for field in msgspec.structs.fields(STRUCTS[name]):
            value, default = getattr(section, field.name), default_of(field)
            if is_secret(field.type):
                value = hidden(STRUCTS[name], {field.name: value})[field.name]
            left_out = self.left_out(StoredName(SETTING, f"{name}.{field.name}"))
            values[field.name] = Value(
                msgspec.to_builtins(value),
                msgspec.to_builtins(default),
                settings.origin.source((name, field.name)),
                left_out.headline() if left_out else "",
            )
        return values, 0 if entity is None else entity.version

    def change_sections(
        self,
        changes: Mapping[str, Mapping[str, Any]],
        match: Match = any_version,
        *,
        match_all: Match = any_version,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Stores settings by section and key; None ends what is stored of one. Returns what was and
        is stored of these sections, without secrets.

        `match` is asked with the version of each section, `match_all` with that of all that is
        stored. Raises Denied: 409 for what another source gives, 412, 422.
        """
        for name, values in changes.items():
            self._refuse_given(name, values)

        def work() -> tuple[dict[str, Any], dict[str, Any]]:
            match_all(self._store.entities.version())
            stored = {name: self._store_section(name, changes[name], match) for name in changes}
            before = {name: known for name, (known, _) in stored.items()}
            return before, {name: made for name, (_, made) in stored.items()}

        names = (f"{name}.{key}" for name, values in changes.items() for key in values)
        return self.change(work, *(StoredName(SETTING, name) for name in names))

    def _store_section(
        self, name: str, changes: Mapping[str, Any], match: Match
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        struct = STRUCTS[name]
        self._learn(changes)
        self._refuse_files(struct, changes)
        entity = self._store.entities.get(SETTING, name)
        match(0 if entity is None else entity.version)
        known = {} if entity is None else self._opened(entity)
        wished = {**known, **unshown(struct, changes, known)}
        made = {key: value for key, value in wished.items() if value is not None}
        with _within(name):
            self._refuse_placeholders(struct, made)
        body = _json(seal(struct, made, self._installation))
        if entity is None:
            self._store.entities.create(SETTING, name, body, self._now_ms())
        else:
            self._store.entities.replace(SETTING, name, body, self._now_ms())
        return hidden(struct, known), hidden(struct, made)

    # Parts

    def provider_id(self, name: str) -> str:
        """The id of the provider that an id or short prefix means; the name itself if none."""
        settings = self._configuration.settings
        if settings is not None and any(each.id == name for each in settings.providers):
            return name
        owners = (row.id for row in self._configuration.registry() if name in row.prefixes)
        return next(owners, name)

    def _renamed(self, kind: str, id_: str, new_id: str, body: str) -> Entity:
        """In the place of the one that it was."""
        entities = self._store.entities
        order = [entity.id for entity in entities.all(kind)]
        entities.delete(kind, id_)
        entities.create(kind, new_id, body, self._now_ms())
        order[order.index(id_)] = new_id
        entities.reorder(kind, order, self._now_ms())
        made = entities.get(kind, new_id)
        assert made is not None, "created just now"
        return made

    def _given(self, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Without those that shall have their default, the provider by its id."""
        made = {key: value for key, value in values.items() if value is not None}
        if kind in _OF_PROVIDER and isinstance(made.get("provider"), str):
            made["provider"] = self.provider_id(made["provider"])
        return made

    def _sealed(self, kind: str, values: Mapping[str, Any]) -> str:
        return _json(seal(struct_of(kind), values, self._installation))

    def _stored(self, entity: Entity) -> Thing:
        left_out = self.left_out(StoredName(entity.kind, entity.id))
        return Thing(
            kind=entity.kind,
            id=entity.id,
            source="stored",
            values=self._opened(entity),
            version=entity.version,
            updated_ms=entity.updated_ms,
            problem=told(left_out) if left_out else "",
        )

    def _expected(self, kind: str, id_: str, match: Match) -> Thing:
        entity = self._store.entities.get(kind, id_)
        if entity is None:
            raise missing(f"{kind} {id_}")
        match(entity.version)
        return self._stored(entity)

    def _refuse_declared(self, kind: str, id_: str) -> None:
        if any(each.id == id_ for each in self.declared(kind)):
            raise conflict(f"the {kind} {id_} is declared in {self._file()}; change it there")

    def _refuse_given(self, name: str, changes: Mapping[str, Any]) -> None:
        origin = self._settings().origin
        for key in changes:
            if (name, key) in _RESERVED and not self._unlimited:
                raise Denied(403, f"to change {name}.{key} takes the scope `admin`")
            if not storable(name, key):
                raise conflict(
                    f"{name}.{key} takes effect at a start only; set it in the configuration file"
                )
            source = origin.source((name, key))
            if source not in ("default", "stored"):
                place = self._file() if source == "file" else origin.places[name, key]
                raise conflict(f"{name}.{key} is set by {place}; change it there")

    def _known_conflicts(self, kind: str, id_: str) -> "_Conflicts":
        return _Conflicts(kind, id_)


class _Conflicts:
    """The store's refusals as answers."""

    def __init__(self, kind: str, id_: str) -> None:
        self._what = f"{kind} {id_}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        denied: Denied
        match error:
            case EntityExists():
                denied = conflict(f"there is a {self._what} already")
            case EntityMissing():
                denied = missing(self._what)
            case EntityChanged():
                denied = stale()
            case _:
                return
        raise denied from error


@contextlib.contextmanager
def _within(section: str) -> Iterator[None]:
    """Fields that are refused are told with their section."""
    try:
        yield
    except Denied as denial:
        raise invalid_fields(
            *(Detail(f"{section}.{field}", message) for field, message in denial.details)
        ) from denial


def _json(values: Mapping[str, Any]) -> str:
    return msgspec.json.encode(values).decode()
