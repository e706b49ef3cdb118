"""Fixtures of the process tests; the work is in `harness`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.harness import Gateway, Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def gateways(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[[], Gateway]]:
    """Makes gateways over one data dir and configuration; all are gone after the test."""
    made: list[Gateway] = []

    def make() -> Gateway:
        made.append(Gateway(tmp_path, upstream, number=len(made) + 1))
        return made[-1]

    yield make
    for gateway in made:
        gateway.clean_up()


@pytest.fixture
def gateway(gateways: Callable[[], Gateway]) -> Gateway:
    return gateways()
