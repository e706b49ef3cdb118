"""What comes of a whole configuration, and what is refused with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.compiling import SPOKEN_FORMATS, compile_snapshot
from omniroute.config import ConfigError, load
from omniroute.installation import Installation
from omniroute.providers.pricing import load_prices
from omniroute.providers.registry import load_registry
from omniroute.snapshot import Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]


def test_an_empty_configuration_names_no_provider(compiled: Compile) -> None:
    snapshot = compiled("")
    assert (snapshot.providers, snapshot.connections, snapshot.keys) == ((), (), ())
    assert len(snapshot.instance_id) == 16


def test_a_local_provider_that_nobody_names_is_not_in_it(compiled: Compile) -> None:
    assert "nearby" not in [view.id for view in compiled(ACME).providers]


@pytest.mark.parametrize(
    ("text", "key", "line", "fragments"),
    [
        ('[[providers]]\nid = "acme"', "providers[0].format", 1, ["not a built-in provider"]),
        (
            '[[providers]]\nid = "acme"\nformat = "openai"',
            "providers[0].base_url",
            1,
            ["not a built-in provider"],
        ),
        (ACME + ACME, "providers[1].id", 8, ["declared twice"]),
        (
            '[[providers]]\nid = "foreign"\nformat = "openai"',
            "providers[0].base_url",
            1,
            ["its own root"],
        ),
        (connection("vendro"), "connections[0].provider", 3, ["did you mean vendor?"]),
        (
            connection("vendor") + connection("ve"),
            "connections[1].name",
            6,
            ["name of another connection of vendor"],
        ),
        (connection("vendor", ""), "connections[0].api_key", 2, ["is missing"]),
        (
            '[[providers]]\nid = "vendor"\nheaders = { authorization = "x" }\n'
            + connection("vendor"),
            "providers[0].headers",
            3,
            ["one of the two places"],
        ),
        (
            '[[keys]]\nname = "a"\nkey = "sk-12345678"\n[[keys]]\nname = "b"\nkey = "sk-12345678"',
            "keys[1].key",
            6,
            ["is the key of 'a', too"],
        ),
    ],
)
def test_a_contradiction_is_refused_with_its_place(
    compiled: Compile, text: str, key: str, line: int, fragments: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(text)
    assert (caught.value.key, caught.value.line) == (key, line)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_every_built_in_provider_compiles_with_a_key_and_says_what_it_needs(
    tmp_path: Path, installation: Installation
) -> None:
    rows = load_registry()
    file = tmp_path / "omniroute.toml"
    file.write_text("".join(connection(row.id) for row in rows))
    settings = load({}, {}, file, tmp_path, working_dir=tmp_path)
    snapshot = compile_snapshot(settings, rows, (), installation, prices=load_prices())
    assert len(snapshot.providers) == len(rows)
    for view in snapshot.providers:
        assert view.needs or view.url.startswith(("https://", "http://")), view.id
        assert view.needs or view.format in SPOKEN_FORMATS, view.id


# --- sections that pass through, and budgets ---


def test_sections_that_need_no_joining_are_handed_on(compiled: Compile) -> None:
    snapshot = compiled(
        "[resilience]\nretries = 3\n[cache]\nshared = true\n"
        '[system_prompt]\nprefix = "Be brief."\n[thinking]\nmode = "auto"\n'
    )
    assert snapshot.resilience.retries == 3
    assert snapshot.cache.shared
    assert snapshot.system_prompt.prefix == "Be brief."
    assert snapshot.thinking.mode == "auto"


def test_budgets_are_of_a_tier_or_of_a_provider_in_use(compiled: Compile) -> None:
    snapshot = compiled(
        ACME
        + '[[budgets]]\ntier = "cheap"\nusd = 1.5\nperiod = "daily"\n'
        + '[[budgets]]\nprovider = "acme"\nusd = 2\n'
        + '[[budgets]]\nprovider = "ve"\nusd = 2\n'
    )
    tier, provider = snapshot.budgets
    assert (tier.tier, tier.provider, tier.meter.key) == ("cheap", "", "tier/cheap/usd/daily")
    assert (provider.tier, provider.provider) == ("", "acme")
    assert (provider.meter.key, provider.meter.limit) == ("provider/acme/usd/monthly", 2_000_000)


def test_a_budget_of_nobody_is_refused(refused: Callable[[str], ConfigError]) -> None:
    error = refused('[[budgets]]\nprovider = "vendro"\nusd = 2\n')
    assert error.key == "budgets[0].provider"


def test_the_cache_takes_half_of_the_map_at_most(compiled: Compile) -> None:
    assert compiled("").cache.max_mb == 128
    assert compiled("[state]\nmap_bytes = 16777216").cache.max_mb == 8
    assert compiled("[state]\nmap_bytes = 1048576").cache.max_mb == 1


def test_a_contradiction_of_names_is_told_beside_those_of_providers(
    refused: Callable[[str], ConfigError],
) -> None:
    error = refused('[[providers]]\nid = "a"\n[[combos]]\nname = "c"\nmodels = ["x"]\n')
    assert len(str(error).splitlines()) == 3
