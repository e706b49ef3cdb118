"""The parent: binds the ports, spawns control and workers, replaces what dies, ends in order.

Invariants:
- The supervisor holds the listening sockets all the time and never accepts. A connection that
  arrives while a worker is being replaced waits in the kernel's queue.
- It touches no state, no configuration and no request, so there is little that could make it die.
  When it is killed all the same, every child reads end of file on its link and leaves by itself.
- A child is alive as long as it is heard on its link; silence beyond the limit is answered by
  SIGKILL, which also ends what is stopped or hangs inside an LMDB transaction.
- Order of the end: workers drain, then control (which writes out the last records), then the
  simulator. A second signal ends everything at once; even then no finished request is lost, since
  its record lies in LMDB and the next start writes it out.

Messages, child to supervisor: `beat {inflight}` (all), `ready` (all), from control also
`published {map_bytes, first_start}` (workers may open the state), `first_start {password, link,
api_key}` (what is printed once) and `refused {message}` (it cannot start as things are).
Supervisor to child: `go {drain_timeout_s, map_bytes}` and `drain {limit_s}` to workers; `reload`,
`child_died {kind, number, pid}`, `fleet {…}` and `stop` to control.
"""

import fcntl
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omniroute import __version__, logs, ports
from omniroute.children import Backoff, Child, describe_exit, spawn
from omniroute.link import Link, LinkError, Message

if TYPE_CHECKING:
    import trio

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_REFUSED = 2  # what the user gave cannot be used: configuration, ports, data dir

# Until its first message a child imports, migrates, repairs; none of that sends beats.
_SILENT_START_S = 120.0
# Beyond the drain limit, for a worker to close up after its last request.
_DRAIN_GRACE_S = 5.0
# For control's last pass over the outbox. What it does not manage, the next start does.
_CONTROL_STOP_S = 20.0
_EXIT_GRACE_S = 2.0
_LAST_WORDS_S = 0.2
_FLEET_EVERY_S = 1.0
_TELL_S = 2.0

_log = logging.getLogger("omniroute.supervisor")


@dataclass(frozen=True)
class Ready:
    """What is known once requests are answered: URLs, and on a first start what is shown once."""

    endpoint: str  # "http://127.0.0.1:20128", without /v1
    dashboard: str  # "http://127.0.0.1:20129"
    first_start: Mapping[str, Any]  # {} or password, link, api_key


@dataclass(frozen=True)
class SupervisorPlan:
    """Everything the supervisor is told. Times in seconds; port 0 means any free one."""

    data_dir: Path
    config_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 20128
    dashboard_port: int = 20129
    split_ports: bool = False
    workers: int = 1
    drain_timeout_s: float = 30.0
    heartbeat_timeout_s: float = 5.0
    open_browser: bool = False
    log_level: str = "info"
    log_format: str = "text"
    # The command line's settings, as `config.load` takes them; control loads again on reload.
    overrides: Mapping[str, Any] = field(default_factory=dict)
    # A bound listening socket for the built-in upstream, which is then run as one more child.
    simulator: bool = False
    simulator_socket: socket.socket | None = None
    # Run once in the supervisor's own loop when everything is up (the demo's first requests).
    after_ready: Callable[[Ready], Awaitable[None]] | None = None


def run(plan: SupervisorPlan) -> int:
    """Run the gateway until a signal ends it. Returns the process's exit status.

    0 after a drain, 1 when it was cut short or broke, 2 when ports, data dir or configuration
    cannot be used (said on standard error).
    """
    logs.configure("supervisor", level=plan.log_level, format_=plan.log_format)
    try:
        lock = _lock(plan.data_dir)
        try:
            with (
                ports.listen(plan.host, plan.port) as data_socket,
                ports.listen(plan.host, plan.dashboard_port) as dashboard_socket,
            ):
                return _House(plan, data_socket, dashboard_socket).live()
        finally:
            os.close(lock)
    except (ports.PortTaken, DataDirInUse) as error:
        print(f"omniroute: {error}", file=sys.stderr)
        return EXIT_REFUSED


class DataDirInUse(Exception):
    """Another supervisor runs on this data dir, or the dir cannot be used."""


def _lock(data_dir: Path) -> int:
    """Hold the data dir as long as this process lives: two controls would undo each other's work.

    The lock is on the directory itself and its descriptor is not inherited, so it goes with the
    supervisor, not with children that are still draining.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir, os.O_RDONLY)
    except OSError as error:
        raise DataDirInUse(f"the data directory {data_dir} cannot be used: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        raise DataDirInUse(
            f"another omniroute{_lock_holder(inode)} runs on the data directory {data_dir}; stop "
            "it, or give this one its own with --data-dir"
        ) from error
    return descriptor


def _lock_holder(inode: int) -> str:
    """Who holds a lock on this inode, as " (pid 7)"; empty where /proc/locks does not tell."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
            return f" (pid {words[4]})"
    return ""


class _Slot:
    """A place for one child: the process in it changes, the place stays."""

    def __init__(self, kind: str, number: int, start: Callable[[], Child]) -> None:
        self.kind = kind
        self.number = number
        self.start = start
        self.backoff = Backoff()
        self.child: Child | None = None
        self.link: Link | None = None
        self.state = "starting"  # starting | ready | replacing | draining | gone
        self.restarts = 0
        self.inflight = 0
        self.heard_s = 0.0
        self.heard = False
        self.was_ready = False

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}" if self.kind == "worker" else self.kind

    def describe(self) -> dict[str, Any]:
        return {
            "worker": self.number,
            "pid": self.child.pid if self.child else None,
            "state": self.state,
            "inflight": self.inflight,
            "restarts": self.restarts,
        }


class _House:
    """All slots, and the rules between them."""

    def __init__(
        self, plan: SupervisorPlan, data_socket: socket.socket, dashboard_socket: socket.socket
    ) -> None:
        self._plan = plan
        self._data_socket = data_socket
        self._dashboard_socket = dashboard_socket
        self._endpoint = ports.url(data_socket, plan.host)
        self._dashboard = ports.url(dashboard_socket, plan.host)
        self._control = _Slot("control", 0, self._spawn_control)
        self._workers = [
            _Slot("worker", number, partial(self._spawn_worker, number))
            for number in range(1, plan.workers + 1)
        ]
        self._simulator = _Slot("simulator", 0, self._spawn_simulator) if plan.simulator else None
        self._map_bytes = 0  # known once control has published
        self._first_start: Mapping[str, Any] | None = None  # None: not known yet
        self._told_ready = False
        self._exit_code = EXIT_OK
        self._forced = False

    # Spawning

    def _slots(self) -> list[_Slot]:
        return [self._control, *self._workers, *([self._simulator] if self._simulator else [])]

    def live(self) -> int:
        """Spawn everything and stay until the end; returns the exit status."""
        try:
            self._spawn_all()
            # Only now: the children start up while this process imports.
            import trio

            return trio.run(self.run)
        finally:
            self._kill_all()

    def _spawn_all(self) -> None:
        """Start every child at once; they wait for each other by themselves."""
        for slot in self._slots():
            try:
                slot.child = slot.start()
            except OSError as error:
                _log.error("cannot spawn %s: %s", slot.name, error)

    def _kill_all(self) -> None:
        for slot in self._slots():
            if slot.child is not None:
                slot.child.kill()

    def _common(self) -> list[str]:
        plan = self._plan
        return [
            *("--data-dir", str(plan.data_dir)),
            *("--log-level", plan.log_level, "--log-format", plan.log_format),
        ]

    def _spawn_control(self) -> Child:
        plan = self._plan
        arguments = [
            *self._common(),
            *("--endpoint", self._endpoint, "--dashboard", self._dashboard),
            *("--overrides", json.dumps(dict(plan.overrides), default=str)),
        ]
        if plan.config_file is not None:
            arguments += ["--config", str(plan.config_file)]
        if self._map_bytes:
            arguments.append("--is-replacement")
        return spawn("omniroute.control", arguments, {"--dashboard-fd": self._dashboard_socket})

    def _spawn_worker(self, number: int) -> Child:
        arguments = [*self._common(), "--worker-id", str(number)]
        return spawn("omniroute.worker", arguments, {"--listen-fd": self._data_socket})

    def _spawn_simulator(self) -> Child:
        assert self._plan.simulator_socket is not None, "a simulator needs its socket"
        return spawn("omniroute.simulator", [], {"--listen-fd": self._plan.simulator_socket})

    # Running

    async def run(self) -> int:
        import trio

        self._stop = trio.Event()
        self._moved = trio.Condition()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._obey_signals)
            for slot in self._slots():
                nursery.start_soon(self._keep, slot)
            nursery.start_soon(self._report_fleet)
            await self._stop.wait()
            await self._end()
            nursery.cancel_scope.cancel()
        return EXIT_FAILED if self._forced and self._exit_code == EXIT_OK else self._exit_code

    async def _obey_signals(self, task_status: "trio.TaskStatus[None]") -> None:
        import trio

        with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    _log.info("reloading the configuration (SIGHUP)")
                    await self._tell(self._control, "reload")
                elif not self._stop.is_set():
                    _log.info(
                        "stopping: running requests have %g s to finish (%s); "
                        "a second signal stops at once",
                        self._plan.drain_timeout_s,
                        signal.Signals(number).name,
                    )
                    self._stop.set()
                else:
                    _log.warning("stopping at once (second signal)")
                    self._forced = True
                    self._kill_all()

    async def _keep(self, slot: _Slot) -> None:
        """Keep the slot filled until the house ends."""
        import trio

        while True:
            lived_s = 0.0
            if slot.child is not None:
                died = await self._watch(slot, slot.child)
                lived_s = slot.child.lived_s()
                pid = slot.child.pid
                slot.child = None
                slot.inflight = 0
                if not self._stop.is_set():
                    _log.warning("%s (pid %d) %s; it is replaced", slot.name, pid, died)
                    await self._tell(
                        self._control, "child_died", kind=slot.kind, number=slot.number, pid=pid
                    )
            if self._stop.is_set():
                await self._move(slot, "gone")
                return
            await self._move(slot, "replacing")
            delay_s = slot.backoff.delay_s(lived_s)
            if delay_s:
                _log.error("%s keeps dying; the next start waits %g s", slot.name, delay_s)
            with trio.move_on_after(delay_s):
                await self._stop.wait()
            if self._stop.is_set():
                await self._move(slot, "gone")
                return
            slot.restarts += 1
            try:
                slot.child = slot.start()
            except OSError as error:
                _log.error("cannot spawn %s: %s", slot.name, error)

    async def _watch(self, slot: _Slot, child: Child) -> str:
        """Listen to the child until it is dead and reaped; returns what happened, in words."""
        import trio

        link = Link(child.link_socket)
        slot.link = link
        slot.heard = False
        slot.heard_s = trio.current_time()
        await self._move(slot, "starting")
        if slot.kind == "worker" and self._map_bytes:
            await self._go(slot)
        why = ""
        async with trio.open_nursery() as nursery:
            silence = trio.Event()
            nursery.start_soon(self._time_silence, slot, child, silence)
            try:
                while (message := await link.receive()) is not None:
                    slot.heard_s = trio.current_time()
                    slot.heard = True
                    await self._hear(slot, message)
            except (LinkError, KeyError) as error:
                why = f"sent a message that is none ({error})"
                child.kill()
            if silence.is_set():
                why = f"was silent for {self._plan.heartbeat_timeout_s:g} s and was killed"
            nursery.cancel_scope.cancel()
        slot.link = None
        await link.aclose()
        await self._reap(child)
        return why or describe_exit(child.process.returncode)

    async def _time_silence(self, slot: _Slot, child: Child, silence: "trio.Event") -> None:
        """Kill the child when it is silent too long. Its end of file ends the watch."""
        import trio

        look_every_s = self._plan.heartbeat_timeout_s / 4
        while True:
            await trio.sleep(look_every_s)
            limit_s = self._plan.heartbeat_timeout_s if slot.heard else _SILENT_START_S
            if trio.current_time() < slot.heard_s + limit_s:
                continue
            # When this process itself was held up (stopped, swapped out), beats lie unread on the
            # link: let them be read before judging.
            heard_s = slot.heard_s
            await trio.sleep(0.1)
            if slot.heard_s == heard_s:
                silence.set()
                await self._kill_hanging(child)
                return

    @staticmethod
    async def _kill_hanging(child: Child) -> None:
        import trio

        child.ask_where_it_hangs()
        await trio.sleep(_LAST_WORDS_S)
        child.kill()

    @staticmethod
    async def _reap(child: Child) -> None:
        import trio

        with trio.move_on_after(_EXIT_GRACE_S):
            await trio.to_thread.run_sync(child.process.wait, abandon_on_cancel=True)
            return
        # It closed its link and lives on: of no use to anybody.
        child.kill()
        await trio.to_thread.run_sync(child.process.wait)

    async def _hear(self, slot: _Slot, message: Message) -> None:
        match message["type"]:
            case "beat":
                slot.inflight = int(message.get("inflight", 0))
            case "ready":
                slot.was_ready = True
                await self._move(slot, "draining" if self._stop.is_set() else "ready")
            case "published":
                self._map_bytes = int(message["map_bytes"])
                if self._first_start is None and not message["first_start"]:
                    self._first_start = {}
                for worker in self._workers:
                    if worker.state == "starting":
                        await self._go(worker)
            case "first_start":
                self._first_start = {k: v for k, v in message.items() if k != "type"}
            case "refused":
                if not self._map_bytes:
                    # Nothing runs on an earlier configuration, so there is no point in going on.
                    print(f"omniroute: {message['message']}", file=sys.stderr, flush=True)
                    self._exit_code = EXIT_REFUSED
                    self._stop.set()
        self._tell_when_ready()

    async def _go(self, worker: _Slot) -> None:
        await self._tell(
            worker,
            "go",
            drain_timeout_s=self._plan.drain_timeout_s,
            map_bytes=self._map_bytes,
        )

    async def _tell(self, slot: _Slot, type_: str, **fields: Any) -> None:
        """Send if the child is there; one that does not read is dealt with by its silence."""
        import trio

        if slot.link is not None:
            with trio.move_on_after(_TELL_S):
                await slot.link.send(type_, **fields)

    async def _move(self, slot: _Slot, state: str) -> None:
        async with self._moved:
            slot.state = state
            self._moved.notify_all()

    async def _report_fleet(self) -> None:
        """Tell control how the processes are: at each change, and once a second."""
        import trio

        while True:
            await self._tell(
                self._control,
                "fleet",
                workers=[slot.describe() for slot in self._workers],
                control_restarts=self._control.restarts,
                draining=self._stop.is_set(),
            )
            with trio.move_on_after(_FLEET_EVERY_S):
                async with self._moved:
                    await self._moved.wait()

    # Ready

    def _tell_when_ready(self) -> None:
        up = [*self._workers, *([self._simulator] if self._simulator else [])]
        if self._told_ready or self._first_start is None or not all(s.was_ready for s in up):
            return
        self._told_ready = True
        ready = Ready(self._endpoint, self._dashboard, self._first_start)
        try:
            print(_banner(ready), flush=True)
        except OSError as error:
            _log.warning("standard output cannot be written: %s", error)
        sign_in = ready.first_start.get("link")
        if self._plan.open_browser and sign_in and _has_display():
            self._nursery.start_soon(_open_browser, sign_in)
        if self._plan.after_ready is not None:
            self._nursery.start_soon(self._plan.after_ready, ready)

    # The end

    async def _end(self) -> None:
        limit_s = self._plan.drain_timeout_s
        if self._exit_code == EXIT_REFUSED:
            # Nothing was ever served.
            self._kill_all()
        # With the last descriptor closed the kernel refuses connections instead of queueing them.
        self._data_socket.close()
        for worker in self._workers:
            if worker.state not in ("gone", "replacing"):
                await self._move(worker, "draining")
            await self._tell(worker, "drain", limit_s=limit_s)
        await self._wait_gone(self._workers, limit_s + _DRAIN_GRACE_S)
        await self._tell(self._control, "stop")
        self._dashboard_socket.close()
        await self._wait_gone([self._control], _CONTROL_STOP_S)
        if self._simulator:
            if self._simulator.child is not None:
                self._simulator.child.process.terminate()
            await self._wait_gone([self._simulator], _EXIT_GRACE_S)
        _log.info("stopped")

    async def _wait_gone(self, slots: list[_Slot], limit_s: float) -> None:
        """Wait for the children to leave; after the limit they are made to."""
        import trio

        with trio.move_on_after(limit_s):
            async with self._moved:
                while not all(slot.state == "gone" for slot in slots):
                    await self._moved.wait()
            return
        for slot in slots:
            if slot.child is not None:
                _log.warning("%s did not leave in time and is killed", slot.name)
                await self._kill_hanging(slot.child)
        async with self._moved:
            while not all(slot.state == "gone" for slot in slots):
                await self._moved.wait()


def _banner(ready: Ready) -> str:
    lines = [
        f"OmniRoute {__version__}",
        f"  endpoint    {ready.endpoint}/v1",
        f"  dashboard   {ready.dashboard}/dashboard/",
    ]
    if ready.first_start:
        first = ready.first_start
        lines += ["", "First start. What follows is shown this once:"]
        if first.get("password"):
            lines.append(f"  admin password   {first['password']}")
        else:
            lines.append("  admin password   as given by INITIAL_PASSWORD")
        lines.append(f"  sign-in link     {first['link']}")
        if first.get("api_key"):
            lines.append(f"  API key          {first['api_key']}")
        lines.append("")
    # The last line is for scripts: it appears exactly once, when requests are answered.
    lines.append(f"READY {ready.endpoint} {ready.dashboard}")
    return "\n".join(lines)


def _has_display() -> bool:
    return (
        sys.platform in ("darwin", "win32")
        or bool(os.environ.get("DISPLAY"))
        or bool(os.environ.get("WAYLAND_DISPLAY"))
    )


async def _open_browser(url: str) -> None:
    import webbrowser

    import trio

    opened = await trio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)
    if not opened:
        _log.info("no browser could be opened; the link above signs in")
