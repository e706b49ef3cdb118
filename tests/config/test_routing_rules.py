"""Names and patterns that could never act, or never end, are refused where they stand."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError, Settings

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]


def combo(name: str, *models: str) -> str:
    return f'[[combos]]\nname = "{name}"\nmodels = {list(models)}\n'


def pattern(section: str, name: str, target: str) -> str:
    return f'[[{section}]]\npattern = "{name}"\ntarget = "{target}"\n'


@pytest.mark.parametrize(
    ("text", "key", "fragments"),
    [
        (combo("a", "x/y") + combo("a", "x/z"), "combos[1].name", ["another combo"]),
        (combo("a", "x/y", "x/*"), "combos[0].models[1]", ["'x/*' is a pattern"]),
        (combo("a", "x/y "), "combos[0].models[0]", ["no name of a model"]),
        (combo("a b", "x/y"), "combos[0].name", ["Letters, digits"]),
        (pattern("aliases", "a", "x/*"), "aliases[0].target", ["the pattern needs one, too"]),
        (pattern("routes", "a?", "x/*"), "routes[0].target", ["that nothing stands for"]),
        (pattern("routes", "a?", "x/?"), "routes[0].target", ["only * is filled in"]),
        (pattern("aliases", "A/b", "a/B"), "aliases[0].target", ["leads to itself"]),
        (
            pattern("aliases", "GPT-*", "x/y") + pattern("aliases", "gpt-*", "x/z"),
            "aliases[1].pattern",
            ["stands here twice"],
        ),
        (pattern("routes", "a ", "x/y"), "routes[0].pattern", ["no name of a model"]),
        (
            combo("best", "x/y") + pattern("aliases", "best", "x/z"),
            "aliases[0].pattern",
            ["name of a combo, which comes first"],
        ),
        (
            2 * '[[fallback_chains]]\nname = "c"\nmodels = ["x/y"]\n',
            "fallback_chains[1].name",
            ["another chain"],
        ),
        (
            '[[fallback_chains]]\nname = "c"\nmodels = ["x/y"]\napplies_to = []\n',
            "fallback_chains[0].applies_to",
            ["never used"],
        ),
        (
            '[[fallback_chains]]\nname = "c"\nmodels = []\n',
            "fallback_chains[0].models",
            ["must not be empty"],
        ),
        ('[routing]\ntier_fallbacks = [" "]', "routing.tier_fallbacks[0]", ["no name"]),
        (
            '[[pricing]]\nmodel = "gpt-5*"\ninput = 1\noutput = 1',
            "pricing[0].model",
            ["names no provider", "*/gpt-5*"],
        ),
        (
            "[resilience]\ncooldown_base_s = 9\ncooldown_max_s = 8",
            "resilience.cooldown_max_s",
            ["shorter than cooldown_base_s"],
        ),
        (
            "[cache]\nmax_mb = 129",
            "cache.max_mb",
            ["half of state.map_bytes (256 MiB)", "at least 270532608"],
        ),
    ],
)
def test_what_could_never_act_is_refused(
    refused: Refused, text: str, key: str, fragments: list[str]
) -> None:
    error = refused(text)
    assert error.key == key
    assert error.line is not None
    for fragment in fragments:
        assert fragment in str(error)


@pytest.mark.parametrize(
    "text",
    [
        combo("a", "x/y") + combo("b", "a", "x/y"),
        combo("x/y", "x/y", "x/z"),
        pattern("aliases", "gpt-*", "x/*") + pattern("aliases", "gpt-?", "x/y"),
        pattern("routes", "openai/*", "x/openai/*") + pattern("aliases", "openai/*", "x/*"),
        combo("best", "x/y") + "enabled = false\n" + pattern("aliases", "best", "x/z"),
        '[[pricing]]\nmodel = "*/gpt-5*"\ninput = 0\noutput = 1.5',
        "[cache]\nmax_mb = 128",
        "[cache]\nmax_mb = 512\n[state]\nmap_bytes = 1073741824",
        "[state]\nmap_bytes = 1048576",
    ],
)
def test_what_can_act_is_accepted(configure: Load, text: str) -> None:
    configure(text)


def test_the_remedy_for_a_cache_that_is_too_large_works(configure: Load, refused: Refused) -> None:
    error = refused("[cache]\nmax_mb = 1000")
    size = int(error.hint.rpartition(" ")[2])
    assert configure(f"[cache]\nmax_mb = 1000\n[state]\nmap_bytes = {size}").cache.max_mb == 1000
