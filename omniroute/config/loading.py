"""From sources to `Settings`: command line over environment over file over stored over default.

Contract: `load` reads, merges, resolves `env:`/`file:` strings, converts and checks everything,
and either returns settings that hold or raises one `ConfigError` with all that is wrong. It
changes nothing and keeps nothing, so a reload is another call.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import msgspec

from omniroute import __version__
from omniroute.config.errors import ConfigError
from omniroute.config.rules import check_rules
from omniroute.config.schema import (
    Origin,
    Section,
    Settings,
    expected,
    literals,
    sections,
)
from omniroute.config.setting import Nest, Setting, Text, is_file, is_secret, nest, unwrap
from omniroute.config.sources import (
    CONFIG_FILE_NAMES,
    DATA_DIR_NAMES,
    Unresolved,
    environment_names,
    read_variable,
    resolve,
    with_dotenv,
)
from omniroute.config.stored import Clash, Stored, merge

KeyPath = tuple[str | int, ...]

CONFIG_FILE_NAME: Final = "omniroute.toml"
_WORDS_FOR_BOOL: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def find_data_dir(option: str | None, env: Mapping[str, str], working_dir: Path) -> Path:
    """The data directory: the option, else the environment, else `~/.omniroute`. Absolute."""
    found = read_variable(with_dotenv(env, (working_dir / ".env",)), DATA_DIR_NAMES)
    chosen = option or (found[1] if found else "~/.omniroute")
    return working_dir / Path(chosen).expanduser()


def find_config_file(
    option: str | None, env: Mapping[str, str], data_dir: Path, working_dir: Path
) -> Path | None:
    """The file: the option, else OMNIROUTE_CONFIG, else the working dir's, else the data dir's.

    None when nobody names one and neither directory has one. A named file that does not exist is
    returned all the same; `load` says so.
    """
    found = read_variable(
        with_dotenv(env, (data_dir / ".env", working_dir / ".env")), CONFIG_FILE_NAMES
    )
    chosen = option or (found[1] if found else None)
    if chosen:
        return working_dir / Path(chosen).expanduser()
    for directory in (working_dir, data_dir):
        if (directory / CONFIG_FILE_NAME).is_file():
            return directory / CONFIG_FILE_NAME
    return None


def load(
    cli: Mapping[str, object],
    env: Mapping[str, str],
    config_file: Path | None,
    data_dir: Path,
    *,
    working_dir: Path | None = None,
    stored: Sequence[Stored] = (),
) -> Settings:
    """The settings in force.

    `cli` maps dotted keys to values, as in `{"server.port": 8080}`. `env` is the real environment;
    `.env` of `data_dir` and of `working_dir` (default: the current one) complete it.
    `stored` is what the database holds; client keys among it have no `key`. Raises ConfigError.
    """
    here = Path.cwd() if working_dir is None else working_dir
    environment = with_dotenv(env, (data_dir / ".env", here / ".env"))
    document, lines = ({}, {}) if config_file is None else _read_file(config_file)
    places: dict[KeyPath, str] = {}
    tables = tuple(sections())
    problems = _overlay_environment(document, places, environment, tables)
    for dotted_key, value in cli.items():
        section, _, key = dotted_key.partition(".")
        document.setdefault(section, {})[key] = value
        places[section, key] = f"option --{key.removesuffix('_s').replace('_', '-')}"
    owners, clashes = merge(document, stored)
    problems += map(_clashing, clashes)
    origin = Origin(str(config_file or ""), lines, places, owners)
    base_dir = here if config_file is None else config_file.parent
    builder = _Builder(origin, environment, base_dir, data_dir)
    settings = builder.settings(document, tables)
    problems += builder.problems
    if not problems:
        problems = list(check_rules(settings))
    if problems:
        raise ConfigError.together(problems)
    return settings


def _clashing(clash: Clash) -> ConfigError:
    name, message, hint = clash
    return ConfigError(message, file=str(name), hint=hint, stored=name)


def _read_file(file: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    import tomllib

    from omniroute.config.toml_lines import key_lines

    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise ConfigError(message, file=str(file)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=str(file)) from error
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = int(where[1]) if where else len(text.splitlines())
        message = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(f"is not valid TOML: {message}", file=str(file), line=line) from error


def _overlay_environment(
    document: dict[str, Any],
    places: dict[KeyPath, str],
    environment: Mapping[str, str],
    tables: tuple[Section, ...],
) -> list[ConfigError]:
    """Lay variables over the document; report OMNIROUTE_<SECTION>_… names that mean no key."""
    known: set[str] = set()
    for table in tables:
        if table.repeated:
            continue
        for field in msgspec.structs.fields(table.struct):
            names = environment_names(table.name, field.name)
            known.update(names)
            found = read_variable(environment, names)
            section = document.setdefault(table.name, {})
            if found is None or not isinstance(section, dict):
                continue
            name, value = found
            is_list = get_origin(unwrap(field.type)[0]) is tuple
            section[field.name] = (
                [item.strip() for item in value.split(",") if item.strip()] if is_list else value
            )
            places[table.name, field.name] = f"environment variable {name}"
    prefixes = tuple(f"OMNIROUTE_{table.name}_".upper() for table in tables if not table.repeated)
    return [
        ConfigError(
            "means no setting",
            file=f"environment variable {name}",
            hint=_suggestion(name, sorted(known), "the names stand in docs/reference/config.md"),
        )
        for name in environment
        if name.startswith(prefixes) and name not in known
    ]


class _Builder:
    """Builds the structs key by key, so that every problem is found and has its own place."""

    def __init__(
        self, origin: Origin, environment: Mapping[str, str], base_dir: Path, data_dir: Path
    ) -> None:
        self.origin = origin
        self.environment = environment
        self.base_dir = base_dir
        self.data_dir = data_dir
        self.problems: list[ConfigError] = []

    def settings(self, document: dict[str, Any], tables: tuple[Section, ...]) -> Settings:
        names = [table.name for table in tables]
        self._refuse_unknown(document, names, ())
        values: dict[str, Any] = {}
        for table in tables:
            if table.name not in document:
                continue
            data = document[table.name]
            if not table.repeated:
                values[table.name] = self._table(table.struct, data, (table.name,))
            elif isinstance(data, list):
                values[table.name] = tuple(
                    self._table(table.struct, item, (table.name, index))
                    for index, item in enumerate(data)
                )
            else:
                self._problem((table.name,), "must be a list", f"write [[{table.name}]]")
        if self.problems:
            return Settings(origin=self.origin)
        return Settings(origin=self.origin, **values)

    def _table(self, struct: type[Setting], data: object, path: KeyPath) -> Setting | None:
        if not isinstance(data, dict):
            self._problem(path, "must be a table", _how_to_write(struct, path))
            return None
        fields = {field.name: field for field in msgspec.structs.fields(struct)}
        self._refuse_unknown(data, list(fields), path)
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name in data:
                values[name] = self._value(field.type, data[name], (*path, name))
            elif field.required:
                self._problem((*path, name), "is missing", f"it must be {expected(field.type)}")
        return None if self.problems else struct(**values)

    def _value(self, annotation: Any, raw: object, path: KeyPath) -> Any:
        nested = nest(annotation)
        if nested is not None:
            return self._nested(annotation, nested, raw, path)
        is_stored = self.origin.owner(path) is not None
        if is_stored:
            value, is_text = raw, False
            if is_secret(annotation) and _is_reference(raw):
                hint = "give the value itself, or declare this in the file"
                self._problem(path, "refers to something, which only the file may do", hint)
                return None
        else:
            try:
                value, is_text = self._resolved(raw, from_text=path in self.origin.places)
            except Unresolved as error:
                self._problem(path, error.message, error.hint)
                return None
        if is_file(annotation) and isinstance(value, str):
            root = self.data_dir if is_stored else self.base_dir
            return str(root / Path(value).expanduser())
        bare = unwrap(annotation)[0]
        if is_text and bare is bool and isinstance(value, str):
            value = _WORDS_FOR_BOOL.get(value.lower(), value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        strict = not (is_text or (number and bare is float))
        try:
            converted = msgspec.convert(value, annotation, strict=strict)
            if isinstance(converted, float) and not math.isfinite(converted):
                self._problem(path, f"{value} is no number to reckon with", "")
            return converted
        except msgspec.ValidationError as error:
            item = re.search(r" - at `\$\[(\d+)\]`$", str(error))
            if item is not None and isinstance(value, list):
                place = int(item[1])
                self._problem((*path, place), *_explain_item(bare, value[place]))
            else:
                self._problem(path, *_explain(annotation, value))
            return None

    def _nested(self, annotation: Any, nested: Nest, raw: object, path: KeyPath) -> Any:
        """A table, or a list of tables among which plain strings may stand."""
        if nested.table and isinstance(raw, dict):
            return self._table(nested.struct, raw, path)
        if not (nested.listed and isinstance(raw, list)):
            self._problem(path, f"must be {expected(annotation)}", _inline(nested.struct))
            return None
        if not raw and unwrap(annotation)[1].min_length:
            self._problem(path, "must not be empty", "")
        return tuple(self._item(nested, item, (*path, place)) for place, item in enumerate(raw))

    def _item(self, nested: Nest, raw: object, path: KeyPath) -> Any:
        if not nested.text or isinstance(raw, dict):
            return self._table(nested.struct, raw, path)
        if isinstance(raw, str):
            return self._value(Text, raw, path)
        self._problem(path, "is neither a string nor a table", "")
        return None

    def _resolved(self, raw: object, *, from_text: bool) -> tuple[object, bool]:
        """`raw` with its `env:`/`file:` strings replaced, and whether it came as text."""
        if isinstance(raw, str):
            value = resolve(raw, self.environment, self.base_dir)
            return value, from_text or value is not raw
        if isinstance(raw, date):  # TOML has dates of its own; a setting takes them as text
            return raw.isoformat(), False
        if isinstance(raw, list):
            return [self._resolved(item, from_text=False)[0] for item in raw], False
        if isinstance(raw, dict):
            pairs = {key: self._resolved(item, from_text=False)[0] for key, item in raw.items()}
            return pairs, False
        return raw, False

    def _refuse_unknown(self, data: Mapping[str, Any], known: list[str], path: KeyPath) -> None:
        for key in data:
            if key not in known:
                fallback = f"known here: {', '.join(known)}"
                self._problem(
                    (*path, key),
                    f"is a key that this version ({__version__}) does not know",
                    _suggestion(key, known, fallback),
                )

    def _problem(self, path: KeyPath, message: str, hint: str) -> None:
        self.problems.append(self.origin.problem(path, message, hint))


def _is_reference(raw: object) -> bool:
    return isinstance(raw, str) and raw.startswith(("env:", "file:"))


def _explain(annotation: Any, value: object) -> tuple[str, str]:
    """(what is wrong, what would be right), without the value where that is a secret."""
    bare, meta = unwrap(annotation)
    if value in ("", []):
        return "must not be empty", ""
    if is_secret(annotation) or not isinstance(value, str | int | float):
        return "has the wrong type", f"it must be {expected(annotation)}"
    if meta.pattern is not None and isinstance(value, str):
        return f"{value!r} is not allowed here", meta.description or ""
    wrong = f"{value!r} is not {expected(annotation)}"
    choices = literals(bare)
    return wrong, _suggestion(value, choices, "") if isinstance(value, str) and choices else ""


def _explain_item(bare: Any, item: object) -> tuple[str, str]:
    """`_explain` for an item of a list of strings."""
    (kind, *_) = get_args(bare)
    if isinstance(item, str) and literals(kind):
        return _explain(kind, item)
    return "is not a string", ""


def _how_to_write(struct: type[Setting], path: KeyPath) -> str:
    """How a table at `path` is written: under a head of its own, or within its parent."""
    if len(path) > 2:
        return _inline(struct)
    head = f"[[{path[0]}]]" if len(path) > 1 else f"[{path[0]}]"
    return f"write {head} and its keys below"


def _inline(struct: type[Setting]) -> str:
    names = [field.name for field in msgspec.structs.fields(struct)]
    required = [field.name for field in msgspec.structs.fields(struct) if field.required]
    shown = ", ".join(f"{name} = …" for name in required or names[:2])
    return f"such as {{ {shown} }}"


def _suggestion(name: str, known: list[str], fallback: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else fallback
