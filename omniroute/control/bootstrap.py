"""Everything that workers wait for, in the shortest order, before any loop or server is imported.

installation → configuration loaded → shared state (repaired; counters rebuilt when it is new; what
dead workers held is settled) → stored keys → new meters primed → snapshot published. The database
is read through `store.startup` where that will do, since loading the SQL library would take longer
than all of this together.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from omniroute.config import ConfigError, Settings
from omniroute.control import first_start
from omniroute.control.configuration import Configuration, Sources
from omniroute.control.drain import DrainStatus
from omniroute.control.past import NoPast, StoredPast
from omniroute.control.priming import Past, prime
from omniroute.control.reaper import reap
from omniroute.installation import Installation, InstallationError
from omniroute.snapshot import Snapshot, SnapshotError, decode
from omniroute.state.interface import State
from omniroute.state.lmdb_state import open_state
from omniroute.store.interface import Entity, StoredKey
from omniroute.store.startup import StartStore


@dataclass
class Foundation:
    """What the rest of the control process stands on."""

    installation: Installation
    settings: Settings
    state: State
    configuration: Configuration
    # The API key made just now; None unless this is the first start, "" when none was needed.
    new_key: str | None
    warnings: list[str] = field(default_factory=list)


def build(data_dir: Path, sources: Sources, *, is_replacement: bool) -> Foundation:
    """Prepare and publish. `is_replacement`: workers run already, on an earlier snapshot.

    Raises ConfigError, InstallationError, StateError, StoreError or RegistryError. A replacement
    outlives a configuration that has become wrong meanwhile: it keeps the published one.
    """
    installation = Installation.open(data_dir, create=True)
    wrong: ConfigError | None = None
    try:
        settings = sources.load()
    except ConfigError as error:
        if not is_replacement:
            raise
        settings, wrong = Settings(), error
    state = open_state(
        installation.lmdb_dir, map_bytes=settings.state.map_bytes, create=True, repair=True
    )
    try:
        # A fresh installation has no history; asking would load the SQL library.
        if state.needs_rebuild:
            _rebuild(installation, state)
        reap(state)
        with _open_store(installation) as store:
            new_key = None
            if wrong is None and first_start.is_due(store):
                new_key = first_start.make_key(settings, installation, store)
            keys: Sequence[StoredKey] = store.client_keys()
            entities: Sequence[Entity] = store.entities()
        configuration = Configuration(sources, installation, state, lambda: keys, lambda: entities)
        configuration.prepare = partial(_prime, installation, state)
        if wrong is not None:
            configuration.keep(wrong)
        else:
            configuration.publish()
    except BaseException:
        state.close()
        raise
    warnings = list(state.warnings)
    return Foundation(installation, settings, state, configuration, new_key, warnings)


def complete_first_start(foundation: Foundation, new_key: str, dashboard: str) -> first_start.Told:
    """The slow part of the first start. `mark_told` follows once it was passed on."""
    with StartStore.open(foundation.installation.database) as store:
        return first_start.complete(
            foundation.settings,
            foundation.installation,
            store,
            api_key=new_key,
            dashboard=dashboard,
        )


def mark_told(foundation: Foundation) -> None:
    with StartStore.open(foundation.installation.database) as store:
        store.set_meta(first_start.DONE_FACT, "1")


def _open_store(installation: Installation) -> StartStore:
    store = StartStore.open(installation.database)
    if not store.needs_migration:
        return store
    store.close()
    from omniroute.store.database import Store

    Store.open(installation.database).close()
    return StartStore.open(installation.database)


def _prime(installation: Installation, state: State, snapshot: Snapshot) -> None:
    before = _in_force(installation, state)
    open_past = partial(_open_past, installation, state)
    prime(state, snapshot, before, open_past, time.time_ns() // 1_000_000)


def _in_force(installation: Installation, state: State) -> Snapshot | None:
    """What the last control process published; None when there is none that can be read."""
    blob = state.read_snapshot()
    try:
        return None if blob is None else decode(blob, installation)
    except (InstallationError, SnapshotError):
        return None  # of another version: its meters stay as they are


@contextlib.contextmanager
def _open_past(installation: Installation, state: State) -> Iterator[Past]:
    if installation.fresh:
        yield NoPast()
        return
    from omniroute.store.database import Store

    store = Store.open(installation.database)
    try:
        yield StoredPast(state, store, DrainStatus())
    finally:
        store.close()


def _rebuild(installation: Installation, state: State) -> None:
    if installation.fresh:
        state.rebuild([])
        return
    from omniroute.store.database import Store

    store = Store.open(installation.database)
    try:
        state.rebuild(store.usage_totals())
    finally:
        store.close()
