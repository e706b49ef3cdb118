"""The tables, as SQLAlchemy Core sees them. Changing one needs a migration, see `migrations`.

`requests` has one column for each field of `Record`, in the order of the fields, and those of its
usage in the place of `usage`; a test holds the two together. `tried`, the last, is JSON.
Each index but the first serves "the latest requests of this key / provider / model / status".
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

from omniroute.record import Record, Tried
from omniroute.usage import Usage

metadata = MetaData()

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
    Index("requests_by_time", "started_ms"),
    Index("requests_by_key", "key_id", "started_ms"),
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
)

_COLUMNS = tuple(column.name for column in requests.columns)
_USAGE_AT = Record.__struct_fields__.index("usage")
_encoder = msgspec.json.Encoder()
_tried = msgspec.json.Decoder(tuple[Tried, ...])


def row_of(record: Record) -> tuple[Any, ...]:
    """A record as the row of `requests`, whose columns have the order of the fields."""
    fields = astuple(record)
    tried = _encoder.encode(record.tried).decode() if record.tried else "[]"
    return (*fields[:_USAGE_AT], *astuple(record.usage), *fields[_USAGE_AT + 1 : -1], tried)


# OR IGNORE makes the drain idempotent: what was inserted before a crash is not inserted again.
INSERT_REQUEST = (
    f"INSERT OR IGNORE INTO requests ({', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def record_of(row: Mapping[Any, Any]) -> Record:
    """The record of a row."""
    fields: dict[str, Any] = dict(row)
    usage = Usage(**{name: fields.pop(name) for name in Usage.__struct_fields__})
    tried = _tried.decode(fields.pop("tried"))
    return Record(usage=usage, stream=bool(fields.pop("stream")), tried=tried, **fields)
