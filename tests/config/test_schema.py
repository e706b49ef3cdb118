"""The schema says what a setting is, and keeps secrets to itself."""

from collections.abc import Callable

import msgspec
import pytest

from omniroute.config import ConfigError, Settings
from omniroute.config.schema import Origin, expected, sections
from omniroute.config.setting import nest, unwrap

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]


def test_secrets_do_not_show_in_settings_nor_in_errors(configure: Load, refused: Refused) -> None:
    settings = configure(
        '[server]\nproxy = "http://u:hunter2@p"\n'
        '[[keys]]\nname = "a"\nkey = "sk-hunter2-hunter2"\n'
        '[[connections]]\nprovider = "a"\napi_key = "hunter2"\n'
        '[[providers]]\nid = "a"\nheaders = { X-K = "hunter2" }\n'
    )
    assert "hunter2" not in repr(settings)
    error = refused('[[keys]]\nname = "a"\nkey = "hunter2"')
    assert "hunter2" not in str(error)
    error = refused('[[keys]]\nname = "a"\nkey = ["hunter2"]')
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("server", "port", "a whole number from 0 to 65535"),
        ("server", "keepalive_s", "a number above 0"),
        ("server", "split_ports", "true or false"),
        ("server", "proxy", "a string"),
        ("server", "cors_origins", "a list of strings"),
        ("log", "format", 'one of "text", "json"'),
        ("providers", "tier", 'one of "subscription", "apikey", "cheap", "free", "local"'),
        ("providers", "headers", "a table of strings"),
        ("providers", "sticky_limit", "a whole number from 1 to 10000"),
        ("connections", "quotas", "a list of tables"),
        ("connections", "quota_threshold", "a number above 0, at most 1"),
        ("combos", "models", "a list of strings or tables"),
        ("keys", "budget", "a table or a list of tables"),
        ("keys", "schedule", "a table"),
    ],
)
def test_a_type_is_told_in_words(section: str, key: str, words: str) -> None:
    (struct,) = (table.struct for table in sections() if table.name == section)
    (field,) = (field for field in msgspec.structs.fields(struct) if field.name == key)
    assert expected(field.type) == words


def test_every_key_is_documented_and_every_default_fits_its_own_type() -> None:
    structs = {table.struct for table in sections()}
    for struct in tuple(structs):
        inner = (nest(field.type) for field in msgspec.structs.fields(struct))
        structs |= {each.struct for each in inner if each is not None}
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            assert unwrap(field.type)[1].description, f"{struct.__name__}.{field.name}"
            if field.default is not msgspec.NODEFAULT:
                assert msgspec.convert(field.default, field.type) == field.default


def test_a_key_is_named_where_a_file_or_another_source_gives_it() -> None:
    origin = Origin("f.toml", {("server", "port"): 2}, {("server", "host"): "option --host"})
    assert origin.names(("server", "port"))
    assert origin.names(("server", "host"))
    assert not origin.names(("server", "workers"))


def test_an_error_without_a_line_of_its_own_stands_at_its_parents() -> None:
    origin = Origin("f.toml", {("keys",): 3, ("keys", 0): 3, ("keys", 0, "name"): 4})
    assert origin.problem(("keys", 0, "key"), "is missing").line == 3
    assert origin.problem(("keys", 0, "name"), "is wrong").line == 4
    assert origin.problem(("server", "port"), "is wrong").line is None


def test_a_place_outside_the_file_is_named_instead() -> None:
    origin = Origin("f.toml", {("server",): 1}, {("server", "port"): "option --port"})
    assert str(origin.problem(("server", "port"), "is wrong")) == (
        "option --port: server.port: is wrong"
    )
