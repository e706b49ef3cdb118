"""The environment, `.env` files and `env:`/`file:` strings give what they are said to."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.config import ConfigError, Settings

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]


def test_a_hostname_that_is_only_this_machines_name_opens_nothing(configure: Load) -> None:
    assert configure(env={"HOSTNAME": socket.gethostname()}).server.host == "127.0.0.1"


def test_an_empty_variable_counts_as_not_set(configure: Load) -> None:
    assert configure("[server]\nport = 5", {"PORT": ""}).server.port == 5


def test_dotenv_of_the_data_dir_wins_over_the_working_dirs_and_both_yield(
    configure: Load, places: Path
) -> None:
    (places / "data" / ".env").write_text("PORT=1\nOMNIROUTE_SERVER_WORKERS=1\n")
    (places / "work" / ".env").write_text(
        "PORT=2\nOMNIROUTE_SERVER_WORKERS=2\nOMNIROUTE_LOG_LEVEL=debug\n"
    )
    settings = configure(env={"OMNIROUTE_SERVER_WORKERS": "3"})
    assert settings.server.port == 1
    assert settings.server.workers == 3
    assert settings.log.level == "debug"


def test_dotenv_knows_quotes_comments_and_export(configure: Load, places: Path) -> None:
    (places / "work" / ".env").write_text(
        "# comment\n\n"
        "export A = plain # comment\r\n"
        "B='single # not a comment'\n"
        'C="double \\"quoted\\" # not a comment"  # comment\n'
    )
    connections = "".join(
        f'[[connections]]\nprovider = "acme"\nname = "{name}"\napi_key = "env:{name}"\n'
        for name in "ABC"
    )
    settings = configure(connections)
    assert [connection.api_key for connection in settings.connections] == [
        "plain",
        "single # not a comment",
        'double "quoted" # not a comment',
    ]


@pytest.mark.parametrize("line", ["no equals sign", "1A=x", "A-B=x", "A='open"])
def test_a_broken_dotenv_is_told_with_its_line(refused: Refused, places: Path, line: str) -> None:
    (places / "work" / ".env").write_text(f"A=1\n{line}\n")
    error = refused()
    assert (error.file, error.line) == (str(places / "work" / ".env"), 2)


def test_strings_may_come_from_environment_and_files(configure: Load, places: Path) -> None:
    (places / "work" / "acme.key").write_text("from-file\n")
    settings = configure(
        '[server]\nport = "env:MY_PORT"\n'
        '[[connections]]\nprovider = "acme"\napi_key = "file:acme.key"\n'
        '[[providers]]\nid = "acme"\nheaders = { X-Team = "env:TEAM" }\nmodels = ["env:MODEL"]\n',
        {"MY_PORT": "77", "TEAM": "blue", "MODEL": "large"},
    )
    assert settings.server.port == 77
    assert settings.connections[0].api_key == "from-file"
    assert settings.providers[0].headers == {"X-Team": "blue"}
    assert settings.providers[0].models == ("large",)


@pytest.mark.parametrize(
    ("source", "fragment"),
    [("env:NOT_SET", "NOT_SET, which is not set"), ("file:nowhere.key", "nowhere.key")],
)
def test_a_string_that_leads_nowhere_is_told(refused: Refused, source: str, fragment: str) -> None:
    error = refused(f'[[keys]]\nname = "a"\nkey = "{source}"\n')
    assert (error.key, error.line) == ("keys[0].key", 3)
    assert fragment in error.message


def test_files_are_named_from_the_configurations_directory(configure: Load, places: Path) -> None:
    (places / "work" / "ca.pem").write_text("certificate")
    settings = configure('[upstream]\nca_file = "ca.pem"\n')
    assert settings.upstream.ca_file == str(places / "work" / "ca.pem")
