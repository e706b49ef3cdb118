"""Settings come from the right source, and what is wrong is told with place, key and remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.config import (
    BudgetSettings,
    ComboMember,
    ConfigError,
    Settings,
    find_config_file,
    find_data_dir,
    load,
)

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]


def test_without_any_source_the_defaults_hold(configure: Load) -> None:
    settings = configure()
    assert settings.server.port == 20128
    assert settings.server.require_api_key is True
    assert settings.providers == ()


def test_command_line_wins_over_environment_over_file_over_default(configure: Load) -> None:
    text, env = "[server]\nport = 1\n", {"OMNIROUTE_SERVER_PORT": "2"}
    assert configure(text).server.port == 1
    assert configure(text, env).server.port == 2
    assert configure(text, env, {"server.port": "3"}).server.port == 3


def test_a_full_name_wins_over_a_shorthand_over_the_originals_name(configure: Load) -> None:
    env = {"PORT": "1"}
    assert configure(env=env).server.port == 1
    env["OMNIROUTE_PORT"] = "2"
    assert configure(env=env).server.port == 2
    env["OMNIROUTE_SERVER_PORT"] = "3"
    assert configure(env=env).server.port == 3


def test_the_originals_names_work(configure: Load) -> None:
    settings = configure(
        env={
            "PORT": "8080",
            "HOSTNAME": "127.0.0.2",
            "INITIAL_PASSWORD": "correct horse",
            "REQUIRE_API_KEY": "false",
        }
    )
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 8080)
    assert settings.admin.initial_password == "correct horse"
    assert settings.server.require_api_key is False


def test_text_from_the_environment_becomes_what_the_setting_is(configure: Load) -> None:
    settings = configure(
        env={
            "OMNIROUTE_SERVER_SPLIT_PORTS": "yes",
            "OMNIROUTE_SERVER_KEEPALIVE_S": "2.5",
            "OMNIROUTE_SERVER_ALLOWED_HOSTS": "a.example, b.example,",
        }
    )
    assert settings.server.split_ports is True
    assert settings.server.keepalive_s == 2.5
    assert settings.server.allowed_hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("text", "key", "line", "fragments"),
    [
        ("[server]\n\nport = 70000", "server.port", 3, ["70000", "from 0 to 65535"]),
        ('[server]\nport = "x"', "server.port", 2, ["'x' is not a whole number"]),
        ("[server]\nworkers = 0", "server.workers", 2, ["from 1 to 256"]),
        ("[server]\nworkers = 1.5", "server.workers", 2, ["whole number"]),
        ("[server]\nsplit_ports = 1", "server.split_ports", 2, ["true or false"]),
        ('[server]\nhost = ""', "server.host", 2, ["must not be empty"]),
        ("[server]\nkeepalive_s = 0", "server.keepalive_s", 2, ["above 0"]),
        ("[server]\nprot = 1", "server.prot", 2, ["did you mean port?"]),
        ("[sever]\nport = 1", "sever", 1, ["did you mean server?"]),
        ('[log]\nlevel = "inf"', "log.level", 2, ["did you mean info?"]),
        ('[log]\nlevel = "loud"', "log.level", 2, ['"debug", "info"']),
        ("server = 1", "server", 1, ["[server]"]),
        ("[providers]\nid = 1", "providers", 1, ["[[providers]]"]),
        ("providers = [1]", "providers[0]", 1, ["[[providers]]"]),
        ("[[providers]]", "providers[0].id", 1, ["is missing"]),
        ('[[providers]]\nid = "Acme Inc"', "providers[0].id", 2, ["'Acme Inc'", "Small letters"]),
        (
            '[[providers]]\nid = "a"\n[[providers]]\nid = "b"\nformat = "opnai"',
            "providers[1].format",
            5,
            ["did you mean openai?"],
        ),
        ('[[providers]]\nid = "a"\nmodels = "m"', "providers[0].models", 3, ["list of strings"]),
        ('[[providers]]\nid = "a"\nmodels = ["m", 1]', "providers[0].models[1]", 3, ["string"]),
        ('[[providers]]\nid = "a"\nbase_url = "x"', "providers[0].base_url", 3, ["http://"]),
        ('[[providers]]\nid = "a"\nproxy = "ftp://x"', "providers[0].proxy", 3, ["socks5://"]),
        (
            '[[providers]]\nid = "a"\nheaders = { "X Y" = "1" }',
            "providers[0].headers.X Y",
            3,
            ["header name"],
        ),
        (
            '[[providers]]\nid = "a"\n[providers.headers]\nHost = "x"',
            "providers[0].headers.Host",
            4,
            ["gateway sets itself"],
        ),
        (
            '[[providers]]\nid = "a"\n[providers.headers]\nX-A = "a\\r\\nb"',
            "providers[0].headers.X-A",
            4,
            ["no header may hold"],
        ),
        (
            '[[providers]]\nid = "a"\nauth_value = "Key"',
            "providers[0].auth_value",
            3,
            ["{credential}"],
        ),
        ('[upstream]\nca_file = "no.pem"', "upstream.ca_file", 2, ["not a file"]),
        ('[server]\ncors_origins = ["a.b"]', "server.cors_origins[0]", 2, ["web origin"]),
        ('[server]\nallowed_hosts = ["a:1"]', "server.allowed_hosts[0]", 2, ["host name"]),
        ("[server]\ndashboard_port = 20128", "server.dashboard_port", 2, ["same port"]),
        ('[[keys]]\nname = "a"\nkey = "short"', "keys[0].key", 3, ["at least 8"]),
        ('[admin]\ninitial_password = "123456"', "admin.initial_password", 2, ["everybody knows"]),
        ('[admin]\ninitial_password = "abc"', "admin.initial_password", 2, ["at least 10"]),
    ],
)
def test_a_wrong_value_is_told_with_file_line_key_and_remedy(
    refused: Refused, places: Path, text: str, key: str, line: int, fragments: list[str]
) -> None:
    error = refused(text)
    assert error.file == str(places / "work" / "omniroute.toml")
    assert (error.key, error.line) == (key, line)
    for fragment in fragments:
        assert fragment in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "[replicas]\nkeep = 3",
        '[[webhooks]]\nurl = "https://a.example"',
        "[cache]\nredis = true",
        "[resilience]\nmood = 5",
        '[[providers]]\nid = "a"\nregion = "eu"',
        '[[connections]]\nprovider = "a"\nregion = "eu"',
        '[[keys]]\nname = "a"\nkey = "sk-12345678"\nowner = "b"',
        '[[keys]]\nname = "a"\nkey = "sk-12345678"\nbudget = { usd = 1.0, eur = 1.0 }',
    ],
)
def test_a_key_of_another_version_is_refused_and_not_passed_over(
    refused: Refused, text: str
) -> None:
    assert "this version" in refused(text).message


# --- tables within tables ---


KEY = '[[keys]]\nname = "a"\nkey = "sk-12345678"\n'
CONNECTION = '[[connections]]\nprovider = "a"\n'


@pytest.mark.parametrize(
    ("text", "key", "line", "fragments"),
    [
        (
            CONNECTION + 'quotas = [\n  { window = "5h", limit = 1 },\n  { window = "6h" },\n]',
            "connections[0].quotas[1].window",
            5,
            ["'6h' is not one of"],
        ),
        (
            CONNECTION + 'quotas = [{ window = "5h", limt = 1 }]',
            "connections[0].quotas[0].limt",
            3,
            ["did you mean limit?"],
        ),
        (
            CONNECTION + "[[connections.quotas]]\nlimit = 0\n",
            "connections[0].quotas[0].window",
            3,
            ["is missing", '"5h"'],
        ),
        (
            CONNECTION + 'quotas = { window = "5h", limit = 1 }',
            "connections[0].quotas",
            3,
            ["must be a list of tables", "such as { window = …, limit = … }"],
        ),
        (CONNECTION + "quotas = [1]", "connections[0].quotas[0]", 3, ["must be a table"]),
        (KEY + "budget = 5", "keys[0].budget", 4, ["a table or a list of tables", "{ usd = … }"]),
        (KEY + "budget = { usd = -1 }", "keys[0].budget.usd", 4, ["-1 is not a number from 0"]),
        (KEY + "budget = { usd = nan }", "keys[0].budget.usd", 4, ["nan"]),
        (KEY + "schedule = []", "keys[0].schedule", 4, ["must be a table"]),
        (
            KEY + 'schedule = { days = ["mon", "tues"] }',
            "keys[0].schedule.days[1]",
            4,
            ["did you mean tue?"],
        ),
        (KEY + 'schedule = { start = "8:00" }', "keys[0].schedule.start", 4, ["'8:00'"]),
        ('[[combos]]\nname = "c"\nmodels = []', "combos[0].models", 3, ["must not be empty"]),
        ('[[combos]]\nname = "c"\nmodels = "a/b"', "combos[0].models", 3, ["strings or tables"]),
        ('[[combos]]\nname = "c"\nmodels = ["a", 1]', "combos[0].models[1]", 3, ["neither"]),
        ('[[combos]]\nname = "c"\nmodels = [""]', "combos[0].models[0]", 3, ["not be empty"]),
        (
            '[[combos]]\nname = "c"\nmodels = ["a", { model = "b", weigth = 2 }]',
            "combos[0].models[1].weigth",
            3,
            ["did you mean weight?"],
        ),
        ("[server]\nkeepalive_s = inf", "server.keepalive_s", 2, ["no number to reckon with"]),
    ],
)
def test_what_is_wrong_in_a_table_within_a_table_has_its_own_place(
    refused: Refused, text: str, key: str, line: int, fragments: list[str]
) -> None:
    error = refused(text)
    assert (error.key, error.line) == (key, line)
    for fragment in fragments:
        assert fragment in str(error)


def test_a_budget_may_be_one_table_or_a_list(configure: Load) -> None:
    one = BudgetSettings(usd=1.0)
    assert configure(KEY + "budget = { usd = 1 }").keys[0].budget == one
    assert configure(KEY + "budget = [{ usd = 1 }]").keys[0].budget == (one,)
    assert configure(KEY + "[[keys.budget]]\nusd = 1").keys[0].budget == (one,)


def test_members_of_a_combo_may_be_strings_and_tables(configure: Load) -> None:
    text = '[[combos]]\nname = "c"\nmodels = ["a/b", "env:SECOND", { model = "x/y", weight = 2 }]'
    assert configure(text, {"SECOND": "c/d"}).combos[0].models == (
        "a/b",
        "c/d",
        ComboMember(model="x/y", weight=2.0),
    )


def test_a_date_may_stand_without_quotes(configure: Load) -> None:
    assert configure(KEY + "expires = 2027-01-31").keys[0].expires == "2027-01-31"
    expires = configure(KEY + "expires = 2027-01-31T08:00:00Z").keys[0].expires
    assert expires == "2027-01-31T08:00:00+00:00"


def test_all_that_is_wrong_is_told_at_once(refused: Refused) -> None:
    error = refused('[server]\nport = "x"\nprot = 1\n[[keys]]\n', {"OMNIROUTE_LOG_LEVEL": "loud"})
    told = {error.key, *(other.key for other in error.more)}
    assert told == {"server.port", "server.prot", "log.level", "keys[0].name", "keys[0].key"}
    assert len(str(error).splitlines()) == 5


def test_broken_toml_is_told_with_its_line(refused: Refused) -> None:
    error = refused("[server]\nport = 1\nport = 2\n")
    assert "not valid TOML" in error.message
    assert error.line == 3


def test_a_file_that_does_not_exist_is_told(places: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, {}, places / "nowhere.toml", places, working_dir=places)


def test_a_value_from_elsewhere_is_told_with_its_place(refused: Refused) -> None:
    error = refused(env={"PORT": "x"})
    assert (error.file, error.key) == ("environment variable PORT", "server.port")
    error = refused(cli={"server.drain_timeout_s": "x"})
    assert error.file == "option --drain-timeout"


def test_a_variable_that_means_no_setting_is_refused(refused: Refused) -> None:
    error = refused(env={"OMNIROUTE_SERVER_REQUIRE_API_KEYS": "true"})
    assert "did you mean OMNIROUTE_SERVER_REQUIRE_API_KEY?" in error.hint


def test_variables_of_others_are_passed_over(configure: Load) -> None:
    configure(env={"OMNIROUTE_NO_EXTENSIONS": "1", "OMNI_KEY": "x", "SERVER_PORT": "x"})


def test_the_data_dir_is_the_options_else_the_environments_else_the_homes(places: Path) -> None:
    work = places / "work"
    assert find_data_dir("/a", {"DATA_DIR": "/b"}, work) == Path("/a")
    assert find_data_dir(None, {"DATA_DIR": "/b"}, work) == Path("/b")
    assert find_data_dir(None, {"DATA_DIR": "/b", "OMNIROUTE_DATA_DIR": "/c"}, work) == Path("/c")
    assert find_data_dir("here", {}, work) == work / "here"
    assert find_data_dir(None, {}, work) == Path.home() / ".omniroute"
    (work / ".env").write_text("DATA_DIR=/d\n")
    assert find_data_dir(None, {}, work) == Path("/d")


def test_the_file_is_the_options_else_the_working_dirs_else_the_data_dirs(places: Path) -> None:
    work, data = places / "work", places / "data"
    assert find_config_file(None, {}, data, work) is None
    (data / "omniroute.toml").touch()
    assert find_config_file(None, {}, data, work) == data / "omniroute.toml"
    (work / "omniroute.toml").touch()
    assert find_config_file(None, {}, data, work) == work / "omniroute.toml"
    assert find_config_file(None, {"OMNIROUTE_CONFIG": "e.toml"}, data, work) == work / "e.toml"
    assert find_config_file("o.toml", {"OMNIROUTE_CONFIG": "e.toml"}, data, work) == work / "o.toml"
