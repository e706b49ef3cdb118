"""Settings that are kept in the database: below the file, above the defaults.

A stored thing is a combo, a connection, a key … (`kind` and `id`, the same id as the file's would
have), or one setting of a section (kind `setting`, id `routing.strategy`). `merge` adds them to a
document that the file, the environment and the command line have made already: of a setting what is
there stays; of things with the same id the file's stays and the stored one is told as a problem.

Strings are taken as they are: `env:` and `file:` are the file's way to refer to something, and
whoever may edit through the API must not read this machine's files by it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from omniroute.config.errors import StoredName

Path = tuple[str | int, ...]

SETTING: Final = "setting"
KEY: Final = "key"


class Stored(NamedTuple):
    """One stored thing, with its secrets in clear."""

    name: StoredName
    values: Mapping[str, Any]


# Kind -> the section of the file that it belongs to.
SECTIONS: Final[Mapping[str, str]] = {
    "provider": "providers",
    "connection": "connections",
    "model": "models",
    "combo": "combos",
    "alias": "aliases",
    "route": "routes",
    "chain": "fallback_chains",
    KEY: "keys",
    "budget": "budgets",
    "price": "pricing",
}

# What processes are started with, before anybody reads the database; None: the whole section.
START_ONLY: Final[Mapping[str, tuple[str, ...] | None]] = {
    "server": (
        "host",
        "port",
        "workers",
        "dashboard_port",
        "split_ports",
        "drain_timeout_s",
        "heartbeat_timeout_s",
    ),
    "log": None,
    "state": None,
    "admin": None,
}


def storable(section: str, key: str) -> bool:
    """May this setting of a section be kept in the database?"""
    fixed = START_ONLY.get(section, ())
    return fixed is not None and key not in fixed


_Named = Callable[[Mapping[str, Any]], str]


def _by(key: str) -> _Named:
    return lambda values: str(values.get(key))


# Kind -> what tells those of a kind apart. Client keys have ids of their own.
_IDS: Final[Mapping[str, _Named]] = {
    "provider": _by("id"),
    "connection": lambda values: f"{values.get('provider')}/{values.get('name', 'main')}",
    "model": lambda values: f"{values.get('provider')}/{values.get('id')}",
    "combo": _by("name"),
    "alias": _by("pattern"),
    "route": _by("pattern"),
    "chain": _by("name"),
    "budget": lambda values: (
        (f"tier/{values['tier']}" if values.get("tier") else f"provider/{values.get('provider')}")
        + f"/{values.get('period', 'monthly')}"
    ),
    "price": _by("model"),
}


def id_of(kind: str, values: Mapping[str, Any]) -> str:
    """The id of what these settings describe: `acme/main`, `tier/cheap/monthly`."""
    return _IDS[kind](values)


class Clash(NamedTuple):
    """A stored thing that cannot be added, and why."""

    name: StoredName
    message: str
    hint: str


def merge(
    document: dict[str, Any], stored: Sequence[Stored]
) -> tuple[dict[Path, StoredName], list[Clash]]:
    """Add to the document; returns whose each path is that was added, and what could not be.

    A section of the document that is no table or list is left alone: whoever builds settings of it
    tells that.
    """
    owners: dict[Path, StoredName] = {}
    clashes: list[Clash] = []
    declared: dict[str, set[str]] = {}
    for one in stored:
        kind, id_ = one.name
        if kind == SETTING:
            clashes += _merge_setting(document, one, owners)
            continue
        section = SECTIONS[kind]
        items = document.setdefault(section, [])
        if not isinstance(items, list):
            continue
        if kind not in declared:
            declared[kind] = _declared_ids(kind, items)
        if id_ in declared[kind]:
            hint = "the file's holds; delete one of the two"
            clashes.append(Clash(one.name, "is declared in the configuration file, too", hint))
            continue
        path = (section, len(items))
        # Of a client key only the digest is kept, by those who know the installation.
        items.append(dict(one.values) | ({"key": ""} if kind == KEY else {}))
        owners.update((each, one.name) for each in _paths(path, one.values))
    return owners, clashes


def _merge_setting(
    document: dict[str, Any], one: Stored, owners: dict[Path, StoredName]
) -> Iterator[Clash]:
    section, _, key = one.name.id.partition(".")
    if not storable(section, key):
        yield Clash(one.name, "takes effect at a start only", "it belongs into the file")
        return
    table = document.setdefault(section, {})
    if isinstance(table, dict) and key not in table:
        table[key] = one.values[key]
        owners.update((each, one.name) for each in _paths((section, key), one.values[key]))


def _declared_ids(kind: str, items: Sequence[object]) -> set[str]:
    if kind not in _IDS:
        return set()
    return {id_of(kind, item) for item in items if isinstance(item, dict)}


def _paths(path: Path, value: object) -> Iterator[Path]:
    """The path of a value and of everything in it."""
    yield path
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths((*path, key), item)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _paths((*path, place), item)
