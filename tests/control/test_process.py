"""The running control process: it answers, it does its jobs, and it ends in order."""

import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from omniroute.control import bootstrap
from omniroute.control.configuration import Sources
from omniroute.control.process import ControlProcess, StateReplaced
from omniroute.link import Link, pair
from omniroute.record import Record
from omniroute.resilience import cooldown
from omniroute.store.database import Store


class Running:
    """A control process in this loop, with the supervisor's end of its link."""

    def __init__(self, data_dir: Path, config_file: Path) -> None:
        sources = Sources({"state.map_bytes": 8 << 20}, config_file, data_dir)
        self.foundation = bootstrap.build(data_dir, sources, is_replacement=False)
        ours, theirs = pair()
        self.link = Link(ours)
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.process = ControlProcess(
            self.foundation,
            link_socket=theirs,
            dashboard_socket=listener,
            endpoint="http://127.0.0.1:1",
            dashboard=self.url,
        )
        self.ended = trio.Event()
        self.error: BaseException | None = None

    async def run(self) -> None:
        try:
            await self.process.run()
        except* StateReplaced as group:
            self.error = group
        self.ended.set()

    async def until_ready(self) -> None:
        with trio.fail_after(30):
            while (message := await self.link.receive()) and message["type"] != "ready":
                pass

    async def stop(self) -> None:
        await self.link.send("stop")
        with trio.fail_after(30):
            await self.ended.wait()

    async def until(self, holds: Callable[[Any], bool]) -> Any:
        """The first status that holds."""
        with trio.fail_after(20):
            while not holds(status := await self.status()):  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.02)
        return status

    async def status(self) -> Any:
        token = self.foundation.installation.admin_token
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{self.url}/api/status", headers={"authorization": f"Bearer {token}"}
            )
        return answer.json()

    def outcomes(self) -> dict[str, str]:
        store = Store.open(self.foundation.installation.database)
        try:
            return {record.id: record.outcome for record in store.requests(100)}
        finally:
            store.close()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "omniroute.toml"
    file.write_text("[server]\nworkers = 1\n")
    return file


@pytest.fixture
async def running(
    tmp_path: Path, config_file: Path, nursery: trio.Nursery
) -> AsyncIterator[Running]:
    made = Running(tmp_path / "d", config_file)
    nursery.start_soon(made.run)
    await made.until_ready()
    yield made
    if not made.ended.is_set():
        await made.stop()
    await made.link.aclose()


def allow(config_file: Path, *hosts: str) -> None:
    config_file.write_text(f"[server]\nallowed_hosts = {list(hosts)}\n")


def budget_for_a_key(config_file: Path) -> None:
    config_file.write_text('[[keys]]\nname = "k"\nkey = "sk-of-a-test"\nbudget = { usd = 1 }\n')


def account_at(config_file: Path, base_url: str) -> None:
    """An account whose provider has a quota endpoint, here."""
    config_file.write_text(
        f'[[providers]]\nid = "glm"\nbase_url = "{base_url}"\n'
        '[[connections]]\nprovider = "glm"\napi_key = "k"\n'
    )


def record(id_: str) -> Record:
    return Record(id=id_, started_ms=time.time_ns() // 1_000_000)


async def test_it_answers_on_both_doors_and_shows_the_fleet(running: Running) -> None:
    await running.link.send(
        "fleet", workers=[{"worker": 1, "state": "ready"}], control_restarts=0, draining=False
    )
    status = await running.until(lambda status: status["workers"])
    assert status["workers"] == [{"worker": 1, "state": "ready"}]
    path = str(running.foundation.installation.control_socket)
    transport = httpx.AsyncHTTPTransport(uds=path)
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://localhost/api/health")).status_code == 200


async def test_finished_requests_reach_the_history(running: Running) -> None:
    running.foundation.state.settle(record("one"))
    await running.until(lambda status: not status["outbox"]["records"])
    assert running.outcomes() == {"one": "ok"}


async def test_stopping_writes_out_what_is_left(running: Running) -> None:
    for number in range(20):
        running.foundation.state.settle(record(f"r{number}"))
    await running.stop()
    assert len(running.outcomes()) == 20


async def test_it_leaves_when_the_supervisor_is_gone(running: Running) -> None:
    running.foundation.state.settle(record("last"))
    await running.link.aclose()
    with trio.fail_after(30):
        await running.ended.wait()
    assert running.outcomes() == {"last": "ok"}


async def test_reload_by_word_and_by_file(running: Running, config_file: Path) -> None:
    allow(config_file, "a.example")
    await running.link.send("reload")
    await running.until(lambda status: status["configuration"]["snapshot_version"] == 2)
    allow(config_file, "b.example", "c.example")
    await running.until(lambda status: status["configuration"]["snapshot_version"] == 3)
    # The doors ask for the names in force.
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = {
            host: (await client.get(f"{running.url}/healthz", headers={"host": host})).status_code
            for host in ("a.example", "b.example")
        }
    assert answers == {"a.example": 403, "b.example": 200}


async def test_a_childs_death_has_its_readers_checked(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def check() -> int:
        token.run_sync_soon(checked.set)
        return 1

    monkeypatch.setattr(running.foundation.state, "reader_check", check)
    await running.link.send("child_died", kind="worker", number=1, pid=1)
    with trio.fail_after(20):
        await checked.wait()


async def test_what_a_dead_worker_held_is_settled_and_its_requests_recorded(
    running: Running,
) -> None:
    limits = running.foundation.state.limits
    limits.note([(b"nobodys " + bytes(8), record("lost"))])
    await running.link.send("child_died", kind="worker", number=1, pid=1)
    with trio.fail_after(20):
        while running.outcomes() != {"lost": "worker_lost"}:  # noqa: ASYNC110 - in the database
            await trio.sleep(0.02)


async def test_a_limit_that_is_set_while_it_runs_knows_what_was_spent(
    running: Running, config_file: Path
) -> None:
    spent = record("one")
    spent.key_id, spent.cost_microusd = "file/k", 250_000
    running.foundation.state.settle(spent)
    budget_for_a_key(config_file)
    await running.link.send("reload")
    status = await running.until(lambda status: status["limits"])
    (budget,) = status["limits"]
    assert (budget["used"], budget["limit"]) == (250_000, 1_000_000)


async def test_each_job_does_its_work_and_shows_it(running: Running) -> None:
    def all_ran(status: Any) -> bool:
        return all(job["runs"] for job in status["jobs"].values())

    jobs = (await running.until(all_ran))["jobs"]
    assert {"backups", "cache", "conditions", "quotas", "retention", "sessions"} <= set(jobs)
    assert not any(job["error"] for job in jobs.values())


async def test_ended_conditions_are_tidied_away(tmp_path: Path, config_file: Path) -> None:
    long_ago_ms = time.time_ns() // 1_000_000 - 30 * 86_400_000
    made = Running(tmp_path / "d", config_file)
    conditions = made.foundation.state.conditions
    conditions.change(
        "cooldown:acme/main",
        lambda _: cooldown.after_failure(None, long_ago_ms, cooldown.Policy(5.0, 300.0, 86400.0)),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        await made.until_ready()
        status = await made.until(lambda status: status["jobs"]["conditions"]["runs"])
        assert status["health"]["cooldowns"] == []
        await made.stop()
    await made.link.aclose()


async def test_an_endpoint_that_is_silent_holds_up_no_end(
    running: Running, config_file: Path
) -> None:
    asked = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        asked.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        account_at(config_file, f"http://127.0.0.1:{port}")
        await running.link.send("reload")
        with trio.fail_after(20):
            await asked.wait()
        status = await running.status()
        assert status["jobs"]["quotas"]["state"] == "running"
        await running.stop()
        nursery.cancel_scope.cancel()


async def test_a_deleted_state_ends_the_process_with_a_reason(running: Running) -> None:
    shutil.rmtree(running.foundation.installation.lmdb_dir)
    with trio.fail_after(30):
        await running.ended.wait()
    assert running.error is not None
