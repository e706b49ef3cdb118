"""What is asked of a gateway, and what went wrong, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote


class GatewayError(Exception):
    """What went wrong, for a person; the message may have several lines."""


@dataclass(frozen=True)
class Request:
    """One request. `body` is JSON, or a file that is sent as it is."""

    method: str
    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any] | Path | None = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def path_of(template: str, values: Mapping[str, str]) -> str:
    """`/api/combos/{id}` with every value as one segment."""
    filled = template
    for name, value in values.items():
        filled = filled.replace(f"{{{name}}}", quote(value, safe=""))
    return filled
