"""Fixtures of the process tests; the work is in `harness`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.harness import Gateway, Upstream

MADE = pytest.StashKey[list[Gateway]]()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def gateways(
    tmp_path: Path, upstream: Upstream, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Gateway]]:
    """Makes gateways over one data dir and configuration; all are gone after the test."""
    made: list[Gateway] = []
    request.node.stash[MADE] = made

    def make() -> Gateway:
        made.append(Gateway(tmp_path, upstream, number=len(made) + 1))
        return made[-1]

    yield make
    for gateway in made:
        gateway.clean_up()


@pytest.fixture
def gateway(gateways: Callable[[], Gateway]) -> Gateway:
    return gateways()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A failed test shows what its gateways said and whether they were still there."""
    report = yield
    if report.when == "call" and report.failed:
        for gateway in item.stash.get(MADE, []):
            state = "never started"
            if gateway.process is not None:
                status = gateway.process.poll()
                state = "running" if status is None else f"ended with {status}"
                state += f"; {gateway.stdout()}\n{gateway.stderr()}"
            report.sections.append(("gateway", state))
    return report
