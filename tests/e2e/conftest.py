"""One gateway of real processes with the simulator behind it, shared by the tests of a worker."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes.harness import API_KEY, Gateway, simulator_process


class Endpoint(NamedTuple):
    """Where a client points its SDK."""

    url: str  # without /v1
    key: str
    forget: Callable[[], None]
    """What earlier tests have made the gateway think of its one account."""


class _Simulated(NamedTuple):
    url: str


@pytest.fixture(autouse=True)
def nothing_is_held_against_anybody(request: pytest.FixtureRequest) -> None:
    """A simulated failure of one test must not rest the account of the next."""
    for name in ("endpoint", "formats_endpoint"):
        if name in request.fixturenames:
            request.getfixturevalue(name).forget()


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The base URL of a simulator process."""
    with simulator_process() as address:
        yield f"{address}/v1"


@pytest.fixture(scope="session")
def endpoint(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A running gateway whose provider `acme` is the simulator."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    gateway = Gateway(folder, _Simulated(simulator))  # type: ignore[arg-type]
    gateway.configure(models=("plain", "tools"))
    gateway.start()
    yield Endpoint(gateway.endpoint, API_KEY, gateway.forget)
    gateway.stop()


@pytest.fixture(scope="session")
def formats_endpoint(
    simulator: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    """A running gateway with a provider `to-FORMAT` for each format, all of them the simulator."""
    gateway = Gateway(tmp_path_factory.mktemp("formats"), _Simulated(simulator))  # type: ignore[arg-type]
    root = simulator.removesuffix("/v1")
    gateway.configure()
    with gateway.config_file.open("a") as file:
        for name in ("openai", "openai-responses", "claude", "gemini"):
            file.write(
                f"""
[[providers]]
id = "to-{name}"
format = "{name}"
base_url = "{simulator if name.startswith("openai") else root}"
models = ["plain", "tools"]
[[connections]]
provider = "to-{name}"
api_key = "upstream-key"
"""
            )
    gateway.start()
    yield Endpoint(gateway.endpoint, API_KEY, gateway.forget)
    gateway.stop()
