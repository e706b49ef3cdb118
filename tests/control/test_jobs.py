"""Jobs repeat, fail in the open, and go on."""

import logging

import pytest
import trio

from omniroute.control.jobs import Job, JobFailed


async def test_a_failing_job_is_shown_retried_later_and_recovers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "omniroute")
    outcomes: list[Exception | None] = [JobFailed("disk full"), JobFailed("disk full"), None]

    def work() -> None:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    job = Job("history", 1.0, work)
    assert job.describe()["state"] == "waiting"
    await job.run_once()
    assert job.describe()["state"] == "failing"
    assert job.describe()["error"] == "disk full"
    assert job.pause_s() == 2.0
    await job.run_once()
    assert job.pause_s() == 4.0
    assert caplog.text.count("disk full") == 1  # said when it changes, not each time
    await job.run_once()
    assert job.describe()["state"] == "waiting"
    assert job.describe()["error"] == ""
    assert job.pause_s() == 1.0
    assert "works again" in caplog.text
    assert job.runs == 3


async def test_a_defect_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        raise ZeroDivisionError("oh")

    job = Job("x", 1.0, work)
    await job.run_once()
    assert job.error == "ZeroDivisionError: oh"
    assert "Traceback" in caplog.text


async def test_the_pause_is_bounded() -> None:
    def work() -> None:
        raise JobFailed("always")

    job = Job("x", 1.0, work)
    for _ in range(20):
        await job.run_once()
    assert job.pause_s() == 30.0
    slow = Job("y", 3600.0, work)
    await slow.run_once()
    assert slow.pause_s() == 3600.0


async def test_it_repeats_until_cancelled() -> None:
    # In real time: a mock clock would jump ahead while the work is still in its thread.
    third_run = trio.Event()
    runs = 0

    def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            trio.from_thread.run_sync(third_run.set)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Job("x", 0.001, work).repeat)
        with trio.fail_after(10):
            await third_run.wait()
        nursery.cancel_scope.cancel()


async def test_it_says_that_it_is_running() -> None:
    job = Job("x", 1.0, lambda: seen.append(job.describe()["state"]))
    seen: list[str] = []
    await job.run_once()
    assert seen == ["running"]
