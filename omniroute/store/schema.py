"""The tables, as SQLAlchemy Core sees them. Changing one needs a migration, see `migrations`.

`requests` has one column for each field of `Record`, in the order of the fields, and those of its
usage in the place of `usage`; a test holds the two together. `tried` is JSON. The last column,
`slice_id`, names the row of `slices` that holds the values by which people filter and sum: one
index over it and the time finds the latest requests for any of them and all their combinations.
`requests_failed` is an index over failures alone that holds what they are searched by.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from omniroute.record import Record, Tried
from omniroute.usage import Usage

metadata = MetaData()

FAILED = "(status >= 400 OR error <> '')"
"""Which requests are in the index of failures; a query that says the same words can use it."""

requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("worker", BigInteger, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("client_format", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("requested_model", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("stream", BigInteger, nullable=False),
    Column("status", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("connect_us", BigInteger, nullable=False),
    Column("first_byte_us", BigInteger, nullable=False),
    Column("total_us", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("usage_source", Text, nullable=False),
    Column("cost_microusd", BigInteger, nullable=False),
    Column("tier", Text, nullable=False, server_default=""),
    Column("combo", Text, nullable=False, server_default=""),
    Column("cache", Text, nullable=False, server_default=""),
    Column("session", Text, nullable=False, server_default=""),
    Column("queue_us", BigInteger, nullable=False, server_default="0"),
    Column("beyond_microusd", BigInteger, nullable=False, server_default="0"),
    Column("tried", Text, nullable=False, server_default="[]"),  # JSON
    Column("guard", Text, nullable=False, server_default=""),
    Column("slice_id", BigInteger, nullable=False, server_default="0"),
    Index("requests_by_time", "started_ms"),
    Index("requests_by_slice", "slice_id", "started_ms"),
    Index(
        "requests_failed",
        "started_ms",
        "slice_id",
        "status",
        "error",
        sqlite_where=text(FAILED.strip("()")),
    ),
)

slices = Table(
    "slices",
    metadata,
    Column("id", Integer, primary_key=True, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("combo", Text, nullable=False),
    Column("status_class", BigInteger, nullable=False),  # the status by hundreds
    Column("cache", Text, nullable=False),
    UniqueConstraint("key_id", "provider", "connection", "model", "combo", "status_class", "cache"),
)

DIMENSIONS = tuple(column.name for column in slices.columns)[1:]

SUMS = (
    "requests",
    "errors",
    "cancelled",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_microusd",
    "total_us",
    "first_byte_us",
    "overhead_us",
)
MAXIMA = ("cost_max_microusd", "total_max_us")
MINIMA = ("cost_min_microusd",)
HISTOGRAMS = ("total_histogram", "first_byte_histogram", "overhead_histogram")


def _rollup(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("from_ms", BigInteger, primary_key=True, nullable=False),
        Column("slice_id", BigInteger, primary_key=True, nullable=False),
        *(Column(column, BigInteger, nullable=False) for column in (*SUMS, *MAXIMA, *MINIMA)),
        *(Column(column, LargeBinary, nullable=False) for column in HISTOGRAMS),
        sqlite_with_rowid=False,
    )


rollup_hours = _rollup("rollup_hours")
rollup_days = _rollup("rollup_days")

bodies = Table(
    "bodies",
    metadata,
    Column("request_id", Text, primary_key=True, nullable=False),
    Column("attempt", BigInteger, primary_key=True, nullable=False),
    Column("side", Text, primary_key=True, nullable=False),
    Column("direction", Text, primary_key=True, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("bodies_by_time", "at_ms"),
)

proxy_log = Table(
    "proxy_log",
    metadata,
    Column("id", Integer, primary_key=True, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("proxy", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("took_us", BigInteger, nullable=False),
    Index("proxy_log_by_time", "at_ms"),
)

entities = Table(
    "entities",
    metadata,
    Column("kind", Text, primary_key=True, nullable=False),
    Column("id", Text, primary_key=True, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("version", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("before", Text, nullable=False),  # JSON, or ""
    Column("after", Text, nullable=False),  # JSON, or ""
    Column("address", Text, nullable=False),
    Index("audit_by_time", "at_ms"),
)

admin_keys = Table(
    "admin_keys",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),  # separated by blanks
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=True),
    Column("revoked_ms", BigInteger, nullable=True),
    Column("last_used_ms", BigInteger, nullable=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True, nullable=False),
    Column("signed_in_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=True, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
    Column("settings", Text, nullable=False, server_default="{}"),  # JSON
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("previous_digest", LargeBinary, nullable=True),
    Column("previous_until_ms", BigInteger, nullable=True),
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
)

COLUMNS = tuple(column.name for column in requests.columns)
_USAGE_AT = Record.__struct_fields__.index("usage")
_TRIED_AT = Record.__struct_fields__.index("tried")
_encoder = msgspec.json.Encoder()
_tried = msgspec.json.Decoder(tuple[Tried, ...])


def row_of(record: Record, slice_id: int) -> tuple[Any, ...]:
    """A record as the row of `requests`, whose columns have the order of the fields."""
    fields = astuple(record)
    tried = _encoder.encode(record.tried).decode() if record.tried else "[]"
    return (
        *fields[:_USAGE_AT],
        *astuple(record.usage),
        *fields[_USAGE_AT + 1 : _TRIED_AT],
        tried,
        *fields[_TRIED_AT + 1 :],
        slice_id,
    )


# OR IGNORE makes the drain idempotent: what was inserted before a crash is not inserted again.
INSERT_REQUEST = (
    f"INSERT OR IGNORE INTO requests ({', '.join(COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(COLUMNS))})"
)


def record_of(row: Mapping[Any, Any]) -> Record:
    """The record of a row."""
    fields: dict[str, Any] = dict(row)
    del fields["slice_id"]
    usage = Usage(**{name: fields.pop(name) for name in Usage.__struct_fields__})
    tried = _tried.decode(fields.pop("tried"))
    return Record(usage=usage, stream=bool(fields.pop("stream")), tried=tried, **fields)
