"""Snapshots compiled from the text of a configuration file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.compiling import IssuedKey, compile_snapshot
from omniroute.config import ConfigError, Stored, StoredName, load
from omniroute.installation import Installation
from omniroute.providers.pricing import PriceRow
from omniroute.providers.registry import ProviderRow, parse_registry
from omniroute.snapshot import Snapshot
from tests.compiling.material import REGISTRY


@pytest.fixture
def installation() -> Installation:
    return Installation.ephemeral(Path())


@pytest.fixture
def registry() -> tuple[ProviderRow, ...]:
    return parse_registry(REGISTRY)


@pytest.fixture
def compiled(
    tmp_path: Path, installation: Installation, registry: tuple[ProviderRow, ...]
) -> Callable[..., Snapshot]:
    """The snapshot of a file with this text."""

    def compiled(
        text: str,
        stored_keys: tuple[IssuedKey, ...] = (),
        prices: tuple[PriceRow, ...] = (),
    ) -> Snapshot:
        file = tmp_path / "omniroute.toml"
        file.write_text(text)
        stored = [Stored(StoredName("key", key.id), {"name": key.id}) for key in stored_keys]
        settings = load({}, {}, file, tmp_path, working_dir=tmp_path, stored=stored)
        return compile_snapshot(settings, registry, stored_keys, installation, prices=prices)

    return compiled


@pytest.fixture
def refused(compiled: Callable[..., Snapshot]) -> Callable[[str], ConfigError]:
    """The error with which a file with this text is refused."""

    def refused(text: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            compiled(text)
        return caught.value

    return refused
