"""Stand-ins for the control room's tests: facts in a dictionary, a clock to turn."""

from pathlib import Path

import pytest

from omniroute.control.access import Access
from omniroute.installation import Installation


class FactsInMemory(dict[str, str]):
    """The store's small facts."""

    def get_meta(self, name: str) -> str | None:
        return self.get(name)

    def set_meta(self, name: str, value: str) -> None:
        self[name] = value


class TurnedClock:
    """Unix seconds that move only by hand."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def facts() -> FactsInMemory:
    return FactsInMemory()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.ephemeral(tmp_path)


@pytest.fixture
def access(installation: Installation, facts: FactsInMemory, clock: TurnedClock) -> Access:
    return Access(installation, facts, clock)
