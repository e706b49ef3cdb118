"""Client keys: issued, changed, rotated, revoked; each change in force at the next request.

A key's text is made here, given out once and kept by nobody: stored is its HMAC. Its settings are
those of `[[keys]]` and are tried with the whole configuration, as all that is stored (`editing`).
After a rotation the key before it is let in until its overlap ends. A revoked key stays in the
database, since the history names it, and is never let in again.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from omniroute.config import StoredName
from omniroute.config.stored import KEY
from omniroute.control.changing import Match, any_version, told
from omniroute.control.editing import Editing, Thing
from omniroute.control.refusal import conflict, missing, stale
from omniroute.installation import Installation
from omniroute.store.database import Store
from omniroute.store.interface import EntityChanged, EntityMissing, StoredKey

LONGEST_OVERLAP_S: Final = 30 * 86400


class IssuedThing(NamedTuple):
    """A key as it is managed, with what its thing does not say."""

    thing: Thing
    created_ms: int = 0  # 0: declared in the file
    revoked_ms: int | None = None
    previous_until_ms: int | None = None  # until when the key before the rotation is let in


class Issuing:
    """All client keys. Every call blocks."""

    def __init__(
        self,
        editing: Editing,
        store: Store,
        installation: Installation,
        now_ms: Callable[[], int],
    ) -> None:
        self._editing = editing
        self._store = store
        self._installation = installation
        self._now_ms = now_ms

    def keys(self, *, revoked: bool = False) -> list[IssuedThing]:
        """Those of the file, then the stored ones, oldest first; with `revoked` all of them."""
        declared = [IssuedThing(thing) for thing in self._editing.declared(KEY)]
        return [*declared, *map(self._thing, self._store.keys.all(revoked=revoked))]

    def key(self, id_: str) -> IssuedThing:
        """Revoked or not. Raises Denied (404)."""
        for thing in self._editing.declared(KEY):
            if thing.id == id_:
                return IssuedThing(thing)
        return self._thing(self._known(id_))

    def create(self, values: Mapping[str, Any]) -> tuple[IssuedThing, str]:
        """The key and its text. Raises Denied (409, 422)."""
        name, settings = _split(values)
        text = self._installation.new_api_key()
        key = StoredKey(
            id=f"stored/{secrets.token_hex(6)}",
            name=name,
            digest=self._digest(text),
            created_ms=self._now_ms(),
            settings=settings,
        )

        def work() -> None:
            self._refuse_taken(name, "")
            self._store.keys.add(key)

        self._editing.change(work, StoredName(KEY, key.id))
        return self._thing(key), text

    def patch(
        self, id_: str, changes: Mapping[str, Any], match: Match = any_version
    ) -> tuple[IssuedThing, IssuedThing]:
        """Changes these values; None gives one its default. Returns it as it was and as it is."""
        self._refuse_declared(id_)

        def work() -> tuple[StoredKey, StoredKey]:
            known = self._in_force(id_, match)
            name, settings = _split({**_values(known), **changes})
            self._refuse_taken(name, id_)
            with _Conflicts(id_):
                return known, self._store.keys.change(id_, name=name, settings=settings)

        known, key = self._editing.change(work, StoredName(KEY, id_))
        return self._thing(known), self._thing(key)

    def rotate(
        self, id_: str, overlap_s: float, match: Match = any_version
    ) -> tuple[IssuedThing, str]:
        """Gives it another text; the present one is let in for so long."""
        self._refuse_declared(id_)
        text = self._installation.new_api_key()
        until_ms = self._now_ms() + round(overlap_s * 1000)

        def work() -> StoredKey:
            self._in_force(id_, match)
            with _Conflicts(id_):
                return self._store.keys.rotate(id_, self._digest(text), until_ms)

        return self._thing(self._editing.change(work)), text

    def revoke(self, id_: str, match: Match = any_version) -> IssuedThing:
        """Returns it as it was. Raises Denied (404, 409, 412)."""
        self._refuse_declared(id_)

        def work() -> StoredKey:
            known = self._in_force(id_, match)
            self._store.keys.revoke(id_, self._now_ms())
            return known

        return self._thing(self._editing.change(work))

    def _digest(self, text: str) -> bytes:
        return self._installation.key_digest(text.encode())

    def _thing(self, key: StoredKey) -> IssuedThing:
        left_out = self._editing.left_out(StoredName(KEY, key.id))
        thing = Thing(
            kind=KEY,
            id=key.id,
            source="stored",
            values=_values(key),
            version=key.version,
            updated_ms=key.created_ms,
            problem=told(left_out) if left_out else "",
        )
        overlaps = (key.previous_until_ms or 0) > self._now_ms()
        until_ms = key.previous_until_ms if overlaps else None
        return IssuedThing(thing, key.created_ms, key.revoked_ms, until_ms)

    def _known(self, id_: str) -> StoredKey:
        key = self._store.keys.get(id_)
        if key is None:
            raise missing(f"key {id_}")
        return key

    def _in_force(self, id_: str, match: Match) -> StoredKey:
        key = self._known(id_)
        if key.revoked_ms is not None:
            raise conflict("this key is revoked")
        match(key.version)
        return key

    def _refuse_taken(self, name: str, but: str) -> None:
        """Two of one name could not be told apart in the history."""
        if any(
            known.thing.values.get("name") == name and known.thing.id != but
            for known in self.keys()
        ):
            raise conflict(f"there is a key {name} already")

    def _refuse_declared(self, id_: str) -> None:
        if any(thing.id == id_ for thing in self._editing.declared(KEY)):
            raise conflict(f"the key {id_} is declared in the configuration file; change it there")


class _Conflicts:
    """The store's refusals as answers."""

    def __init__(self, id_: str) -> None:
        self._id = id_

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, EntityMissing):
            raise missing(f"key {self._id}") from error
        if isinstance(error, EntityChanged):
            raise stale() from error


def _values(key: StoredKey) -> dict[str, Any]:
    settings: dict[str, Any] = msgspec.json.decode(key.settings)
    return {**settings, "name": key.name}


def _split(values: Mapping[str, Any]) -> tuple[str, str]:
    """The name and the JSON of the other settings."""
    given = {name: value for name, value in values.items() if value is not None}
    name = str(given.pop("name", ""))
    return name, msgspec.json.encode(given).decode()
