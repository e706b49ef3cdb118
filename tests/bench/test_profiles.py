"""The measured configurations."""

import tomllib

from bench import profiles


def test_every_profile_is_toml_and_names_only_the_mock() -> None:
    for text in (profiles.bare(9101), profiles.full(9101, profiles.FULL_PARTS, workers=2)):
        parsed = tomllib.loads(text)
        assert [p["base_url"] for p in parsed["providers"]] == ["http://127.0.0.1:9101/v1"]


def test_the_full_profile_has_what_the_definition_says() -> None:
    parsed = tomllib.loads(profiles.full(9101, profiles.FULL_PARTS))
    assert parsed["server"]["require_api_key"] is True
    assert len(parsed["connections"]) == 50
    assert len(parsed["combos"]) == 20
    keys = parsed["keys"]
    assert len({key["key"] for key in keys}) == 200
    assert {key["key"] for key in keys} == set(profiles.client_keys())
    assert all({"models", "rpm", "budget"} <= key.keys() for key in keys)
    # the generator puts one key in the place of the other
    assert len({len(key["key"]) for key in keys}) == 1


def test_parts_that_this_version_refuses_are_left_out_and_named() -> None:
    def knows_no_combos_or_budgets(text: str) -> bool:
        return "combos" not in text and "budget" not in text

    on, off = profiles.accepted_parts(9101, knows_no_combos_or_budgets)
    assert [part.name for part in off] == ["key budget", "20 combos"]
    assert {*on, *off} == set(profiles.FULL_PARTS)
    assert knows_no_combos_or_budgets(profiles.full(9101, on))


def test_all_parts_are_on_when_all_are_accepted() -> None:
    assert profiles.accepted_parts(9101, lambda text: True) == (profiles.FULL_PARTS, ())
