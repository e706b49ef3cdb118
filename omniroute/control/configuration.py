"""The configuration in force: loaded, compiled, published; and what happens when it changes.

Contract: `publish` takes the sources as they are now and makes them the snapshot that workers use,
or raises and changes nothing. `reload` does the same for a running gateway: there an error is kept
for the status and the log, and the old snapshot stays in force. Both block (files, environment,
one LMDB write) and are for a thread once a loop runs; one call at a time.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omniroute.compiling import compile_snapshot
from omniroute.config import ConfigError, Settings, load
from omniroute.control.resetting import fingerprints, forget_renewed
from omniroute.installation import Installation, InstallationError
from omniroute.providers.pricing import PriceRow, load_prices
from omniroute.providers.registry import ProviderRow, load_registry
from omniroute.snapshot import KeyView, Snapshot, SnapshotError, decode, encode
from omniroute.state.interface import State, StateError
from omniroute.store.interface import StoredKey, StoreError

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
    "log": ("level", "format"),
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

    def load(self) -> Settings:
        """Raises ConfigError."""
        return load(self.overrides, os.environ, self.config_file, self.data_dir)

    def signature(self) -> tuple[int, ...]:
        """Changes when the file is written or replaced; () while there is none."""
        if self.config_file is None:
            return ()
        try:
            found = self.config_file.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size)


class Configuration:
    """Publishes snapshots and remembers what came of it."""

    def __init__(
        self,
        sources: Sources,
        installation: Installation,
        state: State,
        stored_keys: Callable[[], Sequence[StoredKey]],
    ) -> None:
        self._sources = sources
        self._installation = installation
        self._state = state
        self.stored_keys = stored_keys
        # What must be done before a snapshot is published. May raise StateError or StoreError.
        self.prepare: Callable[[Snapshot], None] = lambda _: None
        self._registry: tuple[ProviderRow, ...] | None = None
        self._prices: tuple[PriceRow, ...] = ()
        self._started_with: Settings | None = None
        self._seen = sources.signature()
        self.snapshot: Snapshot | None = None
        self.version = 0
        self.published_ms = 0
        self.error = ""  # why the last reload was refused; "" when it was not
        self.restart_needed: tuple[str, ...] = ()

    def publish(self, settings: Settings | None = None) -> None:
        """Make the sources (or these settings, just loaded) the snapshot in force.

        Raises ConfigError, InstallationError, StateError or StoreError and changes nothing.
        """
        seen = self._sources.signature()
        loaded = self._sources.load() if settings is None else settings
        rows = self.registry()
        if not self._prices:
            self._prices = load_prices()
        keys = [KeyView(key.id, key.name, key.digest) for key in self.stored_keys()]
        snapshot = compile_snapshot(loaded, rows, keys, self._installation, prices=self._prices)
        self.prepare(snapshot)
        before = self._published()
        self.version = self._state.publish_snapshot(encode(snapshot, self._installation))
        self._greet_renewed(before, snapshot)
        self.published_ms = time.time_ns() // 1_000_000
        self.snapshot = snapshot
        self.error = ""
        self._seen = seen
        if self._started_with is None:
            self._started_with = loaded
        self.restart_needed = tuple(
            f"{section}.{name}"
            for section, names in _FIXED.items()
            for name in names
            if getattr(getattr(loaded, section), name)
            != getattr(getattr(self._started_with, section), name)
        )

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
        self.snapshot = decode(blob, self._installation)
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
        """What the snapshot in force says works only in part."""
        return self.snapshot.problems if self.snapshot is not None else ()

    @property
    def file(self) -> Path | None:
        return self._sources.config_file

    def _refuse(self, error: Exception) -> None:
        self.error = str(error)
        _log.error("configuration refused, the old one stays in force:\n%s", error)
