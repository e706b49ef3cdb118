"""One gateway of real processes, with the simulator behind it as a provider of every format."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes.harness import API_KEY, ROOT, Gateway, simulator_process

FORMATS = ("openai", "openai-responses", "claude", "gemini")


class Endpoint(NamedTuple):
    """Where an agent is pointed, and what the tests have asked of it."""

    url: str  # without a version
    key: str
    simulator: str
    database: Path
    asked: Counter[tuple[str, str]]  # client's format and provider -> requests that it takes


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with the agents; `make agents` fills it."""
    folder = ROOT / ".cache" / "agents" / "node_modules" / ".bin"
    if not folder.is_dir():
        pytest.skip("the agents are not installed: make agents")
    return folder


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The address of a simulator process."""
    with simulator_process() as address:
        yield address


class _Gateway(Gateway):
    """A gateway with a provider `sim-FORMAT` for each format."""

    def __init__(self, folder: Path, simulator: str) -> None:
        super().__init__(folder, None)  # type: ignore[arg-type]
        providers = "".join(
            f"""
[[providers]]
id = "sim-{name}"
format = "{name}"
base_url = "{simulator}{"/v1" if name.startswith("openai") else ""}"
models = ["plain", "tools", "reasoning-tools"]
[[connections]]
provider = "sim-{name}"
api_key = "upstream-key"
"""
            for name in FORMATS
        )
        self.config_file.write_text(
            f"""
[server]
port = 0
dashboard_port = 0
{providers}
[[keys]]
name = "agents"
key = "{API_KEY}"
"""
        )


@pytest.fixture(scope="session")
def endpoint(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    gateway = _Gateway(tmp_path_factory.mktemp("gateway"), simulator)
    try:
        gateway.start()
        database = gateway.data_dir / "omniroute.sqlite"
        yield Endpoint(gateway.endpoint, API_KEY, simulator, database, Counter())
        gateway.stop()
    finally:
        gateway.clean_up()
