"""The model list of this format.

Source: the API reference of OpenAI, "Models".
"""

from collections.abc import Sequence

import msgspec

from omniroute.formats.base import ModelEntry


class _Model(msgspec.Struct):
    id: str
    owned_by: str
    created: int
    object: str = "model"


class _ModelList(msgspec.Struct):
    data: list[_Model]
    object: str = "list"


def _shown(entry: ModelEntry) -> _Model:
    return _Model(entry.id, entry.owned_by, entry.created)


def model_list(entries: Sequence[ModelEntry]) -> bytes:
    """The answer of GET /v1/models."""
    return msgspec.json.encode(_ModelList([_shown(entry) for entry in entries]))


def model_entry(entry: ModelEntry) -> bytes:
    """The answer of GET /v1/models/{id}."""
    return msgspec.json.encode(_shown(entry))
