"""Publishing: what is right takes over, what is wrong leaves the old in force and is told."""

import json
import os
from pathlib import Path

import pytest

from omniroute.config import ConfigError, ConnectionSettings
from omniroute.control.configuration import Configuration, Sources
from omniroute.control.sealing import seal
from omniroute.installation import Installation
from omniroute.resilience import cooldown
from omniroute.snapshot import decode
from omniroute.state.interface import State, StateError
from omniroute.store.interface import Entity, StoredKey

GOOD = """
[server]
workers = 1
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1"
models = ["one"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "omniroute.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def configuration(
    file: Path, tmp_path: Path, installation: Installation, state: State
) -> Configuration:
    made = Configuration(Sources({}, file, tmp_path), installation, state, lambda: [])
    made.publish()
    return made


def models(state: State, installation: Installation) -> list[str]:
    blob = state.read_snapshot()
    assert blob is not None
    return [model.id for view in decode(blob, installation).providers for model in view.models]


def test_publishing_makes_the_sources_the_snapshot(
    configuration: Configuration, state: State, installation: Installation
) -> None:
    assert configuration.version == state.snapshot_version() == 1
    assert models(state, installation) == ["one"]
    assert configuration.error == ""


def test_a_changed_file_is_published_once(
    configuration: Configuration, file: Path, state: State, installation: Installation
) -> None:
    configuration.reload_if_changed()
    assert configuration.version == 1
    file.write_text(GOOD.replace('"one"', '"one", "two"'))
    configuration.reload_if_changed()
    configuration.reload_if_changed()
    assert configuration.version == 2
    assert models(state, installation) == ["one", "two"]


def test_a_wrong_file_leaves_the_old_in_force_and_is_told_once(
    configuration: Configuration,
    file: Path,
    state: State,
    installation: Installation,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file.write_text(GOOD.replace("workers", "wrkers"))
    configuration.reload_if_changed()
    configuration.reload_if_changed()
    assert "wrkers" in configuration.error
    assert caplog.text.count("refused") == 1
    assert state.snapshot_version() == 1
    assert models(state, installation) == ["one"]

    file.write_text(GOOD)
    configuration.reload_if_changed()
    assert configuration.error == ""


def test_a_removed_file_leaves_the_old_in_force(
    configuration: Configuration, file: Path, state: State
) -> None:
    file.unlink()
    configuration.reload_if_changed()
    assert configuration.error
    assert state.snapshot_version() == 1


def test_a_replaced_file_of_the_same_size_and_time_is_noticed(
    configuration: Configuration, file: Path, state: State
) -> None:
    found = file.stat()
    draft = file.with_suffix(".new")
    draft.write_text(GOOD.replace('"one"', '"two"'))
    os.utime(draft, ns=(found.st_atime_ns, found.st_mtime_ns))
    draft.replace(file)
    configuration.reload_if_changed()
    assert state.snapshot_version() == 2


def test_what_only_a_restart_can_change_is_named(configuration: Configuration, file: Path) -> None:
    file.write_text(GOOD.replace("workers = 1", "workers = 3\nport = 4"))
    assert configuration.reload("test")
    assert configuration.restart_needed == ("server.port", "server.workers")
    file.write_text(GOOD)
    assert configuration.reload("test")
    assert configuration.restart_needed == ()


def test_stored_keys_enter_the_snapshot(
    configuration: Configuration, state: State, installation: Installation
) -> None:
    configuration.stored_keys = lambda: [StoredKey("stored/1", "first", b"d" * 32, 0)]
    assert configuration.reload("test")
    assert configuration.snapshot is not None
    assert [key.id for key in configuration.snapshot.keys] == ["stored/1"]


WITH_A_KEY = GOOD + '[[connections]]\nprovider = "acme"\napi_key = "old"\n'


def rest(state: State) -> None:
    """The only account rests."""
    policy = cooldown.Policy(60.0, 300.0, 86400.0)
    state.conditions.change("cooldown:acme/main", lambda _: cooldown.after_failure(None, 1, policy))


def rests(state: State) -> bool:
    return "cooldown:acme/main" in state.conditions.read()[1]


def test_a_changed_credential_ends_the_rest_of_its_account(
    configuration: Configuration, file: Path, state: State
) -> None:
    file.write_text(WITH_A_KEY)
    assert configuration.reload("test")
    rest(state)
    file.write_text(WITH_A_KEY.replace('"one"', '"one", "two"'))
    assert configuration.reload("test")
    assert rests(state)
    file.write_text(WITH_A_KEY.replace("old", "new"))
    assert configuration.reload("test")
    assert not rests(state)


@pytest.mark.parametrize(("key", "still_rests"), [("old", True), ("new", False)])
def test_so_does_one_that_changed_while_nothing_ran(
    configuration: Configuration,
    file: Path,
    tmp_path: Path,
    installation: Installation,
    state: State,
    key: str,
    still_rests: bool,
) -> None:
    file.write_text(WITH_A_KEY)
    assert configuration.reload("test")
    rest(state)
    file.write_text(WITH_A_KEY.replace("old", key))
    Configuration(Sources({}, file, tmp_path), installation, state, lambda: []).publish()
    assert rests(state) is still_rests


def test_a_snapshot_that_cannot_be_read_is_replaced_all_the_same(
    file: Path, tmp_path: Path, installation: Installation, state: State
) -> None:
    state.publish_snapshot(b"of another version")
    rest(state)
    Configuration(Sources({}, file, tmp_path), installation, state, lambda: []).publish()
    assert models(state, installation) == ["one"]
    assert rests(state)


def test_want_of_room_does_not_undo_a_change(
    configuration: Configuration,
    file: Path,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file.write_text(WITH_A_KEY)
    assert configuration.reload("test")

    def full(*_: object) -> bytes | None:
        raise StateError("no room")

    rest(state)
    monkeypatch.setattr(state.conditions, "change", full)
    file.write_text(WITH_A_KEY.replace("old", "new"))
    assert configuration.reload("test")
    assert configuration.version == state.snapshot_version() == 3
    assert "no room" in caplog.text


def entity(kind: str, id_: str, **body: object) -> Entity:
    return Entity(kind, id_, json.dumps(body), 1, 0, 0, 0)


def test_what_is_stored_enters_the_snapshot(configuration: Configuration) -> None:
    configuration.stored_entities = lambda: [
        entity("combo", "fast", name="fast", models=["acme/one"]),
        entity("setting", "resilience", retries=3, cooldown_base_s=2.0),
    ]
    assert configuration.reload("test")
    assert configuration.snapshot is not None
    assert [combo.name for combo in configuration.snapshot.combos] == ["fast"]
    assert configuration.snapshot.resilience.retries == 3
    assert configuration.snapshot.resilience.cooldown_base_s == 2.0


def test_stored_things_that_do_not_fit_are_left_out_and_told(configuration: Configuration) -> None:
    configuration.stored_entities = lambda: [
        entity("provider", "acme", id="acme", format="claude"),
        entity("setting", "resilience", retries=-1, retry_base_ms=7),
        Entity("combo", "broken", "{", 1, 0, 0, 0),
    ]
    assert configuration.reload("test")
    assert set(configuration.left_out) == {
        ("provider", "acme"),
        ("setting", "resilience.retries"),
        ("combo", "broken"),
    }
    told = " ".join(configuration.problems())
    assert "stored provider acme: is declared in the configuration file, too" in told
    assert configuration.snapshot is not None
    assert configuration.snapshot.resilience.retry_base_ms == 7


def test_a_secret_sealed_with_a_lost_key_leaves_its_owner_out_with_the_reason(
    configuration: Configuration, tmp_path: Path
) -> None:
    foreign = Installation.ephemeral(tmp_path)
    body = seal(ConnectionSettings, {"provider": "acme", "api_key": "sk-canary"}, foreign)
    configuration.stored_entities = lambda: [entity("connection", "acme/main", **body)]
    assert configuration.reload("test")
    (problem,) = configuration.problems()
    assert "stored connection acme/main" in problem
    assert "encryption.key" in problem


def test_a_replacement_keeps_the_published_snapshot(
    configuration: Configuration,
    file: Path,
    tmp_path: Path,
    installation: Installation,
    state: State,
) -> None:
    later = Configuration(Sources({}, file, tmp_path), installation, state, lambda: [])
    later.keep(ConfigError("broken meanwhile"))
    assert later.version == 1
    assert later.error == "broken meanwhile"
    assert later.snapshot == configuration.snapshot
    file.write_text(GOOD + "\n")
    later.reload_if_changed()
    assert later.error == ""
    assert later.version == 2


def test_without_a_published_snapshot_nothing_can_be_kept(
    file: Path, tmp_path: Path, installation: Installation, state: State
) -> None:
    fresh = Configuration(Sources({}, file, tmp_path), installation, state, lambda: [])
    with pytest.raises(ConfigError, match="broken"):
        fresh.keep(ConfigError("broken"))


def test_without_a_file_there_is_nothing_to_watch(
    tmp_path: Path, installation: Installation, state: State
) -> None:
    alone = Configuration(Sources({}, None, tmp_path), installation, state, lambda: [])
    alone.publish()
    alone.reload_if_changed()
    assert alone.version == 1
    assert alone.file is None
