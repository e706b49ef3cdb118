"""Write the reference page of the management API, from the declarations themselves.

`python -m omniroute.control.api.reference > docs/api.md`; a test fails when the page in the tree is
not what this prints.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from omniroute.control.api.declare import Route, Upload
from omniroute.control.app import API
from omniroute.control.policy import Policy

_INTRO: Final = """\
# Management API

Made from the declarations in `omniroute/control/api/`, by
`python -m omniroute.control.api.reference`; do not edit. The running gateway gives the same as an
OpenAPI 3.1 document at `/api/openapi.json`.

It answers on the dashboard's port, and under the same paths on the gateway's. Bodies are JSON;
times are Unix milliseconds; money is in micro-USD integers (`*_microusd`).

- **Who may call.** A signed-in browser session (the cookie, and on unsafe methods its CSRF token in
  `X-CSRF-Token`), the token in `admin.token` of the data directory, or an admin key, both as
  `Authorization: Bearer …`. An admin key needs the scope in the table: `read`, `write`, `keys`,
  `backup`; `admin` is all of them. *open* needs nothing.
- **Errors** are `{"error": {"type", "message", "details": [{"field", "message"}]}}`. Unknown fields
  and parameters are refused by name (422).
- **Editing.** What can be edited has an `ETag`; with `If-Match` a change is made only to that
  version (412 otherwise). What the configuration file declares is shown and cannot be edited (409).
- **Every change** leaves a record in the audit log, without secrets. Where that could not be
  written, the answer has `X-OmniRoute-Audit: missing`; the change is made all the same.
- **Secrets** go to another address, proxy or header only if they are in the same request, or with
  the scope `admin` (403 otherwise).
"""


def render(routes: Sequence[Route] = API) -> str:
    """The page as Markdown, ending in a newline."""
    ordered = sorted(routes, key=lambda route: (route.area, route.path, route.method))
    parts = [_INTRO]
    for area, members in groupby(ordered, key=lambda route: route.area):
        parts.append(f"## {area}\n")
        parts += map(_section, members)
    parts.append("## Types\n")
    parts += map(_described, *zip(*sorted(_types(ordered).items()), strict=True))
    return "\n".join(parts)


def _types(routes: Sequence[Route]) -> dict[str, dict[str, Any]]:
    """Every struct that goes in or out, by its name."""
    inputs = [route.input for route in routes if isinstance(route.input, type)]
    outputs = [route.output for route in routes if route.output is not None]
    _, components = msgspec.json.schema_components([*inputs, *outputs])
    return components


def _described(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", ""]
    if "description" in schema:
        lines += [schema["description"], ""]
    if "properties" in schema:
        lines += ["| field | type |", "|---|---|", *_rows(schema)]
    else:
        lines.append(_type(schema))
    return "\n".join(lines) + "\n"


def _section(route: Route) -> str:
    lines = [f"### `{route.method} {route.path}`", "", route.summary]
    if route.description:
        lines += ["", route.description]
    scope = "*open*" if route.policy is Policy.OPEN else f"`{route.policy.value}`"
    lines += ["", f"Scope: {scope}. {_answer(route)}"]
    if route.query is not None:
        lines += ["", "| parameter | type |", "|---|---|", *_fields(route.query)]
    if route.headers:
        names = ", ".join(f"`{name}`" for name in route.headers)
        lines += ["", f"Reads {names} (optional; percent-encoded UTF-8)."]
    if isinstance(route.input, Upload):
        types = " or ".join(f"`{media}`" for media in route.input.media_types)
        lines += ["", f"Body: {types}, up to {route.input.limit_bytes >> 20} MiB."]
    elif route.input is not None:
        lines += ["", "| field | type |", "|---|---|", *_fields(route.input)]
    return "\n".join(lines) + "\n"


def _answer(route: Route) -> str:
    if route.output is None and route.produces == "application/json":
        return f"Answers {route.success} without content."
    if route.output is None:
        return f"Answers {route.success} with `{route.produces}`."
    return f"Answers {route.success} with {_type(msgspec.json.schema(route.output))}."


def _fields(struct: type[msgspec.Struct]) -> list[str]:
    (reference,), components = msgspec.json.schema_components([struct])
    return _rows(components[reference["$ref"].rpartition("/")[2]])


def _rows(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    return [
        f"| `{name}`{'' if name in required else ' (optional)'} | {_type(described)} |"
        for name, described in schema["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower().replace('.', '')})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(kind)


if __name__ == "__main__":
    sys.stdout.write(render())
