"""A change is kept when the whole configuration holds with it, and acts; else nothing changes."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omniroute.control.configuration import Configuration, Sources
from omniroute.control.editing import Editing, Thing
from omniroute.control.refusal import Denied, stale
from omniroute.installation import Installation
from omniroute.snapshot import Snapshot
from omniroute.state.interface import State
from omniroute.store.database import Store

CANARY = "sk-canary-in-the-coal-mine"
FILE = """
[resilience]
retries = 3
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1"
[[combos]]
name = "filed"
models = ["acme/one"]
"""


@pytest.fixture
def configuration(
    tmp_path: Path, installation: Installation, state: State, store: Store
) -> Configuration:
    file = tmp_path / "omniroute.toml"
    file.write_text(FILE)
    sources = Sources({}, file, tmp_path)
    made = Configuration(sources, installation, state, store.client_keys, store.entities.all)
    made.publish()
    return made


@pytest.fixture
def editing(store: Store, configuration: Configuration, installation: Installation) -> Editing:
    return Editing(store, configuration, installation, lambda: 1_700_000_000_000)


@pytest.fixture
def snapshot(configuration: Configuration) -> Callable[[], Snapshot]:
    def snapshot() -> Snapshot:
        assert configuration.snapshot is not None
        return configuration.snapshot

    return snapshot


def refused(change: Callable[[], object]) -> Denied:
    with pytest.raises(Denied) as caught:
        change()
    return caught.value


def combo(name: str, *models: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "models": list(models), **more}


def names(things: list[Thing]) -> list[tuple[str, str]]:
    return [(thing.id, thing.source) for thing in things]


def test_what_is_created_acts_at_once(
    editing: Editing, snapshot: Callable[[], Snapshot], state: State
) -> None:
    before = state.snapshot_version()
    made = editing.create("combo", combo("fast", "acme/one"))
    assert (made.id, made.source) == ("fast", "stored")
    assert [view.name for view in snapshot().combos] == ["filed", "fast"]
    assert state.snapshot_version() == before + 1
    assert names(editing.things("combo")) == [("filed", "file"), ("fast", "stored")]


def test_what_does_not_hold_is_refused_by_its_field_and_not_kept(
    editing: Editing, store: Store, state: State
) -> None:
    before = state.snapshot_version()
    error = refused(lambda: editing.create("combo", combo("fast", "acme/one", "nobody/x")))
    assert error.status == 422
    assert error.details[0].field == "models[1]"
    assert store.entities.all() == []
    assert state.snapshot_version() == before


def test_what_others_need_cannot_be_deleted(editing: Editing, store: Store) -> None:
    url = "http://127.0.0.1:9102/v1"
    editing.create("provider", {"id": "other", "format": "openai", "base_url": url})
    editing.create("combo", combo("fast", "other/one"))
    error = refused(lambda: editing.delete("provider", "other"))
    assert error.status == 409
    assert "stored combo fast would no longer work" in error.message
    assert len(store.entities.all("provider")) == 1


def test_what_the_file_declares_is_not_edited(editing: Editing) -> None:
    for change in (
        lambda: editing.create("combo", combo("filed", "acme/one")),
        lambda: editing.patch("combo", "filed", {"strategy": "random"}),
        lambda: editing.delete("combo", "filed"),
        lambda: editing.change_sections({"resilience": {"retries": 1}}),
    ):
        error = refused(change)
        assert error.status == 409
        assert "omniroute.toml" in error.message


def test_there_are_no_two_of_the_same_name(editing: Editing) -> None:
    editing.create("combo", combo("fast", "acme/one"))
    assert refused(lambda: editing.create("combo", combo("fast", "acme/two"))).status == 409


def test_a_patch_changes_what_it_names_and_null_gives_the_default(editing: Editing) -> None:
    editing.create("combo", combo("fast", "acme/one", strategy="random", sticky_limit=3))
    before, after = editing.patch("combo", "fast", {"strategy": None, "enabled": False})
    assert before.values["strategy"] == "random"
    assert after.values == combo("fast", "acme/one", sticky_limit=3, enabled=False)
    assert after.version > before.version


def test_another_name_keeps_the_place(editing: Editing) -> None:
    for name in "abc":
        editing.create("combo", combo(name, "acme/one"))
    editing.patch("combo", "b", {"name": "z"})
    assert [thing.id for thing in editing.things("combo")] == ["filed", "a", "z", "c"]
    assert refused(lambda: editing.patch("combo", "a", {"name": "c"})).status == 409


def test_the_order_is_what_people_give(editing: Editing) -> None:
    for name in "abc":
        editing.create("combo", combo(name, "acme/one"))
    assert [thing.id for thing in editing.reorder("combo", ["c", "a"])][1:] == ["c", "a", "b"]
    assert refused(lambda: editing.reorder("combo", ["nothing"])).status == 404


def test_a_version_that_is_gone_changes_nothing(editing: Editing) -> None:
    made = editing.create("combo", combo("fast", "acme/one"))

    def only(wanted: int) -> Callable[[int], None]:
        def match(version: int) -> None:
            if version != wanted:
                raise stale()

        return match

    editing.patch("combo", "fast", {"strategy": "random"}, only(made.version))
    late = refused(lambda: editing.patch("combo", "fast", {"strategy": None}, only(made.version)))
    assert late.status == 412
    assert editing.thing("combo", "fast").values["strategy"] == "random"


def test_secrets_lie_sealed_and_stay_when_they_come_back_as_shown(
    editing: Editing, store: Store, tmp_path: Path
) -> None:
    proxy = f"http://user:{CANARY}@proxy.example:8080"
    values = {"provider": "acme", "name": "a", "api_key": CANARY, "proxy": proxy}
    made = editing.create("connection", values)
    shown = made.hidden()
    assert shown["proxy"] == "http://[secret]@proxy.example:8080"
    assert CANARY not in json.dumps(shown)
    _, after = editing.patch("connection", "acme/a", {**shown, "rpm": 5})
    assert (after.values["api_key"], after.values["proxy"]) == (CANARY, proxy)
    with sqlite3.connect(store.path) as connection:
        assert CANARY not in "\n".join(connection.iterdump())


def test_the_placeholder_of_a_secret_is_no_secret(editing: Editing) -> None:
    values = {"provider": "acme", "name": "a", "api_key": "[secret]"}
    error = refused(lambda: editing.create("connection", values))
    assert (error.status, error.details[0].field) == (422, "api_key")


def test_a_short_prefix_names_the_provider(editing: Editing) -> None:
    made = editing.create("connection", {"provider": "cc", "name": "me", "api_key": CANARY})
    assert made.id == "claude/me"


def test_settings_know_value_default_and_source(editing: Editing) -> None:
    _, stored = editing.change_sections({"resilience": {"retry_base_ms": 7}})
    assert stored == {"resilience": {"retry_base_ms": 7}}
    section, version = editing.section("resilience")
    assert section["retry_base_ms"] == (7, 250, "stored", "")
    assert section["retries"] == (3, 1, "file", "")
    assert section["max_attempts"].source == "default"
    assert version > 0
    editing.change_sections({"resilience": {"retry_base_ms": None}})
    assert editing.section("resilience")[0]["retry_base_ms"] == (250, 250, "default", "")


def test_a_setting_out_of_bounds_is_refused_by_its_name(
    editing: Editing, snapshot: Callable[[], Snapshot]
) -> None:
    error = refused(lambda: editing.change_sections({"resilience": {"retry_base_ms": -1}}))
    assert (error.status, error.details[0].field) == (422, "resilience.retry_base_ms")
    assert snapshot().resilience.retry_base_ms == 250


def test_what_only_a_start_reads_is_not_stored(editing: Editing) -> None:
    assert refused(lambda: editing.change_sections({"server": {"port": 1}})).status == 409


def test_what_the_file_declares_later_can_still_be_deleted_from_the_store(
    editing: Editing, configuration: Configuration
) -> None:
    editing.create("combo", combo("later", "acme/one"))
    assert configuration.file is not None
    configuration.file.write_text(FILE + '[[combos]]\nname = "later"\nmodels = ["acme/two"]\n')
    assert configuration.reload("test")
    assert [thing.problem != "" for thing in editing.things("combo")] == [False, False, True]
    assert editing.thing("combo", "later").source == "file"
    editing.delete("combo", "later")
    assert configuration.problems() == ()


def test_nothing_is_changed_while_the_file_is_broken(
    editing: Editing, configuration: Configuration, store: Store
) -> None:
    assert configuration.file is not None
    configuration.file.write_text("[nonsense")
    error = refused(lambda: editing.create("combo", combo("fast", "acme/one")))
    assert error.status == 409
    assert "omniroute.toml" in error.message
    assert store.entities.all() == []


def test_what_is_stored_is_still_shown_while_an_earlier_snapshot_is_in_force(
    editing: Editing, configuration: Configuration
) -> None:
    editing.create("combo", combo("fast", "acme/one"))
    configuration.settings = None
    assert names(editing.things("combo")) == [("fast", "stored")]
    assert editing.provider_id("cc") == "claude"
    assert refused(lambda: editing.patch("combo", "fast", {"strategy": "random"})).status == 409


def test_several_sections_are_changed_together_or_not_at_all(
    editing: Editing, snapshot: Callable[[], Snapshot]
) -> None:
    good, bad = {"sticky_limit": 7}, {"retry_base_ms": -1}
    refused(lambda: editing.change_sections({"routing": good, "resilience": bad}))
    assert snapshot().routing.sticky_limit == 3
    editing.change_sections({"routing": good, "resilience": {"retry_base_ms": 1}})
    assert snapshot().routing.sticky_limit == 7


def test_a_secret_setting_lies_sealed_and_stays_when_it_comes_back(
    editing: Editing, snapshot: Callable[[], Snapshot], store: Store
) -> None:
    proxy = f"http://user:{CANARY}@proxy.example:8080"
    editing.change_sections({"server": {"proxy": proxy}})
    shown = editing.section("server")[0]["proxy"].value
    assert shown == "http://[secret]@proxy.example:8080"
    editing.change_sections({"server": {"proxy": shown, "keepalive_s": 9.0}})
    assert snapshot().server.proxy == proxy
    with sqlite3.connect(store.path) as connection:
        assert CANARY not in "\n".join(connection.iterdump())
