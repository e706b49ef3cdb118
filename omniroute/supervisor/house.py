"""The supervisor's life: it listens to its children, replaces what dies, ends in order.

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

import logging
import signal
import sys
from collections.abc import Mapping
from typing import Any

import trio

from omniroute.children import Child, describe_exit
from omniroute.link import Link, LinkError, Message
from omniroute.supervisor.greeting import banner, has_display, open_browser
from omniroute.supervisor.plan import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, Ready, SupervisorPlan
from omniroute.supervisor.slots import Slot, Slots

# Until its first message a child imports, migrates, repairs; none of that sends beats.
_SILENT_START_S = 120.0
# Beyond the drain limit, for a worker to close up after its last request.
_DRAIN_GRACE_S = 5.0
# For control's last pass over the outbox. What it does not manage, the next start does.
_CONTROL_STOP_S = 20.0
_EXIT_GRACE_S = 2.0
_LAST_WORDS_S = 0.2
_FLEET_EVERY_S = 1.0
# `make`, `timeout` and service managers pass a signal on that the whole group got already. Nobody
# means two things within this time.
_ONE_WISH_S = 0.25
_TELL_S = 2.0

_log = logging.getLogger("omniroute.supervisor")


class House:
    """The rules between the processes; `run` is the whole of it, for `trio.run`."""

    def __init__(self, plan: SupervisorPlan, slots: Slots) -> None:
        self._plan = plan
        self._slots = slots
        self._stop = trio.Event()
        self._moved = trio.Condition()
        self._first_start: Mapping[str, Any] | None = None  # None: not known yet
        self._told_ready = False
        self._exit_code = EXIT_OK
        self._forced = False

    async def run(self) -> int:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._obey_signals)
            for slot in self._slots.all():
                nursery.start_soon(self._keep, slot)
            nursery.start_soon(self._report_fleet)
            await self._stop.wait()
            await self._end()
            nursery.cancel_scope.cancel()
        return EXIT_FAILED if self._forced and self._exit_code == EXIT_OK else self._exit_code

    async def _obey_signals(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            asked_s = 0.0
            async for number in signals:
                if number == signal.SIGHUP:
                    _log.info("reloading the configuration (SIGHUP)")
                    await self._tell(self._slots.control, "reload")
                elif not self._stop.is_set():
                    asked_s = trio.current_time()
                    _log.info(
                        "stopping: running requests have %g s to finish (%s); "
                        "a second signal stops at once",
                        self._plan.drain_timeout_s,
                        signal.Signals(number).name,
                    )
                    self._stop.set()
                elif trio.current_time() >= asked_s + _ONE_WISH_S:
                    _log.warning("stopping at once (second signal)")
                    self._forced = True
                    self._slots.kill_all()

    async def _keep(self, slot: Slot) -> None:
        """Keep the slot filled until the house ends."""
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
                        self._slots.control,
                        "child_died",
                        kind=slot.kind,
                        number=slot.number,
                        pid=pid,
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
            slot.fill()

    async def _watch(self, slot: Slot, child: Child) -> str:
        """Listen to the child until it is dead and reaped; returns what happened, in words."""
        link = Link(child.link_socket)
        slot.link = link
        slot.beats = False
        slot.heard_s = trio.current_time()
        await self._move(slot, "starting")
        if slot.kind == "worker" and self._slots.map_bytes:
            await self._go(slot)
        why = ""
        async with trio.open_nursery() as nursery:
            silence = trio.Event()
            nursery.start_soon(self._time_silence, slot, child, silence)
            try:
                while (message := await link.receive()) is not None:
                    slot.heard_s = trio.current_time()
                    # What comes before the first beat is news of the start, which may be slow.
                    slot.beats = slot.beats or message["type"] == "beat"
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

    async def _time_silence(self, slot: Slot, child: Child, silence: trio.Event) -> None:
        """Kill the child when it is silent too long. Its end of file ends the watch."""
        look_every_s = self._plan.heartbeat_timeout_s / 4
        while True:
            await trio.sleep(look_every_s)
            limit_s = self._plan.heartbeat_timeout_s if slot.beats else _SILENT_START_S
            if trio.current_time() < slot.heard_s + limit_s or self._is_held_up(slot):
                continue
            # When this process itself was held up (stopped, swapped out), beats lie unread on the
            # link: let them be read before judging.
            heard_s = slot.heard_s
            await trio.sleep(0.1)
            if slot.heard_s == heard_s:
                silence.set()
                await self._kill_hanging(child)
                for each in self._slots.all():
                    each.heard_s = max(each.heard_s, trio.current_time())
                return

    def _is_held_up(self, slot: Slot) -> bool:
        """Is another one silent for longer? One that hangs within a transaction holds up all that
        want to write; only it is killed, and the others get their time anew."""
        others = [each for each in self._slots.all() if each is not slot and each.beats]
        silent = [
            each
            for each in others
            if each.child is not None
            and trio.current_time() >= each.heard_s + self._plan.heartbeat_timeout_s
        ]
        return any(each.heard_s < slot.heard_s for each in silent)

    @staticmethod
    async def _kill_hanging(child: Child) -> None:
        child.ask_where_it_hangs()
        await trio.sleep(_LAST_WORDS_S)
        child.kill()

    @staticmethod
    async def _reap(child: Child) -> None:
        with trio.move_on_after(_EXIT_GRACE_S):
            await trio.to_thread.run_sync(child.process.wait, abandon_on_cancel=True)
            return
        # It closed its link and lives on: of no use to anybody.
        child.kill()
        await trio.to_thread.run_sync(child.process.wait)

    async def _hear(self, slot: Slot, message: Message) -> None:
        match message["type"]:
            case "beat":
                slot.inflight = int(message.get("inflight", 0))
            case "ready":
                slot.was_ready = True
                await self._move(slot, "draining" if self._stop.is_set() else "ready")
            case "published":
                self._slots.map_bytes = int(message["map_bytes"])
                if self._first_start is None and not message["first_start"]:
                    self._first_start = {}
                for worker in self._slots.workers:
                    if worker.state == "starting":
                        await self._go(worker)
            case "first_start":
                self._first_start = {k: v for k, v in message.items() if k != "type"}
            case "refused":
                if not self._slots.map_bytes:
                    # Nothing runs on an earlier configuration, so there is no point in going on.
                    print(f"omniroute: {message['message']}", file=sys.stderr, flush=True)
                    self._exit_code = EXIT_REFUSED
                    self._stop.set()
        self._tell_when_ready()

    async def _go(self, worker: Slot) -> None:
        await self._tell(
            worker,
            "go",
            drain_timeout_s=self._plan.drain_timeout_s,
            map_bytes=self._slots.map_bytes,
        )

    async def _tell(self, slot: Slot, type_: str, **fields: Any) -> None:
        """Send if the child is there; one that does not read is dealt with by its silence."""
        if slot.link is not None:
            with trio.move_on_after(_TELL_S):
                await slot.link.send(type_, **fields)

    async def _move(self, slot: Slot, state: str) -> None:
        async with self._moved:
            slot.state = state
            self._moved.notify_all()

    async def _report_fleet(self) -> None:
        """Tell control how the processes are: at each change, and once a second."""
        while True:
            await self._tell(
                self._slots.control,
                "fleet",
                workers=[slot.describe() for slot in self._slots.workers],
                control_restarts=self._slots.control.restarts,
                draining=self._stop.is_set(),
            )
            with trio.move_on_after(_FLEET_EVERY_S):
                async with self._moved:
                    await self._moved.wait()

    # Ready

    def _tell_when_ready(self) -> None:
        up = all(slot.was_ready for slot in self._slots.answering())
        if self._told_ready or self._first_start is None or not up:
            return
        self._told_ready = True
        ready = Ready(self._slots.endpoint, self._slots.dashboard, self._first_start)
        try:
            print(banner(ready), flush=True)
        except OSError as error:
            _log.warning("standard output cannot be written: %s", error)
        sign_in = ready.first_start.get("link")
        if self._plan.open_browser and sign_in and has_display():
            self._nursery.start_soon(open_browser, sign_in)
        if self._plan.after_ready is not None:
            self._nursery.start_soon(self._plan.after_ready, ready)

    # The end

    async def _end(self) -> None:
        limit_s = self._plan.drain_timeout_s
        if self._exit_code == EXIT_REFUSED:
            # Nothing was ever served.
            self._slots.kill_all()
        # With the last descriptor closed the kernel refuses connections instead of queueing them.
        self._slots.data_socket.close()
        for worker in self._slots.workers:
            if worker.state not in ("gone", "replacing"):
                await self._move(worker, "draining")
            await self._tell(worker, "drain", limit_s=limit_s)
        await self._wait_gone(self._slots.workers, limit_s + _DRAIN_GRACE_S)
        await self._tell(self._slots.control, "stop")
        self._slots.dashboard_socket.close()
        await self._wait_gone([self._slots.control], _CONTROL_STOP_S)
        if self._slots.simulator:
            if self._slots.simulator.child is not None:
                self._slots.simulator.child.process.terminate()
            await self._wait_gone([self._slots.simulator], _EXIT_GRACE_S)
        _log.info("stopped")

    async def _wait_gone(self, slots: list[Slot], limit_s: float) -> None:
        """Wait for the children to leave; after the limit they are made to."""
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
