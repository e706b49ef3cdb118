"""What the database holds stands between the file and the defaults, and is told by its own name."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from omniroute.config import ConfigError, Settings, Stored, StoredName
from omniroute.config.schema import sections
from omniroute.config.stored import SECTIONS, SETTING, START_ONLY, id_of, storable

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]

COMBO = {"name": "fast", "models": ["acme/one"]}


def stored(kind: str, id_: str, **values: Any) -> Stored:
    return Stored(StoredName(kind, id_), values)


def setting(section: str, key: str, value: object) -> Stored:
    return stored(SETTING, f"{section}.{key}", **{key: value})


def test_a_stored_setting_wins_over_the_default_only(configure: Load) -> None:
    wish = [setting("resilience", "retries", 4)]
    assert configure(stored=wish).resilience.retries == 4
    assert configure("[resilience]\nretries = 3", stored=wish).resilience.retries == 3
    env = {"OMNIROUTE_RESILIENCE_RETRIES": "2"}
    assert configure(env=env, stored=wish).resilience.retries == 2


def test_the_source_of_every_value_is_known(configure: Load) -> None:
    origin = configure(
        "[routing]\nsticky_limit = 2\n[[combos]]\nname = 'a'\nmodels = ['acme/x']",
        {"OMNIROUTE_SERVER_PORT": "2"},
        {"server.workers": 1},
        [setting("resilience", "retries", 4), stored("combo", "fast", **COMBO)],
    ).origin
    assert origin.source(("routing", "sticky_limit")) == "file"
    assert origin.source(("routing", "strategy")) == "default"
    assert origin.source(("resilience", "retries")) == "stored"
    assert origin.source(("server", "port")) == "environment"
    assert origin.source(("server", "workers")) == "command line"
    assert origin.source(("combos", 0)) == "file"
    assert origin.source(("combos", 1)) == "stored"


def test_stored_things_follow_those_of_the_file(configure: Load) -> None:
    text = "[[combos]]\nname = 'a'\nmodels = ['acme/x']"
    settings = configure(text, stored=[stored("combo", "fast", **COMBO)])
    assert [combo.name for combo in settings.combos] == ["a", "fast"]


def test_what_the_file_declares_too_is_told_as_the_stored_ones_problem(refused: Refused) -> None:
    text = "[[combos]]\nname = 'fast'\nmodels = ['acme/x']"
    error = refused(text, stored=[stored("combo", "fast", **COMBO)])
    assert error.stored == ("combo", "fast")
    assert error.file == "stored combo fast"
    assert "in the configuration file, too" in error.message


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        (stored("combo", "fast", name="fast", models=["acme/one", "a*"]), "models[1]"),
        (stored("combo", "fast", name="fast", models=[]), "models"),
        (stored("combo", "fast", name="fast", models=["a/b"], colour=1), "colour"),
        (setting("resilience", "retries", -1), "retries"),
        (stored("connection", "a/b", provider="a", name="b", rpm=0), "rpm"),
    ],
)
def test_a_problem_names_the_stored_thing_and_the_key_within_it(
    wish: Stored, key: str, refused: Refused
) -> None:
    error = refused("[resilience]\nbreaker_failures = 1", stored=[wish])
    assert (error.stored, error.key, error.line) == (wish.name, key, None)
    assert str(error).startswith(f"stored {wish.name.kind} {wish.name.id}: {key}: ")


def test_rules_about_what_is_given_hold_within_stored_things(refused: Refused) -> None:
    quota = {"window": "5h", "limit": 3, "reset": "08:00"}
    wish = stored("connection", "a/b", provider="a", name="b", quotas=[quota])
    assert refused(stored=[wish]).key == "quotas[0].reset"


@pytest.mark.parametrize("reference", ["env:HOME", "file:/etc/hostname"])
def test_a_stored_secret_cannot_refer_to_this_machine(reference: str, refused: Refused) -> None:
    wish = stored("connection", "a/b", provider="a", name="b", api_key=reference)
    error = refused(env={"HOME": "x"}, stored=[wish])
    assert error.key == "api_key"
    assert reference not in str(error)


def test_other_stored_strings_are_taken_as_they_are(configure: Load) -> None:
    settings = configure(stored=[setting("system_prompt", "prefix", "env:HOME")])
    assert settings.system_prompt.prefix == "env:HOME"


def test_a_stored_key_has_no_text_of_its_own(configure: Load) -> None:
    settings = configure(stored=[stored("key", "stored/1", name="laptop", rpm=5)])
    assert [(key.name, key.key, key.rpm) for key in settings.keys] == [("laptop", "", 5)]
    assert settings.origin.owner(("keys", 0)) == ("key", "stored/1")


def test_what_processes_are_started_with_cannot_be_stored(refused: Refused) -> None:
    error = refused(stored=[setting("server", "port", 1)])
    assert "start" in error.message
    assert error.stored == (SETTING, "server.port")


def test_every_kind_belongs_to_a_section_that_can_be_repeated() -> None:
    repeated = {section.name for section in sections() if section.repeated}
    assert set(SECTIONS.values()) == repeated


def test_what_is_fixed_at_the_start_are_settings() -> None:
    fields = {
        section.name: {field.name for field in msgspec.structs.fields(section.struct)}
        for section in sections()
    }
    for name, keys in START_ONLY.items():
        assert set(keys or ()) <= fields[name]
    assert storable("routing", "strategy")
    assert not storable("state", "map_bytes")


@pytest.mark.parametrize(
    ("kind", "values", "id_"),
    [
        ("connection", {"provider": "a"}, "a/main"),
        ("model", {"provider": "a", "id": "b/c"}, "a/b/c"),
        ("budget", {"tier": "cheap", "usd": 1}, "tier/cheap/monthly"),
        ("budget", {"provider": "a", "period": "daily"}, "provider/a/daily"),
        ("price", {"model": "a/*"}, "a/*"),
    ],
)
def test_ids_are_those_that_people_know(kind: str, values: dict[str, Any], id_: str) -> None:
    assert id_of(kind, values) == id_
