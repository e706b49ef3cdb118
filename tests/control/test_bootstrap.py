"""What workers wait for exists after the bootstrap, on a fresh dir, a used one and a broken one."""

import shutil
import time
from pathlib import Path

import pytest

from omniroute.config import ConfigError
from omniroute.control import bootstrap
from omniroute.control.bootstrap import Foundation
from omniroute.control.configuration import Sources
from omniroute.control.priming import owners_of
from omniroute.installation import InstallationError
from omniroute.record import Record
from omniroute.state.interface import Hold
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


BUDGETED = """
[[keys]]
name = "k"
key = "sk-of-this-test"
budget = { usd = 1.0, period = "monthly" }
"""


def limits(made: Foundation) -> dict[str, tuple[int, int]]:
    """Used and reserved of every configured limit."""
    assert made.configuration.snapshot is not None
    meters = list(owners_of(made.configuration.snapshot))
    readings = made.state.limits.readings(meters, time.time_ns() // 1_000_000)
    return {meter.key: reading[:2] for meter, reading in zip(meters, readings, strict=True)}


def spent(number: int) -> Record:
    now_ms = time.time_ns() // 1_000_000
    return Record(id=f"r{number}", started_ms=now_ms, key_id="file/k", cost_microusd=300_000)


def test_with_the_state_deleted_a_start_still_knows_what_was_spent(
    data_dir: Path, tmp_path: Path
) -> None:
    config_file = tmp_path / "omniroute.toml"
    config_file.write_text(BUDGETED)
    first = build(data_dir, config_file)
    assert limits(first) == {"key/file/k/usd/monthly": (0, 0)}
    first.state.close()
    store = Store.open(first.installation.database)
    store.insert_records([spent(1), spent(2)])
    store.close()
    shutil.rmtree(data_dir / "state.lmdb")

    again = build(data_dir, config_file)
    assert limits(again) == {"key/file/k/usd/monthly": (600_000, 0)}
    again.state.close()


def test_a_limit_that_is_new_knows_what_was_spent_before_it_was_set(
    data_dir: Path, tmp_path: Path
) -> None:
    config_file = tmp_path / "omniroute.toml"
    config_file.write_text("")
    first = build(data_dir, config_file)
    store = Store.open(first.installation.database)
    store.insert_records([spent(1)])
    store.close()
    first.state.settle(spent(2))  # still in the outbox
    first.state.close()

    config_file.write_text(BUDGETED)
    again = build(data_dir, config_file)
    assert limits(again) == {"key/file/k/usd/monthly": (600_000, 0)}
    assert again.state.stats().outbox_records == 0
    again.state.close()


def test_a_limit_that_comes_back_knows_what_was_spent_while_it_was_not_set(
    data_dir: Path, tmp_path: Path
) -> None:
    config_file = tmp_path / "omniroute.toml"
    for number, text in enumerate((BUDGETED, "", "", BUDGETED)):
        config_file.write_text(text)
        made = build(data_dir, config_file)
        known = limits(made)
        made.state.settle(spent(number))
        made.state.close()
    assert known == {"key/file/k/usd/monthly": (900_000, 0)}


def test_a_start_settles_what_dead_workers_held(data_dir: Path, tmp_path: Path) -> None:
    config_file = tmp_path / "omniroute.toml"
    config_file.write_text(BUDGETED)
    first = build(data_dir, config_file)
    assert first.configuration.snapshot is not None
    (meter,) = owners_of(first.configuration.snapshot)
    # Under a ticket whose process nobody has registered.
    first.state.limits.reserve(b"t" * 16, [Hold(meter, 900_000)], spent(1), spent(1).started_ms)
    assert limits(first) == {"key/file/k/usd/monthly": (0, 900_000)}
    first.state.close()
    again = build(data_dir, config_file)
    assert limits(again) == {"key/file/k/usd/monthly": (300_000, 0)}
    assert again.state.stats().outbox_records == 1
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
