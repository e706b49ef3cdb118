"""What workers wait for exists after the bootstrap, on a fresh dir, a used one and a broken one."""

import time
from pathlib import Path

import pytest

from omniroute.config import ConfigError
from omniroute.control import bootstrap
from omniroute.control.bootstrap import Foundation
from omniroute.control.configuration import Sources
from omniroute.installation import InstallationError
from omniroute.record import Record
from omniroute.store.database import Store
from omniroute.store.interface import StoreError
from omniroute.usage import Usage

OVERRIDES = {"state.map_bytes": 8 << 20}
DAY_MS = 86_400_000


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "d"


def build(
    data_dir: Path, config_file: Path | None = None, *, is_replacement: bool = False
) -> Foundation:
    sources = Sources(OVERRIDES, config_file, data_dir)
    return bootstrap.build(data_dir, sources, is_replacement=is_replacement)


def test_a_fresh_dir_gets_keys_state_database_and_a_published_snapshot(data_dir: Path) -> None:
    made = build(data_dir)
    assert made.new_key
    assert made.state.snapshot_version() == 1
    assert made.configuration.snapshot is not None
    (key,) = made.configuration.snapshot.keys
    assert key.digest == made.installation.key_digest(made.new_key.encode())
    made.state.close()


def test_the_first_start_is_complete_only_when_it_was_told(data_dir: Path) -> None:
    first = build(data_dir)
    first.state.close()
    again = build(data_dir)
    assert again.new_key is not None
    assert again.new_key != first.new_key
    told = bootstrap.complete_first_start(again, again.new_key, "http://x")
    assert told.api_key == again.new_key
    bootstrap.mark_told(again)
    again.state.close()
    later = build(data_dir)
    assert later.new_key is None
    later.state.close()


def test_a_lost_state_gets_its_counters_from_the_history(data_dir: Path) -> None:
    first = build(data_dir)
    first.state.close()
    now_ms = time.time_ns() // 1_000_000
    store = Store.open(first.installation.database)
    store.insert_records(
        [Record(id="r", started_ms=now_ms, key_id="k", usage=Usage(input_tokens=5))]
    )
    store.close()
    (data_dir / "state.lmdb" / "data.mdb").unlink()

    again = build(data_dir)
    assert again.state.usage("k", now_ms // DAY_MS).input_tokens == 5
    assert again.warnings
    again.state.close()


def test_a_wrong_file_refuses_a_start_but_not_a_replacement(data_dir: Path, tmp_path: Path) -> None:
    config_file = tmp_path / "omniroute.toml"
    config_file.write_text("[server]\nworkers = 1\n")
    build(data_dir, config_file).state.close()
    config_file.write_text("[server]\nwrkers = 1\n")
    with pytest.raises(ConfigError, match="wrkers"):
        build(data_dir, config_file)
    replacement = build(data_dir, config_file, is_replacement=True)
    assert "wrkers" in replacement.configuration.error
    assert replacement.state.snapshot_version() == 1
    replacement.state.close()


def test_lost_keys_are_refused(data_dir: Path) -> None:
    build(data_dir).state.close()
    (data_dir / "signing.key").unlink()
    with pytest.raises(InstallationError, match="is missing"):
        build(data_dir)


def test_a_file_that_is_no_database_is_refused(data_dir: Path) -> None:
    build(data_dir).state.close()
    (data_dir / "omniroute.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        build(data_dir)
