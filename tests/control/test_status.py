"""The status tells what is wrong in sentences, and never anything secret."""

import time
from pathlib import Path
from typing import Any

import pytest

from omniroute.control.configuration import Configuration, Sources
from omniroute.control.drain import DrainStatus
from omniroute.control.jobs import Job
from omniroute.control.status import Status
from omniroute.installation import Installation
from omniroute.record import Record
from omniroute.resilience import cooldown
from omniroute.state.interface import Hold
from omniroute.state.memory_state import MemoryState


@pytest.fixture
def status(tmp_path: Path, installation: Installation) -> Status:
    state = MemoryState()
    if state.needs_rebuild:
        state.rebuild([])
    file = tmp_path / "omniroute.toml"
    file.write_text('[[keys]]\nname = "k"\nkey = "very-secret-key"\n')
    configuration = Configuration(Sources({}, file, tmp_path), installation, state, lambda: [])
    configuration.publish()
    return Status(
        state=state,
        configuration=configuration,
        drain=DrainStatus(),
        jobs=[Job("history", 1.0, lambda: None)],
        warnings=[],
        endpoint="http://127.0.0.1:1",
        dashboard="http://127.0.0.1:2",
    )


def test_all_is_well_when_there_are_no_problems(status: Status) -> None:
    document = status.document()
    assert document["problems"] == []
    assert document["configuration"]["snapshot_version"] == 1
    assert document["outbox"]["records"] == 0
    assert document["jobs"]["history"]["state"] == "waiting"


def test_it_holds_no_secrets(status: Status, installation: Installation) -> None:
    text = repr(status.document())
    assert "very-secret-key" not in text
    assert installation.admin_token not in text


def test_it_shows_what_the_supervisor_said(status: Status) -> None:
    worker: dict[str, Any] = {"worker": 1, "state": "ready"}
    status.fleet.update({"workers": [worker], "control_restarts": 2, "draining": True})
    document = status.document()
    assert document["workers"] == [worker]
    assert document["control_restarts"] == 2
    assert document["draining"] is True


def test_it_shows_how_far_each_limit_is_used(status: Status) -> None:
    assert status.document()["limits"] == []
    file = status.configuration.file
    assert file is not None
    file.write_text(
        '[[keys]]\nname = "k"\nkey = "very-secret-key"\nrpm = 5\nbudget = { usd = 2 }\n'
    )
    status.configuration.publish()
    snapshot = status.configuration.snapshot
    assert snapshot is not None
    now_ms = time.time_ns() // 1_000_000
    (key,) = snapshot.keys
    amounts = {"requests": 1, "usd": 500_000}
    holds = [Hold(meter, amounts[meter.measure]) for meter in key.meters]
    note = Record(id="r", started_ms=now_ms)
    assert status.state.limits.reserve(b"t" * 16, holds, note, now_ms) is None
    limits = {limit["key"]: limit for limit in status.document()["limits"]}
    budget = limits["key/file/k/usd/monthly"]
    assert budget.pop("resets_ms") > now_ms
    expected = {
        "key": "key/file/k/usd/monthly",
        "measure": "usd",
        "limit": 2_000_000,
        "used": 0,
        "reserved": 500_000,
    }
    assert budget | expected == budget
    assert limits["key/file/k/rpm"]["used"] == 1


def test_it_tells_how_accounts_and_providers_are(status: Status) -> None:
    assert not any(status.document()["health"].values())
    policy = cooldown.Policy(60.0, 300.0, 86400.0)
    now_ms = time.time_ns() // 1_000_000
    status.state.conditions.change(
        cooldown.cooldown_key("acme/main"),
        lambda _: cooldown.after_failure(None, now_ms, policy, reason="429"),
    )
    (rest,) = status.document()["health"]["cooldowns"]
    assert (rest["subject"], rest["state"], rest["reason"]) == ("acme/main", "cooling", "429")


def test_it_tells_how_asking_for_quotas_went(status: Status) -> None:
    assert status.document()["quota_sync"] == []
    status.quota_sync = lambda: [{"connection": "acme/main", "error": "no answer"}]
    assert status.document()["quota_sync"][0]["error"] == "no answer"


def test_every_kind_of_trouble_is_a_problem(status: Status) -> None:
    status.warnings = ["the state was damaged"]
    status.configuration.error = "omniroute.toml:1: wrong"
    status.configuration.restart_needed = ("server.port",)
    status.jobs[0].error = "disk full"
    status.state.count_drop("full", 3)
    status.drain.beyond, status.drain.beyond_microusd = 2, 1_500_000
    problems = "\n".join(status.document()["problems"])
    for trouble in (
        "damaged",
        "omniroute.toml:1",
        "server.port",
        "disk full",
        "3 log records",
        "2 requests were billed 1.500000 USD beyond",
    ):
        assert trouble in problems
