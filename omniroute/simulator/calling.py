"""Which of a client's tools is called, and with which arguments.

Agents bring tools that act: the simulator takes one that only reads where there is one, and gives
it the file that the user spoke of, so that a whole tool round trip happens in any agent without a
model. Pure: the same tools and the same question give the same calls. A tool that is only declared
by its name, or badly, is called all the same: clients send all sorts of things.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Tool", "arguments_for", "in_order_of_harm", "sample"]

_SCHEMA_DEPTH = 6

# Names without case and separators; whole names, so that `read_background_output` is none of them.
_READING = frozenset(
    {
        *("read", "readfile", "fileread", "readtextfile", "fsread", "getfile", "getfilecontents"),
        *("openfile", "loadfile", "viewfile", "view", "cat"),
    }
)
_RUNNING = frozenset(
    {
        *("shell", "localshell", "shellcommand", "runshellcommand", "execcommand", "runcommand"),
        *("executecommand", "containerexec", "exec", "bash", "terminal", "runterminalcmd"),
    }
)
_FILE_PARAMETERS = frozenset(
    {"path", "filepath", "file", "filename", "absolutepath", "targetfile", "uri"}
)
_COMMAND_PARAMETERS = frozenset({"command", "cmd", "script"})

# An absolute path of two segments or more; what follows a word, a tag or a URL's colon is none.
_PATH = re.compile(r"(?<![\w/.:<~-])(?:/[\w.@+~-]+){2,}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the client offers; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


def in_order_of_harm(tools: Sequence[Tool], question: str) -> list[Tool]:
    """The tools that read a file first, then shells if a file is named, then the others."""
    shells_can_read = _file_named(question) is not None

    def rank(tool: Tool) -> int:
        if _parameter(tool, _READING, _FILE_PARAMETERS):
            return 0
        return 1 if shells_can_read and _parameter(tool, _RUNNING, _COMMAND_PARAMETERS) else 2

    return sorted(tools, key=rank)


def arguments_for(tool: Tool, question: str) -> Any:
    """Arguments that fit the tool's schema, reading the file that the question names last."""
    arguments = sample(tool.schema)
    path = _file_named(question)
    if path is None or not isinstance(arguments, dict):
        return arguments
    if name := _parameter(tool, _READING, _FILE_PARAMETERS):
        arguments[name] = path
    elif name := _parameter(tool, _RUNNING, _COMMAND_PARAMETERS):
        in_words = "array" in _kinds(tool.schema["properties"][name])
        arguments[name] = ["cat", path] if in_words else f"cat {shlex.quote(path)}"
    return arguments


def _parameter(tool: Tool, tools: frozenset[str], parameters: frozenset[str]) -> str | None:
    """The tool's first parameter of one of these names, if the tool has one of these names too."""
    properties = tool.schema.get("properties")
    if _plain(tool.name) not in tools or not isinstance(properties, Mapping):
        return None
    return next((str(name) for name in properties if _plain(str(name)) in parameters), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _kinds(schema: Any) -> list[Any]:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return [str(one).lower() for one in (kind if isinstance(kind, list) else [kind])]


def _file_named(text: str) -> str | None:
    """The last path in the text, without the full stop that ends a sentence."""
    paths = _PATH.findall(text)
    return paths[-1].rstrip(".") if paths else None


def sample(schema: Any, depth: int = 0) -> Any:
    """A small value that fits a JSON schema, as far as its types, enums and required parts go.

    What is no schema is treated as one that allows anything: clients send all sorts of things.
    """
    if not isinstance(schema, Mapping):
        schema = {}
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf"):
        options = schema.get(choice)
        if isinstance(options, list) and options:
            return options[0] if choice == "enum" else sample(options[0], depth)
    properties = schema.get("properties")
    kind = schema.get("type", "object" if isinstance(properties, Mapping) else None)
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if isinstance(kind, str):
        kind = kind.lower()  # Gemini's own schemas shout
    if kind == "object" and isinstance(properties, Mapping) and depth < _SCHEMA_DEPTH:
        required = schema.get("required")
        wanted = required if isinstance(required, list) and required else list(properties)[:1]
        return {str(name): sample(properties.get(name), depth + 1) for name in wanted}
    if kind == "array" and schema.get("minItems") and depth < _SCHEMA_DEPTH:
        return [sample(schema.get("items"), depth + 1)]
    plain: Mapping[str, Any] = {
        "object": {},
        "array": [],
        "number": schema.get("minimum", 1.5),
        "integer": schema.get("minimum", 1),
        "boolean": True,
        "null": None,
        "string": "simulated",
    }
    return plain.get(str(kind), {} if depth == 0 else "simulated")
