"""What a client may ask of the history, as query parameters, and the filter that it is.

Several values of one name are alternatives; what is left out is not asked. The names are those of
the answers, so that a value which is seen can be asked for.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from omniroute.store.filters import RequestFilter

_VALUES: Final = 100

Text = Annotated[str, Meta(max_length=400)]
Texts = Annotated[list[Text], Meta(max_length=_VALUES)]
Time = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Amount = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Status = Annotated[int, Meta(ge=0, le=999)]
StatusClass = Annotated[int, Meta(ge=0, le=9)]


class SumsFilter(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What sums can be asked for: times (Unix ms, `until_ms` exclusive) and dimensions."""

    since_ms: Time | None = None
    until_ms: Time | None = None
    key_id: Texts = []
    provider: Texts = []
    connection: Texts = []
    model: Texts = []
    combo: Texts = []
    cache: Texts = []
    status_class: Annotated[list[StatusClass], Meta(max_length=10)] = []
    cached: bool | None = None


class LogFilter(SumsFilter, forbid_unknown_fields=True, kw_only=True):
    """What single requests can be asked for as well. `error_text` is any part of the error."""

    failed: bool | None = None
    status: Annotated[list[Status], Meta(max_length=_VALUES)] = []
    outcome: Annotated[
        list[Literal["ok", "failed", "cancelled", "worker_lost"]], Meta(max_length=4)
    ] = []
    error_text: Annotated[str, Meta(max_length=200)] = ""
    min_cost_microusd: Amount | None = None
    max_cost_microusd: Amount | None = None
    min_total_us: Amount | None = None


def filter_of(query: SumsFilter) -> RequestFilter:
    """The filter of the history, of a query with more in it as well."""
    asked: dict[str, Any] = {}
    for name in RequestFilter.__struct_fields__:
        value = getattr(query, name, None)
        if value is not None:
            asked[name] = tuple(value) if isinstance(value, list) else value
    return RequestFilter(**asked)
