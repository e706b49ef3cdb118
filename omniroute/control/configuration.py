"""The configuration in force: loaded, compiled, published; and what happens when it changes.

Contract: `publish` takes the sources as they are now and makes them the snapshot that workers use,
or raises and changes nothing. `reload` does the same for a running gateway: there an error is kept
for the status and the log, and the old snapshot stays in force. `compiled` and `put_in_force` are
the two halves of it, for who wants to look before it acts. All block (files, environment, database,
one LMDB write) and are for a thread once a loop runs; `changing` lets one through at a time.

Stored things that do not fit never stop the gateway: they are left out, and told in `problems`.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from omniroute.compiling import IssuedKey, admit, compile_snapshot
from omniroute.config import ConfigError, Settings, Stored, StoredName, load
from omniroute.config.stored import KEY, SETTING
from omniroute.control.insider import with_playground, without_playground
from omniroute.control.resetting import fingerprints, forget_renewed
from omniroute.control.sealing import opened
from omniroute.installation import Installation, InstallationError
from omniroute.providers.pricing import PriceRow, load_prices
from omniroute.providers.registry import ProviderRow, load_registry
from omniroute.snapshot import Snapshot, SnapshotError, decode, encode
from omniroute.state.interface import State, StateError
from omniroute.store.interface import Entity, StoredKey, StoreError

# What processes were started with; a reload cannot change it under them.
_FIXED = {
    "server": (
        "host",
        "port",
        "workers",
        "dashboard_port",
        "drain_timeout_s",
        "heartbeat_timeout_s",
    ),
    "log": ("level", "format", "files", "file_bytes", "file_count", "file_days"),
    "state": ("map_bytes",),
}

_log = logging.getLogger("omniroute.control")


class Sources:
    """Where settings come from: the command line's values, a file, the environment."""

    def __init__(
        self, overrides: Mapping[str, Any], config_file: Path | None, data_dir: Path
    ) -> None:
        self.overrides = overrides
        self.config_file = config_file
        self.data_dir = data_dir

    def load(self, stored: Sequence[Stored] = ()) -> Settings:
        """With these stored things. Raises ConfigError."""
        return load(self.overrides, os.environ, self.config_file, self.data_dir, stored=stored)

    def signature(self) -> tuple[int, ...]:
        """Changes when the file is written or replaced; () while there is none."""
        if self.config_file is None:
            return ()
        try:
            found = self.config_file.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size)


class Compiled(NamedTuple):
    """What the sources come to: not yet in force."""

    settings: Settings
    snapshot: Snapshot
    left_out: Mapping[StoredName, ConfigError]
    seen: tuple[int, ...]  # the file's signature before it was read


class Configuration:
    """Publishes snapshots and remembers what came of it."""

    def __init__(
        self,
        sources: Sources,
        installation: Installation,
        state: State,
        stored_keys: Callable[[], Sequence[StoredKey]],
        stored_entities: Callable[[], Sequence[Entity]] = tuple,
    ) -> None:
        self._sources = sources
        self._installation = installation
        self._state = state
        self.stored_keys = stored_keys
        self.stored_entities = stored_entities
        # What must be done before a snapshot is published. May raise StateError or StoreError.
        self.prepare: Callable[[Snapshot], None] = lambda _: None
        # Held by whoever changes what is in force or stored; before the store's own lock.
        self.changing = threading.RLock()
        self._registry: tuple[ProviderRow, ...] | None = None
        self._prices: tuple[PriceRow, ...] = ()
        self._started_with: Settings | None = None
        self._seen: tuple[int, ...] | None = sources.signature()
        self.settings: Settings | None = None  # None: an earlier process's snapshot is in force
        self.snapshot: Snapshot | None = None
        self.left_out: Mapping[StoredName, ConfigError] = {}
        self.version = 0
        self.published_ms = 0
        self.error = ""  # why the last reload was refused; "" when it was not
        self.restart_needed: tuple[str, ...] = ()

    def publish(self) -> None:
        """Make the sources the snapshot in force.

        Raises ConfigError, InstallationError, StateError or StoreError and changes nothing.
        """
        with self.changing:
            self.put_in_force(self.compiled())

    def compiled(self) -> Compiled:
        """The sources as they are now. Raises ConfigError, InstallationError or StoreError."""
        seen = self._sources.signature()
        keys = self.stored_keys()
        unreadable: dict[StoredName, ConfigError] = {}
        stored = [*self._stored_things(unreadable), *_stored_keys(keys, unreadable)]
        issued = [
            IssuedKey(key.id, key.digest, key.previous_digest or b"", key.previous_until_ms or 0)
            for key in keys
        ]

        def attempt(some: Sequence[Stored]) -> tuple[Settings, Snapshot]:
            loaded = self._sources.load(some)
            return loaded, compile_snapshot(
                loaded, self.registry(), issued, self._installation, prices=self.prices()
            )

        (settings, snapshot), left_out = admit(stored, attempt)
        return Compiled(settings, snapshot, unreadable | left_out, seen)

    def put_in_force(self, compiled: Compiled) -> None:
        """Publish it. Raises InstallationError, StateError or StoreError and changes nothing."""
        settings, snapshot, left_out, seen = compiled
        self.prepare(snapshot)
        before = self._published()
        self.version = self._state.publish_snapshot(
            encode(with_playground(snapshot, self._installation), self._installation)
        )
        self._greet_renewed(before, snapshot)
        self.published_ms = time.time_ns() // 1_000_000
        self.settings, self.snapshot, self.left_out = settings, snapshot, left_out
        self.error = ""
        self._seen = seen
        if self._started_with is None:
            self._started_with = settings
        self.restart_needed = tuple(
            f"{section}.{name}"
            for section, names in _FIXED.items()
            for name in names
            if getattr(getattr(settings, section), name)
            != getattr(getattr(self._started_with, section), name)
        )

    def try_again(self, error: Exception) -> None:
        """What is stored could not be put in force: keep why, and let the next look at the file
        try it again."""
        self._refuse(error)
        self._seen = None

    def prices(self) -> tuple[PriceRow, ...]:
        """The built-in prices, read once. Raises PriceError."""
        if not self._prices:
            self._prices = load_prices()
        return self._prices

    def registry(self) -> tuple[ProviderRow, ...]:
        """The built-in providers, read once. Raises RegistryError."""
        if self._registry is None:
            self._registry = load_registry()
        return self._registry

    def keep(self, error: ConfigError) -> None:
        """Go on with the snapshot that an earlier control process published.

        For a control process that replaces another while the file is broken: traffic must not
        notice. Raises the error when there is no such snapshot.
        """
        blob = self._state.read_snapshot()
        if blob is None:
            raise error
        self.snapshot = without_playground(decode(blob, self._installation))
        self.version = self._state.snapshot_version()
        self._refuse(error)

    def reload(self, why: str) -> bool:
        """Publish anew; on error the old snapshot stays. Returns whether it was published."""
        try:
            self.publish()
        except (ConfigError, InstallationError, StateError, StoreError) as error:
            self._seen = self._sources.signature()
            self._refuse(error)
            return False
        _log.info("configuration published (%s)", why, extra={"fields": {"version": self.version}})
        if self.restart_needed:
            _log.warning("takes effect at the next start: %s", ", ".join(self.restart_needed))
        for problem in self.problems():
            _log.warning("configuration: %s", problem)
        return True

    def reload_if_changed(self) -> None:
        """Reload when the file differs from what was last tried and holds still by now."""
        signature = self._sources.signature()
        if signature == self._seen:
            return
        # Editors write in steps; what is still growing would only be refused.
        time.sleep(0.1)
        if self._sources.signature() == signature:
            self.reload("the file changed")

    def _published(self) -> Snapshot | None:
        """The snapshot in force, be it of an earlier process; None when there is none to read."""
        if self.snapshot is not None:
            return self.snapshot
        blob = self._state.read_snapshot()
        try:
            return None if blob is None else decode(blob, self._installation)
        except (InstallationError, SnapshotError) as error:
            # Of another version, mostly. It says nothing then of who has a new credential.
            _log.info("the snapshot of the last start is not read: %s", error)
            return None

    def _greet_renewed(self, before: Snapshot | None, now: Snapshot) -> None:
        """What the old credential of a connection had brought on it ends with it."""
        if before is None:
            return
        prints = (fingerprints(each, self._installation) for each in (before, now))
        try:
            renewed = forget_renewed(self._state.conditions, *prints)
        except StateError:
            # It is published all the same, and what was known ends by itself.
            _log.exception("what is held against old credentials could not be forgotten")
            return
        for id_ in renewed:
            _log.info("%s has another credential: nothing is held against it", id_)

    def problems(self) -> tuple[str, ...]:
        """What in force works only in part, and what is stored and left out."""
        noted = self.snapshot.problems if self.snapshot is not None else ()
        return (*noted, *(f"left out: {error.headline()}" for error in self.left_out.values()))

    def _stored_things(self, unreadable: dict[StoredName, ConfigError]) -> Iterator[Stored]:
        """The stored entities with their secrets in clear, each setting on its own."""
        for entity in self.stored_entities():
            try:
                values = opened(msgspec.json.decode(entity.body), self._installation)
            except (msgspec.DecodeError, InstallationError) as error:
                name = StoredName(entity.kind, entity.id)
                unreadable[name] = ConfigError(str(error), file=str(name), stored=name)
                continue
            if entity.kind != SETTING:
                yield Stored(StoredName(entity.kind, entity.id), values)
                continue
            for key, value in values.items():
                yield Stored(StoredName(SETTING, f"{entity.id}.{key}"), {key: value})

    @property
    def file(self) -> Path | None:
        return self._sources.config_file

    def _refuse(self, error: Exception) -> None:
        self.error = str(error)
        _log.error("configuration refused, the old one stays in force:\n%s", error)


def _stored_keys(
    keys: Sequence[StoredKey], unreadable: dict[StoredName, ConfigError]
) -> Iterator[Stored]:
    for key in keys:
        name = StoredName(KEY, key.id)
        try:
            settings = msgspec.json.decode(key.settings, type=dict[str, Any])
        except msgspec.DecodeError as error:
            unreadable[name] = ConfigError(str(error), file=str(name), stored=name)
        else:
            yield Stored(name, {**settings, "name": key.name})
