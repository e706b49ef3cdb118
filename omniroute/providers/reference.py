"""Write the reference page of the built-in providers, from the table itself.

`python -m omniroute.providers.reference > docs/reference/providers.md`; a test fails when the page
in the tree is not what this prints.
"""

import sys
from collections.abc import Iterable

from omniroute.providers.registry import QUIRKS, SIGN_INS, ProviderRow, load_registry

_INTRO = """\
# Built-in providers

Made from `omniroute/providers/registry.toml` by `python -m omniroute.providers.reference`; do not
edit.

A model is named `prefix/model`. A row without a note works once a connection gives it an `api_key`
(none is needed where the credential says so). What stands in braces in a root is yours to fill in:
give the provider a `base_url` in `omniroute.toml`. Models that are not listed pass all the same.
"""

_QUIRKS = """\
How a service departs from its format. Those of a built-in provider stand in its note; `quirks` of a
`[[providers]]` entry puts others in their place, such as for a server of your own."""


def render(rows: Iterable[ProviderRow]) -> str:
    """The page as Markdown, ending in a newline."""
    rows = tuple(rows)
    lines = [
        _INTRO,
        f"{len(rows)} providers:",
        "",
        "| provider | prefixes | tier | format | root | credential | models | note |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    lines += [
        "",
        "## Models with known limits",
        "",
        "| model | context | output |",
        "|---|---|---|",
    ]
    for row in rows:
        for model in row.models:
            if model.context_tokens or model.max_output_tokens:
                limits = (model.context_tokens, model.max_output_tokens)
                context, output = (f"{limit:,}" if limit else "" for limit in limits)
                lines.append(f"| `{row.prefixes[-1]}/{model.id}` | {context} | {output} |")
    lines += ["", "## Quirks", "", _QUIRKS, ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in QUIRKS.items()]
    return "\n".join(lines) + "\n"


def _cells(row: ProviderRow) -> list[str]:
    name = f"[{row.name}]({row.website})" if row.website else row.name
    root = f"`{row.base_url}`" if row.base_url else ""
    credential = f"`{row.auth_header}: {row.auth_value}`" if row.auth_header else "none"
    notes = []
    if row.format == "other":
        notes.append("its chat call has a shape of its own, not supported")
    if row.sign_in:
        notes.append(f"{SIGN_INS[row.sign_in]} (not built yet; a token works as `api_key`)")
    if row.needs:
        notes.append(f"needs {row.needs}")
    notes += [f"`{quirk}`" for quirk in row.quirks]
    prefixes = ", ".join(f"`{prefix}/`" for prefix in row.prefixes)
    count = str(len(row.models)) if row.models else ""
    return [name, prefixes, row.tier, row.format, root, credential, count, "; ".join(notes)]


if __name__ == "__main__":
    sys.stdout.write(render(load_registry()))
