"""The environment as a source of settings: names, `.env` files, `env:` and `file:` strings.

The real environment wins over `.env` of the data directory, which wins over `.env` of the working
directory. A variable that is set but empty counts as not set.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from omniroute.config.errors import ConfigError

DATA_DIR_NAMES: Final = ("OMNIROUTE_DATA_DIR", "DATA_DIR")
CONFIG_FILE_NAMES: Final = ("OMNIROUTE_CONFIG",)

# Names beside OMNIROUTE_<SECTION>_<KEY>, nearest first: shorthands, then those of the original.
OTHER_NAMES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("server", "host"): ("OMNIROUTE_HOST", "HOSTNAME"),
    ("server", "port"): ("OMNIROUTE_PORT", "PORT"),
    ("server", "require_api_key"): ("REQUIRE_API_KEY",),
    ("admin", "initial_password"): ("INITIAL_PASSWORD",),
}

SECRET_FILE_BYTES: Final = 65536  # a key or header; more is a mistaken path


def environment_names(section: str, key: str) -> tuple[str, ...]:
    """The variables that set this key, nearest first."""
    return (f"OMNIROUTE_{section}_{key}".upper(), *OTHER_NAMES.get((section, key), ()))


def read_variable(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    """(name, value) of the first of `names` that is set."""
    for name in names:
        value = environment.get(name, "")
        # Many systems export HOSTNAME as the machine's own name. That is no wish to leave loopback.
        if value and not (name == "HOSTNAME" and value == socket.gethostname()):
            return name, value
    return None


def with_dotenv(environment: Mapping[str, str], files: tuple[Path, ...]) -> dict[str, str]:
    """`environment` completed from `.env` files, the first one that sets a name deciding.

    A file that is not there is passed over; one that cannot be read or parsed is a ConfigError.
    """
    merged: dict[str, str] = {}
    for file in reversed(files):
        merged.update(_read_dotenv(file))
    merged.update((name, value) for name, value in environment.items() if value)
    return merged


def _read_dotenv(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {_reason(error)}", file=str(file)) from error
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        name = name.strip()
        if not equals or not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise ConfigError(
                "is not NAME=value", file=str(file), line=number, hint="comments start with #"
            )
        values[name] = _dotenv_value(value.strip(), file, number)
    return values


def _dotenv_value(value: str, file: Path, number: int) -> str:
    if value[:1] in ("'", '"'):
        quote = value[0]
        end = value.find(quote, 1)
        while quote == '"' and end > 0 and value[end - 1] == "\\":
            end = value.find(quote, end + 1)
        if end < 0:
            raise ConfigError("has a quote that is not closed", file=str(file), line=number)
        inner = value[1:end]
        if quote == '"':
            inner = inner.replace(r"\n", "\n").replace(r"\"", '"').replace(r"\\", "\\")
        return inner
    return value.split(" #", 1)[0].rstrip()


class Unresolved(Exception):
    """An `env:` or `file:` string that leads nowhere. `hint` says what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def resolve(text: str, environment: Mapping[str, str], base_dir: Path) -> str:
    """The value that `env:NAME` or `file:PATH` stands for; any other text as it is.

    A relative path starts at `base_dir`; the final line end of a file is dropped. Raises
    Unresolved.
    """
    if text.startswith("env:"):
        name = text[4:].strip()
        value = environment.get(name, "")
        if not value:
            raise Unresolved(
                f"takes its value from the environment variable {name}, which is not set",
                f"set {name} in the environment or in .env",
            )
        return value
    if text.startswith("file:"):
        path = base_dir / Path(text[5:].strip()).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(SECRET_FILE_BYTES + 1)
            if len(content) > SECRET_FILE_BYTES:
                raise Unresolved(f"takes its value from {path}, which is too long for one", "")
            return content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise Unresolved(
                f"takes its value from the file {path}, which cannot be read: {_reason(error)}",
                "relative paths start at the directory of the configuration file",
            ) from error
    return text


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
