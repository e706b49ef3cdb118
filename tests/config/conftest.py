"""A data directory, a working directory, and configurations loaded in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from omniroute.config import ConfigError, Settings, Stored, load


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A directory that holds a data dir and a working dir."""
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path


@pytest.fixture
def configure(places: Path) -> Callable[..., Settings]:
    """Load from a file's text, environment and command line."""

    def configure(
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        cli: Mapping[str, object] | None = None,
        stored: Sequence[Stored] = (),
    ) -> Settings:
        file = None
        if text is not None:
            file = places / "work" / "omniroute.toml"
            file.write_text(text)
        return load(
            cli or {},
            env or {},
            file,
            places / "data",
            working_dir=places / "work",
            stored=stored,
        )

    return configure


@pytest.fixture
def refused(configure: Callable[..., Settings]) -> Callable[..., ConfigError]:
    """The error with which such a configuration is refused."""

    def refused(
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        cli: Mapping[str, object] | None = None,
        stored: Sequence[Stored] = (),
    ) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            configure(text, env, cli, stored)
        return caught.value

    return refused
