"""A snapshot is sealed whole, opens where it was made, and says when it is of another version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.installation import Installation, InstallationError
from omniroute.providers.pricing import load_prices
from omniroute.snapshot import Snapshot, SnapshotError, decode, encode

Compile = Callable[..., Snapshot]


@pytest.fixture
def installation() -> Installation:
    return Installation.ephemeral(Path())


@pytest.fixture
def compiled(tmp_path: Path, installation: Installation) -> Compile:
    def compiled(text: str) -> Snapshot:
        file = tmp_path / "omniroute.toml"
        file.write_text(text)
        settings = load({}, {}, file, tmp_path, working_dir=tmp_path)
        return compile_snapshot(settings, (), (), installation, prices=load_prices())

    return compiled


SECRETS = """
[server]
proxy = "http://user:hunter2@proxy:1"
[[keys]]
name = "laptop"
key = "sk-hunter2-hunter2"
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1"
headers = { X-Secret = "hunter2" }
[[connections]]
provider = "acme"
api_key = "hunter2"
"""


def test_what_was_encoded_is_decoded(compiled: Compile, installation: Installation) -> None:
    snapshot = compiled(SECRETS)
    assert decode(encode(snapshot, installation), installation) == snapshot


def test_no_secret_stands_in_the_stored_bytes(
    compiled: Compile, installation: Installation
) -> None:
    blob = encode(compiled(SECRETS), installation)
    assert b"hunter2" not in blob
    assert b"acme" not in blob


def test_another_installations_snapshot_does_not_open(
    compiled: Compile, installation: Installation
) -> None:
    with pytest.raises(InstallationError):
        decode(encode(compiled(""), installation), Installation.ephemeral(Path()))


def test_a_snapshot_of_another_version_is_told(installation: Installation) -> None:
    with pytest.raises(SnapshotError, match="does not fit this version"):
        decode(installation.encrypt(b"\x81\xa1a\x01"), installation)
