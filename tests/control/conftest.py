"""What the control room's tests stand on: a store, a clock to turn, every service, a client."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from omniroute.assets import dashboard_dir
from omniroute.control import passwords
from omniroute.control.access import Access
from omniroute.control.api.services import Services
from omniroute.control.app import build_app
from omniroute.control.configuration import Configuration, Sources
from omniroute.control.door import Door
from omniroute.control.origins import KnownHosts
from omniroute.installation import Installation
from omniroute.state.interface import State
from omniroute.state.memory_state import MemoryState
from omniroute.store.database import Store


class TurnedClock:
    """Unix seconds that move only by hand."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return int(self.now_s * 1000)


@pytest.fixture
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords at the least cost that the algorithm has."""
    monkeypatch.setattr(
        passwords, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.ephemeral(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "omniroute.sqlite")
    yield made
    made.close()


@pytest.fixture
def access(installation: Installation, store: Store, clock: TurnedClock) -> Access:
    return Access(installation, store, clock)


@pytest.fixture
def state() -> Iterator[State]:
    made = MemoryState()
    if made.needs_rebuild:
        made.rebuild([])
    yield made
    made.close()


@pytest.fixture
def configuration(
    tmp_path: Path, installation: Installation, state: State, store: Store
) -> Configuration:
    """Published, from a configuration file that is empty."""
    sources = Sources({}, None, tmp_path)
    made = Configuration(sources, installation, state, store.client_keys, store.entities.all)
    made.publish()
    return made


@pytest.fixture
def services(
    installation: Installation,
    store: Store,
    state: State,
    configuration: Configuration,
    access: Access,
    clock: TurnedClock,
) -> Iterator[Services]:
    """What handlers work with, all of it real; a status that is a constant."""
    made = Services(
        installation=installation,
        store=store,
        state=state,
        configuration=configuration,
        access=access,
        status=lambda: {"version": "x"},
        now_ms=clock.now_ms,
    )
    yield made
    made.rehearsal.close()


def client_of(services: Services, scheme: str = "http") -> httpx.AsyncClient:
    """Nobody in particular, at the dashboard port's door."""
    app = build_app(services, dashboard_dir())
    door = Door(app, lambda: KnownHosts("127.0.0.1", []), is_private=False)
    transport = httpx.ASGITransport(door)
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://localhost:20129")


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with client_of(services) as made:
        yield made


@pytest.fixture
async def owner(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin token: everything is allowed to it."""
    async with client_of(services) as made:
        made.headers["authorization"] = f"Bearer {services.installation.admin_token}"
        yield made
