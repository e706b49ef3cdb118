"""What people edit, by kind and id: combos, providers, settings, each with its version.

Contract: bodies are JSON that the store does not look into. Each change takes a new version from
one counter, kept among the facts, which so is the version of all that is stored. `if_version` makes
a change depend on nobody having been first. Changes that belong together, or that are undone when
the configuration does not compile with them, go into one `Store.transaction`.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Update, func, select, update

from omniroute.store.connecting import Database
from omniroute.store.interface import Entity, EntityChanged, EntityExists, EntityMissing
from omniroute.store.schema import entities, meta

VERSION_FACT = "entities.version"


class Entities:
    """The stored configuration."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, kind: str | None = None) -> list[Entity]:
        """Those of a kind, or of all, in the order that people gave them."""
        query = select(entities).order_by(entities.c.kind, entities.c.position, entities.c.id)
        if kind is not None:
            query = query.where(entities.c.kind == kind)
        with self._database.reading("read the stored configuration") as connection:
            return [Entity(*row) for row in connection.execute(query)]

    def get(self, kind: str, id_: str) -> Entity | None:
        with self._database.reading("read the stored configuration") as connection:
            return _find(connection, kind, id_)

    def version(self) -> int:
        """That of the latest change of any; 0 before the first."""
        with self._database.reading("read the stored configuration") as connection:
            return _version(connection)

    def create(self, kind: str, id_: str, body: str, now_ms: int) -> Entity:
        """Adds one behind the others of its kind. Raises `EntityExists`."""
        last = select(func.coalesce(func.max(entities.c.position), -1))
        with self._database.writing("store a setting") as connection:
            if _find(connection, kind, id_) is not None:
                raise EntityExists(f"there is a stored {kind} {id_!r} already")
            position = connection.execute(last.where(entities.c.kind == kind)).scalar_one() + 1
            entity = Entity(kind, id_, body, _next(connection), position, now_ms, now_ms)
            connection.execute(entities.insert().values(entity._asdict()))
        return entity

    def replace(
        self, kind: str, id_: str, body: str, now_ms: int, *, if_version: int | None = None
    ) -> Entity:
        """Gives one another body. Raises `EntityMissing`, `EntityChanged`."""
        with self._database.writing("store a setting") as connection:
            known = _expect(connection, kind, id_, if_version)
            entity = known._replace(body=body, version=_next(connection), updated_ms=now_ms)
            connection.execute(_where(kind, id_).values(entity._asdict()))
        return entity

    def delete(self, kind: str, id_: str, *, if_version: int | None = None) -> Entity:
        """Removes one and returns it as it was. Raises `EntityMissing`, `EntityChanged`."""
        with self._database.writing("delete a setting") as connection:
            known = _expect(connection, kind, id_, if_version)
            connection.execute(
                entities.delete().where(entities.c.kind == kind, entities.c.id == id_)
            )
            _next(connection)
        return known

    def reorder(self, kind: str, ids: Sequence[str], now_ms: int) -> list[Entity]:
        """Puts these first, in this order; the others of the kind follow in the order they had.

        Only what moves gets a new version. Raises `EntityMissing`.
        """
        with self._database.writing("order settings") as connection:
            known = {entity.id: entity for entity in self.all(kind)}
            missing = [id_ for id_ in ids if id_ not in known]
            if missing:
                raise EntityMissing(f"there is no stored {kind} {missing[0]!r}")
            order = list(dict.fromkeys([*ids, *known]))
            for position, id_ in enumerate(order):
                if known[id_].position != position:
                    connection.execute(
                        _where(kind, id_).values(
                            position=position, version=_next(connection), updated_ms=now_ms
                        )
                    )
            return self.all(kind)


def _find(connection: Connection, kind: str, id_: str) -> Entity | None:
    query = select(entities).where(entities.c.kind == kind, entities.c.id == id_)
    row = connection.execute(query).one_or_none()
    return None if row is None else Entity._make(row)


def _expect(connection: Connection, kind: str, id_: str, if_version: int | None) -> Entity:
    known = _find(connection, kind, id_)
    if known is None:
        raise EntityMissing(f"there is no stored {kind} {id_!r}")
    if if_version is not None and known.version != if_version:
        raise EntityChanged(
            f"the stored {kind} {id_!r} was changed meanwhile: it has version {known.version}, "
            f"not {if_version}",
            known.version,
        )
    return known


def _where(kind: str, id_: str) -> Update:
    return update(entities).where(entities.c.kind == kind, entities.c.id == id_)


def _version(connection: Connection) -> int:
    query = select(meta.c.value).where(meta.c.name == VERSION_FACT)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def _next(connection: Connection) -> int:
    version = _version(connection) + 1
    connection.exec_driver_sql(
        "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (VERSION_FACT, str(version))
    )
    return version
