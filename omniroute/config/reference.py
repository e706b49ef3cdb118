"""Write the reference page of the settings, from the schema itself.

`python -m omniroute.config.reference > docs/reference/config.md`; a test fails when the page in the
tree is not what this prints.
"""

import inspect
import json
import sys
import textwrap
from typing import Any

import msgspec

from omniroute.config.schema import Section, expected, sections
from omniroute.config.setting import Setting, is_secret, nest, unwrap
from omniroute.config.sources import CONFIG_FILE_NAMES, DATA_DIR_NAMES, environment_names
from omniroute.config.stored import START_ONLY

_START_ONLY = textwrap.fill(
    "- What is stored acts at the next request. What another source gives cannot be changed by "
    "storing, nor can what is read at a start only: "
    + ", ".join(
        f"`[{section}]`" if keys is None else ", ".join(f"`{section}.{key}`" for key in keys)
        for section, keys in START_ONLY.items()
    )
    + ".",
    width=100,
    subsequent_indent="  ",
    break_on_hyphens=False,
)

_INTRO = f"""\
# Settings

Made from `omniroute/config/schema.py` by `python -m omniroute.config.reference`; do not edit.

A setting comes from the command line, else from the environment, else from the file, else from what
was stored with the dashboard or the management API, else it has its default. The file is `--config`
(or `{CONFIG_FILE_NAMES[0]}`), else `./omniroute.toml`, else `omniroute.toml` in the data directory.
The data directory is `--data-dir`, else
{" or ".join(f"`{name}`" for name in DATA_DIR_NAMES)}, else `~/.omniroute`.

- The environment is completed from `.env` in the data directory, then from `.env` in the working
  directory: what is set already stays. A variable that is set but empty counts as not set; lists
  are separated by commas. `HOSTNAME` is passed over where it is just this machine's own name.
- A string may be `env:NAME`, the value of an environment variable, or `file:PATH`, the content of a
  file without its last line end. Relative paths start at the configuration file's directory.
- A key that this version does not know is refused, as is a variable `OMNIROUTE_<SECTION>_…` that
  means no setting.
{_START_ONLY}
- `OMNIROUTE_ENCRYPTION_KEY` (32 bytes as 64 hex digits, from the real environment only) stands in
  for the file `encryption.key` of the data directory.
- `OMNIROUTE_NO_EXTENSIONS=1` runs the Python twins in place of the compiled extensions.
"""


def render() -> str:
    """The page as Markdown, ending in a newline."""
    parts = [_INTRO]
    for section in sections():
        parts.append(_section(section))
    return "\n".join(parts)


def _section(section: Section) -> str:
    head = f"[[{section.name}]]" if section.repeated else f"[{section.name}]"
    names = [] if section.repeated else ["environment"]
    lines = _head(f"## `{head}`", section.struct, names)
    inner: dict[str, type[Setting]] = {}
    for field in msgspec.structs.fields(section.struct):
        cells = _cells(section.name, field)
        if not section.repeated:
            variables = environment_names(section.name, field.name)
            cells.insert(-1, ", ".join(f"`{name}`" for name in variables))
        lines.append("| " + " | ".join(cells) + " |")
        if nested := nest(field.type):
            inner[field.name] = nested.struct
    for key, struct in inner.items():
        lines += ["", *_head(f"### `{section.name}.{key}`", struct, [])]
        for field in msgspec.structs.fields(struct):
            lines.append("| " + " | ".join(_cells(section.name, field)) + " |")
    return "\n".join(lines) + "\n"


def _head(title: str, struct: type[Setting], names: list[str]) -> list[str]:
    """The title, what the table is about, and the first two lines of the table of its keys."""
    return [
        title,
        "",
        (inspect.getdoc(struct) or "").replace("\n", " "),
        "",
        "| " + " | ".join(["key", "value", "default", *names, "meaning"]) + " |",
        "|" + "---|" * (4 + len(names)),
    ]


def _cells(section: str, field: msgspec.structs.FieldInfo) -> list[str]:
    """Name, kind of value, default and meaning of a key."""
    meaning = unwrap(field.type)[1].description or ""
    if is_secret(field.type):
        meaning += " Never shown."
    kind = expected(field.type)
    if nest(field.type):
        kind = f"[{kind}](#{section}{field.name})"
    return [f"`{field.name}`", kind, _default(field), meaning]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default: Any = field.default
    if default is msgspec.NODEFAULT:  # an empty container: not required, so there is a factory
        default = field.default_factory()
    if default is None or default == "" or (nest(field.type) and not default):
        return ""
    return f"`{json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(render())
