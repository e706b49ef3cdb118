"""The running control process: link, jobs, the app on its two doors, and the orderly end.

The end: on `stop` or when the supervisor is gone, the doors close, the outbox is written out as
far as the time allows (what is left, the next start finds in LMDB), the state is synced and closed.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import trio

from omniroute.assets import dashboard_dir
from omniroute.config import Settings
from omniroute.control.access import Access
from omniroute.control.api.services import Services
from omniroute.control.app import build_app
from omniroute.control.backups import Backups
from omniroute.control.bootstrap import Foundation
from omniroute.control.collecting import collect
from omniroute.control.door import Door
from omniroute.control.drain import BATCH, DrainStatus, drain_once
from omniroute.control.inside import DataPlane
from omniroute.control.insight import Insight
from omniroute.control.jobs import Job, JobFailed
from omniroute.control.origins import KnownHosts
from omniroute.control.past import StoredPast
from omniroute.control.priming import Past, prime
from omniroute.control.quota_sync import QuotaSync
from omniroute.control.reaper import reap
from omniroute.control.rehearsal import Rehearsal
from omniroute.control.serving import SocketUnusable, private_socket, serve_app
from omniroute.control.status import Status
from omniroute.control.tidying import tidy_conditions, tidy_usage
from omniroute.control.upkeep import Upkeep
from omniroute.link import Link, LinkError
from omniroute.net.connector import Connector
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import open_readiness
from omniroute.snapshot import Snapshot
from omniroute.spool import Spool
from omniroute.store.database import Store

BEAT_S = 0.5
_JOB_EVERY_S = 1.0
_CACHE_EVERY_S = 5.0
_SESSIONS_EVERY_S = 60.0
_ADMIN_KEYS_EVERY_S = 60.0
_CONDITIONS_EVERY_S = 60.0
_REHEARSAL_EVERY_S = 2.0
_QUOTAS_EVERY_S = 2.0  # to look who is due; nobody is asked so often
_LAST_DRAIN_S = 10.0

_log = logging.getLogger("omniroute.control")


class StateReplaced(Exception):
    """The state's files were removed or replaced while in use; a fresh process makes new ones."""


class ControlProcess:
    """Owns the parts from the first beat to the exit."""

    def __init__(
        self,
        foundation: Foundation,
        *,
        link_socket: socket.socket,
        dashboard_socket: socket.socket,
        endpoint: str,
        dashboard: str,
    ) -> None:
        self._foundation = foundation
        self._state = foundation.state
        self._configuration = foundation.configuration
        self._link_socket = link_socket
        self._dashboard_socket = dashboard_socket
        self._drain = DrainStatus()
        self._draining = threading.Lock()
        self._jobs: list[Job] = []
        self._reaper = Job("reaper", _JOB_EVERY_S, self._reap)
        self._readiness = open_readiness()
        upstream = foundation.settings.upstream
        connector = Connector(
            self._readiness,
            connect_s=upstream.connect_s,
            default_ca_file=upstream.ca_file,
        )
        self._quotas = QuotaSync(
            foundation.state.conditions,
            foundation.configuration.registry,
            foundation.installation,
            connector,
            EnvironmentProxies(os.environ),
        )
        self._data_plane = DataPlane(endpoint, connector, foundation.installation)
        self._rehearsal = Rehearsal()
        self._insight = Insight(
            foundation.installation.data_dir,
            foundation.state,
            foundation.settings.log,
            connector,
            os.environ,
            foundation.warnings,
            ca_file=upstream.ca_file,
        )
        self._status = Status(
            state=foundation.state,
            configuration=foundation.configuration,
            drain=self._drain,
            jobs=self._jobs,
            quota_sync=self._quotas.describe,
            traces=self._insight.describe_traces,
            data_dir=foundation.installation.data_dir,
            warnings=foundation.warnings,
            endpoint=endpoint,
            dashboard=dashboard,
        )

    async def run(self) -> None:
        """Returns after an orderly end. Raises StateReplaced, StoreError."""
        self._stopping = trio.Event()
        link = Link(self._link_socket)
        store: Store | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat, link)
                nursery.start_soon(self._readiness.run)
                store = await trio.to_thread.run_sync(
                    Store.open, self._foundation.installation.database
                )
                self._configuration.stored_keys = store.client_keys
                self._configuration.stored_entities = store.entities.all
                self._configuration.prepare = partial(self._prime, store)
                nursery.start_soon(self._obey, link, nursery)
                upkeep = Upkeep(store, Backups(store, _now_ms), self._settings, _now_ms)
                self._plan_jobs(store, upkeep)
                for job in self._jobs:
                    nursery.start_soon(job.repeat)
                nursery.start_soon(self._watch_place)
                try:
                    await self._open_doors(store, nursery)
                    await link.send("ready")
                    await self._stopping.wait()
                    await self._insight.send_last()
                finally:
                    upkeep.stop()  # threads are waited for
                nursery.cancel_scope.cancel()
            # Beating on: this may take longer than the supervisor bears silence.
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat, link)
                await trio.to_thread.run_sync(self._write_out, store)
                nursery.cancel_scope.cancel()
        finally:
            self._rehearsal.close()
            if store is not None:
                store.close()
            self._state.close()
            await link.aclose()

    # The link

    async def _beat(self, link: Link) -> None:
        while True:
            await link.send("beat")
            await trio.sleep(BEAT_S)

    async def _obey(self, link: Link, nursery: trio.Nursery) -> None:
        try:
            while (message := await link.receive()) is not None:
                match message["type"]:
                    case "fleet":
                        self._status.fleet.update(message)
                    case "reload":
                        reload = partial(self._configuration.reload, "asked by signal")
                        await trio.to_thread.run_sync(reload)
                    case "child_died":
                        await trio.to_thread.run_sync(self._free_readers)
                        await self._reaper.run_once()
                    case "stop":
                        self._stopping.set()
        except LinkError:
            _log.exception("the supervisor sent what is no message; leaving")
        else:
            if not self._stopping.is_set():
                _log.warning("the supervisor is gone; leaving")
        self._stopping.set()

    # Jobs

    def _plan_jobs(self, store: Store, upkeep: Upkeep) -> None:
        self._jobs += [
            Job("history", _JOB_EVERY_S, partial(self._write_history, store)),
            Job("spool", _JOB_EVERY_S, partial(self._collect, store)),
            Job("sync", _JOB_EVERY_S, self._state.sync),
            Job("configuration", _JOB_EVERY_S, self._configuration.reload_if_changed),
            self._reaper,
            Job("cache", _CACHE_EVERY_S, self._evict),
            Job("sessions", _SESSIONS_EVERY_S, self._forget_sessions),
            Job("conditions", _CONDITIONS_EVERY_S, self._tidy),
            Job("quotas", _QUOTAS_EVERY_S, partial(trio.from_thread.run, self._ask_quotas)),
            Job("simulator", _REHEARSAL_EVERY_S, self._rehearse),
            *self._insight.jobs(),
            *upkeep.jobs(),
        ]

    def _settings(self) -> Settings | None:
        return self._configuration.settings

    def _write_history(self, store: Store) -> None:
        with self._draining:
            history = self._insight.history(store)
            while drain_once(self._state, history, BATCH, self._drain) == BATCH:
                pass
        if self._drain.problem:
            raise JobFailed(self._drain.problem)

    def _collect(self, store: Store) -> None:
        spool = Spool(self._foundation.installation.spool)
        collect(spool, store.bodies, store.proxy_log)

    def _reap(self) -> None:
        reap(self._state)

    def _evict(self) -> None:
        snapshot = self._configuration.snapshot
        assert snapshot is not None, "published before this process serves"
        self._state.answers.evict(_now_ms(), snapshot.cache.max_mb << 20)

    def _forget_sessions(self) -> None:
        self._state.sessions.forget(_now_ms())

    def _tidy(self) -> None:
        tidy_conditions(self._state.conditions, _now_ms())
        tidy_usage(self._state, _now_ms())

    async def _ask_quotas(self) -> None:
        snapshot = self._configuration.snapshot
        assert snapshot is not None, "published before this process serves"
        await self._quotas.ask_due(snapshot)

    def _rehearse(self) -> None:
        snapshot = self._configuration.snapshot
        assert snapshot is not None, "published before this process serves"
        self._rehearsal.keep(snapshot)

    def _prime(self, store: Store, snapshot: Snapshot) -> None:
        before = self._configuration.snapshot
        prime(self._state, snapshot, before, partial(self._open_past, store), _now_ms())

    @contextlib.contextmanager
    def _open_past(self, store: Store) -> Iterator[Past]:
        with self._draining:
            yield StoredPast(self._state, store, self._drain)

    def _write_out(self, store: Store) -> None:
        deadline_s = time.monotonic() + _LAST_DRAIN_S
        while time.monotonic() < deadline_s:
            if drain_once(self._state, store, BATCH, self._drain) == 0:
                break
        if self._drain.problem:
            _log.error("records stay in the outbox until the next start: %s", self._drain.problem)
        self._state.sync()

    def _free_readers(self) -> None:
        freed = self._state.reader_check()
        if freed:
            _log.info("freed %d reader slots of dead processes", freed)

    async def _watch_place(self) -> None:
        while True:
            if not self._state.in_place():
                raise StateReplaced(
                    "the files of the shared state were removed or replaced while in use; "
                    "starting anew with counters from the history"
                )
            await trio.sleep(_JOB_EVERY_S)

    # The app

    async def _open_doors(self, store: Store, nursery: trio.Nursery) -> None:
        access = await trio.to_thread.run_sync(
            Access, self._foundation.installation, store, time.time
        )
        noting = Job("admin keys", _ADMIN_KEYS_EVERY_S, access.admin_keys.note_use)
        self._jobs.append(noting)
        nursery.start_soon(noting.repeat)
        services = Services(
            installation=self._foundation.installation,
            store=store,
            state=self._state,
            configuration=self._configuration,
            access=access,
            status=self._status.document,
            now_ms=_now_ms,
            live=self._insight.live,
            metrics=self._insight.metrics,
            conversations=self._insight.conversations,
            data_plane=self._data_plane,
            hurry_quotas=self._quotas.hurry,
            rehearsal=self._rehearsal,
        )
        app = build_app(services, dashboard_dir())
        public = Door(app, self._known_hosts, is_private=False)
        private = Door(app, self._known_hosts, is_private=True)
        nursery.start_soon(serve_app, public, self._dashboard_socket, self._stopping.wait)
        if sys.platform == "win32":
            return
        try:
            sock = private_socket(self._foundation.installation.control_socket)
        except SocketUnusable as error:
            self._foundation.warnings.append(f"{error}; the dashboard is on its own port only")
            _log.error("%s", error)
        else:
            nursery.start_soon(serve_app, private, sock, self._stopping.wait)

    def _known_hosts(self) -> KnownHosts:
        snapshot = self._configuration.snapshot
        assert snapshot is not None, "published before this process serves"
        return KnownHosts(snapshot.server.host, snapshot.server.allowed_hosts)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
